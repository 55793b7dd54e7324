//! Bytes on their way to the two streams, in one order over both.

use std::collections::VecDeque;

use super::Stream;

/// A queue of bytes.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    queue: VecDeque<Chunk>,
    /// How many bytes they are.
    waiting: usize,
}

#[derive(Debug)]
struct Chunk {
    stream: Stream,
    bytes: Vec<u8>,
    /// Bytes at its front that have gone.
    gone: usize,
}

impl Chunks {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many there are.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Those that go first, and where.
    pub(super) fn first(&self) -> Option<(Stream, &[u8])> {
        self.queue.front().map(|chunk| (chunk.stream, &chunk.bytes[chunk.gone..]))
    }

    /// So many of the first have gone.
    pub(super) fn gone(&mut self, count: usize) {
        let Some(chunk) = self.queue.front_mut() else { return };
        chunk.gone += count;
        self.waiting -= count;
        if chunk.gone == chunk.bytes.len() {
            self.queue.pop_front();
        } else if chunk.gone > chunk.bytes.len() / 2 {
            chunk.bytes.drain(..chunk.gone);
            chunk.gone = 0;
        }
    }

    /// Forgets all that is for a stream which takes nothing more.
    pub(super) fn drop_all(&mut self, stream: Stream) {
        self.queue.retain(|chunk| chunk.stream != stream);
        self.waiting = self.queue.iter().map(|chunk| chunk.bytes.len() - chunk.gone).sum();
    }

    /// Appends bytes for `stream`, after all that is queued.
    pub(super) fn put(&mut self, stream: Stream, add: impl FnOnce(&mut Vec<u8>)) {
        if self.queue.back().is_none_or(|chunk| chunk.stream != stream) {
            self.queue.push_back(Chunk { stream, bytes: Vec::new(), gone: 0 });
        }
        if let Some(chunk) = self.queue.back_mut() {
            let before = chunk.bytes.len();
            add(&mut chunk.bytes);
            self.waiting += chunk.bytes.len() - before;
        }
        if self.queue.back().is_some_and(|chunk| chunk.bytes.is_empty()) {
            self.queue.pop_back();
        }
    }
}
