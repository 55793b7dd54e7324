//! What the server says about links, and what this user answers: the questions of other users, and who goes
//! on after a yes.
//!
//! It doesn't know sockets; those are [`Privates`]' and [`Files`]'.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use forum_common::text::prompts;
use forum_common::wire::{LinkId, Notice, Request};
use rustix::event::PollFd;

use crate::Context;
use crate::files::Files;
use crate::folder::Folder;
use crate::peers::Accept;
use crate::private::Privates;

/// Questions that may be open at once. The server allows no more either; one more is answered with no.
const QUESTIONS_MAX: usize = 64;

/// Everything between this user and others that does not end at the server.
#[derive(Debug)]
pub(crate) struct Links {
    accept: Accept,
    questions: VecDeque<Question>,
    /// Where others find us, as the server sees it.
    here: Option<IpAddr>,
    /// Private sessions.
    pub(crate) privates: Privates,
    /// Files on their way.
    pub(crate) files: Files,
}

/// A question that waits for this user's answer.
#[derive(Debug)]
struct Question {
    link: LinkId,
    from: String,
    about: About,
}

#[derive(Debug)]
enum About {
    Private,
    File { file: String, size: u64 },
}

impl Links {
    /// None yet. Files go to `folder`.
    pub(crate) fn new(accept: Accept, folder: Folder) -> Self {
        let (privates, files) = (Privates::default(), Files::new(folder));
        Self { accept, questions: VecDeque::new(), here: None, privates, files }
    }

    /// The server will be reached from this address, so others will find us there; at this UDP port, 0 = any.
    /// Returns the port that it has become.
    ///
    /// # Errors
    /// The port can't be had.
    pub(crate) fn settle_at(&mut self, here: IpAddr, udp_port: u16) -> io::Result<u16> {
        self.here = Some(here);
        self.files.settle_at(SocketAddr::new(here, udp_port))
    }

    /// Takes in what the server says of a link.
    pub(crate) fn noticed(&mut self, notice: &Notice<'_>, context: &mut Context<'_>) {
        match *notice {
            Notice::PrivateQuestion { link, from } => self.asked(link, from, About::Private, context),
            Notice::FileQuestion { link, from, size, file } => {
                self.asked(link, from, About::File { file: file.to_owned(), size }, context);
            }
            Notice::QuestionWithdrawn { link } => self.withdrawn(link, context),
            Notice::QuestionDeclined { link } => {
                self.privates.declined(link, context);
                self.files.declined(link, context);
            }
            Notice::PrepareLink { link, token } => {
                self.privates.prepare(link, token, self.here, context);
                self.files.prepare(link, token, context);
            }
            Notice::LinkIntroduction { link, token, address, port } => {
                let there = address.parse().ok().map(|address| SocketAddr::new(address, port));
                self.privates.introduced(link, token, there, context.now);
                self.files.introduced(link, token, there, context);
            }
            Notice::LinkEstablished { link, relayed } => {
                self.privates.stands(link, relayed, context);
                self.files.stands(link, relayed, context);
            }
            Notice::LinkEnded { link, stopped } => {
                self.privates.ended(link, stopped, context);
                self.files.ended(link, context);
            }
            Notice::RelayedSealed { link, ciphertext } => self.privates.relayed(link, ciphertext, context),
            Notice::RelayedDatagram { link, datagram } => {
                self.privates.relayed_datagram(link, datagram, context);
                self.files.relayed(link, datagram, context.now);
            }
            // It is about no link.
            _ => return,
        }
        self.privates.sweep();
        self.files.sweep();
    }

    fn asked(&mut self, link: LinkId, from: &str, about: About, context: &mut Context<'_>) {
        let question = Question { link, from: from.to_owned(), about };
        if let About::File { file, size } = &question.about
            && let Err(problem) = self.files.place_for(from, file, *size)
        {
            context.say(problem);
            return self.answer_with(&question, false, context);
        }
        match self.accept {
            Accept::Ask if self.questions.len() < QUESTIONS_MAX => {
                context.say(question.text());
                self.questions.push_back(question);
            }
            Accept::Always => self.answer_with(&question, true, context),
            Accept::Ask | Accept::Never => self.answer_with(&question, false, context),
        }
    }

    fn withdrawn(&mut self, link: LinkId, context: &mut Context<'_>) {
        let Some(at) = self.questions.iter().position(|question| question.link == link) else { return };
        let question = self.questions.remove(at);
        // A user who has asked back has said yes, and sees what comes of that.
        if let Some(question) = question.filter(|_| !self.privates.has_link(link)) {
            context.show(&format!("{} does not wait for your answer any more", question.from));
        }
    }

    /// Answers the oldest question.
    pub(crate) fn answer(&mut self, yes: bool, context: &mut Context<'_>) {
        if let Some(question) = self.questions.pop_front() {
            self.answer_with(&question, yes, context);
        }
    }

    fn answer_with(&mut self, question: &Question, yes: bool, context: &mut Context<'_>) {
        let link = question.link;
        match &question.about {
            // What is here of the file already is looked at first; the yes follows.
            About::File { file, size } if yes => {
                return self.files.agreed(link, &question.from, file, *size, context);
            }
            About::Private if yes => self.privates.agreed(link, &question.from),
            _ => {}
        }
        context.tell(&Request::AnswerQuestion { link, yes });
    }

    /// The server says that a user has logged out; call it before that is shown.
    pub(crate) fn logged_out(&mut self, user: &str, context: &mut Context<'_>) {
        self.privates.logged_out(user, context);
    }

    /// The connection to the server is gone; what stands without it goes on.
    pub(crate) fn disconnected(&mut self, context: &mut Context<'_>) {
        self.questions.clear();
        self.privates.disconnected(context);
        self.files.disconnected(context);
    }

    /// This user logs out: what was said still goes out, and nothing more is taken.
    pub(crate) fn hang_up(&mut self, context: &mut Context<'_>) {
        self.questions.clear();
        self.privates.hang_up(context.now);
        self.files.hang_up(context);
    }

    /// Whether something is left to be sent or heard before this process may end.
    pub(crate) fn is_busy(&self) -> bool {
        self.privates.is_busy() || self.files.is_busy()
    }

    /// What to poll for.
    pub(crate) fn poll_fds<'a>(&'a self, fds: &mut Vec<PollFd<'a>>) {
        self.privates.poll_fds(fds);
        self.files.poll_fds(fds);
    }

    /// When [`Links::attend`] is due even if nothing shows.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        [self.privates.due(), self.files.due(now)].into_iter().flatten().min()
    }

    /// How many questions wait for an answer.
    pub(crate) fn questions(&self) -> usize {
        self.questions.len()
    }

    /// Does whatever the sockets and the clock allow.
    pub(crate) fn attend(&mut self, context: &mut Context<'_>) {
        self.privates.attend(context);
        self.files.attend(context);
    }
}

impl Question {
    fn text(&self) -> String {
        match &self.about {
            About::Private => prompts::private_question(&self.from),
            About::File { file, size } => prompts::file_question(&self.from, file, *size),
        }
    }
}

#[cfg(test)]
mod tests;
