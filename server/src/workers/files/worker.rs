//! The end of the file workers that touches the disk: orders in, reports out, one after the other. Knows
//! which transfers it has open, not who asked for them or who may.

use std::collections::HashMap;
use std::io::{self, ErrorKind};

use forum_common::limits::{DATA_BYTES_MAX, DIGEST_BYTES};
use forum_common::wire::{Tag, frame, kinds};

use super::storage::{Storage, StoredFile};
use super::{Announced, Expected, Failure, FileId, FileSync};
use crate::planted::{Bug, planted};

/// An upload is synced each time so many bytes were written, not only at its end. Measured with uploads of
/// 1 GiB at 200 MB/s on ext4, while another file was synced all the time, as the journal is: with one sync
/// at the end that took 0.6 s and held the other file up for as long; with one every 8 MiB the last took less
/// than 1 ms, and the other file never waited longer than 21 ms. 4 and 32 MiB were worse than 8 and 16, and
/// so was starting the write-back without waiting for it (`posix_fadvise`): up to 220 ms.
const UNSYNCED_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Tells one transfer from all that were before it, and which way its bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TransferNumber {
    pub(super) number: u64,
    pub(super) direction: Direction,
}

/// Which way the bytes of a transfer go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Direction {
    /// To the disk.
    Upload,
    /// From the disk.
    Download,
}

/// What a worker can do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Order {
    Create(FileId),
    Write(Vec<u8>),
    Finish(Announced),
    Open(FileId, Tag, Expected, u64),
    Read { bytes_max: u64, frames: Vec<u8> },
    End,
}

/// What becomes of an order; several have nothing to report when all goes well.
#[derive(Debug)]
pub(super) enum Done {
    Wrote(Vec<u8>),
    Stored(FileId, [u8; DIGEST_BYTES]),
    Opened { size: u64 },
    Read { frames: Vec<u8>, bytes: u64, last: bool },
    Failed(Failure),
}

/// One worker. Dropped, it unlinks the uploads that it didn't finish.
#[derive(Debug)]
pub(super) struct Worker {
    dir: Box<dyn Storage>,
    sync: FileSync,
    transfers: HashMap<TransferNumber, Transfer>,
    /// For tests: after so many writes, the disk is full for one.
    writes_until_full: Option<u64>,
}

#[derive(Debug)]
enum Transfer {
    Upload(Box<Upload>),
    Download(Download),
}

impl Worker {
    pub(super) fn new(dir: Box<dyn Storage>, sync: FileSync) -> Self {
        Self { dir, sync, transfers: HashMap::new(), writes_until_full: None }
    }

    /// After `writes` more that go well, the disk will be full for one.
    pub(super) fn fill_up_after(&mut self, writes: u64) {
        self.writes_until_full = Some(writes);
    }

    /// Obeys. After a failure everything further of that transfer is ignored.
    pub(super) fn perform(&mut self, number: TransferNumber, order: Order) -> Option<Done> {
        let done = self.attempt(number, order).unwrap_or_else(|failure| {
            self.end(number);
            Some(Done::Failed(failure))
        });
        let is_over = match done {
            Some(Done::Stored(..)) => !planted(Bug::StoredFileStaysOpen),
            Some(Done::Opened { size: 0 } | Done::Read { last: true, .. }) => true,
            _ => false,
        };
        if is_over {
            self.transfers.remove(&number);
        }
        done
    }

    fn attempt(&mut self, number: TransferNumber, order: Order) -> Result<Option<Done>, Failure> {
        Ok(match (order, self.transfers.get_mut(&number)) {
            (Order::Create(id), None) => {
                let upload = Transfer::Upload(Box::new(Upload::create(id, &*self.dir)?));
                self.transfers.insert(number, upload);
                None
            }
            (Order::Write(bytes), Some(Transfer::Upload(upload))) => {
                use_up(&mut self.writes_until_full)?;
                upload.write(&bytes, self.sync)?;
                Some(Done::Wrote(bytes))
            }
            (Order::Finish(expected), Some(Transfer::Upload(upload))) => {
                let digest = upload.seal(expected)?;
                if self.sync == FileSync::BeforeStored {
                    match upload.file.sync_data() {
                        Err(_) if planted(Bug::FailedSyncOfAFileIsSwallowed) => {}
                        synced => synced?,
                    }
                }
                upload.give_its_name(&*self.dir)?;
                if self.sync == FileSync::BeforeStored && !planted(Bug::NameOfAFileIsNotMadeDurable) {
                    // Without this the file's bytes are safe, but not its name.
                    self.dir.sync()?;
                }
                Some(Done::Stored(upload.id, digest))
            }
            (Order::Open(id, tag, expected, offset), None) => {
                let download = Download::begin(id, tag, expected, offset, &*self.dir)?;
                let size = expected.size;
                self.transfers.insert(number, Transfer::Download(download));
                Some(Done::Opened { size })
            }
            (Order::Read { bytes_max, frames }, Some(Transfer::Download(download))) => {
                Some(download.read(bytes_max, frames, &*self.dir)?)
            }
            (Order::End, _) => {
                self.end(number);
                None
            }
            // What was under way when its transfer failed.
            (_, _) => None,
        })
    }

    /// Closes a transfer; an upload that wasn't finished leaves no trace.
    fn end(&mut self, number: TransferNumber) {
        if let Some(Transfer::Upload(upload)) = self.transfers.remove(&number)
            && let Err(error) = self.dir.remove_if_there(&upload.name)
        {
            let name = &upload.name;
            log::warn!("file {name} could not be deleted and stays until the next start: {error}");
        }
    }

    /// Deletes files for good; those that could be deleted, or were not there, are returned. The others are
    /// left to the next start.
    pub(super) fn unlink(&self, mut ids: Vec<FileId>) -> Vec<FileId> {
        ids.retain(|id| match self.dir.remove_if_there(&id.to_string()) {
            Ok(()) => true,
            Err(error) => {
                log::warn!("file {id} could not be deleted and stays until the next start: {error}");
                false
            }
        });
        if self.sync == FileSync::BeforeStored
            && let Err(error) = self.dir.sync()
        {
            log::warn!("deleted files may come back after a power cut: {error}");
            ids.clear();
        }
        ids
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let open: Vec<TransferNumber> = self.transfers.keys().copied().collect();
        open.into_iter().for_each(|number| self.end(number));
    }
}

/// Counts a write, and fails the one that comes when none is left.
fn use_up(writes_left: &mut Option<u64>) -> Result<(), Failure> {
    match writes_left {
        None => Ok(()),
        Some(0) => {
            *writes_left = None;
            Err(Failure::NoSpace)
        }
        Some(left) => {
            *left -= 1;
            Ok(())
        }
    }
}

#[derive(Debug)]
struct Upload {
    id: FileId,
    /// What the file is called now: a part until all of it is there.
    name: String,
    file: Box<dyn StoredFile>,
    size: u64,
    unsynced: u64,
    hasher: blake3::Hasher,
}

impl Upload {
    fn create(id: FileId, dir: &dyn Storage) -> io::Result<Self> {
        if dir.has(&id.to_string())? {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let name = id.part();
        let file = dir.create_new(&name)?;
        Ok(Self { id, name, file, size: 0, unsynced: 0, hasher: blake3::Hasher::new() })
    }

    fn write(&mut self, bytes: &[u8], sync: FileSync) -> io::Result<()> {
        self.file.append(bytes)?;
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        self.unsynced += bytes.len() as u64;
        if self.unsynced >= UNSYNCED_BYTES_MAX && sync == FileSync::BeforeStored {
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(())
    }

    /// The digest of the file, if it is the one that was meant to come.
    fn seal(&self, expected: Announced) -> Result<[u8; DIGEST_BYTES], Failure> {
        if self.size != expected.size {
            return Err(Failure::SizeDiffers);
        }
        let digest = self.hasher.finalize();
        match expected.digest {
            Some(announced) if digest != announced => Err(Failure::DigestDiffers),
            _ => Ok(*digest.as_bytes()),
        }
    }

    /// From now on it is a whole file. What a crash leaves under the name of a part was never acknowledged.
    fn give_its_name(&mut self, dir: &dyn Storage) -> io::Result<()> {
        let name = self.id.to_string();
        dir.rename(&self.name, &name)?;
        self.name = name;
        Ok(())
    }
}

/// A download holds no descriptor while it waits: its client may let it wait for a minute, and may have others. So
/// its file is opened for each chunk, which costs a few microseconds beside 256 KiB to read.
///
/// It reads the file to its end and takes a digest of what it hands out. If that is all of the file, the last chunk is
/// handed out only if that is the digest of what was stored, so nobody is told that damaged bytes were all. The end of a
/// file, for a client that has the beginning, is judged by that client: it knows the digest of the whole.
#[derive(Debug)]
struct Download {
    id: FileId,
    tag: Tag,
    expected: Expected,
    /// The next byte to be read.
    offset: u64,
    /// Of the bytes before `offset`; none if the first of them were not read.
    hasher: Option<Box<blake3::Hasher>>,
}

impl Download {
    fn begin(
        id: FileId,
        tag: Tag,
        expected: Expected,
        offset: u64,
        dir: &dyn Storage,
    ) -> Result<Self, Failure> {
        let size = open_stored(id, dir)?.size()?;
        if size != expected.size {
            return Err(Failure::Damaged);
        }
        let hasher = (offset == 0).then(Box::default);
        Ok(Self { id, tag, expected, offset, hasher })
    }

    /// Fills `frames` with the next bytes of the file, cut into frames that are ready for the wire: each is
    /// read to where it stays until the socket takes it.
    fn read(&mut self, bytes_max: u64, mut frames: Vec<u8>, dir: &dyn Storage) -> Result<Done, Failure> {
        let file = open_stored(self.id, dir)?;
        let (start, size) = (self.offset, self.expected.size);
        let end = size.min(start.saturating_add(bytes_max));
        while self.offset < end {
            let bytes = usize::try_from(end - self.offset).map_or(DATA_BYTES_MAX, |n| n.min(DATA_BYTES_MAX));
            frames.extend_from_slice(&frame::header(kinds::Data, self.tag, bytes));
            let body = frames.len();
            frames.resize(body + bytes, 0);
            file.read_exact_at(&mut frames[body..], self.offset).map_err(damaged_if_short)?;
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&frames[body..]);
            }
            self.offset += bytes as u64;
        }
        let last = end == size;
        if last && self.hasher.as_ref().is_some_and(|hasher| hasher.finalize() != self.expected.digest) {
            return Err(Failure::Damaged);
        }
        Ok(Done::Read { frames, bytes: end - start, last })
    }
}

fn open_stored(id: FileId, dir: &dyn Storage) -> Result<Box<dyn StoredFile>, Failure> {
    dir.open_file(&id.to_string()).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Failure::Missing,
        _ => error.into(),
    })
}

/// The file has lost bytes since it was opened.
fn damaged_if_short(error: io::Error) -> Failure {
    match error.kind() {
        ErrorKind::UnexpectedEof => Failure::Damaged,
        _ => error.into(),
    }
}
