//! One text for everybody: what it costs, and what becomes of those who do not read it.

use super::*;
use crate::core::feed::SEGMENT_BYTES;

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
    assert_eq!(stage.server.core.outbox.feed_bytes(), 0);
}

#[test]
fn what_all_are_told_is_held_once_and_no_longer_than_one_may_have_it_unread() {
    const LIMIT: usize = 200_000;
    let mut stage = stage(&["--max-notice-bytes", "200000"]);
    let mut loud = stage.sign_up("loud");
    let deaf: Vec<_> = (0..50).map(|n| stage.sign_up(&format!("deaf{n}"))).collect();
    for client in &deaf {
        client.link.borrow_mut().room = 0;
    }
    for tag in 0..24 {
        stage.ask(&mut loud, 10 + tag, &Request::SendBroadcast { text: &"x".repeat(8_000) });
    }
    assert_eq!(stage.server.core.forum.online.len(), 51);
    for tag in 0..16 {
        stage.ask(&mut loud, 40 + tag, &Request::SendBroadcast { text: &"x".repeat(8_000) });
        assert!(stage.server.core.outbox.feed_bytes() <= LIMIT + SEGMENT_BYTES);
    }
    assert_eq!(stage.server.core.forum.online.len(), 1);
    assert_eq!(stage.server.core.outbox.feed_bytes(), 0);
}

#[test]
fn when_too_much_waits_for_single_receivers_the_one_for_whom_most_waits_is_cut_off() {
    let mut stage = stage(&["--max-total-notice-bytes", "300000"]);
    let mut clients: Vec<_> = ["a", "b", "c"].map(|name| stage.sign_up(name)).into();
    for (client, pings) in clients.iter_mut().zip([60, 150, 100]) {
        client.link.borrow_mut().room = 0;
        for tag in 0..pings {
            client.send(10 + tag, &Request::Ping { payload: &[b'?'; 1_000] });
        }
        stage.settle(client);
    }
    for client in &clients {
        client.link.borrow_mut().room = 1 << 20;
        stage.settle(client);
    }
    let heard: Vec<_> = clients.iter_mut().map(Client::answers).collect();
    assert_eq!((heard[0].len(), heard[2].len()), (60, 100));
    assert_eq!(heard[1], ["Closing { code: TooSlow, text: \"You have been disconnected: too slow\" }"]);
}

#[test]
fn broadcasts_of_a_turn_leave_in_one_write_each_with_one_and_with_sixteen() {
    let mut stage = stage(&[]);
    let mut loud = stage.sign_up("loud");
    let mut ears: Vec<_> = (0..10).map(|n| stage.sign_up(&format!("ear{n}"))).collect();
    stage.run();
    for broadcasts in [1, 16] {
        for ear in &mut ears {
            ear.heard();
            ear.link.borrow_mut().writes = 0;
        }
        for tag in 0..broadcasts {
            loud.send(10 + tag, &Request::SendBroadcast { text: "hello" });
        }
        stage.settle(&loud);
        for ear in &mut ears {
            assert_eq!(ear.answers().len(), broadcasts as usize);
            assert_eq!(ear.link.borrow().writes, 1);
        }
    }
}

#[test]
fn the_sender_learns_of_those_left_out_only_if_they_are_online() {
    let mut stage = stage(&[]);
    let mut loud = stage.sign_up("loud");
    let (mut hans, mut luke) = (stage.sign_up("hans"), stage.sign_up("luke"));
    stage.ask(&mut hans, 4, &Request::Block { user: "loud", key: None });
    let some = refused(5, Refusal::NotToAll, "Your message could not be delivered to some recipients");
    assert_eq!(stage.ask(&mut loud, 5, &Request::SendBroadcast { text: "one" }), [some]);
    stage.ask(&mut hans, 5, &Request::LogOut);
    assert_eq!(stage.ask(&mut loud, 6, &Request::SendBroadcast { text: "two" }), [done(6, "")]);
    assert_eq!(luke.answers().len(), 2);
    assert!(!hans.answers().iter().any(|answer| answer.starts_with("Broadcast")));
}
