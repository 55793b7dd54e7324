//! One text for everybody: what it costs, and what becomes of those who do not read it.

use super::*;

#[test]
fn a_slow_receiver_is_cut_off_with_the_reason_and_nobody_else_waits() {
    let mut stage = stage(&["--max-notice-bytes", "100000"]);
    let (mut slow, mut fast, mut loud) =
        (stage.sign_up("slow"), stage.sign_up("fast"), stage.sign_up("loud"));
    stage.settle(&slow);
    slow.heard();
    slow.link.borrow_mut().room = 10;
    for tag in 0..30 {
        let text = "x".repeat(8_000);
        assert_eq!(
            stage.ask(&mut loud, 10 + tag, &Request::SendBroadcast { text: &text }),
            [done(10 + tag, "")]
        );
    }
    let heard = fast.answers();
    assert_eq!(heard.iter().filter(|notice| notice.starts_with("Broadcast")).count(), 30);
    slow.link.borrow_mut().room = 1 << 20;
    stage.settle(&slow);
    let last = slow.answers().pop().unwrap();
    assert_eq!(last, "Closing { code: TooSlow, text: \"You have been disconnected: too slow\" }");
    assert_eq!(stage.server.core.outbox.notice_cost(), 0);
}

#[test]
fn the_unread_notices_of_all_are_bounded_and_counted_once() {
    let mut stage = stage(&["--max-total-notice-bytes", "200000"]);
    let mut loud = stage.sign_up("loud");
    let deaf: Vec<_> = (0..50).map(|n| stage.sign_up(&format!("deaf{n}"))).collect();
    for client in &deaf {
        client.link.borrow_mut().room = 0;
    }
    for tag in 0..40 {
        stage.ask(&mut loud, 10 + tag, &Request::SendBroadcast { text: &"x".repeat(8_000) });
        assert!(
            stage.server.core.outbox.notice_cost() <= 200_000,
            "{}",
            stage.server.core.outbox.notice_cost()
        );
    }
    // Shared bytes count once: 20 broadcasts fit before the first of 50 receivers is cut off.
    let online = stage.server.core.forum.online.iter().count();
    assert!(online < 51, "{online} online");
}

#[test]
fn a_broadcast_is_encoded_once_and_leaves_in_one_write() {
    let mut stage = stage(&[]);
    let mut loud = stage.sign_up("loud");
    let mut ears: Vec<_> = (0..10).map(|n| stage.sign_up(&format!("ear{n}"))).collect();
    for ear in &mut ears {
        stage.nudge(ear);
        ear.heard();
        ear.link.borrow_mut().writes = 0;
    }
    stage.run();
    for tag in 0..5 {
        loud.send(10 + tag, &Request::SendBroadcast { text: "hello" });
    }
    stage.settle(&loud);
    for ear in &mut ears {
        assert_eq!(ear.answers().len(), 5);
        // This stream takes one piece a write; a socket takes all of a turn's pieces in one writev.
        assert!(ear.link.borrow().writes <= 5);
    }
}
