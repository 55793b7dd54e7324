//! What every part of the core acts with: the time, the server, what is printed, and what is to be done.

use std::collections::VecDeque;
use std::time::Instant;

use forum_common::wire::{Key, OwnedNotice};

use super::event::{Action, FileAction, FileId, PeerAction};
use crate::asked::Server;
use crate::output::Output;

/// What only the world outside can give.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings {
    /// A key that nobody else has; without chance there is none.
    pub new_key: fn() -> Option<Key>,
    /// The local paths that begin like this.
    pub paths: fn(&str) -> Vec<String>,
}

/// What comes next, in order.
#[derive(Debug)]
pub(super) enum Next {
    /// This is to be done.
    Act(Action),
    /// This is to be shown, after what was said before it.
    Show(OwnedNotice),
}

/// What is to be done.
#[derive(Debug)]
pub struct Queue {
    pub(super) next: VecDeque<Next>,
    /// Commands for one file each that a line with several has become; the next goes when the one before is answered.
    pub each: VecDeque<String>,
    newest_file: FileId,
    surroundings: Surroundings,
}

impl Queue {
    /// Nothing yet.
    pub fn new(surroundings: Surroundings) -> Self {
        Self { next: VecDeque::new(), each: VecDeque::new(), newest_file: 0, surroundings }
    }

    /// Adds something to be done.
    pub fn act(&mut self, action: Action) {
        self.next.push_back(Next::Act(action));
    }

    /// Adds something that the part for other users is told.
    pub fn peer(&mut self, action: PeerAction) {
        self.act(Action::Peer(action));
    }

    /// Adds something to be done with a local file.
    pub fn file(&mut self, file: FileId, action: FileAction) {
        self.act(Action::File(file, action));
    }

    /// Adds that these lines are kept for later runs.
    pub fn keep_lines(&mut self, lines: Vec<String>) {
        lines.into_iter().for_each(|line| self.act(Action::Remember(line)));
    }

    /// A name for a local file that is to be opened.
    pub fn new_file(&mut self) -> FileId {
        self.newest_file += 1;
        self.newest_file
    }

    /// A new key.
    pub fn new_key(&self) -> Option<Key> {
        (self.surroundings.new_key)()
    }

    /// The local paths that begin like this.
    pub fn paths(&self, start: &str) -> Vec<String> {
        (self.surroundings.paths)(start)
    }
}

/// At hand in every step.
#[derive(Debug)]
pub struct Context<'a> {
    /// When this step began.
    pub now: Instant,
    /// To the server. While there is no connection, what is said to it goes nowhere.
    pub server: &'a mut Server,
    /// To the user.
    pub output: &'a mut Output,
    /// To the world.
    pub queue: &'a mut Queue,
}
