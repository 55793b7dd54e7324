//! What a request comes to, decided on the state as it stands: the first half of every command. Nothing is changed
//! here, so a command can be decided again when it has waited.

use forum_common::text::Rejection;
use forum_common::wire::Request;

use super::{links, lists, mail, people, rooms, threads};
use crate::args::Limits;
use crate::core::limits::InFlight;
use crate::core::listing::{Page, Rows};
use crate::forum::{AccountId, Change, Forum, SessionId};
use crate::random::Random;

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
