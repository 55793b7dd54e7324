//! The chain of digests through the log. SQLite's pages carry no checksum, and what is behind a damaged
//! frame of its write-ahead log is silently forgotten; with each row's digest taken over the row before,
//! nothing can be altered, swapped or cut out unnoticed.

use blake3::{Hash, Hasher};

use crate::journal::Sequence;

/// Where the log ends: its last entry, and the digest that the next row continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tip {
    pub(super) last: Sequence,
    pub(super) hash: Hash,
}

impl Tip {
    /// The end of a log without entries.
    pub(super) const GENESIS: Self = Self { last: Sequence(0), hash: Hash::from_bytes([0; 32]) };

    /// The end of the log after one row more.
    pub(super) fn extended(&self, version: u32, count: usize, entries: &[u8]) -> Self {
        let first = self.last.plus(1);
        let count_field = count as u64;
        let hash = Hasher::new()
            .update(b"batch")
            .update(self.hash.as_bytes())
            .update(&first.0.to_be_bytes())
            .update(&count_field.to_be_bytes())
            .update(&version.to_be_bytes())
            .update(entries)
            .finalize();
        Self { last: self.last.plus(count), hash }
    }
}

/// The digests of a snapshot's chunks: a chain of their own, which starts from what the snapshot covers.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChunkChain {
    hash: Hash,
    chunks: u32,
}

impl ChunkChain {
    pub(super) fn start(version: u32, covers: &Tip) -> Self {
        let hash = Hasher::new()
            .update(b"snapshot")
            .update(&version.to_be_bytes())
            .update(&covers.last.0.to_be_bytes())
            .update(covers.hash.as_bytes())
            .finalize();
        Self { hash, chunks: 0 }
    }

    /// Takes the next chunk: its number, from 0, and its digest.
    pub(super) fn extend(&mut self, bytes: &[u8]) -> (u32, Hash) {
        let number = self.chunks;
        self.hash = Hasher::new()
            .update(b"chunk")
            .update(self.hash.as_bytes())
            .update(&number.to_be_bytes())
            .update(bytes)
            .finalize();
        self.chunks += 1;
        (number, self.hash)
    }

    pub(super) fn chunks(&self) -> u32 {
        self.chunks
    }

    /// The digest of the whole snapshot, its last chunk included.
    pub(super) fn seal(&self) -> Hash {
        Hasher::new()
            .update(b"seal")
            .update(self.hash.as_bytes())
            .update(&self.chunks.to_be_bytes())
            .finalize()
    }
}
