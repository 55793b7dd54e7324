//! What follows from an entry that was decided on: it is applied, those whom it concerns are told, and who asked for
//! it is answered.

use std::fmt::Write;

use forum_common::names::UserName;
use forum_common::text::{self, Rejection};
use forum_common::wire::{Limit, Reply, Request, Tag};
use log::{error, info, warn};

use super::people::LoggedIn;
use crate::core::lifecycle::Lifecycle;
use crate::core::limits::{ENTRIES_MAX, Subject};
use crate::core::pipeline::{Decided, Origin, Proposal};
use crate::core::{Applied, Core};
use crate::forum::{AccountId, Answer, Change, Effect, Entry, Keyed, Passing};
use crate::journal::Journal;
use crate::planted::{Bug, planted};
use crate::session::{ConnectionId, Unapplied, Wait};
use crate::workers::passwords::PasswordHash;

/// Bytes of one connection's entries in flight; past it its next change waits.
const ENTRY_BYTES_MAX: u32 = 256 * 1024;

/// A change as far as its answer names it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Made<'a> {
    /// All that is said of it.
    Told(text::Answer<'a>),
    BoardPost,
    Room,
    RoomPost(u32),
}

impl<'a> Made<'a> {
    /// What a request with a key asked for; none if it is one that takes no key.
    pub(crate) fn by(request: &Request<'a>) -> Option<Self> {
        use text::Answer::*;
        Some(Self::Told(match *request {
            Request::CreateThread { title, .. } => ThreadCreated { title },
            Request::Post { title, .. } => Posted { title },
            Request::DeletePost { .. } => PostDeleted,
            Request::EditPost { .. } => PostEdited,
            Request::Upload { title, file, .. } => Uploaded { file, title },
            Request::RemoveThread { title, .. } => ThreadRemoved { title },
            Request::Watch { title, .. } => Watching { title },
            Request::Unwatch { title, .. } => NotWatching { title },
            Request::SendMessage { .. } => Sent,
            Request::Block { user, .. } => Blocked { user },
            Request::Unblock { user, .. } => Unblocked { user },
            Request::PostToBoard { .. } => return Some(Self::BoardPost),
            Request::CreateRoom { .. } => return Some(Self::Room),
            Request::PostToRoom { room, .. } => return Some(Self::RoomPost(room)),
            _ => return None,
        }))
    }
}

impl<J: Journal> Core<J> {
    /// Puts a change in the order of the log. Its answer comes when it is applied.
    pub(crate) fn propose(&mut self, origin: Origin, actor: Option<AccountId>, change: Change) {
        self.propose_keyed(origin, actor, None, change);
    }

    /// The same, with a key that makes it the same change when it is asked for again.
    pub(crate) fn propose_keyed(
        &mut self,
        origin: Origin,
        actor: Option<AccountId>,
        key: Option<Keyed>,
        change: Change,
    ) {
        if change.is_kept() {
            self.propose_unlinked();
        }
        let bytes = self.pipeline.propose(Proposal { origin, actor, key, change }, self.time);
        if let Origin::Command(id, _) = origin
            && let Some(unapplied) = self.unapplied_mut(id)
        {
            unapplied.entries += 1;
            unapplied.bytes += bytes;
        }
    }

    /// Proposes an account that nobody signs up for; it counts once the server is settled again.
    pub(crate) fn import_account(&mut self, name: UserName, hash: PasswordHash) {
        self.propose(Origin::Import, None, Change::CreateAccount { name, hash });
    }

    /// What a connection has to wait for before it may propose one entry more.
    pub(crate) fn lacks_room(&mut self, id: ConnectionId) -> Option<Wait> {
        if !self.pipeline.ask_for_room(id) {
            return Some(Wait::Room);
        }
        let own = self.unapplied(id)?;
        (own.entries >= ENTRIES_MAX || own.bytes >= ENTRY_BYTES_MAX).then_some(Wait::OwnEntries)
    }

    /// What a member has in flight.
    pub(crate) fn unapplied(&self, id: ConnectionId) -> Option<Unapplied> {
        self.sessions.member(id).map(|member| member.unapplied)
    }

    fn unapplied_mut(&mut self, id: ConnectionId) -> Option<&mut Unapplied> {
        self.sessions.member_mut(id).map(|member| &mut member.unapplied)
    }

    /// Applies the next entry that was decided on, tells and answers; says whether there was one.
    pub(crate) fn take_outcome(&mut self) -> bool {
        self.pipeline.snapshot_if_due(&self.forum);
        match self.pipeline.next() {
            Ok(Some(decided)) => {
                self.take_decided(decided);
                return true;
            }
            Ok(None) => {}
            Err(reason) => {
                error!("the log can't go on: {reason}");
                self.lifecycle = Lifecycle::Broken(reason);
            }
        }
        false
    }

    /// Entries have come back: there is room for others.
    pub(crate) fn wake_for_room(&mut self) {
        for id in self.pipeline.take_waiting_for_room() {
            self.wait_ended(id, Wait::Room);
        }
    }

    pub(crate) fn take_decided(&mut self, decided: Decided) {
        let Decided { origin, entry, is_ordered } = decided;
        let mut result = if is_ordered {
            self.forum.apply(&entry).map_err(Rejection::from)
        } else {
            self.plant_refused(&entry);
            Err(Rejection::NoSpace)
        };
        if let Some(watch) = &mut self.watch {
            let command = match origin {
                Some((Origin::Command(id, tag), _)) => Some((id, tag)),
                Some((Origin::Upload(key), _)) => Some((key.connection, key.tag)),
                _ => None,
            };
            watch(&Applied { entry: &entry, command, result: result.as_ref() });
        }
        // What another node has proposed, that node answers.
        if let Some((origin, bytes)) = origin {
            self.answer(origin, bytes, &entry, &result);
        }
        if let Ok(effect) = &mut result {
            self.tell(&entry, effect);
        }
    }

    /// What was refused for space is counted as in flight for ever: a bug to plant.
    fn plant_refused(&mut self, entry: &Entry) {
        if !planted(Bug::CounterStaysUpWhenAChangeIsRefusedForSpace) {
            return;
        }
        let counters = self.pipeline.in_flight_mut();
        match &entry.change {
            Change::Post { title, .. } => counters.raise(Subject::PostsIn(title.clone()), 0),
            Change::SendMessage { to, text } => counters.raise(Subject::MailTo(*to), text.len() as u64),
            _ => {}
        }
    }

    /// What an applied entry means for others than the one who asked.
    fn tell(&mut self, entry: &Entry, effect: &mut Effect) {
        match (effect, &entry.change, entry.actor) {
            (
                Effect::LoggedIn { took_over, hidden_from },
                &Change::Passing(Passing::LogIn { account, session, .. }),
                _,
            ) => {
                let took_over = took_over.as_ref();
                self.tell_logged_in(LoggedIn { account, session, took_over, hidden_from }, entry);
            }
            (Effect::LoggedOut(departure), ..) => self.tell_logged_out(departure, entry),
            (
                Effect::Said { hidden_from, .. },
                Change::Passing(Passing::Broadcast { text }),
                Some(author),
            ) => self.tell_broadcast(author, entry.at_ms, text, hidden_from),
            (Effect::Link(step), ..) => self.tell_link(entry, step),
            (Effect::LinksLeft(steps), ..) => steps.iter().for_each(|step| self.tell_link(entry, step)),
            (Effect::Posted { number, id }, Change::Post { title, text }, Some(author)) => {
                self.show_thread_post(author, title, (*number, *id), entry.at_ms, text);
            }
            (Effect::ThreadRemoved { id, thread }, ..) => self.thread_removed(*id, thread),
            (Effect::MessageStored(to), ..) => {
                if let Some(connection) = self.connection_of(*to) {
                    self.deliver(connection);
                }
            }
            (Effect::PostedToBoard(number), Change::PostToBoard { text }, Some(author)) => {
                self.show_board_post(author, *number, entry.at_ms, text);
            }
            (Effect::PostedToRoom(room, number), Change::PostToRoom { text, .. }, Some(author)) => {
                self.show_room_post(author, *room, *number, entry.at_ms, text);
            }
            (Effect::RoomCreated(room), _, Some(creator)) => self.show_new_room(creator, *room),
            _ => {}
        }
    }

    /// Tells the one who asked what became of an entry.
    fn answer(&mut self, origin: Origin, bytes: u32, entry: &Entry, result: &Result<Effect, Rejection>) {
        match origin {
            Origin::SignUp(id) => match result {
                Ok(Effect::AccountCreated(account)) => self.signed_up(id, Ok(*account)),
                Ok(_) => debug_assert!(false, "a sign-up creates an account"),
                Err(no) => self.signed_up(id, Err(no.clone())),
            },
            Origin::Acknowledged(of) => match result {
                Ok(_) => self.acknowledged(of),
                Err(_) => self.acknowledgement_refused(of, &entry.change),
            },
            Origin::LogIn(id) => self.log_in_decided(id, result),
            Origin::ExpireLink(link) => {
                self.expiring_links.remove(&link);
            }
            Origin::Nobody => {}
            Origin::Import => {
                if let Err(no) = result {
                    warn!("an account was not imported: {no}");
                }
            }
            Origin::Unlinked => self.unlinked_decided(&entry.change, result.is_ok()),
            Origin::Upload(key) => self.upload_decided(key, entry, result),
            Origin::Command(id, tag) => {
                let Some(own) = self.unapplied_mut(id) else { return };
                own.entries -= 1;
                own.bytes -= bytes;
                match result {
                    Ok(effect) => self.answer_command(id, tag, entry, effect),
                    Err(no) => self.refuse(id, tag, no),
                }
                self.wait_ended(id, Wait::OwnEntries);
            }
        }
    }

    fn answer_command(&mut self, id: ConnectionId, tag: Tag, entry: &Entry, effect: &Effect) {
        match (effect, &entry.change) {
            (Effect::Said { left_out: true, .. }, _) => self.refuse(id, tag, &Rejection::NotToAll),
            (Effect::Said { .. }, _) => self.done(id, tag, text::Answer::Sent),
            (Effect::Link(step), Change::Passing(Passing::AskLink { user, request, .. })) => {
                self.answer_link(id, tag, *user, request, step);
            }
            _ => self.answer_change(id, tag, &entry.change, effect.answer(entry)),
        }
    }

    /// Answers a change that the log has made, and notes it in the server's log.
    pub(crate) fn answer_change(&mut self, id: ConnectionId, tag: Tag, change: &Change, answer: Answer) {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        self.put_text(&mut text, self.made(change), answer);
        if !text.is_empty() {
            info!("{} {text}", self.label(id));
        }
        self.outbox.reply(id, tag, &reply(answer, &text));
        self.text = text;
    }

    /// Answers a change that was made when it was asked for before.
    pub(crate) fn answer_again(&mut self, id: ConnectionId, tag: Tag, made: Made<'_>, answer: Answer) {
        let mut text = String::new();
        self.put_text(&mut text, made, answer);
        self.outbox.reply(id, tag, &reply(answer, &text));
    }

    fn made<'a>(&'a self, change: &'a Change) -> Made<'a> {
        use text::Answer::*;
        let name = |account| self.forum.name_of(account).as_str();
        Made::Told(match change {
            Change::SetPassword { .. } => PasswordChanged,
            Change::CreateThread { title } => ThreadCreated { title },
            Change::Post { title, .. } => Posted { title },
            Change::DeletePost { .. } => PostDeleted,
            Change::EditPost { .. } => PostEdited,
            Change::AddFile { title, file, .. } => Uploaded { file, title },
            Change::RemoveThread { title } => ThreadRemoved { title },
            Change::Watch { title } => Watching { title },
            Change::Unwatch { title } => NotWatching { title },
            Change::Block { user } => Blocked { user: name(*user) },
            Change::Unblock { user } => Unblocked { user: name(*user) },
            Change::PostToBoard { .. } => return Made::BoardPost,
            Change::CreateRoom { .. } => return Made::Room,
            Change::PostToRoom { room, .. } => return Made::RoomPost(room.0),
            // Of a message its receiver is told; nobody asks for the others with a command.
            Change::SendMessage { .. }
            | Change::CreateAccount { .. }
            | Change::TakeMessages { .. }
            | Change::MarkRead { .. }
            | Change::Unlinked { .. }
            | Change::Passing(_) => Sent,
        })
    }

    fn put_text(&self, out: &mut String, made: Made<'_>, answer: Answer) {
        let (at, users);
        let told = match (made, answer) {
            (Made::Told(told), _) => told,
            (Made::BoardPost, Answer::PostedToBoard { number, at_ms }) => {
                at = self.settings.zone.shown(at_ms);
                text::Answer::PostedToBoard { number, at: &at }
            }
            (Made::Room, Answer::RoomCreated { room, .. }) => {
                users = self.member_names(room);
                text::Answer::RoomCreated { room: room.0, users: &users }
            }
            (Made::RoomPost(room), Answer::PostedToRoom { number, at_ms }) => {
                at = self.settings.zone.shown(at_ms);
                text::Answer::PostedToRoom { room, number, at: &at }
            }
            (Made::BoardPost | Made::Room | Made::RoomPost(_), _) => {
                debug_assert!(false, "{answer:?} answers another change");
                text::Answer::Sent
            }
        };
        // A string takes everything.
        let _ = write!(out, "{told}");
    }

    pub(crate) fn no_more_accounts(&self) -> Rejection {
        Rejection::LimitReached(Limit::Accounts, self.settings.limits.max_accounts as u64)
    }

    /// Whether there are as many accounts as there may be, those in flight included.
    pub(crate) fn accounts_are_full(&self) -> bool {
        let limit = self.settings.limits.max_accounts;
        self.pipeline.in_flight().reaches(limit, self.forum.accounts.len(), &Subject::Accounts)
    }
}

fn reply(answer: Answer, text: &str) -> Reply<'_> {
    match answer {
        Answer::Done { at_ms } => Reply::Done { at_ms, text },
        Answer::ThreadCreated { thread, at_ms } => Reply::ThreadCreated { thread: thread.0, at_ms, text },
        Answer::Posted { number, id, at_ms } => Reply::Posted { number, id: id.0, at_ms, text },
        Answer::FileAdded { item, digest, at_ms } => Reply::Uploaded { id: item.0, at_ms, digest, text },
        Answer::PostedToBoard { number, at_ms } | Answer::PostedToRoom { number, at_ms } => {
            Reply::Posted { number, id: number.into(), at_ms, text }
        }
        Answer::RoomCreated { room, at_ms } => Reply::RoomCreated { room: room.0, at_ms, text },
    }
}
