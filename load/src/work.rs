//! What the scenarios ask for: which bytes each connection sends next, and what has to be made before.
//! Requests are encoded once where they can be. Nothing here knows a socket or a clock.

use forum_common::request::Request;

use crate::args::{Arguments, Scenario};
use crate::dialect::Protocol;
use crate::mixed::Mixed;

/// One tag does for all requests.
pub(crate) const TAG: u32 = 1;

/// Of ten messages of chat, those that go to one member alone.
const DIRECT_IN_TEN: u32 = 2;

/// What a run asks for.
#[derive(Debug)]
pub enum Work {
    /// Nothing.
    Nothing,
    /// These requests, one after the other and again from the first.
    Stock {
        /// What makes them possible, asked for by the first connection.
        preparation: Preparation,
        /// Each as it goes over the wire.
        requests: Vec<Vec<u8>>,
        /// Which of them is next.
        next: usize,
    },
    /// Different requests by chance.
    Mixed(Mixed),
    /// Rooms.
    Chat(Chat),
}

/// Requests that come before all others, and how many answers they bring. What was made by an earlier run is
/// refused, which does no harm.
#[derive(Debug, Default)]
pub struct Preparation {
    bytes: Vec<u8>,
    answers: u32,
}

impl Preparation {
    /// Adds a request.
    pub fn ask(&mut self, request: &Request<'_>) {
        request.encode(TAG, &mut self.bytes);
        self.answers += 1;
    }

    /// Moves it to `out`, and says how many answers come.
    pub fn send(&mut self, out: &mut Vec<u8>) -> u32 {
        out.append(&mut self.bytes);
        std::mem::take(&mut self.answers)
    }
}

/// A text of so many bytes.
pub(crate) fn text_of(bytes: usize) -> String {
    "the quick brown fox jumps over the lazy dog, ".chars().cycle().take(bytes).collect()
}

/// The name of user `number`.
pub(crate) fn user_name(prefix: &str, number: u32) -> String {
    format!("{prefix}{number}")
}

impl Work {
    /// What these arguments ask for.
    ///
    /// # Errors
    /// A sentence that says which of them can't be.
    pub fn new(arguments: &Arguments) -> Result<Self, String> {
        Ok(match arguments.scenario {
            Scenario::Connect | Scenario::Transfer => Self::Nothing,
            Scenario::Ping => {
                Self::stock(Preparation::default(), vec![encoded(|out| arguments.protocol.ping(out))])
            }
            Scenario::Post => posts(arguments),
            Scenario::Read => pages(arguments),
            Scenario::Fanout => {
                let text = text_of(arguments.text_bytes());
                Self::stock(
                    Preparation::default(),
                    vec![encoded(|out| arguments.protocol.publish(&text, out))],
                )
            }
            Scenario::Mixed => Self::Mixed(Mixed::new(arguments)?),
            Scenario::Chat => Self::Chat(Chat::new(arguments)),
        })
    }

    /// Pings, whatever the arguments say.
    pub fn pings(protocol: Protocol) -> Self {
        Self::stock(Preparation::default(), vec![encoded(|out| protocol.ping(out))])
    }

    fn stock(preparation: Preparation, requests: Vec<Vec<u8>>) -> Self {
        Self::Stock { preparation, requests, next: 0 }
    }

    /// Appends what connection `number` needs made before it asks. Returns how many answers that brings.
    pub fn prepare(&mut self, number: u32, out: &mut Vec<u8>) -> u32 {
        match self {
            Self::Nothing => 0,
            Self::Stock { preparation, .. } => preparation.send(out),
            Self::Mixed(mixed) => mixed.prepare(number, out),
            Self::Chat(chat) => chat.prepare(number, out),
        }
    }

    /// Hears what came of the preparation of connection `number`.
    pub fn learn(&mut self, number: u32, text: &[u8]) {
        if let Self::Chat(chat) = self {
            chat.learn(number, &String::from_utf8_lossy(text));
        }
    }

    /// Appends the next request of connection `number`.
    #[inline]
    pub fn append(&mut self, number: u32, out: &mut Vec<u8>) {
        match self {
            Self::Nothing => {}
            Self::Stock { requests, next, .. } => {
                out.extend_from_slice(&requests[*next]);
                *next = if *next + 1 == requests.len() { 0 } else { *next + 1 };
            }
            Self::Mixed(mixed) => mixed.append(number, out),
            Self::Chat(chat) => chat.append(number, out),
        }
    }
}

fn encoded(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut bytes);
    bytes
}

fn posts(arguments: &Arguments) -> Work {
    let text = text_of(arguments.text_bytes());
    let titles: Vec<String> = match &arguments.thread {
        Some(title) => vec![title.clone()],
        None => (0..arguments.threads).map(|n| format!("{}-{n}", arguments.user_prefix)).collect(),
    };
    let mut preparation = Preparation::default();
    if arguments.protocol == Protocol::Forum && arguments.thread.is_none() {
        for title in &titles {
            preparation.ask(&Request::CreateThread { title });
        }
    }
    let requests = titles.iter().map(|title| encoded(|out| arguments.protocol.post(title, &text, out)));
    Work::stock(preparation, requests.collect())
}

fn pages(arguments: &Arguments) -> Work {
    let (from, to) = arguments.page;
    let mut preparation = Preparation::default();
    let title = match &arguments.thread {
        Some(title) => title.clone(),
        None => {
            let title = format!("{}-page", arguments.user_prefix);
            let text = text_of(arguments.text_bytes());
            preparation.ask(&Request::RemoveThread { title: &title });
            preparation.ask(&Request::CreateThread { title: &title });
            for _ in 0..to {
                preparation.ask(&Request::Post { title: &title, text: &text });
            }
            title
        }
    };
    let request = Request::ReadThread { title: &title, range: Some((from, to)) };
    Work::stock(preparation, vec![encoded(|out| request.encode(TAG, out))])
}

/// Rooms of neighbouring connections. Every member speaks to its room, and now and then to one member.
#[derive(Debug)]
pub struct Chat {
    prefix: String,
    text: String,
    members: u32,
    /// The server's numbers of the rooms; 0 = not known yet.
    rooms: Vec<u32>,
    random: fastrand::Rng,
}

impl Chat {
    fn new(arguments: &Arguments) -> Self {
        Self {
            prefix: arguments.user_prefix.clone(),
            text: text_of(arguments.text_bytes()),
            members: arguments.room_size,
            rooms: vec![0; (arguments.connections / arguments.room_size) as usize],
            random: fastrand::Rng::with_seed(arguments.seed),
        }
    }

    /// The first member makes the room.
    fn prepare(&mut self, number: u32, out: &mut Vec<u8>) -> u32 {
        if !number.is_multiple_of(self.members) {
            return 0;
        }
        let others = number + 1..number + self.members;
        let names: Vec<String> = others.map(|other| user_name(&self.prefix, other)).collect();
        Request::CreateRoom { users: &names.join(" ") }.encode(TAG, out);
        1
    }

    /// The number stands in the text of the answer, and in that of the refusal when there is such a room.
    fn learn(&mut self, number: u32, text: &str) {
        let digits = text.split_once("ID: ").map_or("", |(_, rest)| rest);
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        if let Ok(room) = digits[..end].parse() {
            self.rooms[(number / self.members) as usize] = room;
        }
    }

    fn append(&mut self, number: u32, out: &mut Vec<u8>) {
        let text = &self.text;
        if self.random.u32(..10) < DIRECT_IN_TEN {
            let first = number - number % self.members;
            let other = first + (number - first + self.random.u32(1..self.members)) % self.members;
            Request::Message { user: &user_name(&self.prefix, other), text }.encode(TAG, out);
        } else {
            let room = self.rooms[(number / self.members) as usize];
            Request::PostToRoom { room, text }.encode(TAG, out);
        }
    }
}
