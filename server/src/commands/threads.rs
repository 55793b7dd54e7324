//! CRT, MSG, DLT, EDT and RMV.

use forum_common::names::{Text, Title};
use forum_common::text::Rejection;
use forum_common::wire::Limit;

use super::View;
use crate::core::limits::Subject;
use crate::forum::{Change, ItemId};
use crate::planted::{Bug, planted};

/// CRT.
pub(super) fn create(view: View<'_>, title: &str) -> Result<Change, Rejection> {
    let title = Title::parse(title)?;
    let limit = view.limits.max_threads;
    if view.in_flight.reaches(limit, view.forum.threads.len(), &Subject::Threads)
        && view.forum.threads.find(&title).is_none()
    {
        return Err(Rejection::LimitReached(Limit::Threads, limit as u64));
    }
    Ok(Change::CreateThread { title })
}

/// MSG.
pub(super) fn post(view: View<'_>, title: &str, text: &str) -> Result<Change, Rejection> {
    let (title, stored) = match view.forum.threads.titled(title) {
        Some(thread) => (thread.title().clone(), thread.posts().len()),
        None => (Title::parse(title)?, 0),
    };
    let kept = if planted(Bug::LongTextIsCut) { &text[..text.len().min(1_000)] } else { text };
    let text = Text::parse(kept)?;
    let limit = view.limits.max_posts;
    if view.in_flight.reaches(limit, stored, &Subject::PostsIn(title.clone())) {
        return Err(Rejection::LimitReached(Limit::Posts, limit as u64));
    }
    Ok(Change::Post { title, text })
}

/// DLT.
pub(super) fn delete_post(
    view: View<'_>,
    title: &str,
    number: u32,
    id: Option<u64>,
) -> Result<Change, Rejection> {
    Ok(Change::DeletePost { title: title_of(view, title)?, number, id: id.map(ItemId) })
}

/// EDT.
pub(super) fn edit_post(
    view: View<'_>,
    title: &str,
    number: u32,
    id: Option<u64>,
    text: &str,
) -> Result<Change, Rejection> {
    let title = title_of(view, title)?;
    Ok(Change::EditPost { title, number, id: id.map(ItemId), text: Text::parse(text)? })
}

/// RMV.
pub(super) fn remove(view: View<'_>, title: &str) -> Result<Change, Rejection> {
    Ok(Change::RemoveThread { title: title_of(view, title)? })
}

/// A title that a thread has is shared with it; parsing would make another.
pub(super) fn title_of(view: View<'_>, raw: &str) -> Result<Title, Rejection> {
    match view.forum.threads.titled(raw) {
        Some(thread) => Ok(thread.title().clone()),
        None => Ok(Title::parse(raw)?),
    }
}
