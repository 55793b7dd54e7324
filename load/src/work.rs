//! What the scenarios ask for: which bytes each connection sends next, and what has to be made before.
//! Requests are encoded once where they can be. Nothing here knows a socket or a clock.

use forum_common::wire::Request;

use crate::args::{Arguments, Scenario};
use crate::dialect::Protocol;
use crate::dialect::forum::TAG;
use crate::keys::Keys;
use crate::mixed::Mixed;

/// What a connection of chat asks for, in the order of the numbers that [`Work::append`] returns.
pub(crate) const CHAT_KINDS: &[&str] = &["room", "member"];

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
        /// The threads that it makes.
        made: Vec<String>,
        /// Each as it goes over the wire.
        requests: Vec<Vec<u8>>,
        /// Which of them is next.
        next: usize,
        /// For what they end with.
        keys: Keys,
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
    /// What these arguments ask for; `first` is the number of the first connection.
    ///
    /// # Errors
    /// A sentence that says which of them can't be.
    pub fn new(arguments: &Arguments, first: u32) -> Result<Self, String> {
        Ok(match arguments.scenario {
            Scenario::Connect | Scenario::Transfer => Self::Nothing,
            Scenario::Ping => Self::pings(arguments.protocol),
            Scenario::Post => posts(arguments),
            Scenario::Read => pages(arguments),
            Scenario::Fanout => {
                let text = text_of(arguments.text_bytes());
                let request = encoded(|out| arguments.protocol.publish(&text, out));
                Self::stock(Preparation::default(), Vec::new(), request)
            }
            Scenario::Mixed => Self::Mixed(Mixed::new(arguments, first)?),
            Scenario::Chat => Self::Chat(Chat::new(arguments, first)),
        })
    }

    /// Pings, whatever the arguments say.
    pub fn pings(protocol: Protocol) -> Self {
        Self::stock(Preparation::default(), Vec::new(), encoded(|out| protocol.ping(out)))
    }

    fn stock(preparation: Preparation, made: Vec<String>, request: Vec<u8>) -> Self {
        Self::Stock { preparation, made, requests: vec![request], next: 0, keys: Keys::new(false) }
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

    /// Appends what removes what connection `number` had made. Returns how many answers that brings. The first one has
    /// made what all use.
    pub fn clean_up(&mut self, number: u32, out: &mut Vec<u8>) -> u32 {
        let titles = match self {
            Self::Nothing | Self::Chat(_) => Vec::new(),
            Self::Stock { made, .. } => std::mem::take(made),
            Self::Mixed(mixed) => vec![mixed.title(number)],
        };
        let mut removal = Preparation::default();
        titles.iter().for_each(|title| removal.ask(&Request::RemoveThread { title, key: None }));
        removal.send(out)
    }

    /// Hears which room the preparation of connection `number` was about.
    pub fn learn(&mut self, number: u32, room: u32) {
        if let Self::Chat(chat) = self {
            let place = (number - chat.first) / chat.members;
            chat.rooms[place as usize] = room;
        }
    }

    /// Appends the next request of connection `number`. Returns its place among the scenario's kinds.
    #[inline]
    pub fn append(&mut self, number: u32, out: &mut Vec<u8>) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::Stock { requests, next, keys, .. } => {
                out.extend_from_slice(&requests[*next]);
                keys.renew(out);
                *next = if *next + 1 == requests.len() { 0 } else { *next + 1 };
                0
            }
            Self::Mixed(mixed) => mixed.append(number, out),
            Self::Chat(chat) => chat.append(number, out),
        }
    }
}

/// Asks for these messages of a thread.
pub(crate) fn read_thread(title: &str, from: u32, to: u32) -> Request<'_> {
    let range = Some((from, to));
    Request::ReadThread { title, range, after: None, at_most: None, last: None, unread: None }
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
            preparation.ask(&Request::CreateThread { title, key: None });
        }
    }
    let mut keys = Keys::new(arguments.keys);
    let mut post = |title| encoded(|out| arguments.protocol.post(title, &text, keys.make(), out));
    let requests = titles.iter().map(|title| post(title)).collect();
    let made = if preparation.answers > 0 { titles } else { Vec::new() };
    Work::Stock { preparation, made, requests, next: 0, keys }
}

fn pages(arguments: &Arguments) -> Work {
    let (from, to) = arguments.page;
    let (mut preparation, mut made) = (Preparation::default(), Vec::new());
    let title = match &arguments.thread {
        Some(title) => title.clone(),
        None => {
            let title = format!("{}-page", arguments.user_prefix);
            let text = text_of(arguments.text_bytes());
            preparation.ask(&Request::RemoveThread { title: &title, key: None });
            preparation.ask(&Request::CreateThread { title: &title, key: None });
            for _ in 0..to {
                preparation.ask(&Request::Post { title: &title, text: &text, key: None });
            }
            made.push(title.clone());
            title
        }
    };
    let request = read_thread(&title, from, to);
    Work::stock(preparation, made, encoded(|out| request.encode(TAG, out)))
}

/// Rooms of neighbouring connections. Every member speaks to its room, and now and then to one member.
#[derive(Debug)]
pub struct Chat {
    prefix: String,
    text: String,
    /// The number of the first connection.
    first: u32,
    members: u32,
    /// The server's numbers of the rooms; 0 = not known yet.
    rooms: Vec<u32>,
    random: fastrand::Rng,
    keys: Keys,
}

impl Chat {
    fn new(arguments: &Arguments, first: u32) -> Self {
        Self {
            prefix: arguments.user_prefix.clone(),
            text: text_of(arguments.text_bytes()),
            first,
            members: arguments.room_size,
            rooms: vec![0; (arguments.connections / arguments.room_size) as usize],
            random: fastrand::Rng::with_seed(arguments.seed),
            keys: Keys::new(arguments.keys),
        }
    }

    /// The first member makes the room.
    fn prepare(&mut self, number: u32, out: &mut Vec<u8>) -> u32 {
        if !(number - self.first).is_multiple_of(self.members) {
            return 0;
        }
        let others = number + 1..number + self.members;
        let names: Vec<String> = others.map(|other| user_name(&self.prefix, other)).collect();
        Request::CreateRoom { users: &names.join(" "), key: None }.encode(TAG, out);
        1
    }

    fn append(&mut self, number: u32, out: &mut Vec<u8>) -> u8 {
        let (text, key) = (&self.text, self.keys.make());
        if self.random.u32(..10) < DIRECT_IN_TEN {
            let place = (number - self.first) % self.members;
            let other = number - place + (place + self.random.u32(1..self.members)) % self.members;
            Request::SendMessage { user: &user_name(&self.prefix, other), text, key }.encode(TAG, out);
            1
        } else {
            let room = self.rooms[((number - self.first) / self.members) as usize];
            Request::PostToRoom { room, text, key }.encode(TAG, out);
            0
        }
    }
}
