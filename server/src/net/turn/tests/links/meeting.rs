//! From the yes on: how two ends are introduced, when a link stands and which way it goes, and how it ends.

use super::*;

/// A link whose question was answered with yes, and what nobody has to read any more.
fn agreed(stage: &mut Stage, yoda: &mut Client, hans: &mut Client, request: &Request<'_>) {
    stage.link(yoda, request);
    hans.answers();
    stage.link(hans, &yes(1));
}

/// Two users of whom one has asked the other, who said yes; and the token that the preparing end got.
fn agreed_at(purpose: &Request<'_>, yoda_at: &str, hans_at: &str) -> (Stage, Client, Client) {
    let mut stage = stage(&[]);
    let (mut yoda, mut hans) = (stage.user_at("yoda", yoda_at), stage.user_at("hans", hans_at));
    stage.link(&mut yoda, purpose);
    hans.answers();
    hans.send(9, &yes(1));
    stage.settle(&hans);
    (stage, yoda, hans)
}

fn agreed_here(purpose: &Request<'_>) -> (Stage, Client, Client) {
    agreed_at(purpose, "127.0.0.1:1", "127.0.0.1:2")
}

/// The token of the one `Prepare` that a client has heard.
fn prepared(client: &mut Client) -> String {
    let heard = client.answers();
    let [prepare] = &heard[..] else { panic!("wanted one notice, not {heard:?}") };
    let token =
        prepare.strip_prefix("PrepareLink { link: 1, token: ").and_then(|rest| rest.strip_suffix(" }"));
    token.unwrap_or_else(|| panic!("{prepare}")).into()
}

fn introduction(token: &str, address: &str, port: u16) -> String {
    format!("LinkIntroduction {{ link: 1, token: {token}, address: {address:?}, port: {port} }}")
}

fn listening(port: u16) -> Request<'static> {
    Request::LinkListening { link: 1, port }
}

const UP: Request<'static> = Request::LinkReached { link: 1 };
const DIRECT: &str = "LinkEstablished { link: 1, relayed: false }";
const RELAYED: &str = "LinkEstablished { link: 1, relayed: true }";

fn end(stopped: bool) -> Request<'static> {
    Request::EndLink { link: 1, stopped }
}

#[test]
fn the_user_who_accepts_a_conversation_listens_and_the_other_is_told_where() {
    let (mut stage, mut yoda, mut hans) = agreed_at(&private("hans"), "192.0.2.1:1", "192.0.2.2:1");
    let token = prepared(&mut hans);
    yoda.expect(&[]);
    assert_eq!(stage.link(&mut yoda, &listening(5)), NOTHING, "it was not told to");
    assert_eq!(stage.link(&mut hans, &listening(6_000)), NOTHING);
    assert_eq!(yoda.answers(), [introduction(&token, "192.0.2.2", 6_000)]);
    assert_eq!(stage.link(&mut hans, &listening(6_001)), NOTHING, "once");
    yoda.expect(&[]);
    assert_eq!(stage.link(&mut yoda, &UP), NOTHING);
    assert_eq!(stage.link(&mut yoda, &UP), NOTHING);
    hans.expect(&[]);
    assert_eq!(stage.link(&mut hans, &UP), [DIRECT]);
    assert_eq!(yoda.answers(), [DIRECT]);
    stage.link(&mut yoda, &UP);
    stage.pass(MEETING_MAX);
    yoda.expect(&[]);
    hans.expect(&[]);
}

#[test]
fn the_sender_of_a_file_prepares_and_both_are_told_where() {
    let (mut stage, mut yoda, mut hans) = agreed_at(&file("hans"), "192.0.2.1:1", "192.0.2.2:1");
    let token = prepared(&mut yoda);
    hans.expect(&[]);
    assert_eq!(stage.link(&mut hans, &listening(5)), NOTHING, "it was not told to");
    assert_eq!(stage.link(&mut yoda, &listening(6_000)), [introduction(&token, "192.0.2.2", PORT)]);
    assert_eq!(hans.answers(), [introduction(&token, "192.0.2.1", 6_000)]);
    stage.link(&mut hans, &UP);
    assert_eq!(stage.link(&mut yoda, &UP), [DIRECT]);
    assert_eq!(hans.answers(), [DIRECT]);
}

#[test]
fn each_yes_has_a_token_of_its_own() {
    let mut tokens: Vec<String> = (0..20).map(|_| prepared(&mut agreed_here(&private("hans")).2)).collect();
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 20);
}

#[test]
fn a_third_party_moves_nothing() {
    let (mut stage, mut yoda, mut hans) = agreed_here(&private("hans"));
    let mut leia = stage.user("leia");
    yoda.heard();
    hans.heard();
    let forged = [yes(1), no(1), listening(1), UP, end(true), end(false)];
    for request in forged {
        assert_eq!(stage.link(&mut leia, &request), NOTHING, "{request:?}");
    }
    stage.link(&mut hans, &listening(6_000));
    yoda.answers();
    for request in forged {
        assert_eq!(stage.link(&mut leia, &request), NOTHING, "{request:?}");
    }
    stage.link(&mut yoda, &UP);
    stage.link(&mut leia, &UP);
    hans.expect(&[]);
    assert_eq!(stage.link(&mut hans, &UP), [DIRECT]);
}

#[test]
fn those_who_cant_meet_talk_through_the_server_at_once() {
    let (v4, other_v4, v6) = ("192.0.2.1:1", "127.0.0.1:1", "[2001:db8::1]:1");
    for (yoda_at, hans_at, port) in
        [(v4, v4, 0), (v4, v6, 6_000), (v6, v4, 6_000), (v4, other_v4, 6_000), (other_v4, v4, 6_000)]
    {
        let (mut stage, mut yoda, mut hans) = agreed_at(&private("hans"), yoda_at, hans_at);
        let nowhere = introduction(&prepared(&mut hans), "", 0);
        assert_eq!(stage.link(&mut hans, &listening(port)), [RELAYED], "{yoda_at} {hans_at} {port}");
        assert_eq!(yoda.answers(), [nowhere.as_str(), RELAYED]);

        let (mut stage, mut yoda, mut hans) = agreed_at(&file("hans"), yoda_at, hans_at);
        let nowhere = introduction(&prepared(&mut yoda), "", 0);
        assert_eq!(stage.link(&mut yoda, &listening(port)), [nowhere.as_str(), RELAYED]);
        assert_eq!(hans.answers(), [nowhere.as_str(), RELAYED]);
    }
}

#[test]
fn a_file_to_who_takes_none_goes_through_the_server_and_a_conversation_does_not() {
    for (request, is_direct) in [(file("hans"), false), (private("hans"), true)] {
        let mut stage = stage(&[]);
        let (mut yoda, mut hans) = (stage.user("yoda"), stage.sign_up("hans"));
        agreed(&mut stage, &mut yoda, &mut hans, &request);
        let (preparing, other) = if is_direct { (&mut hans, &mut yoda) } else { (&mut yoda, &mut hans) };
        stage.link(preparing, &listening(6_000));
        assert_eq!(other.answers().contains(&RELAYED.to_owned()), !is_direct);
    }
}

#[test]
fn addresses_in_disguise_are_known_for_what_they_are() {
    let (mut stage, mut yoda, mut hans) = agreed_at(&private("hans"), "127.0.0.1:1", "[::ffff:127.0.0.2]:1");
    let token = prepared(&mut hans);
    stage.link(&mut hans, &listening(6_000));
    assert_eq!(yoda.answers(), [introduction(&token, "127.0.0.2", 6_000)]);
}

#[test]
fn a_conversation_that_is_not_direct_in_time_goes_through_the_server() {
    for (has_prepared, who_is_up) in [(false, None), (true, None), (true, Some("yoda")), (true, Some("hans"))]
    {
        let (mut stage, mut yoda, mut hans) = agreed_here(&private("hans"));
        // Who was not introduced yet gets the token all the same.
        let mut wanted = vec![introduction(&prepared(&mut hans), "", 0), RELAYED.to_owned()];
        if has_prepared {
            stage.link(&mut hans, &listening(6_000));
            wanted.remove(0);
        }
        match who_is_up {
            Some("yoda") => drop(stage.link(&mut yoda, &UP)),
            Some(_) => drop(stage.link(&mut hans, &UP)),
            None => {}
        }
        yoda.answers();
        hans.answers();
        stage.pass(MEETING_MAX - Duration::from_millis(10));
        yoda.expect(&[]);
        hans.expect(&[]);
        stage.pass(Duration::from_millis(10));
        assert_eq!((yoda.answers(), hans.answers()), (wanted, vec![RELAYED.into()]));
        stage.link(&mut yoda, &UP);
        stage.link(&mut hans, &UP);
        stage.link(&mut hans, &listening(6_000));
        yoda.expect(&[]);
        hans.expect(&[]);
    }
}

#[test]
fn a_file_may_take_its_time_to_be_prepared_but_not_to_meet() {
    let (mut stage, mut yoda, mut hans) = agreed_here(&file("hans"));
    stage.pass(Duration::from_secs(600));
    prepared(&mut yoda);
    hans.expect(&[]);
    stage.link(&mut yoda, &listening(6_000));
    hans.answers();
    stage.pass(MEETING_MAX);
    assert_eq!((yoda.answers(), hans.answers()), (vec![RELAYED.into()], vec![RELAYED.into()]));
}

#[test]
fn an_end_before_it_stands_is_told_to_the_other() {
    for request in [private("hans"), file("hans")] {
        for has_prepared in [false, true] {
            for stopped in [false, true] {
                let (mut stage, mut yoda, mut hans) = agreed_here(&request);
                if has_prepared {
                    stage.link(&mut hans, &listening(6_000));
                    stage.link(&mut yoda, &listening(6_000));
                }
                yoda.answers();
                hans.answers();
                stage.link(&mut hans, &end(stopped));
                yoda.expect(&[Notice::LinkEnded { link: 1, stopped }]);
                assert!(stage.server.core.forum.links.is_empty());
                stage.pass(MEETING_MAX);
                yoda.expect(&[]);
                hans.expect(&[]);
            }
        }
    }
}

/// A link that stands directly.
fn direct(request: &Request<'_>) -> (Stage, Client, Client) {
    let (mut stage, mut yoda, mut hans) = agreed_here(request);
    for client in [&mut yoda, &mut hans] {
        stage.link(client, &listening(6_000));
    }
    for client in [&mut yoda, &mut hans] {
        stage.link(client, &UP);
    }
    assert_eq!(yoda.answers().last().unwrap(), DIRECT);
    hans.answers();
    (stage, yoda, hans)
}

#[test]
fn the_ends_of_a_direct_conversation_tell_each_other_of_its_end() {
    let (mut stage, mut yoda, mut hans) = direct(&private("hans"));
    stage.link(&mut yoda, &end(true));
    hans.expect(&[]);
    stage.link(&mut hans, &end(false));
    yoda.expect(&[]);
    assert_eq!(stage.link(&mut hans, &private("yoda")), [asked_privately(2, "yoda")], "a new one may be");
}

#[test]
fn the_end_of_a_direct_file_is_told_to_the_other_once() {
    let (mut stage, mut yoda, mut hans) = direct(&file("hans"));
    stage.link(&mut hans, &end(false));
    yoda.expect(&[Notice::LinkEnded { link: 1, stopped: false }]);
    stage.link(&mut yoda, &end(false));
    hans.expect(&[]);
    assert!(stage.server.core.forum.links.is_empty());
}

#[test]
fn a_log_out_ends_the_links_and_the_others_hear_that_first() {
    for request in [private("hans"), file("hans")] {
        for stands in [false, true] {
            let (mut stage, yoda, mut hans) = if stands { direct(&request) } else { agreed_here(&request) };
            hans.heard();
            stage.cut(&yoda);
            assert_eq!(
                hans.heard(),
                ["LinkEnded { link: 1, stopped: false }", "LoggedOut { name: \"yoda\" }"]
            );
            assert!(stage.server.core.forum.links.is_empty());
        }
    }
}
