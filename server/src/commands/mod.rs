//! The commands of a member. [`decide`] has a row for each: from the request and the state as it stands to a
//! [`Decision`]. What is then done is in the file of the command's group.
//!
//! ```text
//! take_command ─► decide ─┬─ Reject ───────────► refused
//!                         ├─ Change ─► propose ─► the log ─► outcomes: applied, told, answered
//!                         ├─ List ───► tasks: its rows follow as the socket drains
//!                         └─ Act ────► act: done now, for this connection alone
//! ```
//!
//! A change is answered when it is applied. All else is answered at once, but only when nothing of the same connection
//! is in flight, so that everybody reads their own writes and answers keep the order of requests.

pub(crate) mod acks;
pub(crate) mod activity;
pub(crate) mod admin;
pub(crate) mod downloads;
pub(crate) mod files;
pub(crate) mod keys;
pub(crate) mod links;
pub(crate) mod lists;
pub(crate) mod mail;
pub(crate) mod outcomes;
pub(crate) mod people;
pub(crate) mod progress;
pub(crate) mod relay;
pub(crate) mod rooms;
pub(crate) mod tasks;
pub(crate) mod threads;
pub(crate) mod uploads;
pub(crate) mod watches;

use forum_common::text::{Answer, Rejection};
use forum_common::wire::{Request, Tag};

use crate::args::Limits;
use crate::commands::keys::keyed;
use crate::commands::links::is_report;
use crate::core::Core;
use crate::core::limits::InFlight;
use crate::core::listing::{Listing, Page, Rows};
use crate::core::pipeline::Origin;
use crate::core::transfers::TransferKey;
use crate::forum::{AccountId, Change, Forum, Keyed, SessionId};
use crate::journal::Journal;
use crate::planted::{Bug, planted};
use crate::random::Random;
use crate::session::input::{ProtocolError, Taken};
use crate::session::{ConnectionId, Task, Wait};

/// What a command is decided on.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    /// All that was applied.
    pub(crate) forum: &'a Forum,
    /// What is proposed and counts already.
    pub(crate) in_flight: &'a InFlight,
    /// What the forum may grow to.
    pub(crate) limits: &'a Limits,
    /// The time of day, in UTC milliseconds.
    pub(crate) now_ms: u64,
    /// Where tokens come from.
    pub(crate) random: &'a Random,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker {
    /// The user.
    pub(crate) account: AccountId,
    /// Its session.
    pub(crate) session: SessionId,
}

/// What a request comes to.
#[derive(Debug)]
pub(crate) enum Decision {
    /// No.
    Reject(Rejection),
    /// A change: it becomes an entry, and is answered when that is applied.
    Change(Change),
    /// A list.
    List(Rows, Page),
    /// Something that concerns this connection only, and that is done now.
    Act,
}

impl From<Result<Change, Rejection>> for Decision {
    fn from(result: Result<Change, Rejection>) -> Self {
        result.map_or_else(Self::Reject, Self::Change)
    }
}

/// What a member's request comes to.
pub(crate) fn decide(view: View<'_>, asker: Asker, request: &Request<'_>) -> Decision {
    let account = asker.account;
    let change = match *request {
        Request::CreateThread { title, .. } => threads::create(view, title),
        Request::Post { title, text, .. } => threads::post(view, title, text),
        Request::DeletePost { title, number, id, .. } => threads::delete_post(view, title, number, id),
        Request::EditPost { title, number, text, id, .. } => {
            threads::edit_post(view, title, number, id, text)
        }
        Request::RemoveThread { title, .. } => threads::remove(view, title),
        Request::Watch { title, .. } => watches::watch(view, title),
        Request::Unwatch { title, .. } => watches::unwatch(view, title),
        Request::SendMessage { user, text, .. } => mail::message(view, account, user, text),
        Request::SendBroadcast { text } => people::broadcast(text),
        Request::Block { user, .. } => people::block(view, account, user),
        Request::Unblock { user, .. } => people::unblock(view, account, user),
        Request::AskPrivate { user, enabled } => links::ask_private(view, asker, user, enabled),
        Request::OfferFile { user, size, file } => links::offer_file(view, asker, user, size, file),
        Request::PostToBoard { text, .. } => rooms::post_to_board(view, text),
        Request::CreateRoom { users, .. } => rooms::create(view, account, users),
        Request::PostToRoom { room, text, .. } => rooms::post_to_room(view, room, text),
        _ => {
            return match lists::rows_of(view, account, request) {
                Some(Ok((rows, page))) => Decision::List(rows, page),
                Some(Err(no)) => Decision::Reject(no),
                None => Decision::Act,
            };
        }
    };
    change.into()
}

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
            Request::MarkRead { title, up_to, from } => return self.take_mark(account, title, up_to, from),
            Request::Ping { .. } if in_flight => return Ok(Taken::NotNow(Wait::OwnEntries)),
            Request::Ping { payload } => {
                self.take_ping(id, tag, payload)?;
                return Ok(Taken::Yes);
            }
            _ if is_report(&request) => {
                self.take_report(id, account, request);
                return Ok(Taken::Yes);
            }
            _ => {}
        }
        let key = keyed(&request);
        if let Some(key) = key.filter(|_| !planted(Bug::KeyIsNotLookedUp))
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
        let decision = match !is_free && self.too_fast(id) {
            true => Decision::Reject(Rejection::SlowDown),
            false => decide(self.view(), Asker { account, session: self.session_id(id) }, &request),
        };
        if let Some(wait) = self.wait_before(id, &request, &decision, in_flight) {
            return Ok(Taken::NotNow(wait));
        }
        let listing = match decision {
            Decision::List(rows, page) => Listing::new(tag, page, rows),
            decision => {
                self.note(id, &request);
                self.carry_out(id, tag, account, request, key, decision)?;
                return Ok(Taken::Yes);
            }
        };
        if !self.may_list(id, &listing) {
            return Ok(Taken::NotNow(Wait::Listing));
        }
        self.note(id, &request);
        self.begin(id, Task::Listing(Box::new(listing)));
        Ok(Taken::Yes)
    }

    /// Answers a ping, which is no activity and no command.
    fn take_ping(&mut self, id: ConnectionId, tag: Tag, payload: &[u8]) -> Result<(), ProtocolError> {
        if self.may_ask(id, tag) { self.pong(id, tag, payload) } else { Ok(()) }
    }

    /// What a request has to wait for before it is carried out.
    fn wait_before(
        &mut self,
        id: ConnectionId,
        request: &Request<'_>,
        decision: &Decision,
        in_flight: bool,
    ) -> Option<Wait> {
        let own_entries = in_flight.then_some(Wait::OwnEntries);
        match decision {
            Decision::Change(Change::Passing(_)) => own_entries,
            // Who is online is asked at one instant, and not before what was asked earlier is done.
            Decision::Change(Change::CreateRoom { .. }) => own_entries.or_else(|| self.lacks_room(id)),
            Decision::Change(_) => self.lacks_room(id),
            Decision::Act if matches!(request, Request::Active) => None,
            // What was sent whole before the goodbye is stored and answered.
            Decision::Act if matches!(request, Request::LogOut) && self.has_whole_uploads(id) => {
                Some(Wait::Transfers)
            }
            // A refusal is an answer like any other: it waits for those before it.
            Decision::List(..) if planted(Bug::ListOvertakesChanges) => None,
            Decision::List(..) if lists::is_about_news(request) && self.is_marking(id) => {
                Some(Wait::Acknowledgements)
            }
            Decision::Reject(_) | Decision::List(..) | Decision::Act => own_entries,
        }
    }

    fn carry_out(
        &mut self,
        id: ConnectionId,
        tag: Tag,
        account: AccountId,
        request: Request<'_>,
        key: Option<Keyed>,
        decision: Decision,
    ) -> Result<(), ProtocolError> {
        match decision {
            Decision::Change(change) => self.take_change(id, tag, account, key, change),
            Decision::Act => return self.act(id, tag, account, request),
            Decision::Reject(no) => {
                // It may be a list for which it waited.
                self.end_listing(id);
                self.refuse(id, tag, &no);
            }
            Decision::List(..) => debug_assert!(false, "a list is begun elsewhere"),
        }
        Ok(())
    }

    /// What commands are decided on.
    pub(crate) fn view(&self) -> View<'_> {
        View {
            forum: &self.forum,
            in_flight: self.pipeline.in_flight(),
            limits: &self.settings.limits,
            now_ms: self.time.now_ms,
            random: &self.random,
        }
    }

    /// Who a member is, and whether something of it is in flight.
    pub(crate) fn standing(&self, id: ConnectionId) -> Option<(AccountId, bool)> {
        let member = self.sessions.get(id)?.member()?;
        Some((member.account, member.unapplied.entries > 0))
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
            if planted(Bug::ChangeIsProposedTwice) && key.is_none() {
                self.propose(Origin::Nobody, Some(account), change.clone());
            }
            self.propose_keyed(Origin::Command(id, tag), Some(account), key, change);
        }
    }

    /// Does what concerns one connection only, or begins to.
    fn act(
        &mut self,
        id: ConnectionId,
        tag: Tag,
        account: AccountId,
        request: Request<'_>,
    ) -> Result<(), ProtocolError> {
        let result = match request {
            Request::Active => return Ok(()),
            Request::Upload { title, file, size, key } => {
                let keyed = key.and_then(|_| keyed(&request));
                self.start_upload(TransferKey { connection: id, tag }, account, title, file, size, keyed)?
            }
            Request::Download { title, file, offset, digest } => {
                self.start_download(id, tag, title, file, offset.zip(digest))?
            }
            Request::ChangePassword { old, new, confirmation } => {
                self.change_password(id, tag, account, old, new, confirmation)
            }
            Request::SetPresence { on } => {
                self.set_presence(id, tag, on);
                Ok(())
            }
            Request::RelaySealed { link, ciphertext } => self.relay_text(id, tag, account, link, ciphertext),
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
}
