//! What the outbox promises, each connection being a stream that takes as much as a test lets it.

mod feed;
mod model;
mod slow;
mod sweeps;

use std::io::{self, ErrorKind, IoSlice, Write};
use std::time::{Duration, Instant};

use forum_common::wire::{Closing, NO_TAG, Notice, Reply};

use super::Outbox;
use crate::forum::{AccountId, Users};
use crate::session::ConnectionId;

/// `--max-notice-bytes` and `--max-total-notice-bytes` of these tests.
const NOTICE_BYTES_MAX: usize = 100_000;
const QUEUED_MAX: usize = 500_000;

/// Takes so many bytes and counts how often it is asked to.
#[derive(Debug, Default)]
struct Stream {
    taken: Vec<u8>,
    room: usize,
    writes: usize,
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.writes += 1;
        if self.room == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let before = self.room;
        for slice in slices {
            let count = slice.len().min(self.room);
            self.taken.extend_from_slice(&slice[..count]);
            self.room -= count;
        }
        Ok(before - self.room)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A notice of any length, and its frame.
fn notice(text: &str) -> Notice<'_> {
    Notice::Closing { code: Closing::Idle, text }
}

fn frame(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    notice(text).encode(NO_TAG, &mut bytes);
    bytes
}

fn id(slot: usize) -> ConnectionId {
    ConnectionId { slot: slot as u32, generation: 1 }
}

/// The user on the connection in this slot.
fn user(slot: usize) -> AccountId {
    AccountId(slot as u32)
}

/// Somebody who is on no connection.
const NOBODY: AccountId = AccountId(u32::MAX);

/// An outbox with so many listeners, and their streams.
struct Crowd {
    outbox: Outbox,
    streams: Vec<Stream>,
    now: Instant,
    /// How long each write takes.
    write_time: Duration,
}

impl Crowd {
    fn new(listeners: usize, presence: bool) -> Self {
        let now = Instant::now();
        let mut outbox = Outbox::new(NOTICE_BYTES_MAX, QUEUED_MAX, now);
        let stream = || Stream { room: usize::MAX, ..Stream::default() };
        let streams = std::iter::repeat_with(stream).take(listeners).collect();
        for slot in 0..listeners {
            outbox.open(id(slot));
            outbox.listen(id(slot), user(slot), presence);
        }
        Self { outbox, streams, now, write_time: Duration::ZERO }
    }

    fn say(&mut self, text: &str) {
        self.outbox.say(NOBODY, Users::default(), &notice(text));
    }

    fn announce(&mut self, text: &str) {
        self.outbox.announce_presence(NOBODY, Users::default(), &notice(text));
    }

    fn write(&mut self, slot: usize) -> bool {
        let written = self.outbox.write(id(slot), &mut self.streams[slot]).expect("the stream is not broken");
        self.now += self.write_time;
        written.is_all
    }

    /// Writes to everybody who is due; says how many that were.
    fn sweep(&mut self) -> usize {
        let begun = self.now;
        let mut receivers = 0;
        while let Some(id) = self.outbox.next_receiver(begun) {
            self.write(id.slot as usize);
            receivers += 1;
        }
        self.outbox.swept(begun, self.now);
        self.outbox.free_feed();
        receivers
    }
}
