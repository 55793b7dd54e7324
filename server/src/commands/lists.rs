//! LST, RDT, `unread`, `whoelse`, `whoelsesince`, ATU, RDM, `rooms` and `search`: what a list shows is fixed here;
//! its rows are made as the socket drains.

use forum_common::names::Text;
use forum_common::text::Rejection;
use forum_common::wire::Request;

use super::View;
use super::threads::title_of;
use crate::core::listing::{Page, Rows};
use crate::forum::{
    AccountId, History, Refused, RoomId, RoomsFilter, Search, Thread, ThreadId, UnreadListing,
};

/// What a request for a list is about, and which page of it; none if it asks for no list.
pub(super) fn rows_of(
    view: View<'_>,
    asker: AccountId,
    request: &Request<'_>,
) -> Option<Result<(Rows, Page), Rejection>> {
    let forum = view.forum;
    let online = |gone_since_ms| forum.online.list(asker, forum.blocks.of(asker), gone_since_ms);
    let news = |only| UnreadListing::new(&forum.threads, &forum.marks, asker, only);
    let (rows, after, at_most) = match *request {
        Request::ListThreads { after, at_most, unread } => {
            let rows = match unread {
                Some(true) => Rows::ThreadsWithNews(news(false)),
                _ => Rows::Threads(forum.threads.list()),
            };
            (rows, after, at_most)
        }
        Request::ListUnread { after, at_most } => (Rows::Unread(news(true)), after, at_most),
        Request::ReadThread { title, range, after, at_most, last, unread } => {
            let reader = unread.filter(|unread| *unread).map(|_| asker);
            match read_thread(view, title, range, last, reader) {
                Ok(rows) => (rows, after, at_most),
                Err(no) => return Some(Err(no)),
            }
        }
        Request::Search { words, title, after, at_most } => match search(view, words, title) {
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
            (Rows::Board(History::part(&forum.board, later_than_ms, from)), after, at_most)
        }
        Request::ReadRooms { later_than_ms, after, at_most, room, from } => {
            let room = room.map(RoomId);
            if let Some(Err(no)) = room.map(|room| forum.check_member(room, Some(asker))) {
                return Some(Err(no.into()));
            }
            let filter = RoomsFilter { later_than_ms, room, from };
            (Rows::RoomPosts(forum.rooms.posts(asker, filter)), after, at_most)
        }
        Request::ListRooms { after, at_most } => (Rows::Rooms(forum.rooms.of(asker)), after, at_most),
        _ => return None,
    };
    Some(Ok((rows, Page { after, at_most })))
}

/// Whether a request for a list asks what is new to the user.
pub(super) fn is_about_news(request: &Request<'_>) -> bool {
    match request {
        Request::ListUnread { .. } => true,
        Request::ListThreads { unread, .. } | Request::ReadThread { unread, .. } => *unread == Some(true),
        _ => false,
    }
}

/// `search`.
fn search(view: View<'_>, words: &str, title: Option<&str>) -> Result<Rows, Rejection> {
    let threads = &view.forum.threads;
    let only = title.map(|title| thread_named(view, title)).transpose()?;
    Ok(Rows::Search(Search::new(threads, &Text::parse(words)?, only.map(|(id, _)| id))))
}

fn thread_named<'a>(view: View<'a>, title: &str) -> Result<(ThreadId, &'a Thread), Rejection> {
    let title = title_of(view, title)?;
    let threads = &view.forum.threads;
    let named = threads.find(&title).and_then(|id| Some((id, threads.get(id)?)));
    Ok(named.ok_or(Refused::NoSuchThread(title))?)
}

fn read_thread(
    view: View<'_>,
    title: &str,
    range: Option<(u32, u32)>,
    last: Option<u32>,
    reader: Option<AccountId>,
) -> Result<Rows, Rejection> {
    let (id, thread) = thread_named(view, title)?;
    let listing = match (range, last, reader) {
        (None, Some(last), _) => thread.list_last(last),
        (None, None, Some(reader)) => {
            let mark = view.forum.marks.of(reader, id).unwrap_or_default();
            thread.list_new(reader, mark)
        }
        _ => thread.list(range)?,
    };
    Ok(Rows::Thread(id, listing))
}
