//! What a member asks for.

use forum_common::wire::{Key, OwnedRequest};

use super::{Asked, Client, Phase, UNANSWERED_MAX};
use crate::model::{State, User};
use crate::plan::{DEEDS, Deed};
use crate::stage::Stage;

/// Titles that threads may have: few, so that clients meet.
const TITLES: u64 = 6;
/// Names that files may have.
const FILES: u64 = 5;

impl Client {
    /// Asks for several things at once.
    pub(super) fn ask_around(&mut self, stage: &mut Stage) {
        for _ in 0..self.rng.between(1, stage.plan.burst) {
            let Some(connection) = &self.connection else { return };
            let is_ready = connection.phase == Phase::Member && !connection.is_finished;
            if !is_ready || connection.peer.unanswered().count() >= UNANSWERED_MAX {
                return;
            }
            match DEEDS[self.rng.weighted(&stage.plan.weights)] {
                Deed::Leave => return self.leave(stage),
                Deed::Upload => self.begin_upload(stage),
                Deed::MarkRead => self.mark_read(stage),
                Deed::Presence => self.set_presence(stage),
                Deed::Link => self.ask_for_link(stage),
                deed => {
                    let state = stage.oracle.borrow().state().clone();
                    let Some(user) = stage.user(connection.name) else { return };
                    if let Some(request) = self.request(stage, deed, &state, user) {
                        self.ask(stage, &request.clone(), Asked::Member(request));
                    }
                }
            }
            if self.rng.chance(stage.plan.acks / 2) {
                self.acknowledge(stage);
            }
        }
    }

    /// When all is calm: one thing more that must be answered, then nothing.
    pub(super) fn ask_calmly(&mut self, stage: &mut Stage) {
        // A word more would wake a connection that was forgotten.
        if self.connection.as_ref().is_some_and(|connection| connection.peer.unanswered().next().is_some()) {
            return;
        }
        self.acknowledge(stage);
        let Some(socket) = self.socket() else { return };
        if !stage.oracle.borrow().has_all_messages(socket) {
            return;
        }
        // Some leave and come again at once, while what they have acknowledged is on its way.
        let comes_again = !std::mem::replace(&mut self.has_come_again, true) && self.rng.chance(500);
        if comes_again || self.connection.as_ref().is_some_and(|connection| connection.name != self.number) {
            return self.leave(stage);
        }
        if !std::mem::replace(&mut self.has_asked_calmly, true) {
            let request = OwnedRequest::Ping { payload: vec![7; 3] };
            self.ask(stage, &request.clone(), Asked::Member(request));
        }
    }

    pub(super) fn leave(&mut self, stage: &mut Stage) {
        if let Some(connection) = &mut self.connection {
            connection.phase = Phase::Leaving;
        }
        self.ask(stage, &OwnedRequest::LogOut, Asked::Member(OwnedRequest::LogOut));
    }

    /// Asks to be told who comes and goes, or no longer.
    fn set_presence(&mut self, stage: &mut Stage) {
        let Some(socket) = self.socket() else { return };
        let on = self.rng.chance(500);
        let request = OwnedRequest::SetPresence { on };
        stage.oracle.borrow_mut().conn(socket).begin_presence(on);
        self.ask(stage, &request.clone(), Asked::Member(request));
    }

    /// Says that a thread was read, mostly up to one of its items.
    fn mark_read(&mut self, stage: &mut Stage) {
        let title = self.title();
        let state = stage.oracle.borrow().state().clone();
        let ids: Vec<u64> = state
            .thread(&title)
            .into_iter()
            .flat_map(|(_, thread)| thread.items.iter().map(|item| item.id))
            .collect();
        let up_to = match ids.is_empty() || self.rng.chance(100) {
            true => self.rng.below(u64::MAX),
            false => *self.rng.pick(&ids),
        };
        let Some(socket) = self.socket() else { return };
        stage.oracle.borrow_mut().marks(socket, &title, up_to);
        stage.say(|| format!("{socket} has read {title} up to {up_to}"));
        let from = self.rng.chance(300).then(|| ids.first().map_or(0, |first| first + self.rng.below(9)));
        self.tell(&OwnedRequest::MarkRead { title, up_to, from });
    }

    fn request(&mut self, stage: &mut Stage, deed: Deed, state: &State, user: User) -> Option<OwnedRequest> {
        Some(match deed {
            Deed::CreateThread => OwnedRequest::CreateThread { title: self.title(), key: self.key() },
            Deed::Post => OwnedRequest::Post { title: self.title(), text: self.text(stage), key: self.key() },
            Deed::Delete => {
                let (title, number, id) = self.post_of(state, user);
                OwnedRequest::DeletePost { title, number, id, key: self.key() }
            }
            Deed::Edit => {
                let (title, number, id) = self.post_of(state, user);
                OwnedRequest::EditPost { title, number, text: self.text(stage), id, key: self.key() }
            }
            Deed::RemoveThread => OwnedRequest::RemoveThread { title: self.title(), key: self.key() },
            Deed::Message => {
                let user = self.other(stage);
                OwnedRequest::SendMessage { user, text: self.text(stage), key: self.key() }
            }
            Deed::Broadcast => OwnedRequest::SendBroadcast { text: self.text(stage) },
            Deed::Block => OwnedRequest::Block { user: self.other(stage), key: self.key() },
            Deed::Unblock => OwnedRequest::Unblock { user: self.other(stage), key: self.key() },
            Deed::Watch => OwnedRequest::Watch { title: self.title(), key: self.key() },
            Deed::Unwatch => OwnedRequest::Unwatch { title: self.title(), key: self.key() },
            Deed::Board => OwnedRequest::PostToBoard { text: self.text(stage), key: self.key() },
            Deed::CreateRoom => {
                let users: Vec<_> = (0..self.rng.between(1, 3)).map(|_| self.other(stage)).collect();
                OwnedRequest::CreateRoom { users: users.join(" "), key: self.key() }
            }
            Deed::RoomPost => {
                let room = self.rng.below(state.rooms.len() as u64 + 2) as u32;
                OwnedRequest::PostToRoom { room, text: self.text(stage), key: self.key() }
            }
            Deed::Ping => OwnedRequest::Ping { payload: self.made_up.to_be_bytes().to_vec() },
            Deed::Password => self.new_password(stage)?,
            Deed::Nonsense => self.nonsense(),
            list => self.list(list, state),
        })
    }

    fn list(&mut self, deed: Deed, state: &State) -> OwnedRequest {
        let at_most = self.rng.chance(500).then(|| self.rng.between(0, 5) as u32);
        let after = None;
        let later_than_ms = self.rng.chance(300).then(|| state.at_ms.saturating_sub(self.rng.below(20_000)));
        match deed {
            Deed::List => {
                let unread = self.rng.chance(300).then_some(true);
                OwnedRequest::ListThreads { after, at_most, unread }
            }
            Deed::Unread if self.rng.chance(500) => OwnedRequest::ListUnread { after, at_most },
            Deed::Unread => {
                let (title, unread) = (self.title(), Some(true));
                OwnedRequest::ReadThread { title, range: None, after, at_most, last: None, unread }
            }
            Deed::Read => {
                let range = self.rng.chance(300).then(|| {
                    let first = self.rng.below(6) as u32;
                    (first, first + self.rng.below(6) as u32)
                });
                let title = self.title();
                OwnedRequest::ReadThread { title, range, after, at_most, last: None, unread: None }
            }
            Deed::ReadHistory if self.rng.chance(500) => {
                let from = self.rng.chance(200).then(|| self.rng.between(0, 4) as u32);
                OwnedRequest::ReadBoard { later_than_ms, after, at_most, from }
            }
            Deed::ReadHistory if self.rng.chance(200) => OwnedRequest::ListRooms { after, at_most },
            Deed::ReadHistory => {
                let room = self.rng.chance(300).then(|| self.rng.between(1, 3) as u32);
                let from = self.rng.chance(200).then(|| self.rng.between(1, 4) as u32);
                OwnedRequest::ReadRooms { later_than_ms, after, at_most, room, from }
            }
            Deed::Search => {
                // Words of every text, of some, and of hardly any.
                let (number, by) = (self.rng.below(self.made_up + 1), self.rng.below(self.number as u64 + 2));
                let words = self.rng.pick(&["of", "OF  1", "-", "nowhere"]).to_string();
                let words = if self.rng.chance(500) { words } else { format!("{number} of {by}") };
                let title = self.rng.chance(300).then(|| self.title());
                OwnedRequest::Search { words, title, after, at_most }
            }
            Deed::Download => {
                OwnedRequest::Download { title: self.title(), file: self.file(), offset: None, digest: None }
            }
            _ => match self.rng.below(3) {
                0 => OwnedRequest::WhoElse { after, at_most },
                // As far back as anybody remembers.
                1 => OwnedRequest::WhoElseSince { seconds: u64::MAX, after, at_most },
                _ => OwnedRequest::ListActive { after, at_most },
            },
        }
    }

    /// Something that can't be asked for.
    fn nonsense(&mut self) -> OwnedRequest {
        let (title, text, key) = ("a b".to_owned(), "bell\u{7}".to_owned(), self.key());
        match self.rng.below(4) {
            0 => OwnedRequest::CreateThread { title, key },
            1 => OwnedRequest::Post { title: self.title(), text, key },
            2 => OwnedRequest::PostToBoard { text: String::new(), key },
            _ => OwnedRequest::SendMessage { user: "nobody".to_owned(), text: "hello".to_owned(), key },
        }
    }

    fn new_password(&mut self, stage: &mut Stage) -> Option<OwnedRequest> {
        let connection = self.connection.as_ref()?;
        let (name, socket) = (connection.name, connection.socket);
        let (_, old) = stage.oracle.borrow_mut().conn(socket).claim.clone()?;
        let old = if self.rng.chance(200) { "wrong".to_owned() } else { old };
        self.made_up += 1;
        let new = format!("secret {} of {}", self.made_up, self.number);
        stage.passwords[name].push(new.clone());
        // Who logs in meanwhile may give the old one.
        stage.is_suspect[name] = true;
        Some(OwnedRequest::ChangePassword { old, confirmation: new.clone(), new })
    }

    pub(super) fn title(&mut self) -> String {
        format!("t{}", self.rng.below(TITLES))
    }

    pub(super) fn file(&mut self) -> String {
        format!("f{}", self.rng.below(FILES))
    }

    /// Anybody's name, one's own included.
    pub(super) fn other(&mut self, stage: &Stage) -> String {
        stage.name(self.rng.index(stage.plan.names))
    }

    /// A text that nobody else ever says.
    fn text(&mut self, stage: &Stage) -> String {
        self.made_up += 1;
        let mut text = format!("{} of {}", self.made_up, self.number);
        if self.rng.chance(stage.plan.long_rate) {
            let length = self.rng.magnitude(1, stage.plan.long_text) as usize;
            text.push_str(&" -".repeat(length / 2));
        }
        text
    }

    pub(super) fn key(&mut self) -> Option<Key> {
        self.rng.chance(600).then(|| {
            let mut key = Key::default();
            self.rng.fill(&mut key);
            key
        })
    }

    /// A message to be changed: mostly one of one's own, by its number and sometimes by its id.
    fn post_of(&mut self, state: &State, user: User) -> (String, u32, Option<u64>) {
        let title = self.title();
        let Some((_, thread)) = state.thread(&title) else { return (title, 1, None) };
        let own: Vec<_> = thread
            .posts()
            .zip(1..)
            .filter(|(post, _)| post.author == user || self.rng.chance(100))
            .map(|(post, number)| (post.id, number))
            .collect();
        if own.is_empty() {
            return (title, self.rng.below(4) as u32, None);
        }
        let (id, number) = *self.rng.pick(&own);
        (title, number, self.rng.chance(500).then_some(id))
    }
}
