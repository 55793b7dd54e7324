//! What the log keeps: the rules of every kept change, and what becomes of the state. Nothing here sees who is
//! online or which links stand: a replay, which has neither, decides everything as it was decided before.

mod between;

use forum_common::names::{Title, UserName};

use super::{
    AccountId, Accounts, Blocks, Change, Effect, Entry, ItemId, KeyedResult, Keys, Mailboxes, Marks,
    PostAction, Refused, RoomId, Rooms, Sequence, ThreadId, Threads, TimedPost, Upload, Watches,
};
use crate::planted::{Bug, planted};
use crate::workers::files::FileId;

/// What the log keeps: all that a restart, a snapshot and an export know. A clone is O(1).
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// Who may log in.
    pub accounts: Accounts,
    /// What they talk about.
    pub threads: Threads,
    /// What was sent to one user each and not taken yet.
    pub mail: Mailboxes,
    /// Who wants to hear nothing of whom.
    pub blocks: Blocks,
    /// How far who has read which threads.
    pub marks: Marks,
    /// Who is told of which threads.
    pub watches: Watches,
    /// What was posted to everybody.
    pub board: Sequence<TimedPost>,
    /// What was posted to some.
    pub rooms: Rooms,
    /// Files whose thread was removed and that may still be on disk. Their unlinking must not come before the
    /// removal is durable, so it is a step of its own, and a crash between the two must not forget it.
    pub(super) removed_files: imbl::OrdSet<FileId>,
    /// What changes with a key came to.
    pub keys: Keys,
    /// The time of the newest kept entry, in UTC milliseconds.
    pub(super) at_ms: u64,
}

impl Kept {
    /// The time of the newest kept entry, in UTC milliseconds. Time in the log never goes back.
    pub fn at_ms(&self) -> u64 {
        self.at_ms
    }

    /// Whether `change` by `actor` would succeed on the present state.
    ///
    /// # Errors
    /// Why it would not.
    pub(super) fn check(&self, actor: Option<AccountId>, change: &Change) -> Result<(), Refused> {
        match change {
            Change::CreateAccount { name, .. } => match self.accounts.find(name) {
                Some(_) => Err(Refused::NameTaken(name.clone())),
                None => Ok(()),
            },
            Change::SetPassword { account, .. } => self.check_account(*account),
            Change::CreateThread { title } => match self.threads.find(title) {
                Some(_) => Err(Refused::ThreadExists(title.clone())),
                None => Ok(()),
            },
            Change::Post { title, .. } => self.threads.named(title).map(|_| ()),
            Change::DeletePost { title, number, id } => {
                let thread = self.threads.named(title)?;
                thread.check_author(*number, *id, actor, PostAction::Delete)
            }
            Change::EditPost { title, number, id, .. } => {
                let thread = self.threads.named(title)?;
                thread.check_author(*number, *id, actor, PostAction::Edit)
            }
            Change::AddFile { thread, title, file, .. } => {
                let thread = self.threads.get(*thread).ok_or_else(|| Refused::NoSuchThread(title.clone()))?;
                thread.check_new_file(file)
            }
            Change::RemoveThread { title } => {
                let thread = self.threads.named(title)?;
                if Some(thread.creator()) == actor { Ok(()) } else { Err(Refused::NotYourThread) }
            }
            Change::Watch { title } => self.check_watch(title, actor, false),
            Change::Unwatch { title } => self.check_watch(title, actor, true),
            Change::TakeMessages { .. }
            | Change::MarkRead { .. }
            | Change::PostToBoard { .. }
            | Change::Unlinked { .. } => Ok(()),
            Change::SendMessage { to, .. } => self.check_message(*to, actor),
            Change::Block { user } => self.check_block(*user, actor, false),
            Change::Unblock { user } => self.check_block(*user, actor, true),
            Change::CreateRoom { members } => match self.rooms.of_exactly(members) {
                Some(room) => Err(Refused::RoomExists(room)),
                None => members.iter().try_for_each(|member| self.check_account(*member)),
            },
            Change::PostToRoom { room, .. } => match self.check_member(*room, actor) {
                Err(Refused::NotInRoom) if planted(Bug::AnybodyPostsToARoom) => Ok(()),
                checked => checked,
            },
            Change::Passing(_) => {
                debug_assert!(false, "what passes is not decided by what is kept");
                Err(Refused::NotLoggedIn)
            }
        }
    }

    /// Whether `user` is in this room.
    ///
    /// # Errors
    /// There is no such room, or the user is not in it.
    pub fn check_member(&self, room: RoomId, user: Option<AccountId>) -> Result<(), Refused> {
        let room = self.rooms.get(room).ok_or(Refused::NoSuchRoom)?;
        if user.is_some_and(|user| room.has(user)) { Ok(()) } else { Err(Refused::NotInRoom) }
    }

    fn check_account(&self, account: AccountId) -> Result<(), Refused> {
        self.accounts.get(account).map(|_| ()).ok_or(Refused::NoSuchAccount)
    }

    /// Applies a kept entry of the log: all of it, or nothing and the reason.
    ///
    /// # Errors
    /// The change can't be made on this state, for instance because an entry before it was faster. The
    /// entry then stands in the log and changes nothing, today and in every replay.
    pub(super) fn apply(&mut self, entry: &Entry) -> Result<Effect, Refused> {
        self.at_ms = self.at_ms.max(entry.at_ms);
        let Some((actor, keyed)) = entry.actor.zip(entry.key) else { return self.apply_once(entry) };
        if let Some(known) = self.keys.find(actor, keyed)
            && !planted(Bug::KeyIsNotLookedUp)
        {
            return known.map(Effect::Repeated);
        }
        let result = self.apply_once(entry);
        let answer = result.as_ref().map(|effect| effect.answer(entry)).map_err(Refused::clone);
        self.keys.keep(actor, KeyedResult { keyed, result: answer });
        result
    }

    /// Applies an entry whose key, if it has one, is new.
    fn apply_once(&mut self, entry: &Entry) -> Result<Effect, Refused> {
        // The most frequent change is one step that finds its thread or fails: it needs no look before.
        if !matches!(entry.change, Change::Post { .. }) {
            self.check(entry.actor, &entry.change)?;
        }
        match &entry.change {
            Change::CreateAccount { name, hash } => {
                Ok(Effect::AccountCreated(self.accounts.create(name.clone(), *hash)))
            }
            Change::SetPassword { account, hash } => {
                self.accounts.set_password(*account, *hash);
                Ok(Effect::PasswordChanged)
            }
            Change::Unlinked { files } => {
                for file in files {
                    self.removed_files.remove(file);
                }
                Ok(Effect::FilesUnlinked)
            }
            // All else is done by somebody who is logged in.
            change => self.apply_by(entry.actor.ok_or(Refused::NoSuchAccount)?, change),
        }
    }

    /// Makes a change that was checked.
    fn apply_by(&mut self, actor: AccountId, change: &Change) -> Result<Effect, Refused> {
        let at_ms = self.at_ms;
        Ok(match change {
            Change::CreateThread { title } => {
                Effect::ThreadCreated(self.threads.create(title.clone(), actor))
            }
            Change::Post { title, text } => {
                let (number, id) = self.threads.post(title, actor, at_ms, text.clone())?;
                Effect::Posted { number, id }
            }
            Change::DeletePost { title, number, .. } => {
                self.threads.named_mut(title)?.delete_post(*number);
                Effect::PostDeleted
            }
            Change::EditPost { title, number, text, .. } => {
                self.threads.named_mut(title)?.edit_post(*number, text.clone());
                Effect::PostEdited
            }
            Change::AddFile { thread, title, file, id, size, digest } => {
                let (item, after, author, file) = (ItemId(0), 0, actor, file.clone());
                let upload =
                    Upload { item, at_ms, after, author, file, id: *id, size: *size, digest: *digest };
                Effect::FileAdded(self.add_file(*thread, title, upload)?)
            }
            Change::RemoveThread { title } => self.remove_thread(title)?,
            change => return self.apply_between(actor, change),
        })
    }

    fn add_file(&mut self, thread: ThreadId, title: &Title, upload: Upload) -> Result<ItemId, Refused> {
        let (author, size) = (upload.author, upload.size);
        let added = self.threads.add_file(thread, upload);
        let item = added.ok_or_else(|| Refused::NoSuchThread(title.clone()))?;
        self.accounts.add_file_bytes(author, size);
        Ok(item)
    }

    fn remove_thread(&mut self, title: &Title) -> Result<Effect, Refused> {
        let (id, thread) = self.threads.remove(title)?;
        self.watches.forget(id);
        for upload in thread.uploads() {
            self.accounts.subtract_file_bytes(upload.author, upload.size);
        }
        self.removed_files.extend(thread.uploads().iter().map(|upload| upload.id));
        Ok(Effect::ThreadRemoved { id, thread })
    }

    /// The name of an account; every id in the forum's state belongs to one.
    pub fn name_of(&self, account: AccountId) -> &UserName {
        &self.accounts[account].name
    }

    /// The names of these accounts with one space between them, as the wire has them.
    pub fn names_of(&self, accounts: &[AccountId]) -> String {
        accounts.iter().map(|account| self.name_of(*account).as_str()).collect::<Vec<_>>().join(" ")
    }

    /// Every file that the state names, with its thread's title.
    pub fn files(&self) -> impl Iterator<Item = (&Title, &Upload)> {
        self.threads
            .iter()
            .flat_map(|(_, thread)| thread.uploads().iter().map(move |upload| (thread.title(), upload)))
    }

    /// The files of removed threads that are not known to be gone from the disk, in the order of their ids.
    pub fn removed_files(&self) -> impl Iterator<Item = FileId> {
        self.removed_files.iter().copied()
    }

    /// Whether this file belonged to a removed thread and is not known to be gone from the disk.
    pub fn is_removed_file(&self, id: FileId) -> bool {
        self.removed_files.contains(&id)
    }
}
