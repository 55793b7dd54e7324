//! What has come from the other end and was not taken yet: bytes in, frames out.
//!
//! It holds at most one buffer of the largest frame that may come now, and an idle one holds none: a caller
//! with many connections lends each a buffer while it reads, and takes it back afterwards.

use super::frame::{self, EARLY_FRAME_BYTES_MAX, Frame, FrameError};
use crate::limits::FRAME_BYTES_MAX;

/// Cuts frames out of bytes that arrive in pieces of any size.
///
/// Read into [`Input::space`], say how much came with [`Input::filled`], and take frames until there is none.
/// Then there is always space for what the unfinished frame lacks.
#[derive(Debug)]
pub struct Input {
    /// The buffer; what has come lies from `start` to `end`.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes of a whole frame at most.
    frame_max: usize,
}

impl Default for Input {
    fn default() -> Self {
        Self::new(FRAME_BYTES_MAX)
    }
}

impl Input {
    /// An input of frames of at most `frame_max` bytes.
    pub fn new(frame_max: usize) -> Self {
        Self { bytes: Vec::new(), start: 0, end: 0, frame_max }
    }

    /// The input of a connection that was just accepted: small frames until [`Input::welcome`].
    pub fn early() -> Self {
        Self::new(EARLY_FRAME_BYTES_MAX)
    }

    /// Takes frames of every size from here on.
    pub fn welcome(&mut self) {
        self.frame_max = FRAME_BYTES_MAX;
    }

    /// Uses `buffer` from here on, for what has come and what is to come. Its old contents don't matter; it grows
    /// to the size of a frame if it is smaller.
    pub fn lend(&mut self, mut buffer: Vec<u8>) {
        if buffer.len() < FRAME_BYTES_MAX {
            buffer.resize(FRAME_BYTES_MAX, 0);
        }
        let unread = self.end - self.start;
        buffer[..unread].copy_from_slice(&self.bytes[self.start..self.end]);
        (self.bytes, self.start, self.end) = (buffer, 0, unread);
    }

    /// Gives the buffer back. What was not taken is kept in one of just its size, and nothing if that is nothing.
    pub fn reclaim(&mut self) -> Vec<u8> {
        let unread = self.bytes[self.start..self.end].to_vec();
        (self.start, self.end) = (0, unread.len());
        std::mem::replace(&mut self.bytes, unread)
    }

    /// Where the next bytes are to be put: as many as the buffer may hold now. It is empty only if frames wait to
    /// be taken.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let size = self.frame_max.max(self.end);
        if self.bytes.len() < size {
            self.bytes.resize(size, 0);
        }
        &mut self.bytes[self.end..size]
    }

    /// Says that the first `count` bytes of [`Input::space`] have come.
    pub fn filled(&mut self, count: usize) {
        debug_assert!(self.end + count <= self.bytes.len(), "more bytes than there was space for");
        self.end += count;
    }

    /// Copies bytes that lie elsewhere, as many as there is space for; says how many. Take frames before the rest.
    #[must_use = "the rest has to be fed again"]
    pub fn feed(&mut self, bytes: &[u8]) -> usize {
        let space = self.space();
        let count = bytes.len().min(space.len());
        space[..count].copy_from_slice(&bytes[..count]);
        self.filled(count);
        count
    }

    /// The next whole frame, which stays the next one until [`Input::take`].
    ///
    /// # Errors
    /// A length that no frame can have; the same again at each further call.
    #[inline]
    pub fn peek(&self) -> Result<Option<Frame<'_>>, FrameError> {
        let frame = frame::split(&self.bytes[self.start..self.end], self.frame_max)?;
        Ok(frame.map(|(frame, _)| frame))
    }

    /// Takes the next whole frame away; `None`: more bytes have to come first.
    ///
    /// # Errors
    /// A length that no frame can have; the same again at each further call.
    #[inline]
    pub fn take(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        let frame = frame::split(&self.bytes[self.start..self.end], self.frame_max)?;
        Ok(frame.map(|(frame, bytes)| {
            self.start += bytes;
            frame
        }))
    }

    /// Whether nothing waits, not even the beginning of a frame.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Bytes that wait.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Bytes of memory that it holds.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Forgets all that has come.
    pub fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::HEADER_BYTES;

    fn frames(sizes: &[usize]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (&size, tag) in sizes.iter().zip(1..) {
            frame::append(&mut bytes, 7, tag, &vec![tag as u8; size]);
        }
        bytes
    }

    /// Feeds pieces and takes all frames after each; the sizes of their bodies.
    fn taken(input: &mut Input, pieces: &[&[u8]]) -> Vec<(u32, usize)> {
        let mut seen = Vec::new();
        for mut piece in pieces.iter().copied() {
            while !piece.is_empty() {
                piece = &piece[input.feed(piece)..];
                while let Some(frame) = input.take().unwrap() {
                    assert!(frame.body.iter().all(|byte| *byte == frame.tag as u8));
                    seen.push((frame.tag, frame.body.len()));
                }
            }
        }
        seen
    }

    #[test]
    fn frames_cut_at_every_byte_come_out_whole() {
        let bytes = frames(&[5, 0, 70, 1]);
        for cut in 0..=bytes.len() {
            let mut input = Input::default();
            let seen = taken(&mut input, &[&bytes[..cut], &bytes[cut..]]);
            assert_eq!(seen, [(1, 5), (2, 0), (3, 70), (4, 1)], "cut at {cut}");
            assert!(input.is_empty());
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(taken(&mut Input::early(), &single), [(1, 5), (2, 0), (3, 70), (4, 1)]);
    }

    #[test]
    fn the_largest_frames_pass_through_a_buffer_of_one_frame() {
        for (mut input, largest) in
            [(Input::early(), EARLY_FRAME_BYTES_MAX), (Input::default(), FRAME_BYTES_MAX)]
        {
            let body = largest - HEADER_BYTES;
            let bytes = frames(&[1, body, 3, body, body]);
            let seen = taken(&mut input, &[&bytes[..7], &bytes[7..]]);
            assert_eq!(seen, [(1, 1), (2, body), (3, 3), (4, body), (5, body)]);
            assert!(input.capacity() <= largest, "{} bytes for frames of {largest}", input.capacity());
        }
    }

    #[test]
    fn a_frame_that_is_not_taken_stays() {
        let mut input = Input::default();
        let bytes = frames(&[3, 4]);
        assert_eq!(input.feed(&bytes), bytes.len());
        assert_eq!(input.peek().unwrap().unwrap().tag, 1);
        assert_eq!(input.peek().unwrap().unwrap().tag, 1);
        assert_eq!(input.take().unwrap().unwrap().tag, 1);
        assert_eq!(input.peek().unwrap().unwrap().tag, 2);
    }

    #[test]
    fn before_the_welcome_frames_are_small() {
        let mut input = Input::early();
        let bytes = frames(&[3_000]);
        let fed = input.feed(&bytes);
        assert!(input.take().is_err());
        input.welcome();
        assert_eq!(input.take(), Ok(None));
        assert_eq!(fed + input.feed(&bytes[fed..]), bytes.len());
        assert_eq!(input.take().unwrap().unwrap().body.len(), 3_000);
    }

    #[test]
    fn a_lent_buffer_comes_back_and_only_the_rest_is_kept() {
        let bytes = frames(&[5, 70]);
        for cut in 0..=bytes.len() {
            let mut input = Input::default();
            let mut buffer = vec![0; FRAME_BYTES_MAX];
            let mut seen = 0;
            for piece in [&bytes[..cut], &bytes[cut..]] {
                input.lend(buffer);
                input.space()[..piece.len()].copy_from_slice(piece);
                input.filled(piece.len());
                while input.take().unwrap().is_some() {
                    seen += 1;
                }
                buffer = input.reclaim();
                assert_eq!(buffer.len(), FRAME_BYTES_MAX);
                assert_eq!(input.capacity(), input.len(), "cut at {cut}");
            }
            assert_eq!((seen, input.capacity()), (2, 0), "cut at {cut}");
        }
    }
}
