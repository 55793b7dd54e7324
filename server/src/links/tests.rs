//! The table of links by itself: who may move a link from which stage to which, and that nothing is left of
//! those that are gone.

use proptest::prelude::*;

use super::*;

const YODA: AccountId = AccountId(1);
const HANS: AccountId = AccountId(2);
const LEIA: AccountId = AccountId(3);
const TOKEN: Token = [7; 16];

fn asked(purpose: Purpose) -> (Links, LinkId, Instant) {
    let (mut links, now) = (Links::default(), Instant::now());
    let id = links.ask(purpose, YODA, HANS, now);
    (links, id, now)
}

/// A link whose ends look for each other.
fn trying(purpose: Purpose) -> (Links, LinkId, Instant) {
    let (mut links, id, now) = asked(purpose);
    links.accept(id, HANS, TOKEN, now).unwrap();
    links.introduce(id, now);
    (links, id, now)
}

fn expect_gone(links: &Links) {
    assert!(links.is_empty() && links.by_end.is_empty() && links.deadlines.is_empty(), "{links:?}");
}

#[test]
fn only_the_one_who_was_asked_answers_and_only_once() {
    let (mut links, id, now) = asked(Purpose::Private);
    for stranger in [YODA, LEIA] {
        assert_eq!(links.accept(id, stranger, TOKEN, now), None);
        assert_eq!(links.decline(id, stranger), None);
    }
    assert!(links.accept(id, HANS, TOKEN, now).is_some());
    assert_eq!(links.accept(id, HANS, TOKEN, now), None);
    assert_eq!(links.decline(id, HANS), None, "too late");
}

#[test]
fn a_no_leaves_nothing() {
    let (mut links, id, _) = asked(Purpose::File);
    assert!(links.decline(id, HANS).is_some());
    expect_gone(&links);
}

#[test]
fn ids_count_up_from_one_and_never_come_again() {
    let (mut links, first, now) = asked(Purpose::File);
    links.decline(first, HANS);
    let (second, third) = (links.new_id(), links.ask(Purpose::File, HANS, YODA, now));
    assert_eq!([first, second, third], [1, 2, 3]);
}

#[test]
fn the_answerer_prepares_a_conversation_and_the_sender_a_file_once() {
    for (purpose, preparing, waiting) in [(Purpose::Private, HANS, YODA), (Purpose::File, YODA, HANS)] {
        let (mut links, id, now) = asked(purpose);
        assert!([YODA, HANS].iter().all(|end| links.prepared(id, *end).is_none()), "not before the yes");
        links.accept(id, HANS, TOKEN, now).unwrap();
        assert_eq!(links.prepared(id, waiting), None);
        assert_eq!(links.prepared(id, preparing).unwrap().1, TOKEN);
        links.introduce(id, now);
        assert_eq!(links.prepared(id, preparing), None);
    }
}

#[test]
fn a_link_is_direct_when_both_ends_are_up_and_not_before() {
    let (mut links, id, now) = trying(Purpose::Private);
    assert_eq!(links.up(id, HANS), None);
    assert_eq!(links.up(id, HANS), None, "one end twice is not both");
    assert_eq!(links.up(id, LEIA), None);
    assert_eq!(links.up(id, YODA).unwrap().stage, Stage::Direct);
    assert_eq!(links.up(id, YODA), None);
    assert_eq!(links.relay(id), None);
    assert_eq!((links.next_due(), links.overdue(now + MEETING_MAX)), (None, None));
}

#[test]
fn nobody_is_up_before_the_introduction() {
    let (mut links, id, now) = asked(Purpose::File);
    links.accept(id, HANS, TOKEN, now).unwrap();
    assert!([YODA, HANS].iter().all(|end| links.up(id, *end).is_none()));
    assert!(matches!(links.of_end(id, YODA).unwrap().stage, Stage::Preparing { .. }));
}

#[test]
fn a_question_is_due_after_its_time_and_an_answered_one_never() {
    let (mut links, id, now) = asked(Purpose::File);
    assert_eq!(links.next_due(), Some(now + QUESTION_OPEN));
    assert_eq!(links.overdue(now + QUESTION_OPEN - Duration::from_nanos(1)), None);
    assert_eq!(links.overdue(now + QUESTION_OPEN).unwrap().0, id);
    links.accept(id, HANS, TOKEN, now).unwrap();
    assert_eq!(links.next_due(), None, "a file may take its time to be prepared");
}

#[test]
fn a_conversation_has_its_time_from_the_yes_and_a_file_from_the_introduction() {
    for (purpose, due_after) in [(Purpose::Private, MEETING_MAX), (Purpose::File, 5 * MEETING_MAX)] {
        let (mut links, id, now) = asked(purpose);
        links.accept(id, HANS, TOKEN, now).unwrap();
        links.introduce(id, now + 4 * MEETING_MAX);
        assert_eq!(links.next_due(), Some(now + due_after));
        assert_eq!(links.up(id, YODA), None);
        assert_eq!(links.next_due(), Some(now + due_after), "one end's luck changes nothing");
        assert_eq!(links.relay(id).unwrap().stage, Stage::Relayed { ended: None });
        assert_eq!(links.next_due(), None);
        assert_eq!(links.up(id, HANS), None, "too late");
    }
}

#[test]
fn a_relayed_file_is_gone_when_both_ends_have_done_with_it() {
    let (mut links, id, _) = trying(Purpose::File);
    links.relay(id).unwrap();
    assert_eq!(links.end(id, LEIA), None);
    assert!(links.end(id, HANS).is_some());
    assert_eq!(links.end(id, HANS), None);
    assert_eq!(links.of_end(id, YODA).unwrap().stage, Stage::Relayed { ended: Some(HANS) });
    assert_eq!(links.end(id, YODA).unwrap().stage, Stage::Relayed { ended: Some(HANS) });
    expect_gone(&links);
}

#[test]
fn every_other_link_is_gone_when_one_end_has_done_with_it() {
    for end in [YODA, HANS] {
        let (mut links, id, _) = asked(Purpose::Private);
        assert!(links.end(id, end).is_some());
        expect_gone(&links);
        for purpose in [Purpose::Private, Purpose::File] {
            let (mut links, id, _) = trying(purpose);
            assert!(links.end(id, end).is_some());
            expect_gone(&links);
            let (mut links, id, _) = trying(purpose);
            links.up(id, YODA);
            links.up(id, HANS).unwrap();
            assert_eq!(links.end(id, end).unwrap().stage, Stage::Direct);
            expect_gone(&links);
        }
        let (mut links, id, _) = trying(Purpose::Private);
        links.relay(id).unwrap();
        assert!(links.end(id, end).is_some());
        expect_gone(&links);
    }
}

#[test]
fn who_leaves_takes_its_links_along_and_no_others() {
    let (mut links, first, now) = asked(Purpose::Private);
    let second = links.ask(Purpose::File, LEIA, YODA, now);
    let third = links.ask(Purpose::File, LEIA, HANS, now);
    let gone: Vec<_> = links.remove_all_of(YODA).into_iter().map(|(id, _)| id).collect();
    assert_eq!(gone, [first, second]);
    assert_eq!(links.len(), 1);
    links.remove(third);
    expect_gone(&links);
}

#[test]
fn there_is_a_private_link_between_two_whoever_asked() {
    let (mut links, id, now) = asked(Purpose::Private);
    links.ask(Purpose::File, LEIA, YODA, now);
    assert_eq!(links.private_between(YODA, HANS).unwrap().0, id);
    assert_eq!(links.private_between(HANS, YODA).unwrap().0, id);
    assert_eq!(links.private_between(LEIA, YODA), None);
}

#[test]
fn questions_of_others_use_up_nothing_but_what_may_be_asked() {
    let (mut links, now) = (Links::default(), Instant::now());
    for number in 0..QUESTIONS_TO_A_USER_MAX as u32 {
        assert_eq!(links.check_room(AccountId(100 + number), YODA), Ok(()));
        links.ask(Purpose::File, AccountId(100 + number), YODA, now);
    }
    assert_eq!(links.check_room(HANS, YODA), Err(Full::QuestionsToAsked));
    assert_eq!(links.check_room(YODA, HANS), Ok(()));
    for number in 0..LINKS_OF_A_USER_MAX as u64 {
        assert_eq!(links.check_room(YODA, HANS), Ok(()));
        links.accept(number + 1, YODA, TOKEN, now).unwrap();
    }
    assert_eq!(links.check_room(YODA, HANS), Err(Full::LinksOfAsker));
    links.remove(7);
    assert_eq!(links.check_room(YODA, HANS), Ok(()));
}

#[test]
fn one_user_asks_another_few_things_at_once_and_answers_make_room() {
    let (mut links, now) = (Links::default(), Instant::now());
    for number in 0..QUESTIONS_OF_A_PAIR_MAX {
        assert_eq!(links.check_room(YODA, HANS), Ok(()), "{number}");
        let purpose = if number == 0 { Purpose::Private } else { Purpose::File };
        links.ask(purpose, YODA, HANS, now);
    }
    assert_eq!(links.check_room(YODA, HANS), Err(Full::QuestionsOfPair));
    for (asker, asked) in [(YODA, LEIA), (LEIA, HANS), (HANS, YODA)] {
        assert_eq!(links.check_room(asker, asked), Ok(()));
    }
    links.accept(1, HANS, TOKEN, now).unwrap();
    assert_eq!(links.check_room(YODA, HANS), Ok(()));
}

proptest! {
    #[test]
    fn whatever_users_do_the_tables_agree_and_time_passes_for_all_that_wait(
        steps in proptest::collection::vec((0..8u8, 1..6u64, 0..4u32, 0..4u32, any::<bool>()), 0..200),
    ) {
        let (mut links, mut now) = (Links::default(), Instant::now());
        for (step, id, end, other, flag) in steps {
            let (end, other) = (AccountId(end), AccountId(other));
            match step {
                0 if end != other => {
                    let purpose = if flag { Purpose::Private } else { Purpose::File };
                    links.ask(purpose, end, other, now);
                }
                1 => drop(links.accept(id, end, TOKEN, now)),
                2 => drop(links.decline(id, end)),
                3 if links.prepared(id, end).is_some() => links.introduce(id, now),
                4 => drop(links.up(id, end)),
                5 => drop(links.end(id, end)),
                6 => drop(links.remove_all_of(end)),
                _ => now += Duration::from_secs(1),
            }
            while let Some((id, link)) = links.overdue(now) {
                let done = if link.is_question() { links.remove(id) } else { links.relay(id) };
                prop_assert!(done.is_some());
            }
            prop_assert_eq!(links.by_end.len(), 2 * links.len());
            let waiting: BTreeSet<_> =
                links.links.iter().filter_map(|(id, link)| Some((link.stage.due()?, *id))).collect();
            prop_assert_eq!(&links.deadlines, &waiting);
            prop_assert!(links.next_due().is_none_or(|due| due > now));
        }
    }
}
