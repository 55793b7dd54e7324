//! The commands of a member: one row each, from the request to the answer or the entry.
//!
//! Three kinds: a *change* becomes an entry and is answered when it is applied; a *question* is answered at
//! once, but only when nothing of the same connection is in flight, so that everybody reads their own
//! writes and answers keep the order of requests; a *sign of life* has no answer.

pub(crate) mod admin;
pub(crate) mod answers;
pub(crate) mod files;
pub(crate) mod keys;
pub(crate) mod links;
pub(crate) mod listings;
pub(crate) mod mail;
pub(crate) mod outcomes;
pub(crate) mod people;
pub(crate) mod progress;
pub(crate) mod relay;
pub(crate) mod rooms;

use forum_common::names::{Text, Title};
use forum_common::text::commands::word_of;
use forum_common::text::{Answer, Rejection};
use forum_common::wire::{Limit, Reply, Request, Tag};
use log::info;

use crate::commands::files::TransferKey;
use crate::commands::keys::keyed;
use crate::commands::links::is_report;
use crate::core::Core;
use crate::core::limits::Subject;
use crate::core::outbox::QUEUED_BYTES_LOW;
use crate::core::pipeline::Origin;
use crate::forum::{AccountId, Change, History, ItemId, Keyed, Refused, RoomId, RoomsFilter};
use crate::journal::Journal;
use crate::listing::{Listing, Page, Rows};
use crate::session::input::{ProtocolError, Taken};
use crate::session::{ConnectionId, Task, Wait};

impl<J: Journal> Core<J> {
    /// Takes a request of a member, or leaves it for later.
    pub(crate) fn take_command(
        &mut self,
        id: ConnectionId,
        tag: Tag,
        request: Request<'_>,
    ) -> Result<Taken, ProtocolError> {
        let Some((account, in_flight)) = self.standing(id) else { return Ok(Taken::Yes) };
        if request.is_answered() {
            self.insist_on_new(TransferKey { connection: id, tag })?;
        }
        match request {
            Request::AckMessages { up_to } => return self.take_ack(id, up_to),
            _ if is_report(&request) => {
                self.take_report(id, account, request);
                return Ok(Taken::Yes);
            }
            _ => {}
        }
        let key = keyed(&request);
        if let Some(key) = key
            && let Some(result) = self.forum.keys.find(account, key)
        {
            if in_flight {
                return Ok(Taken::NotNow(Wait::OwnEntries));
            }
            self.note(id, &request);
            self.answer_known(id, tag, &request, result);
            return Ok(Taken::Yes);
        }
        // A client that leaves is no burden: refused, it would have to ask again.
        let is_free = matches!(request, Request::Active | Request::LogOut);
        let change = match !is_free && self.too_fast(id) {
            true => Some(Err(Rejection::SlowDown)),
            false => self.change_of(id, account, &request),
        };
        let own_entries = in_flight.then_some(Wait::OwnEntries);
        let wait = match &change {
            Some(Ok(Change::Passing(_))) => own_entries,
            // Who is online is asked at one instant, and not before what was asked earlier is done.
            Some(Ok(Change::CreateRoom { .. })) => own_entries.or_else(|| self.lacks_room(id)),
            Some(Ok(_)) => self.lacks_room(id),
            // A refusal is an answer like any other: it waits for those before it.
            Some(Err(_)) => own_entries,
            None if matches!(request, Request::Active) => None,
            // What was sent whole before the goodbye is stored and answered.
            None if matches!(request, Request::LogOut) && self.has_whole_uploads(id) => Some(Wait::Transfers),
            None => own_entries,
        };
        if let Some(wait) = wait {
            return Ok(Taken::NotNow(wait));
        }
        let listed = if change.is_none() { self.rows_of(account, &request) } else { None };
        let listing = listed.map(|rows| rows.map(|(rows, page)| Listing::new(tag, page, rows)));
        if let Some(Ok(listing)) = &listing
            && !self.may_list(id, listing)
        {
            return Ok(Taken::NotNow(Wait::Listing));
        }
        self.note(id, &request);
        match (change, listing) {
            (Some(Ok(change)), _) => self.take_change(id, tag, account, key, change),
            (Some(Err(no)), _) => self.refuse(id, tag, &no),
            (None, Some(Err(no))) => {
                self.end_listing(id);
                self.refuse(id, tag, &no);
            }
            (None, Some(Ok(listing))) => self.begin(id, Task::Listing(Box::new(listing))),
            (None, None) => self.answer_question(id, tag, account, request)?,
        }
        Ok(Taken::Yes)
    }

    /// Whether one request more would be too many in this second.
    pub(crate) fn too_fast(&self, id: ConnectionId) -> bool {
        let limit = self.settings.limits.max_requests_per_second;
        limit > 0
            && self.sessions.get(id).is_some_and(|session| session.rate.is_reached(limit, self.time.now))
    }

    /// Who a member is, and whether something of it is in flight.
    pub(crate) fn standing(&self, id: ConnectionId) -> Option<(AccountId, bool)> {
        let member = self.sessions.get(id)?.member()?;
        Some((member.account, member.unapplied.entries > 0))
    }

    /// The change that a request asks for, if it asks for one: parsed, and within the limits.
    fn change_of(
        &self,
        id: ConnectionId,
        account: AccountId,
        request: &Request<'_>,
    ) -> Option<Result<Change, Rejection>> {
        Some(match *request {
            Request::CreateThread { title, .. } => self.create_thread(title),
            Request::Post { title, text, .. } => self.post(title, text),
            Request::DeletePost { title, number, id, .. } => {
                self.title(title).map(|title| Change::DeletePost { title, number, id: id.map(ItemId) })
            }
            Request::EditPost { title, number, text, id, .. } => {
                self.edit_post(title, number, id.map(ItemId), text)
            }
            Request::RemoveThread { title, .. } => {
                self.title(title).map(|title| Change::RemoveThread { title })
            }
            Request::SendMessage { user, text, .. } => self.message(account, user, text),
            Request::Block { user, .. } => self.block(account, user),
            Request::Unblock { user, .. } => self.unblock(account, user),
            Request::PostToBoard { text, .. } => self.post_to_board(text),
            Request::CreateRoom { users, .. } => self.create_room(account, users),
            Request::PostToRoom { room, text, .. } => self.post_to_room(room, text),
            Request::SendBroadcast { text } => self.broadcast(text),
            Request::AskPrivate { user, enabled } => self.ask_private(id, user, enabled),
            Request::OfferFile { user, size, file } => self.offer_file(id, user, size, file),
            _ => return None,
        })
    }

    fn create_thread(&self, title: &str) -> Result<Change, Rejection> {
        let title = Title::parse(title)?;
        let limit = self.settings.limits.max_threads;
        if self.pipeline.in_flight().reaches(limit, self.forum.threads.len(), &Subject::Threads)
            && self.forum.threads.find(&title).is_none()
        {
            return Err(Rejection::LimitReached(Limit::Threads, limit as u64));
        }
        Ok(Change::CreateThread { title })
    }

    /// A title that a thread has is shared with it; parsing would make another.
    fn title(&self, raw: &str) -> Result<Title, Rejection> {
        match self.forum.threads.titled(raw) {
            Some(thread) => Ok(thread.title().clone()),
            None => Ok(Title::parse(raw)?),
        }
    }

    fn post(&self, title: &str, text: &str) -> Result<Change, Rejection> {
        let (title, stored) = match self.forum.threads.titled(title) {
            Some(thread) => (thread.title().clone(), thread.posts().len()),
            None => (Title::parse(title)?, 0),
        };
        let text = Text::parse(text)?;
        let limit = self.settings.limits.max_posts;
        if self.pipeline.in_flight().reaches(limit, stored, &Subject::PostsIn(title.clone())) {
            return Err(Rejection::LimitReached(Limit::Posts, limit as u64));
        }
        Ok(Change::Post { title, text })
    }

    fn edit_post(
        &self,
        title: &str,
        number: u32,
        id: Option<ItemId>,
        text: &str,
    ) -> Result<Change, Rejection> {
        Ok(Change::EditPost { title: self.title(title)?, number, id, text: Text::parse(text)? })
    }

    /// Proposes a change. With nothing of this connection in flight, one that can't succeed is refused at
    /// once; otherwise what comes before it may matter, and the log decides.
    fn take_change(
        &mut self,
        id: ConnectionId,
        tag: Tag,
        account: AccountId,
        key: Option<Keyed>,
        change: Change,
    ) {
        let nothing_in_flight = self.unapplied(id).is_some_and(|own| own.entries == 0);
        if nothing_in_flight && let Err(refused) = self.forum.check(Some(account), &change) {
            self.refuse(id, tag, &refused.into());
        } else {
            self.propose_keyed(Origin::Command(id, tag), Some(account), key, change);
        }
    }

    /// Answers what changes nothing, or begins to.
    fn answer_question(
        &mut self,
        id: ConnectionId,
        tag: Tag,
        account: AccountId,
        request: Request<'_>,
    ) -> Result<(), ProtocolError> {
        let result = match request {
            Request::Ping { payload } => return self.pong(id, tag, payload),
            Request::Active => return Ok(()),
            Request::Upload { title, file, size, key } => {
                let keyed = key.and_then(|_| keyed(&request));
                self.start_upload(TransferKey { connection: id, tag }, account, title, file, size, keyed)?
            }
            Request::Download { title, file, .. } => self.start_download(id, tag, title, file)?,
            Request::ChangePassword { old, new, confirmation } => {
                self.change_password(id, tag, account, old, new, confirmation)
            }
            Request::RelayText { link, text } => self.relay_text(id, tag, account, link, text),
            Request::LogOut => {
                self.done(id, tag, Answer::Goodbye);
                self.finish(id);
                Ok(())
            }
            Request::ShutDown { password } => self.take_shut_down(id, tag, password),
            _ => return Err(ProtocolError("Wrong phase: this connection is logged in".into())),
        };
        if let Err(no) = result {
            self.refuse(id, tag, &no);
        }
        Ok(())
    }

    /// What a request for a list is about, and which page of it; none if it asks for no list.
    fn rows_of(&self, asker: AccountId, request: &Request<'_>) -> Option<Result<(Rows, Page), Rejection>> {
        let online =
            |gone_since_ms| self.forum.online.list(asker, self.forum.blocks.of(asker), gone_since_ms);
        let (rows, after, at_most) = match *request {
            Request::ListThreads { after, at_most } => {
                (Rows::Threads(self.forum.threads.list()), after, at_most)
            }
            Request::ReadThread { title, range, after, at_most, .. } => {
                match self.read_thread(title, range) {
                    Ok(rows) => (rows, after, at_most),
                    Err(no) => return Some(Err(no)),
                }
            }
            Request::WhoElse { after, at_most } => (Rows::Users(online(None)), after, at_most),
            Request::WhoElseSince { seconds, after, at_most } => {
                let since_ms = self.time.now_ms.saturating_sub(seconds.saturating_mul(1_000));
                (Rows::Users(online(Some(since_ms))), after, at_most)
            }
            Request::ListActive { after, at_most } => (Rows::Active(online(None)), after, at_most),
            Request::ReadBoard { later_than_ms, after, at_most } => {
                (Rows::Board(History::later(&self.forum.board, later_than_ms)), after, at_most)
            }
            Request::ReadRooms { later_than_ms, after, at_most, room, from } => {
                let filter = RoomsFilter { later_than_ms, room: room.map(RoomId), from };
                (Rows::Rooms(self.forum.rooms.posts(asker, filter)), after, at_most)
            }
            _ => return None,
        };
        Some(Ok((rows, Page { after, at_most })))
    }

    fn read_thread(&self, title: &str, range: Option<(u32, u32)>) -> Result<Rows, Rejection> {
        let title = self.title(title)?;
        let thread = self.forum.threads.named(&title)?;
        let id = self.forum.threads.find(&title).ok_or_else(|| Refused::NoSuchThread(title.clone()))?;
        Ok(Rows::Thread(id, thread.list(range)?))
    }

    /// Starts a request whose answer takes longer; it goes on with the connection's turns.
    pub(crate) fn begin(&mut self, id: ConnectionId, task: Task) {
        if let Some(member) = self.sessions.member_mut(id) {
            member.task = task;
        }
        self.continue_task(id);
    }

    /// Makes the next portion of a long answer, as much as the socket's queue may hold.
    pub(crate) fn continue_task(&mut self, id: ConnectionId) {
        let Some(member) = self.sessions.member_mut(id) else { return };
        let mut task = std::mem::replace(&mut member.task, Task::Idle);
        let is_over = self.advance(id, &mut task);
        match self.sessions.member_mut(id) {
            Some(member) if !is_over => member.task = task,
            _ => self.drop_task(id, task),
        }
    }

    /// Goes on with a task until it is over, which it says, or the socket's queue is full enough.
    fn advance(&mut self, id: ConnectionId, task: &mut Task) -> bool {
        let listing = match task {
            Task::Idle => return true,
            Task::CheckingPassword(..) => return false,
            Task::Backlog => return self.deliver(id),
            Task::Listing(listing) => listing,
        };
        if listing.is_copying() {
            listing.copy();
            if listing.is_copying() {
                self.sessions.wake(id);
                return false;
            }
        }
        self.listings.moved(id, self.time.now);
        while !self.has_enough_queued(id) {
            let tag = listing.tag;
            let reply = listing.next_reply(&self.forum);
            self.outbox.reply(id, tag, &reply);
            if matches!(reply, Reply::EndOfList { .. }) {
                return true;
            }
        }
        false
    }

    pub(crate) fn has_enough_queued(&self, id: ConnectionId) -> bool {
        self.sessions.get(id).is_none() || self.outbox.queued(id) >= QUEUED_BYTES_LOW
    }

    /// Notes what a request is to the limit of requests a second, to idleness and to the log.
    fn note(&mut self, id: ConnectionId, request: &Request<'_>) {
        match request {
            Request::Active => self.note_activity(id),
            Request::Ping { .. } => self.count_request(id),
            _ => self.note_command(id, word_of(request)),
        }
    }

    /// Notes that a user gave a command, and says so in the log.
    pub(crate) fn note_command(&mut self, id: ConnectionId, word: Option<&str>) {
        self.count_request(id);
        self.note_activity(id);
        if log::log_enabled!(log::Level::Info)
            && let Some(word) = word
        {
            info!("{} issued {word} command", self.label(id));
        }
    }

    /// Notes that a user is there.
    pub(crate) fn note_activity(&mut self, id: ConnectionId) {
        let now = self.time.now;
        if let Some(session) = self.sessions.get_mut(id) {
            session.active_at = now;
        }
    }

    fn count_request(&mut self, id: ConnectionId) {
        let (now, is_limited) = (self.time.now, self.settings.limits.max_requests_per_second > 0);
        if is_limited && let Some(session) = self.sessions.get_mut(id) {
            session.rate.count(now);
        }
    }
}
