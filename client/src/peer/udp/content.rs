//! Where the bytes of a file come from and where they go: what an owner supplies, and a file as a source.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

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

/// A file, read in blocks: one system call for a hundred small packets.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    block: Vec<u8>,
    /// Where in the file the block begins.
    block_start: u64,
}

impl FileSource {
    /// Reads from this file, wherever its cursor stands.
    pub fn new(file: File) -> Self {
        Self { file, block: Vec::new(), block_start: 0 }
    }

    /// Reads the block that begins at `start`, or what the file has of it, but `needed` bytes at least.
    fn load(&mut self, start: u64, needed: usize) -> io::Result<()> {
        self.block.resize(BLOCK_BYTES, 0);
        self.block_start = start;
        let mut filled = 0;
        while filled < needed {
            match self.file.read_at(&mut self.block[filled..], start + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.block.clear();
                    return Err(error);
                }
            }
        }
        self.block.truncate(filled);
        if filled < needed { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

impl Source for FileSource {
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        // A large packet is worth a call of its own, and saves the copy.
        if buffer.len() >= BLOCK_BYTES / 4 {
            return self.file.read_exact_at(buffer, offset);
        }
        let is_inside = offset >= self.block_start
            && offset - self.block_start + buffer.len() as u64 <= self.block.len() as u64;
        if !is_inside {
            self.load(offset, buffer.len())?;
        }
        buffer.copy_from_slice(&self.block[(offset - self.block_start) as usize..][..buffer.len()]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_gives_any_piece_of_any_size_and_says_when_it_has_shrunk() {
        let content: Vec<u8> = (0..400_000_u32).map(|n| (n * 7 / 3) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&content).unwrap();
        let mut source = FileSource::new(file.try_clone().unwrap());
        for (offset, length) in
            [(0, 1), (1_000, 1_175), (131_000, 1_175), (300, 9), (200_000, 65_000), (399_999, 1), (0, 0)]
        {
            let mut piece = vec![0; length];
            source.read_at(offset as u64, &mut piece).unwrap();
            assert_eq!(piece, content[offset..][..length]);
        }
        let mut source = FileSource::new(file.try_clone().unwrap());
        file.set_len(1_000).unwrap();
        for length in [1_001, 65_000] {
            let error = source.read_at(0, &mut vec![0; length]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
