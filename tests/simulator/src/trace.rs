//! What has happened: a hash of all of it, and lines for people when a seed is replayed.

use std::cell::RefCell;

use log::{LevelFilter, Log, Metadata, Record};

use crate::clock::{MS, Time};

thread_local! {
    /// What the server has logged on this thread and was not told yet.
    static LOGGED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Keeps what the server logs.
struct Logged;

impl Log for Logged {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        LOGGED.with_borrow_mut(|lines| lines.push(format!("server: {}", record.args())));
    }

    fn flush(&self) {}
}

/// From now on what the server logs is kept for [`take_logged`].
pub(crate) fn keep_log() {
    // A second time nothing changes.
    let _ = log::set_logger(&Logged);
    log::set_max_level(LevelFilter::Info);
}

/// What the server has logged since.
pub(crate) fn take_logged() -> Vec<String> {
    LOGGED.take()
}

/// The trace of one run.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    /// Nothing has happened; `is_told` says whether lines are kept for people.
    pub(crate) fn new(is_told: bool) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, lines: is_told.then(Vec::new) }
    }

    /// Whether lines are kept for people.
    pub(crate) fn is_told(&self) -> bool {
        self.lines.is_some()
    }

    /// The hash so far.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// Something has happened that these numbers describe.
    pub(crate) fn note(&mut self, numbers: &[u64]) {
        for number in numbers {
            self.hash = (self.hash ^ number).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
        }
    }

    /// Bytes were exchanged.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.note(&[u64::from_le_bytes(word)]);
        }
    }

    /// Says something to people.
    pub(crate) fn say(&mut self, at: Time, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>10}.{:03} ms  {}", at / MS, at % MS / 1_000, line()));
        }
    }

    /// All that was said.
    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}
