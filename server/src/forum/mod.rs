//! The forum itself: what is remembered, and how one entry of the log changes it.
//!
//! Pure state: nothing here knows sockets, files, the clock, options or logging. [`Forum::apply`] is
//! deterministic, so the same entries give an equal forum wherever and whenever they are applied; limits are
//! checked before an entry is proposed, never here.
//!
//! Cloning a forum is O(1): all its collections are persistent. Listings and snapshots each work on a clone
//! and so show one instant, however long they take.

mod accounts;
mod entry;
mod posts;
mod record;
mod refused;
mod threads;

pub use accounts::{Account, AccountId, Accounts};
pub use entry::{Change, Entry, EntryError};
pub use posts::{Post, Posts};
pub use record::{Record, Records, RestoreError, Restorer};
pub use refused::Refused;
pub use threads::{Listed, Thread, ThreadId, ThreadListing, Threads, TitleListing, Upload};

use forum_common::names::{FileName, Title, UserName};

use crate::files::FileId;

/// All that forumd remembers.
#[derive(Debug, Clone, Default)]
pub struct Forum {
    /// Who may log in.
    pub accounts: Accounts,
    /// What they talk about.
    pub threads: Threads,
    /// The time of the newest entry, in UTC milliseconds.
    at_ms: u64,
}

/// What an applied entry has done: the source of the answer and of everything that follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A new account.
    AccountCreated(AccountId),
    /// An account has another password.
    PasswordChanged,
    /// A new thread.
    ThreadCreated(Title),
    /// A message more in this thread.
    Posted(Title),
    /// A message less.
    PostDeleted,
    /// A message says something else.
    PostEdited,
    /// A file more in the thread, which has this title.
    FileAdded {
        /// The thread's title.
        title: Title,
        /// The file's name there.
        file: FileName,
    },
    /// The thread is gone, and so are its files.
    ThreadRemoved {
        /// Which thread.
        thread: ThreadId,
        /// The title it had.
        title: Title,
        /// The files nothing names any more.
        files: Vec<FileId>,
    },
}

impl Forum {
    /// The time of the newest entry, in UTC milliseconds. Time in the log never goes back.
    pub fn at_ms(&self) -> u64 {
        self.at_ms
    }

    /// Whether `change` by `actor` would succeed on the present state.
    ///
    /// # Errors
    /// Why it would not.
    pub fn check(&self, actor: Option<AccountId>, change: &Change) -> Result<(), Refused> {
        match change {
            Change::CreateAccount { name, .. } => match self.accounts.find(name) {
                Some(_) => Err(Refused::NameTaken(name.clone())),
                None => Ok(()),
            },
            Change::SetPassword { account, .. } => {
                self.accounts.get(*account).map(|_| ()).ok_or(Refused::NoSuchAccount)
            }
            Change::CreateThread { title } => match self.threads.find(title) {
                Some(_) => Err(Refused::ThreadExists(title.clone())),
                None => Ok(()),
            },
            Change::Post { title, .. } => self.threads.named(title).map(|_| ()),
            Change::DeletePost { title, number } => {
                let thread = self.threads.named(title)?;
                thread.check_author(*number, actor, "deleted")
            }
            Change::EditPost { title, number, .. } => {
                let thread = self.threads.named(title)?;
                thread.check_author(*number, actor, "edited")
            }
            Change::AddFile { thread, title, file, .. } => {
                let thread = self.threads.get(*thread).ok_or_else(|| Refused::NoSuchThread(title.clone()))?;
                thread.check_new_file(file)
            }
            Change::RemoveThread { title } => {
                let thread = self.threads.named(title)?;
                if Some(thread.creator()) == actor { Ok(()) } else { Err(Refused::NotYourThread) }
            }
        }
    }

    /// Applies one entry of the log: all of it, or nothing and the reason.
    ///
    /// # Errors
    /// The change can't be made on this state, for instance because an entry before it was faster. The
    /// entry then stands in the log and changes nothing, today and in every replay.
    pub fn apply(&mut self, entry: &Entry) -> Result<Effect, Refused> {
        self.at_ms = self.at_ms.max(entry.at_ms);
        self.check(entry.actor, &entry.change)?;
        Ok(match &entry.change {
            Change::CreateAccount { name, hash } => {
                Effect::AccountCreated(self.accounts.create(name.clone(), *hash))
            }
            Change::SetPassword { account, hash } => {
                self.accounts.set_password(*account, *hash);
                Effect::PasswordChanged
            }
            Change::CreateThread { title } => {
                let creator = entry.actor.ok_or(Refused::NoSuchAccount)?;
                self.threads.create(title.clone(), creator);
                Effect::ThreadCreated(title.clone())
            }
            Change::Post { title, text } => {
                let author = entry.actor.ok_or(Refused::NoSuchAccount)?;
                self.threads.named_mut(title)?.post(Post { author, text: text.clone() });
                Effect::Posted(title.clone())
            }
            Change::DeletePost { title, number } => {
                self.threads.named_mut(title)?.delete_post(*number);
                Effect::PostDeleted
            }
            Change::EditPost { title, number, text } => {
                self.threads.named_mut(title)?.edit_post(*number, text.clone());
                Effect::PostEdited
            }
            Change::AddFile { thread, title, file, id, size, digest } => {
                let author = entry.actor.ok_or(Refused::NoSuchAccount)?;
                let thread =
                    self.threads.get_mut(*thread).ok_or_else(|| Refused::NoSuchThread(title.clone()))?;
                let title = thread.title().clone();
                thread.add_file(author, file.clone(), *id, *size, *digest);
                self.accounts.add_file_bytes(author, *size);
                Effect::FileAdded { title, file: file.clone() }
            }
            Change::RemoveThread { title } => {
                let (id, thread) = self.threads.remove(title)?;
                for upload in thread.uploads() {
                    self.accounts.subtract_file_bytes(upload.author, upload.size);
                }
                let files = thread.uploads().iter().map(|upload| upload.id).collect();
                Effect::ThreadRemoved { thread: id, title: title.clone(), files }
            }
        })
    }

    /// The name of an account; every id in the forum's state belongs to one.
    pub fn name_of(&self, account: AccountId) -> &UserName {
        &self.accounts[account].name
    }

    /// Every file that the state names, with its thread's title.
    pub fn files(&self) -> impl Iterator<Item = (&Title, &Upload)> {
        self.threads
            .iter()
            .flat_map(|(_, thread)| thread.uploads().iter().map(move |upload| (thread.title(), upload)))
    }
}

#[cfg(test)]
mod tests;
