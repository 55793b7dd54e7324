//! Whose connection is silent is probed.

use super::*;
use crate::core::probes::{ROUND, SILENCE};

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_member_whose_connection_is_silent_is_probed_every_25_s() {
    let mut stage = stage(&[]);
    let mut yoda = stage.sign_up("yoda");
    for _ in 0..3 {
        stage.pass(SILENCE - MS);
        assert!(yoda.heard().is_empty());
        stage.pass(MS);
        assert_eq!(yoda.heard(), ["Probe"]);
    }
}

#[test]
fn what_is_said_or_heard_is_as_good_as_a_probe() {
    let mut stage = stage(&[]);
    let (mut yoda, mut hans) = (stage.sign_up("yoda"), stage.sign_up("hans"));
    yoda.heard();
    for tag in 10..14 {
        stage.pass(SILENCE / 2);
        // One asks, the other is told something.
        stage.ask(&mut hans, tag, &Request::SendBroadcast { text: "hi" });
        assert!(yoda.heard().iter().all(|notice| notice.starts_with("Broadcast")));
    }
    hans.send(20, &Request::Active);
    stage.settle(&hans);
    stage.pass(SILENCE - ROUND - MS);
    assert!(hans.heard().is_empty());
}

#[test]
fn strangers_and_those_who_have_gone_are_not_probed() {
    let mut stage = stage(&["--login-timeout", "100"]);
    let (mut stranger, yoda) = (stage.connect(), stage.sign_up("yoda"));
    stage.cut(&yoda);
    stage.pass(2 * SILENCE);
    assert!(stranger.heard().is_empty());
    assert_eq!(stage.server.core.probes.next_due(), None);
}

#[test]
fn output_that_waits_is_probe_enough() {
    let mut stage = stage(&[]);
    let (mut yoda, mut hans) = (stage.sign_up("yoda"), stage.sign_up("hans"));
    yoda.heard();
    yoda.link.borrow_mut().room = 0;
    stage.ask(&mut hans, 5, &Request::SendBroadcast { text: "hi" });
    stage.pass(2 * SILENCE);
    yoda.link.borrow_mut().room = 1 << 20;
    stage.settle(&yoda);
    assert_eq!(yoda.heard(), ["Broadcast { from: \"hans\", text: \"hi\" }"]);
}
