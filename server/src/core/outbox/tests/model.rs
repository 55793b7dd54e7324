//! The outbox against a model that keeps a list of frames for everybody: whatever happens in which order, and however
//! few bytes a kernel takes, a client gets exactly the frames that it should, whole, in the order of telling.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const SLOTS: usize = 5;

/// Where a frame comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Presence,
    Said,
    Own,
}

#[derive(Debug, Clone)]
enum Act {
    Listen { slot: usize, presence: bool },
    SetPresence { slot: usize, presence: bool },
    Tell { kind: Kind, author: usize, excluded: Vec<usize>, bytes: usize },
    Own { slot: usize, bytes: usize },
    Write { slot: usize, room: usize },
    Refuse { slot: usize },
    Sweep { receivers: usize, room: usize },
    Hurry { receivers: usize, room: usize },
    Cut { slot: usize },
    LastWord { slot: usize },
    Reopen { slot: usize },
}

fn act() -> impl Strategy<Value = Act> {
    let slot = 0..SLOTS;
    let kind = prop_oneof![Just(Kind::Presence), Just(Kind::Said)];
    let bytes = prop_oneof![8 => 10..200_usize, 1 => 10_000..30_000_usize];
    let room = prop_oneof![1 => Just(0_usize), 4 => 1..400_usize, 2 => Just(1 << 20)];
    let tell =
        (kind, 0..SLOTS + 1, prop_oneof![3 => vec(0..SLOTS, 0..1), 1 => vec(0..SLOTS, 1..4)], bytes.clone());
    prop_oneof![
        3 => (slot.clone(), any::<bool>()).prop_map(|(slot, presence)| Act::Listen { slot, presence }),
        2 => (slot.clone(), any::<bool>()).prop_map(|(slot, presence)| Act::SetPresence { slot, presence }),
        12 => tell.prop_map(|(kind, author, excluded, bytes)| Act::Tell { kind, author, excluded, bytes }),
        6 => (slot.clone(), bytes).prop_map(|(slot, bytes)| Act::Own { slot, bytes }),
        5 => (slot.clone(), room.clone()).prop_map(|(slot, room)| Act::Write { slot, room }),
        1 => slot.clone().prop_map(|slot| Act::Refuse { slot }),
        5 => (1..8_usize, room.clone()).prop_map(|(receivers, room)| Act::Sweep { receivers, room }),
        2 => (1..8_usize, room).prop_map(|(receivers, room)| Act::Hurry { receivers, room }),
        1 => slot.clone().prop_map(|slot| Act::Cut { slot }),
        1 => slot.clone().prop_map(|slot| Act::LastWord { slot }),
        1 => slot.prop_map(|slot| Act::Reopen { slot }),
    ]
}

/// What one client is to get.
#[derive(Debug, Default)]
struct Client {
    listens: bool,
    presence: bool,
    ended: bool,
    frames: Vec<(Kind, Vec<u8>)>,
    stream: Stream,
    generation: u32,
}

impl Client {
    /// Drops frames that are not begun, if they are to be dropped.
    fn forget(&mut self, is_dropped: impl Fn(Kind) -> bool) {
        let (mut start, written) = (0, self.stream.taken.len());
        self.frames.retain(|(kind, frame)| {
            let is_begun = start < written;
            start += frame.len();
            is_begun || !is_dropped(*kind)
        });
    }
}

struct Play {
    outbox: Outbox,
    clients: Vec<Client>,
    now: Instant,
    told: usize,
}

impl Play {
    fn new() -> Self {
        let now = Instant::now();
        let clients = std::iter::repeat_with(Client::default).take(SLOTS).collect();
        let outbox = Outbox::new(NOTICE_BYTES_MAX, QUEUED_MAX, now);
        let mut play = Self { outbox, clients, now, told: 0 };
        (0..SLOTS).for_each(|slot| play.outbox.open(play.id(slot)));
        play
    }

    fn id(&self, slot: usize) -> ConnectionId {
        ConnectionId { slot: slot as u32, generation: self.clients[slot].generation }
    }

    fn text(&mut self, bytes: usize) -> String {
        self.told += 1;
        format!("{:bytes$}", self.told)
    }

    fn write(&mut self, slot: usize, room: usize) {
        let id = self.id(slot);
        let client = &mut self.clients[slot];
        client.stream.room = room;
        self.outbox.write(id, &mut client.stream).unwrap();
    }

    fn sweep(&mut self, receivers: usize, room: usize, hurry: bool) {
        for _ in 0..receivers {
            let next = match hurry {
                true => self.outbox.next_overdue(self.now),
                false => self.outbox.next_receiver(self.now),
            };
            let Some(next) = next else { return };
            assert_eq!(next, self.id(next.slot as usize), "the dead are not written to");
            self.write(next.slot as usize, room);
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Listen { slot, presence } => {
                let client = &mut self.clients[slot];
                if !client.listens && !client.ended {
                    (client.listens, client.presence) = (true, presence);
                    let id = self.id(slot);
                    self.outbox.listen(id, user(slot), presence);
                }
            }
            Act::SetPresence { slot, presence } => {
                let client = &mut self.clients[slot];
                if client.listens && !client.ended {
                    client.presence = presence;
                    if !presence {
                        client.forget(|kind| kind == Kind::Presence);
                    }
                }
                self.outbox.set_presence(self.id(slot), presence);
            }
            Act::Tell { kind, author, excluded, bytes } => self.tell(kind, author, &excluded, bytes),
            Act::Own { slot, bytes } => {
                let text = self.text(bytes);
                self.outbox.notify(self.id(slot), &notice(&text));
                if !self.clients[slot].ended {
                    self.clients[slot].frames.push((Kind::Own, frame(&text)));
                }
            }
            Act::Write { slot, room } => self.write(slot, room),
            Act::Refuse { slot } => self.outbox.refused(self.id(slot)),
            Act::Sweep { receivers, room } => self.sweep(receivers, room, false),
            Act::Hurry { receivers, room } => self.sweep(receivers, room, true),
            Act::Cut { slot } => {
                self.outbox.cut(self.id(slot));
                self.clients[slot].listens = false;
                self.clients[slot].forget(|_| true);
            }
            Act::LastWord { slot } => {
                self.outbox.last_word(self.id(slot), &notice("goodbye"));
                if !std::mem::replace(&mut self.clients[slot].ended, true) {
                    self.clients[slot].frames.push((Kind::Own, frame("goodbye")));
                }
            }
            Act::Reopen { slot } => {
                self.outbox.remove(self.id(slot));
                let generation = self.clients[slot].generation + 1;
                self.clients[slot] = Client { generation, ..Client::default() };
                self.outbox.open(self.id(slot));
            }
        }
        self.outbox.swept(self.now, self.now);
        self.outbox.free_feed();
    }

    fn tell(&mut self, kind: Kind, author: usize, excluded: &[usize], bytes: usize) {
        let text = self.text(bytes);
        let set: Users = excluded.iter().map(|slot| user(*slot)).collect();
        match kind {
            Kind::Presence => self.outbox.announce_presence(user(author), set, &notice(&text)),
            _ => self.outbox.say(user(author), set, &notice(&text)),
        }
        for (slot, client) in self.clients.iter_mut().enumerate() {
            let listens = client.listens && !client.ended && (kind == Kind::Said || client.presence);
            if listens && slot != author && !excluded.contains(&slot) {
                client.frames.push((kind, frame(&text)));
            }
        }
    }

    fn expect_prefixes(&self) {
        for client in &self.clients {
            let wanted: Vec<u8> = client.frames.iter().flat_map(|(_, frame)| frame.clone()).collect();
            assert!(wanted.starts_with(&client.stream.taken), "in order, and whole");
        }
    }

    /// Lets everybody read, and insists that nobody lacks anything and nothing is held.
    fn end(mut self) {
        while self.outbox.is_sweep_due(self.now) {
            self.sweep(usize::MAX, usize::MAX, false);
            self.outbox.swept(self.now, self.now);
        }
        (0..SLOTS).for_each(|slot| self.write(slot, usize::MAX));
        self.outbox.free_feed();
        for client in &self.clients {
            let wanted: Vec<u8> = client.frames.iter().flat_map(|(_, frame)| frame.clone()).collect();
            assert!(client.stream.taken == wanted, "{} of {} bytes", client.stream.taken.len(), wanted.len());
        }
        assert_eq!((self.outbox.feed_bytes(), self.outbox.queued), (0, 0));
        assert!(self.outbox.stuck.is_empty() && self.outbox.lagging.iter().all(|lagging| lagging.is_empty()));
        (0..SLOTS).for_each(|slot| self.outbox.remove(self.id(slot)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn everybody_gets_exactly_its_frames_whole_and_in_order(acts in vec(act(), 1..120)) {
        let mut play = Play::new();
        for act in acts {
            play.act(act);
            play.expect_prefixes();
        }
        play.end();
    }
}
