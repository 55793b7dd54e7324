//! LST, RDT, `whoelse`, `whoelsesince`, ATU, RDM and `rooms`: what a list shows is fixed here; its rows are made as the socket
//! drains.

use forum_common::text::Rejection;
use forum_common::wire::Request;

use super::View;
use super::threads::title_of;
use crate::core::listing::{Page, Rows};
use crate::forum::{AccountId, History, Refused, RoomId, RoomsFilter};

/// What a request for a list is about, and which page of it; none if it asks for no list.
pub(super) fn rows_of(
    view: View<'_>,
    asker: AccountId,
    request: &Request<'_>,
) -> Option<Result<(Rows, Page), Rejection>> {
    let forum = view.forum;
    let online = |gone_since_ms| forum.online.list(asker, forum.blocks.of(asker), gone_since_ms);
    let (rows, after, at_most) = match *request {
        Request::ListThreads { after, at_most } => (Rows::Threads(forum.threads.list()), after, at_most),
        Request::ReadThread { title, range, after, at_most, .. } => match read_thread(view, title, range) {
            Ok(rows) => (rows, after, at_most),
            Err(no) => return Some(Err(no)),
        },
        Request::WhoElse { after, at_most } => (Rows::Users(online(None)), after, at_most),
        Request::WhoElseSince { seconds, after, at_most } => {
            let since_ms = view.now_ms.saturating_sub(seconds.saturating_mul(1_000));
            (Rows::Users(online(Some(since_ms))), after, at_most)
        }
        Request::ListActive { after, at_most } => (Rows::Active(online(None)), after, at_most),
        Request::ReadBoard { later_than_ms, after, at_most, from } => {
            let mut history = History::later(&forum.board, later_than_ms);
            history.skip_past(from.map_or(0, |from| from.saturating_sub(1).into()));
            (Rows::Board(history), after, at_most)
        }
        Request::ReadRooms { later_than_ms, after, at_most, room, from } => {
            let room = room.map(RoomId);
            if let Some(Err(no)) = room.map(|room| member_of(view, asker, room)) {
                return Some(Err(no));
            }
            let filter = RoomsFilter { later_than_ms, room, from };
            (Rows::RoomPosts(forum.rooms.posts(asker, filter)), after, at_most)
        }
        Request::ListRooms { after, at_most } => (Rows::Rooms(forum.rooms.of(asker)), after, at_most),
        _ => return None,
    };
    Some(Ok((rows, Page { after, at_most })))
}

/// Only members read a room.
fn member_of(view: View<'_>, asker: AccountId, room: RoomId) -> Result<(), Rejection> {
    let room = view.forum.rooms.get(room).ok_or(Rejection::NoSuchRoom)?;
    if room.has(asker) { Ok(()) } else { Err(Rejection::NotInRoom) }
}

fn read_thread(view: View<'_>, title: &str, range: Option<(u32, u32)>) -> Result<Rows, Rejection> {
    let title = title_of(view, title)?;
    let thread = view.forum.threads.named(&title)?;
    let id = view.forum.threads.find(&title).ok_or_else(|| Refused::NoSuchThread(title.clone()))?;
    Ok(Rows::Thread(id, thread.list(range)?))
}
