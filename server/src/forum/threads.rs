//! Threads: a title, a creator, numbered messages, and files that stand among them.

mod listing;

use std::sync::Arc;

use forum_common::limits::{DIGEST_BYTES, FILE_NAME_BYTES_MAX};
use forum_common::names::{FileName, Text, Title};
use serde::{Deserialize, Serialize};

use super::name_index::NameIndex;
use super::{AccountId, PostAction, Refused, Sequence};
use crate::planted::{Bug, planted};
use crate::workers::files::FileId;

pub use listing::{Item, ThreadListing, ThreadRow, ThreadsListing};

/// A thread's place in the order of creations, from 1. Never used again: a thread that gets the title of a
/// removed one is another thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ThreadId(pub u64);

/// The place of a message or a file in the order of all that was ever put into threads, from 1. Never used again,
/// also after the item or its thread is gone; a message's number within its thread is another matter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ItemId(pub u64);

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Which one it is, wherever it stands.
    pub id: ItemId,
    /// When it was posted, in UTC milliseconds. Editing it leaves this as it is.
    pub at_ms: u64,
    /// Who wrote it.
    pub author: AccountId,
    /// What it says.
    pub text: Text,
}

/// A file in a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Which item of a thread it is, wherever it stands.
    pub item: ItemId,
    /// When its upload ended, in UTC milliseconds.
    pub at_ms: u64,
    /// How many messages stand before it.
    pub after: u32,
    /// Who uploaded it.
    pub author: AccountId,
    /// Its name.
    pub file: FileName,
    /// Where its bytes are.
    pub id: FileId,
    /// How many bytes there are.
    pub size: u64,
    /// Their BLAKE3 digest.
    pub digest: [u8; DIGEST_BYTES],
}

/// One thread. A clone is O(1) and keeps its instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    title: Title,
    creator: AccountId,
    posts: Sequence<Post>,
    /// What the messages take in memory.
    post_bytes: usize,
    /// In the order of uploading, so `after` never falls.
    uploads: Arc<Vec<Upload>>,
}

/// What a message takes in memory: itself, and its text with the two counters in front of it.
fn bytes_of(post: &Post) -> usize {
    size_of::<Post>() + 2 * size_of::<usize>() + post.text.len()
}

impl Thread {
    /// Its title.
    pub fn title(&self) -> &Title {
        &self.title
    }

    /// Who created it.
    pub fn creator(&self) -> AccountId {
        self.creator
    }

    /// Its messages.
    pub fn posts(&self) -> &Sequence<Post> {
        &self.posts
    }

    /// The newest of its messages and files: which it is, who put it there, and when in UTC milliseconds.
    pub fn newest_item(&self) -> Option<(ItemId, AccountId, u64)> {
        let post = self.posts.len().checked_sub(1).and_then(|last| self.posts.get(last));
        let post = post.map(|post| (post.id, post.author, post.at_ms));
        let upload = self.uploads.last().map(|upload| (upload.item, upload.author, upload.at_ms));
        post.max(upload)
    }

    /// How many of its messages, and of its files, there are up to this item.
    pub(super) fn after(&self, item: ItemId) -> (usize, usize) {
        let posts = self.posts.partition_point(|post| post.id <= item);
        (posts, self.uploads.partition_point(|upload| upload.item <= item))
    }

    /// Its messages, of a thread that is removed: they are to be freed a few at a time.
    pub fn take_posts(&mut self) -> Sequence<Post> {
        self.post_bytes = 0;
        std::mem::take(&mut self.posts)
    }

    /// What its messages and files take in memory.
    pub fn bytes(&self) -> usize {
        self.post_bytes + self.uploads.len() * (size_of::<Upload>() + FILE_NAME_BYTES_MAX)
    }

    /// Its files, oldest first.
    pub fn uploads(&self) -> &[Upload] {
        &self.uploads
    }

    /// The file of this name.
    pub fn file(&self, name: &str) -> Option<&Upload> {
        self.uploads.iter().find(|upload| upload.file.as_str() == name)
    }

    /// Whether a file of this name may be added.
    ///
    /// # Errors
    /// There is one.
    pub fn check_new_file(&self, file: &FileName) -> Result<(), Refused> {
        match self.file(file) {
            Some(_) => Err(Refused::FileExists(file.clone(), self.title.clone())),
            None => Ok(()),
        }
    }

    /// Whether `actor` may do `what` with message `number`, which must be `id` if that was said.
    pub(super) fn check_author(
        &self,
        number: u32,
        id: Option<ItemId>,
        actor: Option<AccountId>,
        what: PostAction,
    ) -> Result<(), Refused> {
        let index = (number as usize).checked_sub(1).ok_or(Refused::InvalidMessageNumber)?;
        let post = self.posts.get(index).ok_or(Refused::InvalidMessageNumber)?;
        match id {
            Some(id) if post.id != id => Err(Refused::MessageMoved),
            _ if Some(post.author) == actor || planted(Bug::AnybodyDeletesAPost) => Ok(()),
            _ => Err(Refused::NotYourMessage(what)),
        }
    }

    /// Appends a message as it is, its id included; says which number it got.
    pub(super) fn restore_post(&mut self, post: Post) -> u32 {
        self.post_bytes += bytes_of(&post);
        self.posts.push(post);
        self.posts.len() as u32
    }

    pub(super) fn delete_post(&mut self, number: u32) {
        self.post_bytes -= self.posts.get(number as usize - 1).map_or(0, bytes_of);
        self.posts.remove(number as usize - 1);
        if planted(Bug::UploadKeepsItsPlaceWhenAPostBeforeItGoes) {
            return;
        }
        if self.uploads.last().is_some_and(|last| last.after >= number) {
            for upload in Arc::make_mut(&mut self.uploads).iter_mut().rev() {
                if upload.after < number {
                    break;
                }
                upload.after -= 1;
            }
        }
    }

    pub(super) fn edit_post(&mut self, number: u32, text: Text) {
        let post = self.posts.member_mut(number as usize - 1);
        self.post_bytes = self.post_bytes - post.text.len() + text.len();
        post.text = text;
    }

    /// Appends a file as it is, its item included, after the messages that are there.
    pub(super) fn restore_upload(&mut self, upload: Upload) {
        let after = self.posts.len() as u32;
        Arc::make_mut(&mut self.uploads).push(Upload { after, ..upload });
    }
}

/// All threads.
#[derive(Debug, Clone)]
pub struct Threads {
    by_id: imbl::OrdMap<ThreadId, Thread>,
    by_title: NameIndex<ThreadId>,
    next_id: ThreadId,
    next_item_id: ItemId,
}

impl Default for Threads {
    fn default() -> Self {
        Self {
            by_id: imbl::OrdMap::new(),
            by_title: NameIndex::default(),
            next_id: ThreadId(1),
            next_item_id: ItemId(1),
        }
    }
}

impl Threads {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The id of the thread with exactly this title.
    pub fn find(&self, title: &str) -> Option<ThreadId> {
        self.by_title.find(title, |id| self.get(id).map(|thread| thread.title.as_str()))
    }

    /// The thread with this id.
    pub fn get(&self, id: ThreadId) -> Option<&Thread> {
        self.by_id.get(&id)
    }

    /// The thread with exactly this title, if there is one.
    pub fn titled(&self, title: &str) -> Option<&Thread> {
        self.find(title).and_then(|id| self.get(id))
    }

    /// The thread with exactly this title.
    ///
    /// # Errors
    /// There is none.
    pub fn named(&self, title: &Title) -> Result<&Thread, Refused> {
        self.titled(title).ok_or_else(|| Refused::NoSuchThread(title.clone()))
    }

    /// The id of the thread with exactly this title.
    ///
    /// # Errors
    /// There is none.
    pub fn id_named(&self, title: &Title) -> Result<ThreadId, Refused> {
        self.find(title).ok_or_else(|| Refused::NoSuchThread(title.clone()))
    }

    /// The threads as they are now, or only this one.
    pub(super) fn pinned(&self, only: Option<ThreadId>) -> imbl::OrdMap<ThreadId, Thread> {
        match only {
            None => self.by_id.clone(),
            Some(id) => self.get(id).map(|thread| (id, thread.clone())).into_iter().collect(),
        }
    }

    /// All threads, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (&ThreadId, &Thread)> {
        self.by_id.iter()
    }

    /// The id that the next thread gets.
    pub(super) fn next_id(&self) -> ThreadId {
        self.next_id
    }

    pub(super) fn named_mut(&mut self, title: &Title) -> Result<&mut Thread, Refused> {
        self.find(title)
            .and_then(|id| self.by_id.get_mut(&id))
            .ok_or_else(|| Refused::NoSuchThread(title.clone()))
    }

    pub(super) fn get_mut(&mut self, id: ThreadId) -> Option<&mut Thread> {
        self.by_id.get_mut(&id)
    }

    pub(super) fn create(&mut self, title: Title, creator: AccountId) -> ThreadId {
        let id = self.next_id;
        self.insert(id, title, creator);
        self.next_id = ThreadId(id.0 + 1);
        id
    }

    /// Puts a thread where a snapshot had it.
    pub(super) fn insert(&mut self, id: ThreadId, title: Title, creator: AccountId) {
        self.by_title.insert(&title, id);
        let posts = Sequence::default();
        let thread = Thread { title, creator, posts, post_bytes: 0, uploads: Arc::default() };
        self.by_id.insert(id, thread);
    }

    pub(super) fn set_next_id(&mut self, id: ThreadId) {
        self.next_id = id;
    }

    /// The id that the next message gets.
    pub(super) fn next_item_id(&self) -> ItemId {
        self.next_item_id
    }

    pub(super) fn set_next_item_id(&mut self, id: ItemId) {
        self.next_item_id = id;
    }

    /// Appends a message to a thread; says which number and which id it got.
    pub(super) fn post(
        &mut self,
        title: &Title,
        author: AccountId,
        at_ms: u64,
        text: Text,
    ) -> Result<(u32, ItemId), Refused> {
        let id = self.next_item_id;
        let number = self.named_mut(title)?.restore_post(Post { id, at_ms, author, text });
        self.next_item_id = ItemId(id.0 + 1);
        Ok((number, id))
    }

    /// Appends a file to a thread, with an id of its own, which it says.
    pub(super) fn add_file(&mut self, thread: ThreadId, upload: Upload) -> Option<ItemId> {
        let item = self.next_item_id;
        self.by_id.get_mut(&thread)?.restore_upload(Upload { item, ..upload });
        self.next_item_id = ItemId(item.0 + 1);
        Some(item)
    }

    pub(super) fn remove(&mut self, title: &Title) -> Result<(ThreadId, Thread), Refused> {
        let refused = || Refused::NoSuchThread(title.clone());
        let title_of = |id| self.by_id.get(&id).map(|thread| thread.title.as_str());
        let id = self.by_title.remove(title, title_of).ok_or_else(refused)?;
        let thread = self.by_id.remove(&id).ok_or_else(refused)?;
        Ok((id, thread))
    }

    /// The first thread from `id` on, for walks that are interrupted.
    pub(super) fn first_from(&self, id: ThreadId) -> Option<(&ThreadId, &Thread)> {
        self.by_id.range(id..).next()
    }
}
