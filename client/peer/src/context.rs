//! What the parts of this crate act with: the time, and a place for what they have to report.

use std::collections::VecDeque;
use std::fmt;
use std::time::Instant;

use forum_common::wire::{LinkId, OwnedRequest, Request};

use crate::noise::WORDS;

/// What the owner has to do or to know, in order.
#[derive(Debug, PartialEq, Eq)]
pub enum Report {
    /// For the user: something that happened.
    Say(String),
    /// For the user: a private message.
    PrivateText {
        /// Who wrote it.
        from: String,
        /// What it says.
        text: String,
    },
    /// For the user: something that was asked for is refused or has failed.
    Refuse(String),
    /// For the user: something went wrong, but nothing was refused.
    Warn(String),
    /// For the person at a terminal only.
    Show(String),
    /// For the server, which does not answer it.
    Tell(OwnedRequest),
    /// For the server, which answers: ask this user for a private conversation.
    AskPrivate {
        /// The user.
        user: String,
        /// Whether there is one that has outlived a connection to the server.
        enabled: bool,
    },
    /// For the server, which answers: a private message that has no other way.
    RelaySealed {
        /// The link.
        link: LinkId,
        /// The other user.
        user: String,
        /// The message.
        text: String,
        /// The same, for the other user alone.
        ciphertext: Vec<u8>,
    },
    /// For the user: what to compare with another one.
    Compare {
        /// That one.
        user: String,
        /// What both see, if nobody stands between them.
        words: [&'static str; WORDS],
    },
}

/// At hand in every step.
#[derive(Debug)]
pub struct Context<'a> {
    /// When this turn of the loop began.
    pub now: Instant,
    /// Bytes of datagrams that the server may be given now.
    pub relay_room: usize,
    reports: &'a mut VecDeque<Report>,
}

impl<'a> Context<'a> {
    /// Reports go to the end of `reports`.
    pub fn new(now: Instant, relay_room: usize, reports: &'a mut VecDeque<Report>) -> Self {
        Self { now, relay_room, reports }
    }

    /// See [`Report::Say`].
    pub fn say(&mut self, text: impl fmt::Display) {
        self.reports.push_back(Report::Say(text.to_string()));
    }

    /// See [`Report::PrivateText`].
    pub fn private_text(&mut self, from: &str, text: &str) {
        self.reports.push_back(Report::PrivateText { from: from.to_owned(), text: text.to_owned() });
    }

    /// See [`Report::Refuse`].
    pub fn refuse(&mut self, text: impl fmt::Display) {
        self.reports.push_back(Report::Refuse(text.to_string()));
    }

    /// See [`Report::Warn`].
    pub fn warn(&mut self, text: impl fmt::Display) {
        self.reports.push_back(Report::Warn(text.to_string()));
    }

    /// See [`Report::Show`].
    pub fn show(&mut self, text: &str) {
        self.reports.push_back(Report::Show(text.to_owned()));
    }

    /// See [`Report::Tell`].
    pub fn tell(&mut self, request: &Request<'_>) {
        self.reports.push_back(Report::Tell(request.owned()));
    }

    /// Any other report.
    pub fn report(&mut self, report: Report) {
        self.reports.push_back(report);
    }
}
