//! A thousand random lives of a session, each held against a model of what its user must see.
//!
//! The server of the model carries out each change once, by its key, and answers in order; the network breaks when it
//! likes; the output is read when its reader likes. Whatever happens, in the end
//!
//! - every thread that was asked for is answered exactly once, or said not to be;
//! - where a lost connection is made anew, nothing that the server was asked for is lost with it, and nothing is done
//!   twice;
//! - every message is shown once, in order, and none is acknowledged before it was shown.

use std::collections::{BTreeMap, HashMap};

use forum_common::wire::Key;

use super::*;

struct Life {
    world: World,
    random: fastrand::Rng,
    on_terminal: bool,
    /// A lost connection is made anew.
    retries: bool,
    /// Lines of a pipe that may be in flight.
    pipeline: usize,
    /// Threads that were typed, by number, while there was a connection.
    typed: Vec<u32>,
    /// The threads that the server has made, with the key of each.
    made: BTreeMap<String, Key>,
    answered: HashMap<Key, String>,
    /// Requests that the server has not answered.
    open: VecDeque<(Tag, String)>,
    is_connected: bool,
    /// Messages that were sent, and those that were acknowledged.
    sent: u64,
    acknowledged: u64,
    /// Everything that was printed.
    text: String,
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let (on_terminal, pipeline) = (random.bool(), random.usize(1..5));
        let mut world = World::pipelining(on_terminal, pipeline);
        let retries = on_terminal || random.bool();
        world.core.options.retry = retries.then_some(Duration::from_secs(86_400));
        world.connect();
        Self {
            world,
            retries,
            random,
            pipeline,
            on_terminal,
            typed: Vec::new(),
            made: BTreeMap::new(),
            answered: HashMap::new(),
            open: VecDeque::new(),
            is_connected: true,
            sent: 0,
            acknowledged: 0,
            text: String::new(),
        }
    }

    /// The server takes in what has come.
    fn serve(&mut self) {
        self.text += &self.world.seen();
        while let Some((tag, request)) = self.world.heard.pop_front() {
            match request.as_ref() {
                Request::CreateThread { title, key } => {
                    let key = key.expect("a change has a key");
                    let text = format!("Thread {title} created");
                    let before = self.answered.entry(key).or_insert_with(|| text.clone());
                    assert_eq!(*before, text, "one key for two changes");
                    let first = self.made.entry(title.to_owned()).or_insert(key);
                    assert_eq!(*first, key, "{title} was asked for again with another key");
                    self.open.push_back((tag, text));
                }
                Request::LogOut => self.open.push_back((tag, "Goodbye".to_owned())),
                Request::AckMessages { up_to } => {
                    assert!(up_to <= self.sent && up_to >= self.acknowledged);
                    let shown = format!("hans: m{up_to}.");
                    assert!(self.text.contains(&shown), "{up_to} is acknowledged but not shown");
                    self.acknowledged = up_to;
                }
                Request::Ping { .. } => {
                    self.open.push_back((tag, "Pong".to_owned()));
                    // Any byte is a sign of life.
                    self.world.notice(&Notice::Probe);
                }
                _ => {}
            }
        }
        let in_flight = self.open.iter().filter(|(_, text)| text != "Pong").count();
        assert!(self.on_terminal || in_flight <= self.pipeline, "{in_flight} commands of a pipe at once");
    }

    fn answer(&mut self) {
        let Some((tag, text)) = self.open.pop_front() else { return };
        match text.as_str() {
            "Pong" => self.world.reply(tag, &Reply::Pong { payload: &[] }),
            "Goodbye" => self.world.reply(tag, &Reply::Done { at_ms: 0, text: "Goodbye" }),
            text => self.world.reply(tag, &created(text)),
        }
    }

    fn send_message(&mut self) {
        self.sent += 1;
        let text = format!("m{}.", self.sent);
        self.world.notice(&message(self.sent, &text));
    }

    fn disconnect(&mut self) {
        self.open.clear();
        self.is_connected = false;
        self.world.give(Event::Disconnected("the network".into()));
        self.serve();
    }

    /// The client tries again, and gets through. What was not acknowledged comes again.
    fn reconnect(&mut self) {
        self.world.passes(Duration::from_secs(31));
        self.world.connect();
        self.is_connected = true;
        for number in self.acknowledged + 1..=self.sent {
            let text = format!("m{number}.");
            self.world.notice(&message(number, &text));
        }
    }

    fn step(&mut self) {
        match self.random.u8(..100) {
            0..30 => {
                let number = self.typed.len() as u32;
                self.typed.push(number);
                let end = if self.on_terminal { "\r" } else { "\n" };
                self.world.types(&format!("CRT t{number}.{end}"));
            }
            30..60 if self.is_connected => self.answer(),
            60..75 if self.is_connected => self.send_message(),
            75..80 if self.is_connected && self.retries => self.disconnect(),
            80..90 if !self.is_connected => self.reconnect(),
            90..95 => self.world.is_stuck = !self.world.is_stuck,
            _ => {
                let millis = self.random.u64(..20_000);
                self.world.passes(Duration::from_millis(millis));
            }
        }
        self.world.settle();
        self.serve();
    }

    /// The world is kind from here on, and the user leaves.
    fn end(&mut self) {
        self.world.is_stuck = false;
        self.world.settle();
        if !self.is_connected {
            self.reconnect();
        }
        match self.on_terminal {
            true => self.world.types("\x04"),
            false => self.world.give(Event::InputEnded(None)),
        }
        for _ in 0..10_000 {
            self.serve();
            if self.world.ending.is_some() {
                break;
            }
            self.answer();
        }
        self.serve();
        assert_eq!(self.world.ending, Some(Ending::Goodbye), "{}", self.text);
    }

    fn count(&self, line: &str) -> usize {
        self.text.matches(line).count()
    }

    fn check(&self) {
        let unsent = self.count("Not connected. The command was not sent")
            + self.count("Too many commands are unanswered");
        let (mut answered, mut last_place) = (0, 0);
        for number in &self.typed {
            let created = self.count(&format!("Thread t{number}. created"));
            assert!(created <= 1, "t{number} was answered {created} times");
            assert_eq!(created == 1, self.made.contains_key(&format!("t{number}.")), "t{number}");
            answered += created;
            let place = self.text.find(&format!("Thread t{number}. created")).unwrap_or(last_place);
            assert!(place >= last_place, "t{number} was answered before its turn");
            last_place = place;
        }
        assert_eq!(answered + unsent, self.typed.len(), "{}", self.text);
        let mut at = 0;
        for number in 1..=self.sent {
            let line = format!("hans: m{number}.");
            assert_eq!(self.count(&line), 1, "{line}");
            let place = self.text.find(&line).unwrap();
            assert!(place >= at, "{line} came too early");
            at = place;
        }
        assert_eq!(self.acknowledged, self.sent);
    }
}

#[test]
fn whatever_happens_nothing_is_lost_doubled_or_confirmed_too_early() {
    for seed in 0..1_000 {
        let mut life = Life::new(seed);
        let steps = life.random.usize(1..80);
        for _ in 0..steps {
            life.step();
        }
        life.end();
        life.check();
    }
}
