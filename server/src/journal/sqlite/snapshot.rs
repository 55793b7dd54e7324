//! A snapshot on its way into the journal: made on a thread of its own, so that neither the loop nor the
//! writer waits for it, and handed over chunk by chunk through a channel so short that memory stays small.
//! Until the last step nothing but space depends on it: without its row in `snapshots`, no replay sees it.

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};

use rusqlite::{Connection, params};

use super::LAYOUT;
use super::chain::{ChunkChain, Tip};
use super::file::{stored, without_waiting};
use super::messages::{Step, Work};
use crate::inbox::Sender;

/// Bytes that a chunk of a snapshot should have at most: a batch may have to wait while one is written.
pub const SNAPSHOT_CHUNK_BYTES: usize = 256 * 1024;

/// Chunks that are made ahead of the writer.
pub(super) const CHUNKS_AHEAD: usize = 2;

/// The writer's side: what it has of a snapshot that is not valid yet.
pub(super) struct SnapshotWriter {
    pub(super) id: i64,
    pub(super) covers: Tip,
    chain: ChunkChain,
    steps: Receiver<Step>,
}

/// What a step did.
pub(super) enum Progress {
    /// There was none to take.
    None,
    /// A chunk of so many bytes was committed.
    Chunk(usize),
    /// The snapshot is valid now.
    Valid,
    /// Its maker is gone and left it unfinished.
    Abandoned,
}

impl SnapshotWriter {
    /// Begins a snapshot; the newest valid one is `newest`.
    pub(super) fn begin(
        conn: &Connection,
        newest: i64,
        covers: Tip,
        steps: Receiver<Step>,
    ) -> rusqlite::Result<Self> {
        // Chunks of a snapshot that was abandoned may still be there; its id is not used again.
        const HIGHEST: &str = "SELECT max(?1, coalesce((SELECT max(snapshot) FROM snapshot_chunks), 0))";
        let highest: i64 = conn.query_row(HIGHEST, [newest], |row| row.get(0))?;
        Ok(Self { id: highest + 1, covers, chain: ChunkChain::start(LAYOUT, &covers), steps })
    }

    /// Takes the next step. After an error or an end, the snapshot is good for nothing any more.
    pub(super) fn step(&mut self, conn: &Connection) -> rusqlite::Result<Progress> {
        match self.steps.try_recv() {
            Ok(Step::Chunk(bytes)) => {
                without_waiting(conn, || insert_chunk(conn, self.id, &mut self.chain, &bytes))?;
                Ok(Progress::Chunk(bytes.len()))
            }
            Ok(Step::Complete) => {
                validate(conn, self.id, &self.chain, &self.covers)?;
                Ok(Progress::Valid)
            }
            Err(TryRecvError::Empty) => Ok(Progress::None),
            Err(TryRecvError::Disconnected) => Ok(Progress::Abandoned),
        }
    }
}

/// Adds a chunk to a snapshot that is not valid yet.
pub(super) fn insert_chunk(
    conn: &Connection,
    id: i64,
    chain: &mut ChunkChain,
    bytes: &[u8],
) -> rusqlite::Result<()> {
    let (number, hash) = chain.extend(bytes);
    conn.execute(
        "INSERT INTO snapshot_chunks (snapshot, number, hash, bytes) VALUES (?1, ?2, ?3, ?4)",
        params![id, number, hash.as_bytes(), bytes],
    )?;
    Ok(())
}

/// Makes a snapshot valid, and in the same transaction every older one invalid.
pub(super) fn validate(conn: &Connection, id: i64, chain: &ChunkChain, covers: &Tip) -> rusqlite::Result<()> {
    let transaction = conn.unchecked_transaction()?;
    transaction.execute(
        "INSERT INTO snapshots (id, version, covers, covers_hash, chunks, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            id,
            LAYOUT,
            stored(covers.last),
            covers.hash.as_bytes(),
            chain.chunks(),
            chain.seal().as_bytes()
        ],
    )?;
    transaction.execute("DELETE FROM snapshots WHERE id <> ?1", [id])?;
    transaction.commit()
}

/// The maker's side. Each step is announced among the writer's other work, which so has one place to wait at.
pub(super) struct SnapshotSender {
    steps: Option<SyncSender<Step>>,
    works: Sender<Work>,
}

impl SnapshotSender {
    pub(super) fn new(steps: SyncSender<Step>, works: Sender<Work>) -> Self {
        Self { steps: Some(steps), works }
    }

    /// Sends all `chunks` to the writer, as fast as it takes them.
    pub(super) fn send_all(self, chunks: impl Iterator<Item = Vec<u8>>) {
        for chunk in chunks {
            if !self.send(Step::Chunk(chunk)) {
                return;
            }
        }
        self.send(Step::Complete);
    }

    /// Says whether the writer still wants more.
    fn send(&self, step: Step) -> bool {
        let sent = self.steps.as_ref().is_some_and(|steps| steps.send(step).is_ok());
        sent && self.works.send(Work::SnapshotStep)
    }
}

impl Drop for SnapshotSender {
    /// Also when making a chunk panicked, or there was no thread for it: the writer must learn that no more
    /// will come.
    fn drop(&mut self) {
        self.steps = None;
        // With the writer gone there is nobody to tell.
        self.works.send(Work::SnapshotStep);
    }
}
