//! The commands of a member: one row each, from the request to the answer or the entry.
//!
//! Three kinds: a *change* becomes an entry and is answered when it is applied; a *question* is answered at
//! once, but only when nothing of the same connection is in flight, so that everybody reads their own
//! writes and answers keep the order of requests; a *sign of life* has no answer.

use forum_common::frame::Tag;
use forum_common::names::{Invalid, Password, Text, Title};
use forum_common::refusal::Refusal;
use forum_common::reply::Reply;
use forum_common::request::Request;
use log::info;

use super::commit::Origin;
use super::intake::{Fault, Taken};
use super::login::busy;
use super::{No, Service};
use crate::clock::Clock;
use crate::connection::{OUTGOING_BYTES_LOW, Stream};
use crate::forum::{AccountId, Change, Listed};
use crate::journal::Journal;
use crate::passwords::{HashResult, Job};
use crate::session::{NewPassword, PeerId, Task};

impl<S: Stream, J: Journal, C: Clock> Service<S, J, C> {
    /// Takes a request of a member, or leaves it for later.
    pub(super) fn take_command(
        &mut self,
        id: PeerId,
        tag: Tag,
        request: Request<'_>,
    ) -> Result<Taken, Fault> {
        let Some((account, in_flight)) = self.standing(id) else { return Ok(Taken::Yes) };
        let change = match self.too_fast(id, &request) {
            true => Some(Err(No(Refusal::SlowDown, "Slow down. Please try again later".into()))),
            false => self.change_of(&request),
        };
        let must_wait = match &change {
            Some(Ok(_)) => !self.has_room(id),
            // A refusal is an answer like any other: it waits for those before it.
            Some(Err(_)) => in_flight,
            None => in_flight && !matches!(request, Request::Active),
        };
        if must_wait {
            return Ok(Taken::NotNow);
        }
        self.note(id, &request);
        match change {
            Some(Ok(change)) => self.take_change(id, tag, account, change),
            Some(Err(no)) => self.refuse(id, tag, &no),
            None => self.answer_question(id, tag, account, request)?,
        }
        Ok(Taken::Yes)
    }

    /// Whether one request more would be too many in this second.
    fn too_fast(&self, id: PeerId, request: &Request<'_>) -> bool {
        let limit = self.settings.limits.max_requests_per_second;
        limit > 0
            && !matches!(request, Request::Active)
            && self.peers.get(id).is_some_and(|peer| peer.session.rate.is_reached(limit, self.now))
    }

    /// Who a member is, and whether something of it is in flight.
    fn standing(&self, id: PeerId) -> Option<(AccountId, bool)> {
        let member = self.peers.get(id)?.session.member()?;
        Some((member.account, member.unapplied.entries > 0))
    }

    /// The change that a request asks for, if it asks for one: parsed, and within the limits.
    fn change_of(&self, request: &Request<'_>) -> Option<Result<Change, No>> {
        Some(match *request {
            Request::CreateThread { title } => self.create_thread(title),
            Request::Post { title, text } => self.post(title, text),
            Request::DeletePost { title, number } => {
                Title::parse(title).map(|title| Change::DeletePost { title, number }).map_err(No::from)
            }
            Request::EditPost { title, number, text } => edit_post(title, number, text),
            Request::RemoveThread { title } => {
                Title::parse(title).map(|title| Change::RemoveThread { title }).map_err(No::from)
            }
            _ => return None,
        })
    }

    fn create_thread(&self, title: &str) -> Result<Change, No> {
        let title = Title::parse(title)?;
        let limit = self.settings.limits.max_threads;
        let is_creation = |change: &Change| matches!(change, Change::CreateThread { .. });
        if self.reaches(limit, self.forum.threads.len(), is_creation)
            && self.forum.threads.find(&title).is_none()
        {
            return Err(No::limit(format_args!("{limit} threads")));
        }
        Ok(Change::CreateThread { title })
    }

    fn post(&self, title: &str, text: &str) -> Result<Change, No> {
        let title = Title::parse(title)?;
        let text = Text::parse(text)?;
        let limit = self.settings.limits.max_posts;
        let stored = self.forum.threads.named(&title).map_or(0, |thread| thread.posts().len());
        let is_post_here = |change: &Change| matches!(change, Change::Post { title: to, .. } if *to == title);
        if self.reaches(limit, stored, is_post_here) {
            return Err(No::limit(format_args!("{limit} messages in a thread")));
        }
        Ok(Change::Post { title, text })
    }

    /// Proposes a change. With nothing of this connection in flight, one that can't succeed is refused at
    /// once; otherwise what comes before it may matter, and the log decides.
    fn take_change(&mut self, id: PeerId, tag: Tag, account: AccountId, change: Change) {
        let nothing_in_flight = self.unapplied(id).is_some_and(|own| own.entries == 0);
        if nothing_in_flight && let Err(refused) = self.forum.check(Some(account), &change) {
            self.refuse(id, tag, &refused.into());
        } else {
            self.propose(Origin::Command(id, tag), Some(account), change);
        }
    }

    /// Answers what changes nothing, or begins to.
    fn answer_question(
        &mut self,
        id: PeerId,
        tag: Tag,
        account: AccountId,
        request: Request<'_>,
    ) -> Result<(), Fault> {
        let result = match request {
            Request::Ping(bytes) => return self.pong(id, tag, bytes),
            Request::Active => return Ok(()),
            Request::ListThreads => {
                self.begin(id, Task::ListingTitles(tag, Box::new(self.forum.threads.list())));
                Ok(())
            }
            Request::ReadThread { title, range } => self.read_thread(id, tag, title, range),
            Request::Upload { title, file, size } => {
                self.start_upload(id, tag, account, title, file, size)?
            }
            Request::Download { title, file } => self.start_download(id, tag, title, file)?,
            Request::ChangePassword { old, new, confirmation } => {
                self.change_password(id, tag, account, old, new, confirmation)
            }
            Request::LogOut => {
                self.done(id, tag, "Goodbye");
                self.finish(id);
                Ok(())
            }
            Request::ShutDown { password } => self.take_shut_down(password),
            Request::Hello { .. } | Request::LogIn { .. } | Request::Password(_) | Request::SignUp { .. } => {
                return Err(Fault("Wrong phase: this connection is logged in".into()));
            }
            Request::CreateThread { .. }
            | Request::Post { .. }
            | Request::DeletePost { .. }
            | Request::EditPost { .. }
            | Request::RemoveThread { .. } => return Ok(()),
        };
        if let Err(no) = result {
            self.refuse(id, tag, &no);
        }
        Ok(())
    }

    fn read_thread(
        &mut self,
        id: PeerId,
        tag: Tag,
        title: &str,
        range: Option<(u32, u32)>,
    ) -> Result<(), No> {
        let title = Title::parse(title)?;
        let listing = self.forum.threads.named(&title)?.list(range)?;
        self.begin(id, Task::ListingThread(tag, Box::new(listing)));
        Ok(())
    }

    fn take_shut_down(&mut self, password: &str) -> Result<(), No> {
        match &self.settings.admin_password {
            Some(admin_password) if admin_password.is(password) => {
                self.told_to_end = true;
                self.shut_down();
                Ok(())
            }
            _ => Err(No(Refusal::IncorrectAdminPassword, "Incorrect password".into())),
        }
    }

    fn change_password(
        &mut self,
        id: PeerId,
        tag: Tag,
        account: AccountId,
        old: &str,
        new: &str,
        confirmation: &str,
    ) -> Result<(), No> {
        let Ok(old) = Password::parse(old) else { return Err(wrong_password()) };
        let against = self.forum.accounts[account].hash;
        // The old password is judged first, whatever is wrong with the new one.
        let (job, next) = match Password::parse(new) {
            _ if new != confirmation => (Job::Verify { password: old, against }, NewPassword::Differs),
            Err(_) => (Job::Verify { password: old, against }, NewPassword::Malformed),
            Ok(new) => (Job::VerifyThenHash { old, against, new }, NewPassword::Fine),
        };
        self.passwords.submit(id, job).map_err(|_| busy())?;
        self.begin(id, Task::ChangingPassword(tag, next));
        Ok(())
    }

    /// The hashers are done with a `passwd`.
    pub(super) fn passwd_hashed(&mut self, id: PeerId, result: HashResult) {
        let Some(member) = self.peers.get_mut(id).and_then(|peer| peer.session.member_mut()) else { return };
        let account = member.account;
        let Task::ChangingPassword(tag, next) = std::mem::replace(&mut member.task, Task::Idle) else {
            debug_assert!(false, "a hash that nobody asked for");
            return;
        };
        match (result, next) {
            (HashResult::Hashed(hash), _) => {
                let change = Change::SetPassword { account, hash };
                self.propose(Origin::Command(id, tag), Some(account), change);
            }
            (HashResult::Right, NewPassword::Differs) => self.refuse(id, tag, &passwords_differ()),
            (HashResult::Right, NewPassword::Malformed) => self.refuse(id, tag, &Invalid::Password.into()),
            (HashResult::Wrong | HashResult::Right, _) => self.refuse(id, tag, &wrong_password()),
        }
        self.peers.wake(id);
    }

    /// Starts a request whose answer takes longer; it goes on with the connection's turns.
    fn begin(&mut self, id: PeerId, task: Task) {
        if let Some(member) = self.peers.get_mut(id).and_then(|peer| peer.session.member_mut()) {
            member.task = task;
        }
        self.continue_task(id);
    }

    /// Makes the next portion of a long answer, as much as the socket's queue may hold.
    pub(super) fn continue_task(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        let Some(member) = peer.session.member_mut() else { return };
        let ended = match std::mem::replace(&mut member.task, Task::Idle) {
            Task::Idle => return,
            waiting @ Task::ChangingPassword(..) => Some(waiting),
            Task::ListingTitles(tag, mut listing) => loop {
                if self.has_enough_queued(id) {
                    break Some(Task::ListingTitles(tag, listing));
                }
                let Some(title) = listing.next_title() else { break self.end_list(id, tag) };
                self.peers.reply(id, tag, &Reply::Title(title));
            },
            Task::ListingThread(tag, mut listing) => loop {
                if self.has_enough_queued(id) {
                    break Some(Task::ListingThread(tag, listing));
                }
                let item = match listing.next_item() {
                    None => break self.end_list(id, tag),
                    Some(Listed::Post(number, post)) => {
                        let author = &self.forum.accounts[post.author].name;
                        Reply::Post { number, author, text: &post.text }
                    }
                    Some(Listed::Upload(upload)) => {
                        let author = &self.forum.accounts[upload.author].name;
                        Reply::Uploaded { author, file: &upload.file }
                    }
                };
                self.peers.reply(id, tag, &item);
            },
        };
        if let (Some(task), Some(peer)) = (ended, self.peers.get_mut(id))
            && let Some(member) = peer.session.member_mut()
        {
            member.task = task;
        }
    }

    fn end_list(&mut self, id: PeerId, tag: Tag) -> Option<Task> {
        self.peers.reply(id, tag, &Reply::EndOfList);
        None
    }

    fn has_enough_queued(&self, id: PeerId) -> bool {
        self.peers.get(id).is_none_or(|peer| peer.connection.outgoing.len() >= OUTGOING_BYTES_LOW)
    }

    /// Notes that a user did something, and says so in the log.
    fn note(&mut self, id: PeerId, request: &Request<'_>) {
        let now = self.now;
        let Some(peer) = self.peers.get_mut(id) else { return };
        if !matches!(request, Request::Active) {
            peer.session.rate.count(now);
        }
        if matches!(request, Request::Ping(_)) {
            return;
        }
        peer.session.active_at = now;
        if log::log_enabled!(log::Level::Info)
            && let Some(word) = word_of(request)
        {
            info!("{} issued {word} command", self.label(id));
        }
    }
}

fn edit_post(title: &str, number: u32, text: &str) -> Result<Change, No> {
    Ok(Change::EditPost { title: Title::parse(title)?, number, text: Text::parse(text)? })
}

fn wrong_password() -> No {
    No(Refusal::InvalidPassword, "Invalid password".into())
}

fn passwords_differ() -> No {
    No(Refusal::PasswordsDiffer, "Passwords do not match".into())
}

/// The word that users know a request by.
fn word_of(request: &Request<'_>) -> Option<&'static str> {
    Some(match request {
        Request::ChangePassword { .. } => "passwd",
        Request::LogOut => "XIT",
        Request::ShutDown { .. } => "SHT",
        Request::CreateThread { .. } => "CRT",
        Request::Post { .. } => "MSG",
        Request::DeletePost { .. } => "DLT",
        Request::EditPost { .. } => "EDT",
        Request::ListThreads => "LST",
        Request::ReadThread { .. } => "RDT",
        Request::Upload { .. } => "UPD",
        Request::Download { .. } => "DWN",
        Request::RemoveThread { .. } => "RMV",
        _ => return None,
    })
}
