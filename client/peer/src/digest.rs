//! The digest of a file, computed a slice at a time by a loop that has other things to do.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes hashed by one call: a few milliseconds if they are in the page cache, which a user who types does not feel.
pub const SLICE_BYTES: u64 = 4 << 20;

/// Bytes read at a time: they are still in the processor's cache when they are hashed.
const READ_BYTES: usize = 256 << 10;

const _: () = assert!(SLICE_BYTES.is_multiple_of(READ_BYTES as u64));

/// The BLAKE3 digest of the first bytes of a file, on its way.
#[derive(Debug)]
pub struct Digesting {
    file: File,
    size: u64,
    hasher: blake3::Hasher,
    buffer: Vec<u8>,
}

impl Digesting {
    /// Begins with the digest of the first `bytes` bytes of `file`. The cursor of the file stays where it is.
    pub fn new(file: File, bytes: u64) -> Self {
        let buffer = vec![0; READ_BYTES.min(usize::try_from(bytes).unwrap_or(READ_BYTES))];
        Self { file, size: bytes, hasher: blake3::Hasher::new(), buffer }
    }

    /// Hashes the next [`SLICE_BYTES`], or what is left. Returns whether that was all.
    ///
    /// # Errors
    /// The file can't be read, or has become shorter: then the kind is [`io::ErrorKind::UnexpectedEof`].
    pub fn advance(&mut self) -> io::Result<bool> {
        let end = self.size.min(self.done_bytes() + SLICE_BYTES);
        while self.done_bytes() < end {
            let left = end - self.done_bytes();
            let length = usize::try_from(left).map_or(READ_BYTES, |left| left.min(READ_BYTES));
            let piece = &mut self.buffer[..length];
            self.file.read_exact_at(piece, self.hasher.count())?;
            self.hasher.update(piece);
        }
        Ok(end == self.size)
    }

    /// Bytes hashed so far.
    pub fn done_bytes(&self) -> u64 {
        self.hasher.count()
    }

    /// Bytes to hash in all.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How much of it is done, in whole hundredths.
    pub fn percent(&self) -> u64 {
        (self.done_bytes() * 100).checked_div(self.size).unwrap_or(100)
    }

    /// The digest of what has been hashed so far.
    pub fn digest(&self) -> [u8; blake3::OUT_LEN] {
        self.hasher.finalize().into()
    }

    /// The hasher, which has seen the first [`Digesting::done_bytes`] of the file.
    pub fn into_hasher(self) -> blake3::Hasher {
        self.hasher
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    fn file_of(content: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file
    }

    #[test]
    fn a_digest_comes_in_slices_and_is_that_of_the_first_bytes() {
        let content: Vec<u8> = (0..2 * SLICE_BYTES as u32 + 70_001).map(|n| (n * 7 / 3) as u8).collect();
        let file = file_of(&content);
        for bytes in
            [0, 1, READ_BYTES, READ_BYTES + 1, SLICE_BYTES as usize, content.len() - 1, content.len()]
        {
            let mut digesting = Digesting::new(file.try_clone().unwrap(), bytes as u64);
            let mut slices = 1;
            while !digesting.advance().unwrap() {
                assert_eq!(digesting.done_bytes(), slices * SLICE_BYTES);
                slices += 1;
            }
            assert_eq!(slices, (bytes as u64).div_ceil(SLICE_BYTES).max(1), "{bytes}");
            assert!(digesting.advance().unwrap(), "once done it stays done");
            assert_eq!((digesting.done_bytes(), digesting.size()), (bytes as u64, bytes as u64));
            assert_eq!(digesting.into_hasher().finalize(), blake3::hash(&content[..bytes]));
        }
    }

    #[test]
    fn the_cursor_of_the_file_stays_where_it_is() {
        let mut file = file_of(b"content");
        file.seek(io::SeekFrom::Start(3)).unwrap();
        assert!(Digesting::new(file.try_clone().unwrap(), 7).advance().unwrap());
        assert_eq!(file.stream_position().unwrap(), 3);
    }

    #[test]
    fn a_file_that_has_become_shorter_is_an_error_not_another_digest() {
        let file = file_of(&vec![1; 6 << 20]);
        let mut digesting = Digesting::new(file.try_clone().unwrap(), 6 << 20);
        assert!(!digesting.advance().unwrap());
        file.set_len(5 << 20).unwrap();
        assert_eq!(digesting.advance().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn files_of_more_than_4_gib_are_counted_right() {
        let file = tempfile::tempfile().unwrap();
        file.set_len((5 << 30) + 1).unwrap();
        let mut digesting = Digesting::new(file, (5 << 30) + 1);
        assert!(!digesting.advance().unwrap());
        assert_eq!((digesting.done_bytes(), digesting.size()), (SLICE_BYTES, (5 << 30) + 1));
    }
}
