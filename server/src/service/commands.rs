//! The commands of a member: one row each, from the request to the answer or the entry.
//!
//! Three kinds: a *change* becomes an entry and is answered when it is applied; a *question* is answered at
//! once, but only when nothing of the same connection is in flight, so that everybody reads their own
//! writes and answers keep the order of requests; a *sign of life* has no answer.

use forum_common::frame::Tag;
use forum_common::names::{Text, Title};
use forum_common::refusal::Refusal;
use forum_common::reply::Reply;
use forum_common::request::Request;
use log::info;

use super::commit::Origin;
use super::intake::{Fault, Taken};
use super::{No, Service};
use crate::clock::Clock;
use crate::connection::{OUTGOING_BYTES_LOW, Stream};
use crate::forum::{AccountId, Change, Listed};
use crate::journal::Journal;
use crate::session::{PeerId, Task};

impl<S: Stream, J: Journal, C: Clock> Service<S, J, C> {
    /// Takes a request of a member, or leaves it for later.
    pub(super) fn take_command(
        &mut self,
        id: PeerId,
        tag: Tag,
        request: Request<'_>,
    ) -> Result<Taken, Fault> {
        let Some((account, in_flight)) = self.standing(id) else { return Ok(Taken::Yes) };
        if let Request::Taken { up_to } = request {
            return self.take_taken(id, up_to);
        }
        let change = match !matches!(request, Request::Active) && self.too_fast(id) {
            true => Some(Err(slow_down())),
            false => self.change_of(account, &request),
        };
        let must_wait = match &change {
            // Who is online is asked at one instant, and not before what was asked earlier is done.
            Some(Ok(Change::CreateRoom { .. })) => in_flight || !self.has_room(id),
            Some(Ok(_)) => !self.has_room(id),
            // A refusal is an answer like any other: it waits for those before it.
            Some(Err(_)) => in_flight,
            None => in_flight && !matches!(request, Request::Active),
        };
        if must_wait {
            return Ok(Taken::NotNow);
        }
        self.note(id, &request);
        match change {
            Some(Ok(change)) => self.take_change(id, tag, account, change),
            Some(Err(no)) => self.refuse(id, tag, &no),
            None => self.answer_question(id, tag, account, request)?,
        }
        Ok(Taken::Yes)
    }

    /// Whether one request more would be too many in this second.
    pub(super) fn too_fast(&self, id: PeerId) -> bool {
        let limit = self.settings.limits.max_requests_per_second;
        limit > 0 && self.peers.get(id).is_some_and(|peer| peer.session.rate.is_reached(limit, self.now))
    }

    /// Who a member is, and whether something of it is in flight.
    pub(super) fn standing(&self, id: PeerId) -> Option<(AccountId, bool)> {
        let member = self.peers.get(id)?.session.member()?;
        Some((member.account, member.unapplied.entries > 0))
    }

    /// The change that a request asks for, if it asks for one: parsed, and within the limits.
    fn change_of(&self, account: AccountId, request: &Request<'_>) -> Option<Result<Change, No>> {
        Some(match *request {
            Request::CreateThread { title } => self.create_thread(title),
            Request::Post { title, text } => self.post(title, text),
            Request::DeletePost { title, number } => {
                self.title(title).map(|title| Change::DeletePost { title, number, id: None })
            }
            Request::EditPost { title, number, text } => self.edit_post(title, number, text),
            Request::RemoveThread { title } => self.title(title).map(|title| Change::RemoveThread { title }),
            Request::Message { user, text } => self.message(account, user, text),
            Request::Block { user } => self.block(account, user),
            Request::Unblock { user } => self.unblock(account, user),
            Request::PostToBoard { text } => self.post_to_board(text),
            Request::CreateRoom { users } => self.create_room(account, users),
            Request::PostToRoom { room, text } => self.post_to_room(room, text),
            _ => return None,
        })
    }

    fn create_thread(&self, title: &str) -> Result<Change, No> {
        let title = Title::parse(title)?;
        let limit = self.settings.limits.max_threads;
        let is_creation = |change: &Change| matches!(change, Change::CreateThread { .. });
        if self.reaches(limit, self.forum.threads.len(), is_creation)
            && self.forum.threads.find(&title).is_none()
        {
            return Err(No::limit(format_args!("{limit} threads")));
        }
        Ok(Change::CreateThread { title })
    }

    /// A title that a thread has is shared with it; parsing would make another.
    fn title(&self, raw: &str) -> Result<Title, No> {
        match self.forum.threads.titled(raw) {
            Some(thread) => Ok(thread.title().clone()),
            None => Ok(Title::parse(raw)?),
        }
    }

    fn post(&self, title: &str, text: &str) -> Result<Change, No> {
        let (title, stored) = match self.forum.threads.titled(title) {
            Some(thread) => (thread.title().clone(), thread.posts().len()),
            None => (Title::parse(title)?, 0),
        };
        let text = Text::parse(text)?;
        let limit = self.settings.limits.max_posts;
        let is_post_here = |change: &Change| matches!(change, Change::Post { title: to, .. } if *to == title);
        if self.reaches(limit, stored, is_post_here) {
            return Err(No::limit(format_args!("{limit} messages in a thread")));
        }
        Ok(Change::Post { title, text })
    }

    fn edit_post(&self, title: &str, number: u32, text: &str) -> Result<Change, No> {
        Ok(Change::EditPost { title: self.title(title)?, number, id: None, text: Text::parse(text)? })
    }

    /// Proposes a change. With nothing of this connection in flight, one that can't succeed is refused at
    /// once; otherwise what comes before it may matter, and the log decides.
    fn take_change(&mut self, id: PeerId, tag: Tag, account: AccountId, change: Change) {
        let nothing_in_flight = self.unapplied(id).is_some_and(|own| own.entries == 0);
        if nothing_in_flight && let Err(refused) = self.forum.check(Some(account), &change) {
            self.refuse(id, tag, &refused.into());
        } else {
            self.propose(Origin::Command(id, tag), Some(account), change);
        }
    }

    /// Answers what changes nothing, or begins to.
    fn answer_question(
        &mut self,
        id: PeerId,
        tag: Tag,
        account: AccountId,
        request: Request<'_>,
    ) -> Result<(), Fault> {
        let result = match request {
            Request::Ping(bytes) => return self.pong(id, tag, bytes),
            Request::Active => return Ok(()),
            Request::ListThreads => {
                self.begin(id, Task::ListingTitles(tag, Box::new(self.forum.threads.list())));
                Ok(())
            }
            Request::ReadThread { title, range } => self.read_thread(id, tag, title, range),
            Request::Upload { title, file, size } => {
                self.start_upload(id, tag, account, title, file, size)?
            }
            Request::Download { title, file } => self.start_download(id, tag, title, file)?,
            Request::ChangePassword { old, new, confirmation } => {
                self.change_password(id, tag, account, old, new, confirmation)
            }
            Request::Broadcast { text } => {
                let result = self.broadcast(account, text);
                if result.is_ok() {
                    self.done(id, tag, "");
                }
                result
            }
            Request::WhoElse => self.who_else(id, tag, account, None),
            Request::WhoElseSince { seconds } => self.who_else(id, tag, account, Some(seconds)),
            Request::ListActive => {
                self.list_active(id, tag, account);
                Ok(())
            }
            Request::ReadBoard { after } => self.read_board(id, tag, after),
            Request::ReadRooms { after } => self.read_rooms(id, tag, account, after),
            Request::LogOut => {
                self.done(id, tag, "Goodbye");
                self.finish(id);
                Ok(())
            }
            Request::ShutDown { password } => self.take_shut_down(id, tag, password),
            Request::Hello { .. } | Request::LogIn { .. } | Request::Password(_) | Request::SignUp { .. } => {
                return Err(Fault("Wrong phase: this connection is logged in".into()));
            }
            // Changes were dealt with before they came here, and so was what a client has taken.
            Request::CreateThread { .. }
            | Request::Post { .. }
            | Request::DeletePost { .. }
            | Request::EditPost { .. }
            | Request::RemoveThread { .. }
            | Request::Message { .. }
            | Request::Block { .. }
            | Request::Unblock { .. }
            | Request::PostToBoard { .. }
            | Request::CreateRoom { .. }
            | Request::PostToRoom { .. }
            | Request::Taken { .. } => return Ok(()),
        };
        if let Err(no) = result {
            self.refuse(id, tag, &no);
        }
        Ok(())
    }

    fn read_thread(
        &mut self,
        id: PeerId,
        tag: Tag,
        title: &str,
        range: Option<(u32, u32)>,
    ) -> Result<(), No> {
        let title = self.title(title)?;
        let listing = self.forum.threads.named(&title)?.list(range)?;
        self.begin(id, Task::ListingThread(tag, Box::new(listing)));
        Ok(())
    }

    /// Starts a request whose answer takes longer; it goes on with the connection's turns.
    pub(super) fn begin(&mut self, id: PeerId, task: Task) {
        if let Some(member) = self.peers.get_mut(id).and_then(|peer| peer.session.member_mut()) {
            member.task = task;
        }
        self.continue_task(id);
    }

    /// Makes the next portion of a long answer, as much as the socket's queue may hold.
    pub(super) fn continue_task(&mut self, id: PeerId) {
        let Some(member) = self.peers.get_mut(id).and_then(|peer| peer.session.member_mut()) else { return };
        let mut task = std::mem::replace(&mut member.task, Task::Idle);
        if !self.advance(id, &mut task)
            && let Some(member) = self.peers.get_mut(id).and_then(|peer| peer.session.member_mut())
        {
            member.task = task;
        }
    }

    /// Goes on with a task until it is over, which it says, or the socket's queue is full enough.
    fn advance(&mut self, id: PeerId, task: &mut Task) -> bool {
        match task {
            Task::Idle => return true,
            Task::CheckingPassword(_) => return false,
            Task::Backlog => return self.deliver(id),
            _ => {}
        }
        while !self.has_enough_queued(id) {
            if !self.next_item(id, task) {
                return true;
            }
        }
        false
    }

    /// Makes one item of a list, or its end, which it says.
    fn next_item(&mut self, id: PeerId, task: &mut Task) -> bool {
        let name = |account: AccountId| &self.forum.accounts[account].name;
        let shown;
        let (tag, item) = match task {
            Task::Idle | Task::CheckingPassword(_) | Task::Backlog => return false,
            Task::ListingTitles(tag, listing) => {
                (*tag, listing.next_title().map(|title| Reply::Title(title)))
            }
            Task::ListingThread(tag, listing) => (
                *tag,
                listing.next_item().map(|item| match item {
                    Listed::Post(number, post) => {
                        Reply::Post { number, author: name(post.author), text: &post.text }
                    }
                    Listed::Upload(upload) => {
                        Reply::Uploaded { author: name(upload.author), file: &upload.file }
                    }
                }),
            ),
            Task::ListingUsers(tag, listing) => {
                (*tag, listing.next_account().map(|account| Reply::User(name(account))))
            }
            Task::ListingActive(tag, listing) => match listing.next_online() {
                None => (*tag, None),
                Some(user) => {
                    shown = (user.address.to_string(), self.settings.zone.shown(user.since_ms));
                    let (address, since) = (&shown.0, &shown.1);
                    let name = name(user.account);
                    (*tag, Some(Reply::ActiveUser { name, address, udp_port: user.udp_port, since }))
                }
            },
            Task::ListingBoard(tag, history) => match history.next_post() {
                None => (*tag, None),
                Some((number, post)) => {
                    shown = (self.settings.zone.shown(post.at_ms), String::new());
                    let (author, at, text) = (name(post.author), &shown.0, &post.text);
                    (*tag, Some(Reply::BoardPost { number, author, at, text }))
                }
            },
            Task::ListingRooms(tag, listing) => match listing.next_post() {
                None => (*tag, None),
                Some((room, number, post)) => {
                    shown = (self.settings.zone.shown(post.at_ms), post.text.to_string());
                    let (author, at, text) = (name(post.author), &shown.0, &shown.1);
                    (*tag, Some(Reply::RoomPost { room: room.0, number, author, at, text }))
                }
            },
        };
        self.peers.reply(id, tag, item.as_ref().unwrap_or(&Reply::EndOfList));
        item.is_some()
    }

    pub(super) fn has_enough_queued(&self, id: PeerId) -> bool {
        self.peers.get(id).is_none_or(|peer| peer.connection.outgoing.len() >= OUTGOING_BYTES_LOW)
    }

    /// Notes what a request is to the limit of requests a second, to idleness and to the log.
    fn note(&mut self, id: PeerId, request: &Request<'_>) {
        match request {
            Request::Active => self.note_activity(id),
            Request::Ping(_) => self.count_request(id),
            _ => self.note_command(id, word_of(request)),
        }
    }

    /// Notes that a user gave a command, and says so in the log.
    pub(super) fn note_command(&mut self, id: PeerId, word: Option<&str>) {
        self.count_request(id);
        self.note_activity(id);
        if log::log_enabled!(log::Level::Info)
            && let Some(word) = word
        {
            info!("{} issued {word} command", self.label(id));
        }
    }

    /// Notes that a user is there.
    pub(super) fn note_activity(&mut self, id: PeerId) {
        let now = self.now;
        if let Some(peer) = self.peers.get_mut(id) {
            peer.session.active_at = now;
        }
    }

    fn count_request(&mut self, id: PeerId) {
        let (now, is_limited) = (self.now, self.settings.limits.max_requests_per_second > 0);
        if is_limited && let Some(peer) = self.peers.get_mut(id) {
            peer.session.rate.count(now);
        }
    }
}

pub(super) fn slow_down() -> No {
    No(Refusal::SlowDown, "Slow down. Please try again later".into())
}

/// The word that users know a request by.
fn word_of(request: &Request<'_>) -> Option<&'static str> {
    Some(match request {
        Request::ChangePassword { .. } => "passwd",
        Request::LogOut => "XIT",
        Request::ShutDown { .. } => "SHT",
        Request::CreateThread { .. } => "CRT",
        Request::Post { .. } => "MSG",
        Request::DeletePost { .. } => "DLT",
        Request::EditPost { .. } => "EDT",
        Request::ListThreads => "LST",
        Request::ReadThread { .. } => "RDT",
        Request::Upload { .. } => "UPD",
        Request::Download { .. } => "DWN",
        Request::RemoveThread { .. } => "RMV",
        Request::Message { .. } => "message",
        Request::Broadcast { .. } => "broadcast",
        Request::WhoElse => "whoelse",
        Request::WhoElseSince { .. } => "whoelsesince",
        Request::Block { .. } => "block",
        Request::Unblock { .. } => "unblock",
        Request::PostToBoard { .. } => "BCM",
        Request::ListActive => "ATU",
        Request::CreateRoom { .. } => "SRB",
        Request::PostToRoom { .. } => "SRM",
        Request::ReadBoard { .. } | Request::ReadRooms { .. } => "RDM",
        _ => return None,
    })
}
