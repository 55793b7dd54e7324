//! The directory of the files, in memory: what was not synced is lost with the machine.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, PoisonError};

use forumd::workers::files::{Storage, StoredFile};

/// What lies on the disk and in the page cache.
#[derive(Debug, Default)]
struct Contents {
    /// By name: the file's index.
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    files: Vec<Vec<u8>>,
    durable_files: Vec<Vec<u8>>,
    /// Appends that go well before the disk is full.
    room: Option<usize>,
    /// Syncs that fail next.
    failing_syncs: usize,
}

/// The directory. A clone is the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct SimFiles(Arc<Mutex<Contents>>);

/// A server's view of it, until it crashes.
#[derive(Debug, Clone)]
pub(crate) struct Mounted {
    files: SimFiles,
    /// The server has crashed: nothing it does counts any more.
    is_gone: Arc<Mutex<bool>>,
    /// Its descriptors: each open file has a clone.
    open: Arc<()>,
}

#[derive(Debug)]
struct OpenFile {
    /// With a descriptor of its own.
    mounted: Mounted,
    index: usize,
}

impl SimFiles {
    /// A server starts.
    pub(crate) fn mount(&self) -> Mounted {
        Mounted { files: self.clone(), is_gone: Arc::default(), open: Arc::default() }
    }

    /// The disk is full after so many appends; none = never.
    pub(crate) fn fill_up_after(&self, appends: Option<usize>) {
        self.with(|contents| contents.room = appends);
    }

    /// The next syncs of a file fail.
    pub(crate) fn fail_syncs(&self, syncs: usize) {
        self.with(|contents| contents.failing_syncs = syncs);
    }

    /// The bytes of a file.
    pub(crate) fn read(&self, name: &str) -> Option<Vec<u8>> {
        self.with(|contents| contents.names.get(name).map(|index| contents.files[*index].clone()))
    }

    /// The machine loses its power: what was not synced is gone.
    pub(crate) fn cut_power(&self) {
        self.with(|contents| {
            contents.names = contents.durable_names.clone();
            contents.files = contents.durable_files.clone();
        });
    }

    /// Removes what a start removes: files that are not whole.
    pub(crate) fn remove_parts(&self) {
        self.with(|contents| {
            contents.names.retain(|name, _| !name.ends_with(".part"));
            contents.durable_names = contents.names.clone();
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut Contents) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Mounted {
    /// The server has crashed.
    pub(crate) fn unmount(&self) {
        *self.is_gone.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// How many files are open.
    pub(crate) fn open_files(&self) -> usize {
        // The machine and the worker have a clone each.
        Arc::strong_count(&self.open).saturating_sub(2)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Contents) -> io::Result<T>) -> io::Result<T> {
        if *self.is_gone.lock().unwrap_or_else(PoisonError::into_inner) {
            return Err(ErrorKind::Other.into());
        }
        self.files.with(act)
    }

    fn open(&self, index: usize) -> Box<dyn StoredFile> {
        Box::new(OpenFile { mounted: self.clone(), index })
    }
}

impl Storage for Mounted {
    fn create_new(&self, name: &str) -> io::Result<Box<dyn StoredFile>> {
        let index = self.with(|contents| {
            if contents.names.contains_key(name) {
                return Err(ErrorKind::AlreadyExists.into());
            }
            contents.files.push(Vec::new());
            contents.durable_files.push(Vec::new());
            contents.names.insert(name.to_owned(), contents.files.len() - 1);
            Ok(contents.files.len() - 1)
        })?;
        Ok(self.open(index))
    }

    fn open_file(&self, name: &str) -> io::Result<Box<dyn StoredFile>> {
        let missing = || io::Error::from(ErrorKind::NotFound);
        let index = self.with(|contents| contents.names.get(name).copied().ok_or_else(missing))?;
        Ok(self.open(index))
    }

    fn has(&self, name: &str) -> io::Result<bool> {
        self.with(|contents| Ok(contents.names.contains_key(name)))
    }

    fn rename(&self, name: &str, new: &str) -> io::Result<()> {
        self.with(|contents| {
            let index = contents.names.remove(name).ok_or(ErrorKind::NotFound)?;
            contents.names.insert(new.to_owned(), index);
            Ok(())
        })
    }

    fn remove_if_there(&self, name: &str) -> io::Result<()> {
        self.with(|contents| {
            contents.names.remove(name);
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.with(|contents| {
            contents.durable_names = contents.names.clone();
            Ok(())
        })
    }
}

impl StoredFile for OpenFile {
    fn size(&self) -> io::Result<u64> {
        self.mounted.with(|contents| Ok(contents.files[self.index].len() as u64))
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let index = self.index;
        self.mounted.with(|contents| {
            match &mut contents.room {
                Some(0) => return Err(ErrorKind::StorageFull.into()),
                Some(room) => *room -= 1,
                None => {}
            }
            contents.files[index].extend_from_slice(bytes);
            Ok(())
        })
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.mounted.with(|contents| {
            let start = offset as usize;
            let found = contents.files[self.index].get(start..start + buffer.len());
            buffer.copy_from_slice(found.ok_or(ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.mounted.with(|contents| {
            if let Some(left) = contents.failing_syncs.checked_sub(1) {
                contents.failing_syncs = left;
                return Err(ErrorKind::Other.into());
            }
            contents.durable_files[self.index] = contents.files[self.index].clone();
            Ok(())
        })
    }
}
