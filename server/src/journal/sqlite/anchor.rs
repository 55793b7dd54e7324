//! The anchor: a small file beside the log that says how far the log reached when it was last known to be
//! durable. SQLite takes a damaged write-ahead log for one that ends earlier, and a page that was never
//! written for an older state; only what is kept outside the log can tell that something is missing.
//!
//! The anchor may lag behind the log and never leads: it is written after the log was fsynced. So a log that
//! ends before the anchor is damaged, and what follows the anchor is the tail, of which a crash may have cut
//! off anything that nobody was promised.
//!
//! ```text
//! 0      slot 0: counter (u64), last entry (u64), digest of the chain there (32 bytes), checksum (32 bytes)
//! 4096   slot 1, likewise
//! ```
//!
//! Somebody may remove or replace the file under a running server: that is noticed when it is next fsynced, and at the
//! end, and it is made anew. Without it the next start would be refused.
//!
//! Numbers are big-endian. The valid slot with the higher counter counts. A slot is not overwritten before the
//! other one is on the disk, so a write that is torn by a power cut leaves one of the two.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use blake3::{Hash, Hasher};
use byteorder::{BigEndian, ByteOrder};
use log::warn;

use super::chain::Tip;
use super::paths::parent;
use crate::directory::Directory;
use crate::journal::Sequence;

/// Bytes from one slot to the other: no disk writes both with one sector.
const SLOT_SPACING_BYTES: usize = 4 * 1024;
const SLOTS: usize = 2;
const FILE_BYTES: usize = SLOTS * SLOT_SPACING_BYTES;

/// Bytes of what a checksum is taken of, and of the checksum.
const FIELDS_BYTES: usize = 48;
const CHECKSUM_BYTES: usize = 32;
const SLOT_BYTES: usize = FIELDS_BYTES + CHECKSUM_BYTES;

/// How long what was written may be known to the operating system alone: a power cut takes back no more.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

/// An anchor that is open to be moved on. Clones are the same one: it is fsynced while the writer is at work.
#[derive(Clone)]
pub(super) struct Anchor(Arc<Mutex<Slots>>);

struct Slots {
    directory: Directory,
    name: OsString,
    file: File,
    counter: u64,
    /// The slot that is written next; the other one is on the disk.
    slot: usize,
    tip: Tip,
    /// When what was written since the last fsync has to be fsynced.
    due: Option<Instant>,
}

/// The anchor of the journal at `path`.
pub(super) fn path_of(path: &Path) -> PathBuf {
    path.with_extension("anchor")
}

/// Where the log of the journal at `path` reached at least; `None` if there is no anchor, or no slot of it is
/// valid.
///
/// # Errors
/// The file can't be read.
pub(super) fn read(path: &Path) -> io::Result<Option<Tip>> {
    match fs::read(path_of(path)) {
        Ok(bytes) => Ok(newest(&bytes).map(|(_, _, tip)| tip)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes the anchor of a journal that is about to appear at `path`, durably.
///
/// # Errors
/// It can't be written.
pub(super) fn create(path: &Path, tip: Tip) -> io::Result<()> {
    Anchor::open(path, tip).map(drop)
}

/// The newest valid slot: its counter, its number and where the log reached.
pub(super) fn newest(bytes: &[u8]) -> Option<(u64, usize, Tip)> {
    let slots = bytes.chunks(SLOT_SPACING_BYTES).take(SLOTS).enumerate();
    let valid = slots.filter_map(|(slot, bytes)| decode(bytes).map(|(counter, tip)| (counter, slot, tip)));
    valid.max_by_key(|(counter, ..)| *counter)
}

fn encode(counter: u64, tip: Tip) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    BigEndian::write_u64(&mut bytes[..8], counter);
    BigEndian::write_u64(&mut bytes[8..16], tip.last.0);
    bytes[16..FIELDS_BYTES].copy_from_slice(tip.hash.as_bytes());
    let checksum = checksum(&bytes[..FIELDS_BYTES]);
    bytes[FIELDS_BYTES..].copy_from_slice(checksum.as_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<(u64, Tip)> {
    let (fields, rest) = bytes.split_at_checked(FIELDS_BYTES)?;
    if checksum(fields) != Hash::from_slice(rest.get(..CHECKSUM_BYTES)?).ok()? {
        return None;
    }
    let last = Sequence(BigEndian::read_u64(&fields[8..16]));
    let hash = Hash::from_slice(&fields[16..]).ok()?;
    Some((BigEndian::read_u64(&fields[..8]), Tip { last, hash }))
}

fn checksum(fields: &[u8]) -> Hash {
    Hasher::new().update(b"anchor").update(fields).finalize()
}

impl Anchor {
    /// Opens the anchor of the journal at `path`, or makes it, and puts it durably at `tip`.
    ///
    /// # Errors
    /// It can't be read or written.
    pub(super) fn open(path: &Path, tip: Tip) -> io::Result<Self> {
        let name = path_of(path).file_name().unwrap_or_default().to_owned();
        let slots = Slots::open(Directory::open(parent(path))?, name, tip)?;
        Ok(Self(Arc::new(Mutex::new(slots))))
    }

    /// The directory that it lies in, with the journal.
    pub(super) fn directory(&self) -> Directory {
        self.slots().directory.clone()
    }

    /// The log is durable up to `tip`. `now` is when that came to be.
    ///
    /// # Errors
    /// It can't be written.
    pub(super) fn move_to(&self, tip: Tip, now: Instant) -> io::Result<()> {
        let mut slots = self.slots();
        if tip == slots.tip {
            return Ok(());
        }
        slots.write(tip)?;
        slots.due.get_or_insert(now + SYNC_INTERVAL);
        Ok(())
    }

    /// How long the fsync of what was written may wait; `None` if there is nothing to fsync.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        self.slots().due.map(|due| due.saturating_duration_since(now))
    }

    /// Makes what was written durable; all of it, in a new file, if the old one has lost its name.
    ///
    /// # Errors
    /// Those of fsync, and of making the file anew.
    pub(super) fn sync(&self) -> io::Result<()> {
        let mut slots = self.slots();
        if !slots.is_in_place()? {
            slots.make_anew()
        } else if slots.due.is_some() {
            slots.sync()
        } else {
            Ok(())
        }
    }

    /// Who panicked with it has ended the journal, and its last write is a whole slot or none.
    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    /// Opens the file or makes it, and puts it durably at `tip`.
    fn open(directory: Directory, name: OsString, tip: Tip) -> io::Result<Self> {
        let mut file = directory.open_or_create(&name)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        // All of its space is taken now, so that a full disk does not stop it later.
        if let Some(missing) = FILE_BYTES.checked_sub(bytes.len()) {
            file.write_all_at(&vec![0; missing], bytes.len() as u64)?;
        }
        let (counter, newest) = newest(&bytes).map_or((0, 1), |(counter, slot, _)| (counter, slot));
        let mut slots = Self { directory, name, file, counter, slot: (newest + 1) % SLOTS, tip, due: None };
        slots.write(tip)?;
        slots.sync()?;
        if bytes.is_empty() {
            slots.directory.sync()?;
        }
        Ok(slots)
    }

    /// Whether the file still has its name, so that the next start finds it.
    fn is_in_place(&self) -> io::Result<bool> {
        let ours = self.file.metadata()?;
        let named = self.directory.find(&self.name)?;
        Ok(named.is_some_and(|named| (named.st_dev, named.st_ino) == (ours.dev(), ours.ino())))
    }

    /// Takes what has the name now, or a new file. Until that is durable the next fsync tries it again.
    fn make_anew(&mut self) -> io::Result<()> {
        self.due = None;
        let anew = Self::open(self.directory.clone(), self.name.clone(), self.tip)?;
        anew.directory.sync()?;
        *self = anew;
        warn!("{} was removed or replaced; it was made anew", self.name.display());
        Ok(())
    }

    fn write(&mut self, tip: Tip) -> io::Result<()> {
        let offset = self.slot * SLOT_SPACING_BYTES;
        self.file.write_all_at(&encode(self.counter + 1, tip), offset as u64)?;
        (self.counter, self.tip) = (self.counter + 1, tip);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.due = None;
        self.file.sync_data()?;
        self.slot = (self.slot + 1) % SLOTS;
        Ok(())
    }
}
