//! A turn ends when its time is over, however much there is to do, and what is left follows in the next ones.

use super::*;

/// What passes with each look at the clock: a part of a turn has four looks, and so 16 steps and some.
const PACE: Duration = Duration::from_micros(250);
/// Far more than one part of a turn has time for.
const MANY: usize = 200;

impl Stage {
    /// So many connections, of which the server has heard nothing yet.
    fn crowd(&mut self) -> Vec<Client> {
        let mut crowd = Vec::new();
        for _ in 0..MANY {
            let link = Rc::new(RefCell::new(Link { room: 1 << 30, ..Link::default() }));
            let address = "127.0.0.1:1".parse().unwrap();
            let id = self.server.admit(Pipe(Rc::clone(&link)), address).expect("room for one more");
            crowd.push(Client { id, link, input: Input::default() });
        }
        self.run();
        crowd
    }

    /// Turns until all of these have heard something; how many had after each turn.
    fn turns_until_all_have_heard(&mut self, crowd: &[Client]) -> Vec<usize> {
        let mut turns = Vec::new();
        while turns.last() != Some(&crowd.len()) {
            assert!(turns.len() < 10 * MANY, "{turns:?}");
            assert!(
                turns.is_empty() || self.server.idle_for() == Some(Duration::ZERO),
                "the rest is forgotten"
            );
            self.server.turn(true);
            turns.push(crowd.iter().filter(|client| !client.link.borrow().to_client.is_empty()).count());
        }
        turns
    }
}

/// Insists that several turns were needed, each for a few.
fn expect_shares(turns: &[usize]) {
    let shares: Vec<_> = turns.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(turns.len() > 5 && shares.iter().all(|share| *share <= 40), "{turns:?}");
}

#[test]
fn many_who_ask_at_once_are_served_over_several_turns_and_answered_in_each() {
    let mut stage = stage(&[]);
    let mut crowd = stage.crowd();
    for client in &mut crowd {
        client.send(1, &Request::ClientHello { version: VERSION, client: "test", presence: false });
        stage.nudge(client);
    }
    stage.clock.run(PACE);
    expect_shares(&stage.turns_until_all_have_heard(&crowd));
}

#[test]
fn many_who_are_out_of_time_at_once_are_ended_over_several_turns() {
    let mut stage = stage(&[]);
    let crowd = stage.crowd();
    stage.clock.advance(Duration::from_secs(60));
    stage.clock.run(PACE);
    expect_shares(&stage.turns_until_all_have_heard(&crowd));
}

#[test]
fn goodbye_is_said_to_everybody_over_several_turns() {
    let mut stage = stage(&[]);
    let mut crowd = stage.crowd();
    stage.clock.run(PACE);
    stage.server.shut_down();
    expect_shares(&stage.turns_until_all_have_heard(&crowd));
    stage.clock.run(Duration::ZERO);
    for client in &mut crowd {
        assert_eq!(
            client.heard(),
            ["Closing { code: ShuttingDown, text: \"Goodbye. Server shutting down\" }"]
        );
        client.link.borrow_mut().client_closed = true;
    }
    stage.settle_all(&crowd);
    assert!(stage.server.has_ended());
}

#[test]
fn many_who_die_at_once_are_removed_over_several_turns() {
    let mut stage = stage(&[]);
    for client in stage.crowd() {
        client.link.borrow_mut().broken = true;
        stage.nudge(&client);
    }
    let mut left = vec![stage.server.connections()];
    while left.last() != Some(&0) {
        assert_eq!(stage.server.idle_for(), Some(Duration::ZERO), "the rest is forgotten");
        stage.server.turn(true);
        left.push(stage.server.connections());
    }
    let removed: Vec<_> = left.windows(2).map(|pair| pair[0] - pair[1]).collect();
    assert!(removed.len() > 1 && removed.iter().all(|count| *count <= 128), "{left:?}");
}

#[test]
fn a_large_commit_is_applied_over_several_turns_in_its_order_and_others_are_answered_meanwhile() {
    const EACH: Tag = 50;
    let mut stage = stage_on(&[], Forum::default(), MemoryJournal::default());
    let mut yoda = stage.sign_up("yoda");
    let mut writers: Vec<_> = (0..8).map(|number| stage.sign_up(&format!("writer{number}"))).collect();
    stage.ask(&mut yoda, 4, &Request::CreateThread { title: "t", key: None });
    stage.server.core.pipeline.journal_mut().hold();
    for writer in &mut writers {
        (0..EACH).for_each(|tag| writer.send(10 + tag, &Request::Post { title: "t", text: "hi", key: None }));
    }
    stage.settle_all(&writers);
    let in_flight = stage.server.core.pipeline.len();
    assert_eq!(in_flight, writers.len() * EACH as usize);
    stage.clock.run(PACE);
    stage.server.core.pipeline.journal_mut().release();
    stage.server.turn(true);
    yoda.answers();
    yoda.send(9, &Request::Ping { payload: b"?" });
    stage.nudge(&yoda);
    stage.server.turn(true);
    let left = stage.server.core.pipeline.len();
    assert!(left > in_flight / 2, "{left} of {in_flight} are not applied, and yet:");
    assert!(yoda.answers()[0].starts_with("9 Pong"));
    while !stage.server.core.pipeline.is_empty() {
        assert_eq!(stage.server.idle_for(), Some(Duration::ZERO), "the rest is forgotten");
        stage.server.turn(true);
    }
    stage.run();
    assert_eq!(stage.server.forum().threads.titled("t").unwrap().posts().len(), in_flight);
    for writer in &mut writers {
        let tags: Vec<_> = writer.answers().iter().map(|answer| tag_of(answer)).collect();
        assert_eq!(tags, (10..10 + EACH).collect::<Vec<_>>(), "answers in the order of requests");
    }
}

fn tag_of(answer: &str) -> Tag {
    answer.split(' ').next().and_then(|tag| tag.parse().ok()).expect("an answer")
}

#[test]
fn somebody_who_asks_for_little_waits_for_a_small_share_of_each_of_many_who_ask_for_much() {
    const REQUESTS: Tag = 50;
    let mut stage = stage(&[]);
    let mut crowd = stage.crowd();
    for client in &mut crowd {
        (0..REQUESTS).for_each(|tag| client.send(10 + tag, &Request::Ping { payload: b"" }));
        stage.nudge(client);
    }
    let mut late = crowd.pop().expect("many");
    late.frame();
    while late.link.borrow().to_client.is_empty() {
        stage.server.turn(true);
    }
    // Those before it have had one share, and the first of them perhaps another.
    let answers = |client: &mut Client| client.heard().len();
    let most = crowd.iter_mut().map(answers).max();
    assert!(most <= Some(16) && most > Some(0), "{most:?} of {REQUESTS} were answered before");
}
