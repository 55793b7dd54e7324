//! The table of links by itself: who may move a link from which stage to which, and that nothing is left of
//! those that are gone.

use proptest::prelude::*;

use super::*;

const YODA: AccountId = AccountId(1);
const HANS: AccountId = AccountId(2);
const LEIA: AccountId = AccountId(3);
const TOKEN: Token = [7; 16];
/// The time at which everything begins.
const NOW_MS: u64 = 1_000_000;
const LATE: Refused = Refused::NoSuchStep;

fn ask(links: &mut Links, purpose: Purpose, asker: AccountId, asked: AccountId) -> LinkId {
    links.ask(purpose, asker, asked, TOKEN, NOW_MS).0
}

fn asked(purpose: Purpose) -> (Links, LinkId) {
    let mut links = Links::default();
    let id = ask(&mut links, purpose, YODA, HANS);
    (links, id)
}

/// A link whose ends look for each other.
fn trying(purpose: Purpose) -> (Links, LinkId) {
    let (mut links, id) = asked(purpose);
    let preparing_end = links.accept(id, HANS, NOW_MS).unwrap().preparing_end();
    links.introduce(id, preparing_end, NOW_MS).unwrap();
    (links, id)
}

fn next_due_ms(links: &Links) -> Option<u64> {
    links.deadlines().next().map(|(_, due_ms)| due_ms)
}

fn expect_gone(links: &Links) {
    assert!(links.is_empty() && links.by_end.is_empty() && links.deadlines.is_empty(), "{links:?}");
}

#[test]
fn only_the_one_who_was_asked_answers_and_only_once() {
    let (mut links, id) = asked(Purpose::Private);
    for stranger in [YODA, LEIA] {
        assert_eq!(links.accept(id, stranger, NOW_MS), Err(LATE));
        assert_eq!(links.open_question(id, stranger), Err(LATE));
    }
    assert!(links.accept(id, HANS, NOW_MS).is_ok());
    assert_eq!(links.accept(id, HANS, NOW_MS), Err(LATE));
    assert_eq!(links.open_question(id, HANS), Err(LATE));
}

#[test]
fn the_oldest_question_to_a_user_is_the_first_of_those_that_it_has_not_answered() {
    let mut links = Links::default();
    let of_hans = ask(&mut links, Purpose::Private, HANS, LEIA);
    let of_yoda = ask(&mut links, Purpose::Private, YODA, HANS);
    let of_leia = ask(&mut links, Purpose::File, LEIA, HANS);
    assert!(!links.is_empty());
    assert_eq!(
        [YODA, HANS, LEIA].map(|user| links.oldest_question(user)),
        [None, Some(of_yoda), Some(of_hans)]
    );
    assert!(links.accept(of_yoda, HANS, NOW_MS).is_ok());
    assert_eq!(links.oldest_question(HANS), Some(of_leia));
}

#[test]
fn ids_count_up_from_one_and_never_come_again() {
    let (mut links, first) = asked(Purpose::File);
    links.remove(first);
    let second = ask(&mut links, Purpose::File, HANS, YODA);
    assert_eq!([first, second], [1, 2]);
}

#[test]
fn the_answerer_prepares_a_conversation_and_the_sender_a_file_once() {
    for (purpose, preparing, waiting) in [(Purpose::Private, HANS, YODA), (Purpose::File, YODA, HANS)] {
        let (mut links, id) = asked(purpose);
        assert!([YODA, HANS].iter().all(|end| links.prepared(id, *end).is_err()), "not before the yes");
        links.accept(id, HANS, NOW_MS).unwrap();
        assert_eq!(links.prepared(id, waiting), Err(LATE));
        assert_eq!(links.prepared(id, preparing).unwrap().token, TOKEN);
        assert_eq!(links.introduce(id, waiting, NOW_MS), Err(LATE));
        links.introduce(id, preparing, NOW_MS).unwrap();
        assert_eq!(links.prepared(id, preparing), Err(LATE));
    }
}

#[test]
fn a_link_is_direct_when_both_ends_are_up_and_not_before() {
    let (mut links, id) = trying(Purpose::Private);
    assert!(matches!(links.reached(id, HANS).unwrap().stage, Stage::Trying { up: Some(HANS), .. }));
    assert_eq!(links.reached(id, HANS), Err(LATE), "one end twice is not both");
    assert_eq!(links.reached(id, LEIA), Err(LATE));
    assert_eq!(links.reached(id, YODA).unwrap().stage, Stage::Direct);
    assert_eq!(links.reached(id, YODA), Err(LATE));
    assert_eq!(links.relay(id), Err(LATE));
    assert_eq!(next_due_ms(&links), None);
}

#[test]
fn nobody_is_up_before_the_introduction() {
    let (mut links, id) = asked(Purpose::File);
    links.accept(id, HANS, NOW_MS).unwrap();
    assert!([YODA, HANS].iter().all(|end| links.reached(id, *end).is_err()));
    assert!(matches!(links.of_end(id, YODA).unwrap().stage, Stage::Preparing { .. }));
}

#[test]
fn a_question_is_due_after_its_time_and_an_answered_one_never() {
    let (mut links, id) = asked(Purpose::File);
    let due_ms = NOW_MS + QUESTION_OPEN_MS;
    assert_eq!(next_due_ms(&links), Some(due_ms));
    assert_eq!(links.overdue(due_ms - 1).next(), None);
    assert_eq!(links.overdue(due_ms).collect::<Vec<_>>(), [(id, due_ms)]);
    let set_back_ms = NOW_MS - 1;
    assert_eq!(
        links.overdue(set_back_ms).collect::<Vec<_>>(),
        [(id, due_ms)],
        "or it would wait for the clock"
    );
    assert!(links.due_at(id, due_ms).is_ok());
    assert_eq!(links.due_at(id, due_ms + 1), Err(LATE));
    links.accept(id, HANS, NOW_MS).unwrap();
    assert_eq!(next_due_ms(&links), None, "a file may take its time to be prepared");
    assert_eq!(links.due_at(id, due_ms), Err(LATE));
}

#[test]
fn a_conversation_has_its_time_from_the_yes_and_a_file_from_the_introduction() {
    for (purpose, due_after_ms) in [(Purpose::Private, MEETING_MAX_MS), (Purpose::File, 5 * MEETING_MAX_MS)] {
        let (mut links, id) = asked(purpose);
        let preparing_end = links.accept(id, HANS, NOW_MS).unwrap().preparing_end();
        links.introduce(id, preparing_end, NOW_MS + 4 * MEETING_MAX_MS).unwrap();
        assert_eq!(next_due_ms(&links), Some(NOW_MS + due_after_ms));
        links.reached(id, YODA).unwrap();
        assert_eq!(next_due_ms(&links), Some(NOW_MS + due_after_ms), "one end's luck changes nothing");
        assert_eq!(links.relay(id).unwrap().stage, Stage::Relayed { ended: None });
        assert_eq!(next_due_ms(&links), None);
        assert_eq!(links.reached(id, HANS), Err(LATE));
    }
}

#[test]
fn a_relayed_file_is_gone_when_both_ends_have_done_with_it() {
    let (mut links, id) = trying(Purpose::File);
    links.relay(id).unwrap();
    assert_eq!(links.end(id, LEIA), Err(LATE));
    assert!(links.end(id, HANS).is_ok());
    assert_eq!(links.end(id, HANS), Err(LATE));
    assert_eq!(links.of_end(id, YODA).unwrap().stage, Stage::Relayed { ended: Some(HANS) });
    assert_eq!(links.end(id, YODA).unwrap().stage, Stage::Relayed { ended: Some(HANS) });
    expect_gone(&links);
}

#[test]
fn every_other_link_is_gone_when_one_end_has_done_with_it() {
    for end in [YODA, HANS] {
        let (mut links, id) = asked(Purpose::Private);
        assert!(links.end(id, end).is_ok());
        expect_gone(&links);
        for purpose in [Purpose::Private, Purpose::File] {
            let (mut links, id) = trying(purpose);
            assert!(links.end(id, end).is_ok());
            expect_gone(&links);
            let (mut links, id) = trying(purpose);
            links.reached(id, YODA).unwrap();
            links.reached(id, HANS).unwrap();
            assert_eq!(links.end(id, end).unwrap().stage, Stage::Direct);
            expect_gone(&links);
        }
        let (mut links, id) = trying(Purpose::Private);
        links.relay(id).unwrap();
        assert!(links.end(id, end).is_ok());
        expect_gone(&links);
    }
}

#[test]
fn who_leaves_takes_its_links_along_and_no_others() {
    let (mut links, first) = asked(Purpose::Private);
    let second = ask(&mut links, Purpose::File, LEIA, YODA);
    let third = ask(&mut links, Purpose::File, LEIA, HANS);
    let gone: Vec<_> = links.remove_all_of(YODA).into_iter().map(|(id, _)| id).collect();
    assert_eq!(gone, [first, second]);
    assert_eq!(links.len(), 1);
    links.remove(third);
    expect_gone(&links);
}

#[test]
fn two_users_have_one_private_link_no_matter_who_asked() {
    let (mut links, id) = asked(Purpose::Private);
    ask(&mut links, Purpose::File, LEIA, YODA);
    assert_eq!(links.private_between(YODA, HANS).unwrap().0, id);
    assert_eq!(links.private_between(HANS, YODA).unwrap().0, id);
    assert_eq!(links.private_between(LEIA, YODA), None);
}

#[test]
fn questions_of_others_use_up_nothing_but_what_may_be_asked() {
    let mut links = Links::default();
    for number in 0..QUESTIONS_TO_A_USER_MAX as u32 {
        assert_eq!(links.check_room(AccountId(100 + number), YODA), Ok(()));
        ask(&mut links, Purpose::File, AccountId(100 + number), YODA);
    }
    assert_eq!(links.check_room(HANS, YODA), Err(Full::QuestionsToAsked));
    assert_eq!(links.check_room(YODA, HANS), Ok(()));
    for number in 0..LINKS_OF_A_USER_MAX as u64 {
        assert_eq!(links.check_room(YODA, HANS), Ok(()));
        links.accept(number + 1, YODA, NOW_MS).unwrap();
    }
    assert_eq!(links.check_room(YODA, HANS), Err(Full::LinksOfAsker));
    links.remove(7);
    assert_eq!(links.check_room(YODA, HANS), Ok(()));
}

#[test]
fn one_user_asks_another_few_things_at_once_and_answers_make_room() {
    let mut links = Links::default();
    for number in 0..QUESTIONS_OF_A_PAIR_MAX {
        assert_eq!(links.check_room(YODA, HANS), Ok(()), "{number}");
        let purpose = if number == 0 { Purpose::Private } else { Purpose::File };
        ask(&mut links, purpose, YODA, HANS);
    }
    assert_eq!(links.check_room(YODA, HANS), Err(Full::QuestionsOfPair));
    for (asker, asked) in [(YODA, LEIA), (LEIA, HANS), (HANS, YODA)] {
        assert_eq!(links.check_room(asker, asked), Ok(()));
    }
    links.accept(1, HANS, NOW_MS).unwrap();
    assert_eq!(links.check_room(YODA, HANS), Ok(()));
}

proptest! {
    #[test]
    fn whatever_users_do_the_tables_agree_and_time_passes_for_all_that_wait(
        steps in proptest::collection::vec((0..8u8, 1..6u64, 0..4u32, 0..4u32, any::<bool>()), 0..200),
    ) {
        let (mut links, mut now_ms) = (Links::default(), NOW_MS);
        for (step, id, end, other, flag) in steps {
            let (end, other) = (AccountId(end), AccountId(other));
            match step {
                0 if end != other => {
                    let purpose = if flag { Purpose::Private } else { Purpose::File };
                    links.ask(purpose, end, other, TOKEN, now_ms);
                }
                1 => drop(links.accept(id, end, now_ms)),
                2 if links.open_question(id, end).is_ok() => drop(links.remove(id)),
                3 => drop(links.introduce(id, end, now_ms)),
                4 => drop(links.reached(id, end)),
                5 => drop(links.end(id, end)),
                6 => drop(links.remove_all_of(end)),
                _ => now_ms += 1_000,
            }
            let overdue: Vec<_> = links.overdue(now_ms).collect();
            for (id, due_ms) in overdue {
                let is_question = links.due_at(id, due_ms).unwrap().is_question();
                let done = if is_question { links.remove(id) } else { links.relay(id).ok() };
                prop_assert!(done.is_some());
            }
            prop_assert_eq!(links.by_end.len(), 2 * links.len());
            let waiting: BTreeSet<_> =
                links.links.iter().filter_map(|(id, link)| Some((link.stage.due_ms()?, *id))).collect();
            prop_assert_eq!(&links.deadlines, &waiting);
            prop_assert!(next_due_ms(&links).is_none_or(|due_ms| due_ms > now_ms));
        }
    }
}
