//! Sessions of two who can't meet.

use super::*;

/// Hands what one has for the other end of a link to the other, as the server does.
fn relay(from: &mut Party, to: &mut Party) -> usize {
    let said = from.picked(|report| match report {
        Report::Tell(OwnedRequest::RelayDatagram { link, datagram }) => Some((*link, datagram.clone())),
        _ => None,
    });
    for (link, datagram) in &said {
        to.hear(&Notice::RelayedDatagram { link: *link, datagram });
    }
    said.len()
}

/// yoda has asked hans, and a session stands between the two, through the server.
fn relayed_couple() -> (Party, Party) {
    let (mut yoda, mut hans) = (Party::new(Accept::Ask), Party::new(Accept::Always));
    yoda.links.privates.asked(LINK, "hans");
    hans.hear(&Notice::PrivateQuestion { link: LINK, from: "yoda" });
    hans.hear(&Notice::PrepareLink { link: LINK, token: TOKEN });
    yoda.hear(&Notice::LinkIntroduction { link: LINK, token: TOKEN, address: "", port: 0 });
    for party in [&mut hans, &mut yoda] {
        party.hear(&Notice::LinkEstablished { link: LINK, relayed: true });
    }
    yoda.refuses_to_say("hans");
    hans.refuses_to_say("yoda");
    assert_eq!((relay(&mut yoda, &mut hans), relay(&mut hans, &mut yoda)), (1, 1));
    (yoda, hans)
}

fn sealed(party: &mut Party, user: &str, text: &str) -> Vec<u8> {
    match party.say(user, text) {
        Way::Relay(LINK, sealed) => sealed,
        other => panic!("{other:?}"),
    }
}

#[test]
fn through_the_server_messages_come_and_go_and_a_stop_is_told() {
    let (mut yoda, mut hans) = relayed_couple();
    let through = "go through the server: no direct connection could be made";
    assert_eq!(
        yoda.printed(),
        ["hans accepts private messaging".to_owned(), format!("Private messages with hans {through}")]
    );
    assert_eq!(hans.printed(), [format!("Private messages with yoda {through}")]);
    assert_eq!(yoda.links.privates.words("hans").unwrap(), hans.links.privates.words("yoda").unwrap());
    let hi = sealed(&mut hans, "yoda", "hi");
    yoda.hear(&Notice::RelayedSealed { link: LINK + 1, ciphertext: &hi });
    yoda.hear(&Notice::RelayedSealed { link: LINK, ciphertext: &hi });
    // One that the server has not passed on leaves a gap, and is missed by nobody else.
    let _lost = sealed(&mut hans, "yoda", "lost");
    let again = sealed(&mut hans, "yoda", "again");
    yoda.hear(&Notice::RelayedSealed { link: LINK, ciphertext: &again });
    assert_eq!(yoda.printed(), ["hans(private): hi", "hans(private): again"]);
    yoda.hear(&Notice::LinkEnded { link: LINK, stopped: true });
    yoda.refuses_to_say("hans");
    assert_eq!(yoda.printed(), ["hans stopped private messaging"]);
}

#[test]
fn what_the_other_end_did_not_say_now_ends_a_session_through_the_server() {
    for forge in [
        |sealed: &mut Vec<u8>| *sealed.last_mut().unwrap() ^= 1,
        |sealed: &mut Vec<u8>| sealed[7] ^= 1,
        |sealed: &mut Vec<u8>| sealed.truncate(5),
        |_: &mut Vec<u8>| {},
    ] {
        let (mut yoda, mut hans) = relayed_couple();
        let mut text = sealed(&mut hans, "yoda", "hi");
        yoda.hear(&Notice::RelayedSealed { link: LINK, ciphertext: &text });
        yoda.printed();
        forge(&mut text);
        yoda.hear(&Notice::RelayedSealed { link: LINK, ciphertext: &text });
        assert_eq!(yoda.printed(), ["Private messaging with hans has ended: the connection is gone"]);
        assert_eq!(yoda.sent(), ["EndLink { link: 7, stopped: false }"]);
        yoda.refuses_to_say("hans");
    }
}

#[test]
fn who_makes_no_keys_through_the_server_is_given_up_after_five_seconds() {
    let mut yoda = Party::new(Accept::Ask);
    yoda.links.privates.asked(LINK, "hans");
    yoda.hear(&Notice::LinkIntroduction { link: LINK, token: TOKEN, address: "", port: 0 });
    yoda.hear(&Notice::LinkEstablished { link: LINK, relayed: true });
    yoda.hear(&Notice::RelayedDatagram { link: LINK, datagram: &[7; 48] });
    assert_eq!(yoda.printed(), [""; 0]);
    yoda.now += Duration::from_secs(5);
    yoda.with(|links, context| links.attend(context));
    assert_eq!(yoda.printed(), ["Private messaging to hans could not be set up"]);
    assert_eq!(yoda.sent().last().unwrap(), "EndLink { link: 7, stopped: false }");
}
