//! Links: who may ask whom, what each step comes to, and who is told what.

use core::net::SocketAddr;

use super::*;

#[test]
fn who_is_asked_must_be_somebody_else_who_listens_and_is_online() {
    let mut table = Table::with_online(3);
    for (request, purpose) in [(LinkRequest::Private, Purpose::Private), (file(), Purpose::File)] {
        let ask = |user| ask(YODA, user, request.clone());
        assert_eq!(table.by(YODA, ask(YODA)), Err(Refused::NotToSelf(purpose)));
        assert_eq!(table.by(YODA, ask(AccountId(9))), Err(Refused::NoSuchAccount));
        table.apply(Some(1), Change::Block { user: YODA }).unwrap();
        assert_eq!(table.by(YODA, ask(HANS)), Err(Refused::BlockedByUser));
        table.departure(HANS, 1);
        assert_eq!(table.by(YODA, ask(HANS)), Err(Refused::BlockedByUser), "before it says who is there");
        table.apply(Some(1), Change::Unblock { user: YODA }).unwrap();
        let name = UserName::parse("user1").unwrap();
        assert_eq!(table.by(YODA, ask(HANS)), Err(Refused::Offline(name, purpose)));
        table.pass(None, log_in(HANS, 1)).unwrap();
        assert!(table.by(YODA, ask(HANS)).is_ok());
    }
    let of_old_session = Passing::AskLink { session: session(9), user: LEIA, request: file(), token: TOKEN };
    assert_eq!(table.by(YODA, of_old_session), Err(Refused::NotLoggedIn));
}

#[test]
fn one_question_is_enough_and_asking_back_is_a_yes() {
    let mut table = Table::with_online(2);
    let first = table.step(YODA, ask(YODA, HANS, LinkRequest::Private));
    assert_eq!((first.progress, &first.told[..]), (LinkProgress::Asked, &[(HANS, LinkNews::Question)][..]));
    let again = table.step(YODA, ask(YODA, HANS, LinkRequest::Private));
    assert_eq!((again.id, again.progress, again.told.len()), (first.id, LinkProgress::Asked, 0));
    let back = table.step(HANS, ask(HANS, YODA, LinkRequest::Private));
    assert_eq!((back.id, back.progress), (first.id, LinkProgress::Agreed));
    let prepare = LinkNews::Prepare { token: TOKEN };
    assert_eq!(back.told, [(HANS, LinkNews::Withdrawn), (HANS, prepare)]);
    let already = |name| Err(Refused::AlreadyPrivate(UserName::parse(name).unwrap()));
    assert_eq!(table.by(YODA, ask(YODA, HANS, LinkRequest::Private)), already("user1"));
    assert_eq!(table.by(HANS, ask(HANS, YODA, LinkRequest::Private)), already("user0"));
    // Files are each asked for.
    assert_ne!(table.step(YODA, ask(YODA, HANS, file())).id, table.step(YODA, ask(YODA, HANS, file())).id);
}

#[test]
fn nobody_is_asked_more_than_the_limits_allow() {
    let mut table = Table::with_online(2);
    for _ in 0..QUESTIONS_OF_A_PAIR_MAX {
        table.step(YODA, ask(YODA, HANS, file()));
    }
    let full = Err(Refused::TooManyLinks(Full::QuestionsOfPair));
    assert_eq!(table.by(YODA, ask(YODA, HANS, LinkRequest::Private)), full);
    table.step(HANS, ask(HANS, YODA, LinkRequest::Private));
    let back = table.step(YODA, ask(YODA, HANS, LinkRequest::Private));
    assert_eq!(back.progress, LinkProgress::Agreed, "a yes is no question");
}

#[test]
fn a_no_reaches_the_asker_however_it_is_said() {
    let mut table = Table::with_online(2);
    let id = table.step(YODA, ask(YODA, HANS, file())).id;
    let no = table.step(HANS, Passing::AnswerLink { link: id, yes: false });
    assert_eq!((no.progress, &no.told[..]), (LinkProgress::NotAgreed, &[(YODA, LinkNews::Declined)][..]));
    let id = table.step(YODA, ask(YODA, HANS, file())).id;
    let ended = table.step(HANS, Passing::EndLink { link: id, stopped: true });
    assert_eq!(ended.told, [(YODA, LinkNews::Declined)]);
    let id = table.step(YODA, ask(YODA, HANS, file())).id;
    let withdrawn = table.step(YODA, Passing::EndLink { link: id, stopped: true });
    assert_eq!(withdrawn.told, [(HANS, LinkNews::Withdrawn)]);
    assert!(table.forum.links.is_empty());
}

#[test]
fn ends_that_can_meet_are_introduced_and_told_once_both_have_heard_each_other() {
    for (request, preparing, waiting) in [(LinkRequest::Private, HANS, YODA), (file(), YODA, HANS)] {
        let mut table = Table::with_online(2);
        let (link, end) = table.agreed(request.clone());
        assert_eq!(end, preparing);
        let listening = Passing::LinkListening { link, port: 4_000 };
        assert_eq!(table.by(waiting, listening.clone()), Err(Refused::NoSuchStep));
        let met = table.step(preparing, listening.clone());
        let introduction =
            |port| LinkNews::Introduction { token: TOKEN, address: Some(SocketAddr::new(address(), port)) };
        let mut told = vec![(waiting, introduction(4_000))];
        if request != LinkRequest::Private {
            told.push((preparing, introduction(UDP_PORT)));
        }
        assert_eq!((met.progress, met.told), (LinkProgress::Trying, told));
        assert_eq!(table.by(preparing, listening), Err(Refused::NoSuchStep), "once");
        assert_eq!(table.step(waiting, Passing::LinkReached { link }).told, []);
        let stands = table.step(preparing, Passing::LinkReached { link });
        let news = LinkNews::Established { relayed: false };
        assert_eq!(
            (stands.progress, &stands.told[..]),
            (LinkProgress::Direct, &[(HANS, news), (YODA, news)][..])
        );
    }
}

#[test]
fn ends_that_cannot_meet_go_through_the_server() {
    let news = LinkNews::Established { relayed: true };
    let nowhere = LinkNews::Introduction { token: TOKEN, address: None };
    let (no_port, loopback): (_, IpAddr) = (0, "::1".parse().unwrap());
    for (request, told) in [
        (LinkRequest::Private, vec![(YODA, nowhere), (HANS, news), (YODA, news)]),
        (file(), vec![(HANS, nowhere), (YODA, nowhere), (HANS, news), (YODA, news)]),
    ] {
        for (from, port) in [(address(), no_port), (loopback, 4_000)] {
            let mut table = Table::with_users(2);
            table.pass(None, log_in(YODA, 0)).unwrap();
            table.pass(None, log_in_from(HANS, 1, from, TakeOver::Never)).unwrap();
            let (link, end) = table.agreed(request.clone());
            let step = table.step(end, Passing::LinkListening { link, port });
            assert_eq!((step.progress, &step.told), (LinkProgress::Relayed, &told));
        }
    }
}

#[test]
fn what_is_due_expires_once_and_an_expiry_that_comes_too_late_changes_nothing() {
    let mut table = Table::with_online(2);
    let ask_private = || ask(YODA, HANS, LinkRequest::Private);
    let link = table.step(YODA, ask_private()).id;
    let (_, due_ms) = table.first_due().unwrap();
    assert_eq!(due_ms, table.log.last().unwrap().at_ms + QUESTION_OPEN_MS);
    let expiry = Passing::ExpireLink { link, due_ms };
    let Ok(Effect::Link(over)) = table.pass(None, expiry.clone()) else { panic!("it is due") };
    assert_eq!(over.told, [(YODA, LinkNews::Declined), (HANS, LinkNews::Withdrawn)]);
    assert_eq!(table.pass(None, expiry), Err(Refused::NoSuchStep));

    let link = table.step(YODA, ask_private()).id;
    let (_, due_ms) = table.first_due().unwrap();
    table.yes(HANS, link);
    assert_eq!(table.pass(None, Passing::ExpireLink { link, due_ms }), Err(Refused::NoSuchStep), "answered");
    let (_, due_ms) = table.first_due().unwrap();
    let Ok(Effect::Link(over)) = table.pass(None, Passing::ExpireLink { link, due_ms }) else {
        panic!("who has not met is helped")
    };
    assert_eq!(over.progress, LinkProgress::Relayed);
    assert_eq!(table.first_due(), None);
}

#[test]
fn who_ends_a_link_is_not_told_and_the_other_end_is_unless_it_knows() {
    let ended = |stopped| LinkNews::Ended { stopped };
    let relayed = |table: &mut Table, request| {
        let (link, end) = table.agreed(request);
        table.step(end, Passing::LinkListening { link, port: 0 });
        link
    };
    let mut table = Table::with_online(2);
    let link = relayed(&mut table, LinkRequest::Private);
    let end = |link, stopped| Passing::EndLink { link, stopped };
    assert_eq!(table.step(HANS, end(link, true)).told, [(YODA, ended(true))]);
    let link = relayed(&mut table, file());
    let half = table.step(HANS, end(link, false));
    assert_eq!((half.progress, &half.told[..]), (LinkProgress::HalfEnded, &[(YODA, ended(false))][..]));
    assert_eq!(table.by(HANS, end(link, false)), Err(Refused::NoSuchStep));
    let whole = table.step(YODA, end(link, false));
    assert_eq!((whole.progress, &whole.told[..]), (LinkProgress::Ended, &[][..]));
    let (link, preparing) = table.agreed(LinkRequest::Private);
    table.step(preparing, Passing::LinkListening { link, port: 1 });
    table.step(YODA, Passing::LinkReached { link });
    table.step(HANS, Passing::LinkReached { link });
    assert_eq!(table.step(YODA, end(link, true)).told, [], "the ends of a direct one tell each other");
    assert!(table.forum.links.is_empty());
}

#[test]
fn a_session_takes_its_links_along_and_their_other_ends_are_told() {
    let mut table = Table::with_online(3);
    let (private, _) = table.agreed(LinkRequest::Private);
    let asked = table.step(YODA, ask(YODA, LEIA, file())).id;
    let asking = table.step(LEIA, ask(LEIA, YODA, file())).id;
    let back = table.step(LEIA, ask(LEIA, YODA, LinkRequest::Private)).id;
    let left = table.departure(YODA, 0).links;
    let told: Vec<_> = left.iter().map(|step| (step.id, step.told[0])).collect();
    let gone = LinkNews::Ended { stopped: false };
    let expected = [
        (private, (HANS, gone)),
        (asked, (LEIA, LinkNews::Withdrawn)),
        (asking, (LEIA, gone)),
        (back, (LEIA, LinkNews::Declined)),
    ];
    assert_eq!(told, expected);
    assert!(table.forum.links.is_empty());
}

#[test]
fn a_question_that_is_open_when_one_end_leaves_was_not_agreed_to() {
    for leaving in [YODA, HANS] {
        let mut table = Table::with_online(2);
        for request in [LinkRequest::Private, file()] {
            table.step(YODA, ask(YODA, HANS, request));
        }
        let links = table.departure(leaving, leaving.0.into()).links;
        assert_eq!(links.iter().map(|step| step.progress).collect::<Vec<_>>(), [LinkProgress::NotAgreed; 2]);
    }
}
