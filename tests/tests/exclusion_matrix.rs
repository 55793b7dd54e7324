//! Who is shown what of whom: every combination of blocks between three users, of who is online, and of what
//! they do, held against a model of the rules that knows nothing of the server's code.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};

use forum_common::wire::{OwnedNotice, OwnedReply, Refusal, Request};
use forum_tests::{Server, Wire, notice};

/// The users who block each other.
const USERS: [&str; 3] = ["yoda", "hans", "luke"];

/// Users who are always online and block nobody: every subset of them makes a new room.
const WITNESSES: [&str; 8] = ["w0", "w1", "w2", "w3", "w4", "w5", "w6", "w7"];

/// What a user gets for a request: the lines of a list, or the answer.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Lines(Vec<String>),
    Done,
    Refused(Refusal),
}

/// A message as the model keeps it: its number, who sent it, what it says.
type Mail = (u64, &'static str, String);

/// The rules, in the words of the contract.
#[derive(Default)]
struct Model {
    /// Who has blocked whom: the blocker, then the blocked.
    blocks: BTreeSet<(&'static str, &'static str)>,
    /// In the order they logged in.
    online: Vec<&'static str>,
    /// Who was online and went, the latest last.
    gone: Vec<&'static str>,
    /// Messages that wait, and how many there ever were.
    mail: BTreeMap<&'static str, (Vec<Mail>, u64)>,
    board_posts: u32,
    /// Messages of the thread that all users watch, the newest last: their number and text are their place and this.
    thread_posts: Vec<(&'static str, String)>,
    /// The members of each room, and how many messages it has.
    rooms: Vec<(Vec<&'static str>, u32)>,
}

/// What each user is shown, in order.
type Shown = BTreeMap<&'static str, Vec<OwnedNotice>>;

impl Model {
    fn has_blocked(&self, blocker: &'static str, blocked: &'static str) -> bool {
        self.blocks.contains(&(blocker, blocked))
    }

    fn is_online(&self, user: &str) -> bool {
        self.online.contains(&user)
    }

    /// Everyone online but `user`.
    fn others(&self, user: &'static str) -> impl Iterator<Item = &'static str> {
        self.online.iter().copied().filter(move |other| *other != user)
    }

    /// Shows something of `actor` to all of these who have not blocked `actor`.
    fn show(&self, actor: &'static str, to: &[&'static str], notice: &OwnedNotice, shown: &mut Shown) {
        for receiver in to.iter().filter(|receiver| !self.has_blocked(receiver, actor)) {
            shown.entry(receiver).or_default().push(notice.clone());
        }
    }

    /// Presence asks the other way round: who is blocked by `actor` does not see `actor` come and go.
    fn show_presence(&self, actor: &'static str, notice: &OwnedNotice, shown: &mut Shown) {
        for receiver in self.others(actor).filter(|receiver| !self.has_blocked(actor, receiver)) {
            shown.entry(receiver).or_default().push(notice.clone());
        }
    }

    fn log_in(&mut self, user: &'static str, shown: &mut Shown) {
        let (waiting, _) = self.mail.entry(user).or_default();
        let late = waiting.drain(..).map(|(number, from, text)| notice::late_message(number, from, &text));
        shown.entry(user).or_default().extend(late);
        self.show_presence(user, &notice::logged_in(user), shown);
        self.online.push(user);
        self.gone.retain(|gone| *gone != user);
    }

    fn log_out(&mut self, user: &'static str, shown: &mut Shown) {
        self.online.retain(|online| *online != user);
        self.show_presence(user, &notice::logged_out(user), shown);
        self.gone.push(user);
    }

    fn message(&mut self, from: &'static str, to: &'static str, text: &str, shown: &mut Shown) -> Answer {
        if from == to {
            return Answer::Refused(Refusal::NotToSelf);
        }
        if self.has_blocked(to, from) {
            return Answer::Refused(Refusal::BlockedByUser);
        }
        let is_online = self.is_online(to);
        let (waiting, newest) = self.mail.entry(to).or_default();
        *newest += 1;
        if is_online {
            shown.entry(to).or_default().push(notice::message(*newest, from, text));
        } else {
            waiting.push((*newest, from, text.to_owned()));
        }
        Answer::Done
    }

    fn broadcast(&self, from: &'static str, text: &str, shown: &mut Shown) -> Answer {
        let others: Vec<_> = self.others(from).collect();
        self.show(from, &others, &notice::broadcast(from, text), shown);
        let was_skipped = others.iter().any(|other| self.has_blocked(other, from));
        if was_skipped { Answer::Refused(Refusal::NotToAll) } else { Answer::Done }
    }

    fn post_to_board(&mut self, author: &'static str, text: &str, shown: &mut Shown) -> Answer {
        self.board_posts += 1;
        let others: Vec<_> = self.others(author).collect();
        self.show(author, &others, &notice::board_post(self.board_posts, author, text), shown);
        Answer::Done
    }

    /// Everybody watches the thread; the board's numbers are not those of its messages.
    fn post_to_thread(&mut self, author: &'static str, text: &str, shown: &mut Shown) -> Answer {
        self.thread_posts.push((author, text.to_owned()));
        let (number, others) = (self.thread_posts.len() as u32, self.others(author).collect::<Vec<_>>());
        let watching: Vec<_> = others.into_iter().filter(|other| USERS.contains(other)).collect();
        let notice = notice::thread_post("t", number, number.into(), author, text);
        self.show(author, &watching, &notice, shown);
        Answer::Done
    }

    /// Blocks keep nothing out of what is stored: who searches finds the messages of everybody.
    fn search(&self, word: &str) -> Answer {
        let newest = self.thread_posts.iter().enumerate().rev();
        let found = newest.filter(|(_, (_, text))| text.split(' ').any(|known| known.contains(word)));
        let line =
            |(place, (author, text)): (usize, &(&str, String))| format!("t {} {author}: {text}", place + 1);
        Answer::Lines(found.map(line).take(100).collect())
    }

    fn create_room(&mut self, creator: &'static str, others: &[&'static str], shown: &mut Shown) -> Answer {
        if others.iter().any(|other| !self.is_online(other)) {
            return Answer::Refused(Refusal::Offline);
        }
        let members: Vec<_> = std::iter::once(creator).chain(others.iter().copied()).collect();
        let set: BTreeSet<_> = members.iter().collect();
        if self.rooms.iter().any(|(members, _)| members.iter().collect::<BTreeSet<_>>() == set) {
            return Answer::Refused(Refusal::RoomExists);
        }
        let notice = notice::put_in_room(self.rooms.len() as u32 + 1, creator, &members.join(" "));
        self.show(creator, others, &notice, shown);
        self.rooms.push((members, 0));
        Answer::Done
    }

    fn post_to_room(&mut self, author: &'static str, room: u32, text: &str, shown: &mut Shown) -> Answer {
        let Some((members, posts)) = self.rooms.get_mut(room as usize - 1) else {
            return Answer::Refused(Refusal::NoSuchRoom);
        };
        if !members.contains(&author) {
            return Answer::Refused(Refusal::NotInRoom);
        }
        *posts += 1;
        let (members, number) = (members.clone(), *posts);
        let others: Vec<_> = self.others(author).filter(|other| members.contains(other)).collect();
        self.show(author, &others, &notice::room_post(room, number, author, text), shown);
        Answer::Done
    }

    fn names(&self, asker: &'static str, all: impl Iterator<Item = &'static str>) -> Answer {
        let visible = all.filter(|other| *other != asker && !self.has_blocked(other, asker));
        Answer::Lines(visible.map(str::to_owned).collect())
    }

    fn who_else(&self, asker: &'static str) -> Answer {
        self.names(asker, self.online.iter().copied())
    }

    fn who_else_since(&self, asker: &'static str) -> Answer {
        self.names(asker, self.online.iter().chain(self.gone.iter().rev()).copied())
    }
}

/// The server, the users' connections, and the model beside them.
struct Stage {
    server: Server,
    wires: BTreeMap<&'static str, Wire>,
    model: Model,
    shown: Shown,
    texts: u32,
    /// Which subset of the witnesses made the last room.
    witnesses: usize,
}

impl Stage {
    fn new() -> Self {
        let server = Server::start(&["--durability", "none"]);
        let (wires, model) = (BTreeMap::new(), Model::default());
        let mut stage = Self { server, wires, model, shown: Shown::new(), texts: 0, witnesses: 0 };
        for user in WITNESSES.into_iter().chain(USERS) {
            stage.log_in(user);
        }
        for user in USERS {
            let wire = stage.wires.get_mut(user).expect("online");
            if user == USERS[0] {
                wire.done(&Request::CreateThread { title: "t", key: None });
            }
            wire.done(&Request::Watch { title: "t", key: None });
        }
        stage
    }

    fn text(&mut self) -> String {
        self.texts += 1;
        format!("text {}", self.texts)
    }

    /// Insists that everybody was shown what the rules include, and nothing that they exclude.
    fn expect_shown(&mut self, why: &str) {
        for (user, wire) in &mut self.wires {
            let wanted = self.shown.remove(user).unwrap_or_default();
            let heard = wire.notices_until(wanted.len());
            assert!(
                heard == wanted,
                "{user} was shown {heard:#?}, not {wanted:#?}, {why}; blocks: {:?}",
                self.model.blocks
            );
            let messages = wanted.iter().filter_map(|notice| match notice {
                OwnedNotice::Message { number, .. } => Some(*number),
                _ => None,
            });
            if let Some(newest) = messages.max() {
                wire.taken(newest);
            }
        }
    }

    fn log_in(&mut self, user: &'static str) {
        let wire = self.server.user(user);
        self.wires.insert(user, wire);
        self.model.log_in(user, &mut self.shown);
        self.expect_shown("when somebody logged in");
    }

    fn log_out(&mut self, user: &'static str) {
        self.wires.remove(user).expect("online").log_out();
        self.model.log_out(user, &mut self.shown);
        self.expect_shown("when somebody logged out");
    }

    /// Blocks or unblocks.
    fn toggle(&mut self, blocker: &'static str, user: &'static str) {
        let wire = self.wires.get_mut(blocker).expect("online");
        if self.model.blocks.remove(&(blocker, user)) {
            wire.unblock(user);
        } else {
            wire.block(user);
            self.model.blocks.insert((blocker, user));
        }
        self.expect_shown("of a block");
    }

    /// Asks the server what was asked of the model.
    fn expect_answer(&mut self, actor: &'static str, request: &Request<'_>, wanted: &Answer) {
        let wire = self.wires.get_mut(actor).expect("online");
        let answer = match wanted {
            Answer::Lines(_) => Answer::Lines(wire.lines(request)),
            _ => wire.outcome(request).map_or_else(|(code, _)| Answer::Refused(code), |_| Answer::Done),
        };
        assert!(
            answer == *wanted,
            "{actor} got {answer:?}, not {wanted:?}, for {request:?}; blocks: {:?}",
            self.model.blocks
        );
    }

    /// Lets a user who is online do everything there is.
    fn do_everything(&mut self, actor: &'static str) {
        for user in USERS {
            let text = self.text();
            let wanted = self.model.message(actor, user, &text, &mut self.shown);
            self.expect_answer(actor, &Request::SendMessage { user, text: &text, key: None }, &wanted);
        }
        let text = self.text();
        let wanted = self.model.broadcast(actor, &text, &mut self.shown);
        self.expect_answer(actor, &Request::SendBroadcast { text: &text }, &wanted);
        let wanted = self.model.post_to_board(actor, &text, &mut self.shown);
        self.expect_answer(actor, &Request::PostToBoard { text: &text, key: None }, &wanted);
        let wanted = self.model.post_to_thread(actor, &text, &mut self.shown);
        self.expect_answer(actor, &Request::Post { title: "t", text: &text, key: None }, &wanted);
        let wanted = self.model.search("text");
        let search = Request::Search { words: "TEXT", title: Some("t"), after: None, at_most: None };
        self.expect_answer(actor, &search, &wanted);
        self.look_around(actor);
        self.use_rooms(actor);
        self.expect_shown("when somebody acted");
    }

    fn look_around(&mut self, actor: &'static str) {
        let online = self.model.who_else(actor);
        let since = self.model.who_else_since(actor);
        self.expect_answer(actor, &Request::WhoElse { after: None, at_most: None }, &online);
        self.expect_answer(
            actor,
            &Request::WhoElseSince { seconds: 100_000, after: None, at_most: None },
            &since,
        );
        let wire = self.wires.get_mut(actor).expect("online");
        let name = |item: &OwnedReply| match item {
            OwnedReply::ActiveUserItem { name, .. } => name.clone(),
            other => panic!("{other:?} is no active user"),
        };
        let active =
            wire.list(&Request::ListActive { after: None, at_most: None }).iter().map(name).collect();
        assert_eq!(Answer::Lines(active), online, "of ATU for {actor}");
    }

    fn use_rooms(&mut self, actor: &'static str) {
        let others = USERS.into_iter().filter(|user| *user != actor);
        let chosen = (0..).zip(WITNESSES).filter(|(bit, _)| self.witnesses >> bit & 1 == 1);
        let members: Vec<_> = others.chain(chosen.map(|(_, witness)| witness)).collect();
        let wanted = self.model.create_room(actor, &members, &mut self.shown);
        self.expect_answer(actor, &Request::CreateRoom { users: &members.join(" "), key: None }, &wanted);
        if wanted == Answer::Done {
            self.witnesses += 1;
        }
        let Ok(newest @ 1..) = u32::try_from(self.model.rooms.len()) else { return };
        for room in [1, newest, newest + 1] {
            let text = self.text();
            let wanted = self.model.post_to_room(actor, room, &text, &mut self.shown);
            self.expect_answer(actor, &Request::PostToRoom { room, text: &text, key: None }, &wanted);
        }
    }

    /// Every combination of who is online, each one log-in or log-out away from the one before; everybody is
    /// online at the beginning and at the end.
    fn walk_presence(&mut self) {
        // A Gray code again, of three users.
        for user in [0, 1, 0, 2, 0, 1, 0, 2].map(|index: usize| USERS[index]) {
            if self.model.is_online(user) {
                self.log_out(user)
            } else {
                self.log_in(user)
            }
            for actor in USERS {
                if self.model.is_online(actor) {
                    self.do_everything(actor);
                }
            }
        }
        assert!(USERS.iter().all(|user| self.model.is_online(user)));
    }
}

#[test]
fn nobody_is_shown_what_the_rules_exclude_and_everybody_what_they_include() {
    let mut stage = Stage::new();
    let pairs = USERS.into_iter().flat_map(|blocker| USERS.map(|blocked| (blocker, blocked)));
    let pairs: Vec<_> = pairs.filter(|(blocker, blocked)| blocker != blocked).collect();
    let mut combinations = BTreeSet::new();
    for step in 0..1_usize << pairs.len() {
        // A Gray code: one block more or less leads to the next combination.
        if step > 0 {
            let (blocker, blocked) = pairs[step.trailing_zeros() as usize];
            stage.toggle(blocker, blocked);
        }
        combinations.insert(stage.model.blocks.clone());
        stage.walk_presence();
    }
    assert_eq!(combinations.len(), 64);
}
