//! Who gets in when the server is full, and what becomes of the others.

use super::*;

const FULL: &str = "Closing { code: ServerFull, text: \"Server is full. Please try again later\" }";

/// Somebody who connects; none if the connection is closed without a word.
fn knock(stage: &mut Stage) -> Option<Client> {
    let link = Rc::new(RefCell::new(Link { room: 1 << 30, ..Link::default() }));
    let id = stage.server.admit(Pipe(Rc::clone(&link)), "127.0.0.1:1".parse().unwrap())?;
    let mut client = Client { id, link, input: Input::default() };
    client.send(1, &Request::ClientHello { version: VERSION, client: "test", presence: true });
    stage.settle(&client);
    Some(client)
}

/// A stage whose every place is taken, and those who sit there.
fn full_stage() -> (Stage, Vec<Client>) {
    let mut stage = stage(&[]);
    // Few, because each turn of a test looks whether any of them is forgotten.
    stage.server.core.settings.connections_max = TURNED_AWAY_MAX + 8;
    let inside = (0..stage.server.core.settings.connections_max).map(|_| stage.connect()).collect();
    (stage, inside)
}

#[test]
fn who_was_turned_away_keeps_nobody_out() {
    let (mut stage, mut inside) = full_stage();
    let mut turned_away: Vec<_> = (0..TURNED_AWAY_MAX).map(|_| knock(&mut stage).unwrap()).collect();
    for client in &mut turned_away {
        assert_eq!(client.answers(), [FULL]);
    }
    for client in inside.drain(..) {
        stage.close(&client);
    }
    let mut newcomers: Vec<_> =
        (0..stage.server.core.settings.connections_max).map(|_| stage.connect()).collect();
    // The places of those who were turned away are no places for others.
    assert!(knock(&mut stage).is_none());
    assert_eq!(newcomers.iter_mut().flat_map(Client::answers).next(), None);
}

#[test]
fn so_many_are_turned_away_with_a_word_at_one_time_and_the_rest_without() {
    let (mut stage, _inside) = full_stage();
    let turned_away: Vec<_> = (0..TURNED_AWAY_MAX).map(|_| knock(&mut stage).unwrap()).collect();
    assert!(knock(&mut stage).is_none());
    // Who has read it and closes makes room for the next at once, the others do so soon.
    stage.close(&turned_away[0]);
    assert!(knock(&mut stage).is_some() && knock(&mut stage).is_none());
    stage.pass(TURNED_AWAY_DRAINING);
    assert_eq!(stage.server.connections(), stage.server.core.settings.connections_max);
    assert_eq!(knock(&mut stage).unwrap().answers(), [FULL]);
}

#[test]
fn one_who_was_turned_away_and_vanishes_gives_its_place_back() {
    let (mut stage, _inside) = full_stage();
    for _ in 0..2 * TURNED_AWAY_MAX {
        let client = knock(&mut stage).unwrap();
        stage.cut(&client);
    }
    assert_eq!(stage.server.connections(), stage.server.core.settings.connections_max);
}

#[test]
fn who_connects_and_leaves_in_a_loop_leaves_no_deadline() {
    let (mut stage, yoda) = stage_with_thread();
    stage.close(&yoda);
    for round in 0..50 {
        let stranger = stage.connect();
        stage.close(&stranger);
        let member = stage.sign_up(&format!("u{round}"));
        stage.close(&member);
    }
    let core = &stage.server.core;
    assert_eq!((core.sessions.len(), core.deadlines.len()), (0, 0));
}
