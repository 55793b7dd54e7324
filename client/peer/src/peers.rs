//! The door to this crate: what the owner of a loop calls, and what it gets back.
//!
//! Each call may leave [`Report`]s; they are to be taken, in order, before anything else is done.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::time::Instant;

use clap::ValueEnum;
use forum_common::wire::{LinkId, Notice, Request};
use rustix::event::PollFd;

use crate::folder::Folder;
use crate::links::Links;
use crate::original::Source;
use crate::private::Way;
use crate::{Context, Report};

/// What is answered to other users' questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Accept {
    /// Ask this user each time.
    #[default]
    Ask,
    /// Yes, without asking this user.
    Always,
    /// No, without asking this user.
    Never,
}

/// What there is to know between two calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State {
    /// Questions of other users that wait for this one's answer.
    pub questions: usize,
    /// This user waits for a file to arrive elsewhere.
    pub is_sending: bool,
    /// A file is on its way, here or elsewhere.
    pub is_transferring: bool,
    /// A file goes on as soon as the server may be given more datagrams.
    pub is_held: bool,
    /// Something is left to be sent or heard before the process may end.
    pub is_busy: bool,
}

/// Everything between this user and others that does not end at the server.
#[derive(Debug)]
pub struct Peers {
    links: Links,
    reports: VecDeque<Report>,
    relay_room: usize,
}

impl Peers {
    /// Nobody yet. Files go to `folder`.
    pub fn new(accept: Accept, folder: Folder) -> Self {
        Self { links: Links::new(accept, folder), reports: VecDeque::new(), relay_room: 0 }
    }

    /// What is to be done or known next.
    pub fn poll_report(&mut self) -> Option<Report> {
        self.reports.pop_front()
    }

    /// What there is to know.
    pub fn state(&self) -> State {
        let files = &self.links.files;
        State {
            questions: self.links.questions(),
            is_sending: files.is_sending(),
            is_transferring: files.is_transferring(),
            is_held: files.is_held(),
            is_busy: self.links.is_busy(),
        }
    }

    /// The server will be reached from this address, so others will find us there; at this UDP port, 0 = any. Returns
    /// the port that it has become.
    ///
    /// # Errors
    /// The port can't be had.
    pub fn settle_at(&mut self, here: IpAddr, udp_port: u16) -> io::Result<u16> {
        self.links.settle_at(here, udp_port)
    }

    /// So many bytes of datagrams may be handed to the server at the next opportunity.
    pub fn set_relay_room(&mut self, bytes: usize) {
        self.relay_room = bytes;
    }

    fn with<R>(&mut self, now: Instant, act: impl FnOnce(&mut Links, &mut Context<'_>) -> R) -> R {
        let mut context = Context::new(now, self.relay_room, &mut self.reports);
        let result = act(&mut self.links, &mut context);
        self.relay_room = context.relay_room;
        result
    }

    /// Takes in what the server says of a link.
    pub fn noticed(&mut self, now: Instant, notice: &Notice<'_>) {
        self.with(now, |links, context| links.noticed(notice, context));
    }

    /// The server says that a user has logged out; call it before that is shown.
    pub fn logged_out(&mut self, now: Instant, user: &str) {
        self.with(now, |links, context| links.logged_out(user, context));
    }

    /// Answers the oldest question.
    pub fn answer(&mut self, now: Instant, yes: bool) {
        self.with(now, |links, context| links.answer(yes, context));
    }

    /// This user wants a private conversation: reports [`Report::AskPrivate`].
    pub fn ask_private(&mut self, now: Instant, user: &str) {
        self.with(now, |links, context| {
            let (enabled, user) = (links.privates.is_enabled(user), user.to_owned());
            context.report(Report::AskPrivate { user, enabled });
        });
    }

    /// The server is asking the other user for one.
    pub fn asked_private(&mut self, link: LinkId, user: &str) {
        self.links.privates.asked(link, user);
    }

    /// Says something in a private conversation.
    pub fn say(&mut self, now: Instant, user: &str, text: &str) {
        self.with(now, |links, context| match links.privates.say(user, text) {
            // The server had nothing to do with it, and still is to know that the user is there.
            Way::Gone => context.tell(&Request::Active),
            Way::Relay(link, ciphertext) => {
                let (user, text) = (user.to_owned(), text.to_owned());
                context.report(Report::RelaySealed { link, user, text, ciphertext });
            }
            Way::Refused(rejection) => refuse(rejection, context),
        });
    }

    /// Shows what to compare with the other user of a private conversation.
    pub fn verify(&mut self, now: Instant, user: &str) {
        self.with(now, |links, context| match links.privates.words(user) {
            Ok(words) => {
                context.report(Report::Compare { user: user.to_owned(), words });
                context.tell(&Request::Active);
            }
            Err(rejection) => refuse(rejection, context),
        });
    }

    /// Ends a private conversation because this user wants to.
    pub fn stop(&mut self, now: Instant, user: &str) {
        self.with(now, |links, context| {
            if let Err(rejection) = links.privates.stop(user, context) {
                refuse(rejection, context);
            }
        });
    }

    /// The server is asking the other user whether it takes this file.
    pub fn asked_file(&mut self, now: Instant, link: LinkId, user: &str, source: Source) {
        self.with(now, |links, context| links.files.asked(link, user, source, context));
    }

    /// Gives up files on their way: all, or those of this name. `found`: something else was given up already.
    pub fn cancel(&mut self, now: Instant, file: Option<&str>, found: bool) {
        self.with(now, |links, context| {
            if !links.files.cancel(file, context) && !found {
                refuse("Nothing to cancel", context);
            }
        });
    }

    /// The connection to the server is gone; what stands without it goes on.
    pub fn disconnected(&mut self, now: Instant) {
        self.with(now, Links::disconnected);
    }

    /// This user logs out: what was said still goes out, and nothing more is taken.
    pub fn hang_up(&mut self, now: Instant) {
        self.with(now, Links::hang_up);
    }

    /// A line for each file on its way, for a terminal of so many columns.
    pub fn status(&mut self, now: Instant, columns: usize) -> Vec<String> {
        self.links.files.status(now, columns)
    }

    /// What to poll for.
    pub fn poll_fds<'a>(&'a self, fds: &mut Vec<PollFd<'a>>) {
        self.links.poll_fds(fds);
    }

    /// When [`Peers::on_ready`] is due even if nothing shows.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        self.links.due(now)
    }

    /// Does whatever the sockets and the clock allow.
    pub fn on_ready(&mut self, now: Instant) {
        self.with(now, Links::attend);
    }
}

fn refuse(why: impl std::fmt::Display, context: &mut Context<'_>) {
    context.refuse(why);
    context.tell(&Request::Active);
}
