//! Marks of what was read: batched on their way to the log, and lists of what is new come after them.

use super::*;

fn stage_with_posts() -> (Stage, Client, Client) {
    let mut stage = stage(&[]);
    let (mut yoda, hans) = (stage.sign_up("yoda"), stage.sign_up("hans"));
    for (tag, title) in [(4, "t"), (5, "u")] {
        stage.ask(&mut yoda, tag, &Request::CreateThread { title, key: None });
        stage.ask(&mut yoda, tag + 2, &Request::Post { title, text: "a", key: None });
    }
    (stage, yoda, hans)
}

const UNREAD: Request<'static> = Request::ListUnread { after: None, at_most: None };

#[test]
fn a_list_of_what_is_new_comes_after_the_marks_before_it_and_they_share_entries() {
    let (mut stage, _yoda, mut hans) = stage_with_posts();
    stage.settle(&hans);
    hans.heard();
    let before = stage.server.core.pipeline.applied();
    for up_to in [1, 1, 1] {
        hans.send(4, &Request::MarkRead { title: "t", up_to, from: None });
        hans.send(5, &Request::MarkRead { title: "u", up_to: up_to + 1, from: None });
    }
    hans.send(6, &Request::MarkRead { title: "nowhere", up_to: 7, from: None });
    hans.send(7, &UNREAD);
    stage.settle(&hans);
    assert_eq!(hans.answers(), ["7 EndOfList"]);
    let after = stage.server.core.pipeline.applied();
    assert_eq!(before.plus(2), after, "the first mark, and all that came meanwhile");
}

#[test]
fn marks_for_which_there_was_no_room_are_proposed_again() {
    let (mut stage, _yoda, mut hans) = stage_with_posts();
    stage.settle(&hans);
    hans.heard();
    stage.server.core.pipeline.journal_mut().no_space(1);
    hans.send(4, &Request::MarkRead { title: "t", up_to: 1, from: None });
    let new = |title: &str| format!("UnreadItem {{ title: \"{title}\", count: 1, last_author: \"yoda\" }}");
    assert_eq!(
        stage.ask(&mut hans, 5, &UNREAD),
        [format!("5 {}", new("t")), format!("5 {}", new("u")), "5 EndOfList".to_owned()]
    );
    stage.pass(Duration::from_secs(6));
    stage.settle(&hans);
    assert_eq!(stage.ask(&mut hans, 6, &UNREAD), [format!("6 {}", new("u")), "6 EndOfList".to_owned()]);
}

#[test]
fn a_mark_that_would_pass_over_what_another_wrote_marks_nothing() {
    let (mut stage, mut yoda, mut hans) = stage_with_posts();
    for (tag, text) in [(10, "b"), (11, "c")] {
        stage.ask(&mut yoda, tag, &Request::Post { title: "t", text, key: None });
    }
    stage.settle(&hans);
    hans.heard();
    let new = Request::ReadThread {
        title: "t",
        range: None,
        after: None,
        at_most: None,
        last: None,
        unread: Some(true),
    };
    for (tag, (up_to, from), left) in
        [(20, (4, 4), 3), (21, (3, 3), 3), (22, (3, 1), 1), (23, (3, 3), 1), (24, (4, 4), 0)]
    {
        hans.send(tag, &Request::MarkRead { title: "t", up_to, from: Some(from) });
        let items = stage.ask(&mut hans, tag, &new).len() - 1;
        assert_eq!(items, left, "up to {up_to} from {from}");
    }
    // One's own messages are no gap.
    stage.ask(&mut hans, 30, &Request::Post { title: "t", text: "d", key: None });
    stage.ask(&mut yoda, 31, &Request::Post { title: "t", text: "e", key: None });
    hans.send(32, &Request::MarkRead { title: "t", up_to: 6, from: Some(6) });
    assert_eq!(stage.ask(&mut hans, 33, &new).len(), 1);
}
