//! Whatever passes: what is kept knows nothing of it, nodes agree on it, and links stand between those online.

use std::collections::BTreeSet;

use super::*;

fn any_passing() -> impl Strategy<Value = (Option<u32>, Passing)> {
    let user = || (0..5u32).prop_map(AccountId);
    let session = || (0..3u64).prop_map(session);
    let link = || 1..8u64;
    let take_over = prop_oneof![
        3 => Just(TakeOver::Never),
        1 => Just(TakeOver::Always),
        1 => session().prop_map(TakeOver::Session),
    ];
    let request = prop_oneof![Just(LinkRequest::Private), Just(file())];
    let passing = prop_oneof![
        6 => (user(), session(), any::<bool>(), 0..2u16, take_over).prop_map(
            |(account, session, is_old, udp_port, take_over)| Passing::LogIn {
                account, session, checked: Box::new(if is_old { other_hash() } else { hash() }),
                address: address(), udp_port, take_over }),
        2 => session().prop_map(|session| Passing::LogOut { session }),
        1 => Just(Passing::Broadcast { text: text("x") }),
        6 => (session(), user(), request).prop_map(
            |(session, user, request)| Passing::AskLink { session, user, request, token: TOKEN }),
        4 => (link(), any::<bool>()).prop_map(|(link, yes)| Passing::AnswerLink { link, yes }),
        4 => (link(), 0..2u16).prop_map(|(link, port)| Passing::LinkListening { link, port }),
        4 => link().prop_map(|link| Passing::LinkReached { link }),
        2 => (link(), any::<bool>()).prop_map(|(link, stopped)| Passing::EndLink { link, stopped }),
    ];
    (proptest::option::weighted(0.9, 0..4u32), passing)
}

fn any_entry() -> impl Strategy<Value = (Option<u32>, Option<Keyed>, Change)> {
    prop_oneof![
        (any_change(), any_key()).prop_map(|((actor, change), key)| (actor, key, change)),
        any_passing().prop_map(|(actor, passing)| (actor, None, passing.into())),
    ]
}

/// Applies an entry, and at each tenth of them what is due first.
fn apply_with_expiries(
    table: &mut Table,
    actor: Option<u32>,
    key: Option<Keyed>,
    change: Change,
) -> Result<Effect, Refused> {
    let due = table.first_due().filter(|_| table.log.len().is_multiple_of(10));
    if let Some((link, due_ms)) = due {
        table.pass(None, Passing::ExpireLink { link, due_ms }).unwrap();
    }
    table.apply_keyed(actor, key, change)
}

/// Everybody who is told something of a link by this effect.
fn told(effect: &Effect) -> BTreeSet<AccountId> {
    let steps = match effect {
        Effect::Link(step) => std::slice::from_ref(step),
        Effect::LoggedOut(departure) | Effect::LoggedIn { took_over: Some(departure), .. } => {
            &departure.links
        }
        _ => &[],
    };
    steps.iter().flat_map(|step| &step.told).map(|(account, _)| *account).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_kept_entries_alone_give_the_same_kept_state(entries in proptest::collection::vec(any_entry(), 0..200)) {
        let mut table = Table::with_users(4);
        for (actor, key, change) in entries {
            let _ = apply_with_expiries(&mut table, actor, key, change);
        }
        let mut replayed = Forum::default();
        for entry in table.log.iter().filter(|entry| entry.change.is_kept()) {
            let _ = replayed.apply(entry);
        }
        prop_assert_eq!(replayed.state_hash(), table.forum.state_hash());
        prop_assert!(replayed.online.is_empty() && replayed.links.is_empty());
    }

    #[test]
    fn nodes_that_apply_the_same_log_agree_on_what_passes(entries in proptest::collection::vec(any_entry(), 0..200)) {
        let mut table = Table::with_users(4);
        let mut other = Forum::default();
        for entry in &table.log {
            other.apply(entry).unwrap();
        }
        for (actor, key, change) in entries {
            let before = table.log.len();
            let result = apply_with_expiries(&mut table, actor, key, change);
            let mut bytes = Vec::new();
            for entry in &table.log[before..] {
                bytes.clear();
                entry.encode(&mut bytes);
                let decoded = Entry::decode(&bytes).unwrap();
                prop_assert_eq!(&decoded, entry);
                let theirs = other.apply(&decoded);
                if entry == table.log.last().unwrap() {
                    prop_assert_eq!(&theirs, &result);
                }
            }
        }
        prop_assert!(other.online.iter().eq(table.forum.online.iter()));
        prop_assert!(other.links.deadlines().eq(table.forum.links.deadlines()));
    }

    #[test]
    fn a_refused_passing_change_changes_nothing_and_the_check_says_so_before(
        entries in proptest::collection::vec(any_entry(), 0..100),
    ) {
        let mut table = Table::with_users(4);
        for (actor, key, change) in entries {
            let checked = table.forum.check(actor.map(AccountId), &change);
            let (is_kept, before) = (change.is_kept(), table.passing());
            let result = table.apply_keyed(actor, key, change);
            if result.is_err() || is_kept {
                prop_assert_eq!(before, table.passing());
            }
            if !is_kept {
                prop_assert_eq!(checked, result.map(|_| ()));
            }
        }
    }

    #[test]
    fn links_stand_only_between_users_who_are_online_and_only_those_are_told(
        entries in proptest::collection::vec(any_entry(), 0..200),
    ) {
        let mut table = Table::with_users(4);
        for (actor, key, change) in entries {
            let result = apply_with_expiries(&mut table, actor, key, change);
            let Ok(effect) = &result else { continue };
            prop_assert!(told(effect).iter().all(|account| table.forum.online.find(*account).is_some()));
            for id in 1..=10 {
                for (user, other) in (0..5).flat_map(|user| (0..5).map(move |other| (AccountId(user), AccountId(other)))) {
                    if let Some(link) = table.forum.links.of_end(id, user) && link.other(user) == other {
                        prop_assert!(table.forum.online.find(user).is_some());
                        prop_assert!(table.forum.online.find(other).is_some());
                    }
                }
            }
        }
    }
}
