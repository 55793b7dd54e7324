//! Whether the server's memory is what the reference says.

use forumd::forum::{Forum, Item, Kept, MailNumber, RoomId, ThreadId};

use super::links::Stage;
use super::{State, Thread, What};

/// Compares everything that is kept, and who is online.
///
/// # Errors
/// What differs first.
pub(crate) fn compare(forum: &Forum, state: &State) -> Result<(), String> {
    let online: Vec<_> = forum.online.iter().map(|user| (user.account.0, user.session)).collect();
    let expected: Vec<_> = state.online.iter().map(|present| (present.user, present.session)).collect();
    same("who is online", &online, &expected)?;
    same("links", &forum.links.len(), &state.links.len())?;
    for (id, link) in &*state.links {
        let found = forum.links.of_end(*id, forumd::forum::AccountId(link.asker));
        let found = found.map(|link| (link.asker.0, link.asked.0, link.token, stage_of(link.stage)));
        let expected = (link.asker, link.asked, link.token, link.stage);
        same("a link", &found, &Some(expected))?;
    }
    compare_kept(forum, state)
}

fn stage_of(stage: forumd::forum::Stage) -> Stage {
    use forumd::forum::Stage as Theirs;
    match stage {
        Theirs::Question { due_ms } => Stage::Question { due_ms },
        Theirs::Preparing { due_ms } => Stage::Preparing { due_ms },
        Theirs::Trying { due_ms, up } => Stage::Trying { due_ms, up: up.map(|up| up.0) },
        Theirs::Direct => Stage::Direct,
        Theirs::Relayed { ended } => Stage::Relayed { ended: ended.map(|ended| ended.0) },
    }
}

fn compare_kept(forum: &Kept, state: &State) -> Result<(), String> {
    let accounts: Vec<_> =
        forum.accounts.iter().map(|account| (account.name.as_str(), account.hash)).collect();
    let expected: Vec<_> = state.accounts.iter().map(|account| (&*account.name, account.hash)).collect();
    same("accounts", &accounts, &expected)?;
    let threads: Vec<u64> = forum.threads.iter().map(|(id, _)| id.0).collect();
    same("threads", &threads, &state.threads.keys().copied().collect())?;
    for (id, thread) in &*state.threads {
        compare_thread(forum, ThreadId(*id), thread)?;
    }
    for user in 0..state.accounts.len() as u32 {
        compare_mail(forum, state, user)?;
        let id = forumd::forum::AccountId(user);
        let blocked: Vec<u32> = forum.blocks.by(id).iter().map(|other| other.0).collect();
        let expected = state.blocks.iter().filter(|(by, _)| *by == user).map(|(_, other)| *other).collect();
        same("blocks", &blocked, &expected)?;
        let marks = forum.marks.all_of(id).iter().filter(|mark| forum.threads.get(mark.thread).is_some());
        let marks: Vec<_> = marks.map(|mark| (user, mark.thread.0, mark.up_to.0)).collect();
        let expected = state.marks.iter().filter(|(by, ..)| *by == user).copied().collect();
        same("marks", &marks, &expected)?;
        for thread in state.threads.keys() {
            let is_watched = forum.watches.has(id, ThreadId(*thread));
            same("a watch", &is_watched, &state.watches.contains(&(user, *thread)))?;
        }
    }
    compare_said(forum, state)?;
    let removed: Vec<_> = forum.removed_files().collect();
    same("removed files", &removed, &state.removed.iter().copied().collect())?;
    same("the time of the log", &forum.at_ms(), &state.at_ms)
}

fn compare_thread(forum: &Kept, id: ThreadId, thread: &Thread) -> Result<(), String> {
    let Some(found) = forum.threads.get(id) else { return Err(format!("{id:?} is missing")) };
    let head = (found.title().as_str(), found.creator().0);
    same("a thread", &head, &(&*thread.title, thread.creator))?;
    let mut list = found.list(None).map_err(|refused| format!("{refused:?}"))?;
    for item in &thread.items {
        let (id, at_ms, author) = (item.id, item.at_ms, item.author);
        let is_same = match (list.next_item(), &item.what) {
            (Some(Item::Post(_, post)), What::Post(text)) => {
                (post.id.0, post.at_ms, post.author.0, post.text.as_str()) == (id, at_ms, author, text)
            }
            (Some(Item::Upload(file)), What::File { name, id: file_id, size, digest }) => {
                (file.item.0, file.at_ms, file.author.0) == (id, at_ms, author)
                    && (file.file.as_str(), file.id, file.size, &file.digest)
                        == (&**name, *file_id, *size, digest)
            }
            _ => false,
        };
        if !is_same {
            return Err(format!("thread {} has not {item:?}", thread.title));
        }
    }
    match list.next_item() {
        Some(_) => Err(format!("thread {} has more than {} items", thread.title, thread.items.len())),
        None => Ok(()),
    }
}

fn compare_mail(forum: &Kept, state: &State, user: u32) -> Result<(), String> {
    let mailbox = forum.mail.of(forumd::forum::AccountId(user));
    let newest = mailbox.map_or(0, |mailbox| mailbox.newest().0);
    let expected = state.mail.get(&user);
    same("the newest message", &newest, &expected.map_or(0, |mailbox| mailbox.newest))?;
    let mut last = MailNumber(0);
    for (number, said) in expected.into_iter().flat_map(|mailbox| &mailbox.waiting) {
        let found = mailbox.and_then(|mailbox| mailbox.first_behind(last));
        let found = found.map(|(number, mail)| (number.0, mail.from.0, mail.at_ms, mail.text.as_str()));
        same("a message", &found, &Some((*number, said.author, said.at_ms, &*said.text)))?;
        last = MailNumber(*number);
    }
    match mailbox.and_then(|mailbox| mailbox.first_behind(last)) {
        Some((number, _)) => Err(format!("user {user} has message {number:?}, which was taken")),
        None => Ok(()),
    }
}

fn compare_said(forum: &Kept, state: &State) -> Result<(), String> {
    let board: Vec<_> =
        forum.board.iter().map(|post| (post.author.0, post.at_ms, post.text.as_str())).collect();
    let expected: Vec<_> = state.board.iter().map(|said| (said.author, said.at_ms, &*said.text)).collect();
    same("the board", &board, &expected)?;
    same("rooms", &forum.rooms.len(), &state.rooms.len())?;
    for (room, id) in state.rooms.iter().zip(1..) {
        let Some(found) = forum.rooms.get(RoomId(id)) else { return Err(format!("room {id} is missing")) };
        let members: Vec<u32> = found.members.iter().map(|member| member.0).collect();
        same("members of a room", &members, &room.members)?;
        let posts: Vec<_> =
            found.posts.iter().map(|post| (post.author.0, post.at_ms, post.text.as_str())).collect();
        let expected: Vec<_> = room.posts.iter().map(|said| (said.author, said.at_ms, &*said.text)).collect();
        same("posts of a room", &posts, &expected)?;
    }
    Ok(())
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    match found == expected {
        true => Ok(()),
        false => Err(format!("{what}: {found:?} instead of {expected:?}")),
    }
}
