//! Where the bytes of a file come from and where they go: what an owner supplies, and a file as a source.

use std::io;

use crate::original::Original;

/// What a sender reads.
pub trait Source {
    /// Fills `buffer` with the bytes from `offset` on. The same offset gives the same bytes each time.
    ///
    /// # Errors
    /// They can't be had, or the content is shorter than was said; the transfer fails.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

/// What a receiver fills.
pub trait Sink {
    /// Adds the next bytes. They come in order and without gaps, from where the transfer started.
    ///
    /// # Errors
    /// They can't be stored; the transfer fails, and no more bytes come.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// All bytes are there and are what was announced: after this the sender is told that they are stored.
    ///
    /// # Errors
    /// They are not; the transfer fails.
    fn finish(&mut self) -> io::Result<()>;
}

/// Bytes read from a file at a time; what packets take from it is less.
const BLOCK_BYTES: usize = 128 << 10;

/// A file, read in blocks: one system call for a hundred small packets. Its last byte is only given away while the
/// file is what it was when it was opened, so that nobody has the whole of one that changed.
#[derive(Debug)]
pub struct FileSource {
    original: Original,
    block: Vec<u8>,
    /// Where in the file the block begins.
    block_start: u64,
    /// Why it could not be read, if it could not.
    problem: Option<io::Error>,
}

impl FileSource {
    /// Reads from this file, wherever its cursor stands.
    pub fn new(original: Original) -> Self {
        Self { original, block: Vec::new(), block_start: 0, problem: None }
    }

    /// Why the file could not be read, if it could not.
    pub fn problem(&self) -> Option<&io::Error> {
        self.problem.as_ref()
    }

    /// Reads the block that begins at `start`, or what the file has of it, but `needed` bytes at least.
    fn load(&mut self, start: u64, needed: usize) -> io::Result<()> {
        self.block.resize(BLOCK_BYTES, 0);
        self.block_start = start;
        let mut filled = 0;
        while filled < needed {
            match self.original.read_some_at(&mut self.block[filled..], start + filled as u64) {
                Ok(count) => filled += count,
                Err(error) => {
                    self.block.clear();
                    return Err(error);
                }
            }
        }
        self.block.truncate(filled);
        Ok(())
    }

    fn give(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        // A large packet is worth a call of its own, and saves the copy.
        if buffer.len() >= BLOCK_BYTES / 4 {
            let mut filled = 0;
            while filled < buffer.len() {
                filled += self.original.read_some_at(&mut buffer[filled..], offset + filled as u64)?;
            }
        } else {
            let is_inside = offset >= self.block_start
                && offset - self.block_start + buffer.len() as u64 <= self.block.len() as u64;
            if !is_inside {
                self.load(offset, buffer.len())?;
            }
            buffer.copy_from_slice(&self.block[(offset - self.block_start) as usize..][..buffer.len()]);
        }
        if offset + buffer.len() as u64 == self.original.size() { self.original.verify() } else { Ok(()) }
    }
}

impl Source for FileSource {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.give(offset, buffer).map_err(|error| {
            let kind = error.kind();
            self.problem = Some(error);
            kind.into()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::time::SystemTime;

    use tempfile::NamedTempFile;

    use super::*;

    /// A file with this content that was last changed long ago, and a source that reads it.
    fn source_of(content: &[u8]) -> (NamedTempFile, FileSource) {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        file.as_file().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let original = Original::new(File::open(file.path()).unwrap()).unwrap();
        (file, FileSource::new(original))
    }

    #[test]
    fn a_file_gives_any_piece_of_any_size_and_says_when_it_has_shrunk() {
        let content: Vec<u8> = (0..400_000_u32).map(|n| (n * 7 / 3) as u8).collect();
        let (file, mut source) = source_of(&content);
        for (offset, length) in
            [(0, 1), (1_000, 1_175), (131_000, 1_175), (300, 9), (200_000, 65_000), (399_999, 1), (0, 0)]
        {
            let mut piece = vec![0; length];
            source.read_at(offset as u64, &mut piece).unwrap();
            assert_eq!(piece, content[offset..][..length]);
        }
        assert!(source.problem().is_none());
        file.as_file().set_len(1_000).unwrap();
        for length in [1_001, 65_000] {
            let error = source.read_at(131_000, &mut vec![0; length]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
        assert!(source.problem().unwrap().to_string().starts_with("it holds less than its 400000 bytes"));
    }

    #[test]
    fn the_last_byte_of_a_file_that_has_changed_is_not_given_away() {
        for length in [1_000, 65_000] {
            let (mut file, mut source) = source_of(&vec![7; 100_000]);
            source.read_at(0, &mut vec![0; length]).unwrap();
            file.write_all(b"more").unwrap();
            source.read_at(0, &mut vec![0; length]).unwrap();
            source.read_at(100_000 - length as u64, &mut vec![0; length]).unwrap_err();
            assert!(source.problem().unwrap().to_string().starts_with("it holds more than its 100000 bytes"));
        }
    }
}
