//! The floor of a change: all frames of a turn are written to a log at once, and then answered.
//!
//! What is synced before the answer goes, round and round, into a file that has its size and its blocks already:
//! a file that grows costs the file system a commit of its own with every sync. So this is the log of a server
//! that recycles it, as databases do; what was written 64 MiB ago is overwritten, and how it got out of the log is
//! not counted here. Without a sync for each answer there is no such cost, and the file grows.

use std::convert::Infallible;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use forum_common::wire::{Tag, frame, kinds};

use super::event_loop::{Peers, Service, run};
use super::frames::whole_frames;

/// The size of a log that is overwritten.
const RECYCLED_BYTES: u64 = 64 << 20;
/// A batch that is not kept waiting for more.
const BATCH_BYTES_FULL: usize = 64 * 1024;
const SYNC_INTERVAL: Duration = Duration::from_secs(1);
/// What is in an answer: as much as in forumd's to a post (its number, id and time, and a text of 31 bytes).
const ANSWER_BODY: &[u8] = &[b'.'; 53];

/// When what was written is synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sync {
    /// Before the answer.
    Always,
    /// Each second, by a thread beside the loop.
    Interval,
    /// Never.
    None,
}

/// Logs what its clients say, into a new file at `path`.
///
/// # Errors
/// The file can't be written or synced; the listener or epoll fails.
pub fn serve(listener: TcpListener, path: &Path, sync: Sync) -> io::Result<Infallible> {
    let sink = Sink::create(path, sync)?;
    run(listener, Log { sink, batch: Vec::new(), due: Vec::new(), answers: Vec::new() })
}

enum Sink {
    Growing(File),
    Recycled { file: File, at: u64 },
}

impl Sink {
    fn create(path: &Path, sync: Sync) -> io::Result<Self> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        if sync == Sync::Always {
            io::copy(&mut io::Read::take(io::repeat(0), RECYCLED_BYTES), &mut file)?;
            file.sync_all()?;
            return Ok(Self::Recycled { file, at: 0 });
        }
        if sync == Sync::Interval {
            let file = file.try_clone()?;
            thread::spawn(move || {
                loop {
                    thread::sleep(SYNC_INTERVAL);
                    file.sync_data().expect("the log can be synced");
                }
            });
        }
        Ok(Self::Growing(file))
    }

    fn write(&mut self, batch: &[u8]) -> io::Result<()> {
        match self {
            Self::Growing(file) => file.write_all(batch),
            Self::Recycled { file, at } => {
                if *at + batch.len() as u64 > RECYCLED_BYTES {
                    *at = 0;
                }
                file.write_all_at(batch, *at)?;
                *at += batch.len() as u64;
                file.sync_data()
            }
        }
    }
}

struct Log {
    sink: Sink,
    batch: Vec<u8>,
    /// Who waits for which answers, in the order of the batch.
    due: Vec<(usize, Tag)>,
    answers: Vec<u8>,
}

impl Service for Log {
    fn take(&mut self, from: usize, bytes: &[u8], _peers: &mut Peers) -> Option<usize> {
        let taken = whole_frames(bytes, |frame| self.due.push((from, frame.tag)))?;
        self.batch.extend_from_slice(&bytes[..taken]);
        Some(taken)
    }

    fn gathers(&self) -> bool {
        // Only a sync is worth sharing.
        matches!(self.sink, Sink::Recycled { .. })
            && !self.batch.is_empty()
            && self.batch.len() < BATCH_BYTES_FULL
    }

    fn end_turn(&mut self, peers: &mut Peers) -> io::Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.sink.write(&self.batch)?;
        self.batch.clear();
        for of_one in self.due.chunk_by(|(one, _), (next, _)| one == next) {
            self.answers.clear();
            for (_, tag) in of_one {
                frame::append(&mut self.answers, kinds::Posted, *tag, ANSWER_BODY);
            }
            peers.send(of_one[0].0, &self.answers);
        }
        self.due.clear();
        Ok(())
    }
}
