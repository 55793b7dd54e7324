//! Transfers under way: what is known of each upload and download, and of which connections they are.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::RangeInclusive;
use std::time::Instant;

use forum_common::names::{FileName, Title};
use forum_common::wire::{Digest, Tag};

use crate::forum::{AccountId, Keyed, ThreadId};
use crate::session::ConnectionId;
use crate::workers::files::FileId;

/// Which transfer: tags are unique only within a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransferKey {
    /// Whose.
    pub connection: ConnectionId,
    /// The tag of its request.
    pub tag: Tag,
}

impl TransferKey {
    /// The first of all, in their order.
    pub(crate) const FIRST: Self =
        Self { connection: ConnectionId { slot: 0, generation: 0 }, tag: Tag::MIN };

    /// All keys of one connection.
    pub(crate) fn of(connection: ConnectionId) -> RangeInclusive<Self> {
        Self { connection, tag: Tag::MIN }..=Self { connection, tag: Tag::MAX }
    }
}

/// A file that a client sends.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) account: AccountId,
    pub(crate) thread: ThreadId,
    pub(crate) title: Title,
    pub(crate) file: FileName,
    pub(crate) id: FileId,
    pub(crate) key: Option<Keyed>,
    /// As announced.
    pub(crate) size: u64,
    pub(crate) received: u64,
    /// What the client may still send.
    pub(crate) credit: u64,
    /// Written, and not given back as credit yet.
    pub(crate) written: u64,
    /// When data came last, or could come again.
    pub(crate) progress_at: Instant,
    pub(crate) stage: UploadStage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UploadStage {
    /// Data is coming.
    Receiving,
    /// All is here and being made durable.
    Storing,
    /// The entry is on its way through the log.
    Proposed,
}

/// A file that a client is sent.
#[derive(Debug)]
pub(crate) struct Download {
    pub(crate) thread: ThreadId,
    pub(crate) title: Title,
    pub(crate) id: FileId,
    pub(crate) file: FileName,
    pub(crate) size: u64,
    pub(crate) digest: Digest,
    /// Up to where its bytes are queued for the client, or there already.
    pub(crate) sent: u64,
    /// The client has given credit.
    pub(crate) has_begun: bool,
    /// What the client takes beyond that.
    pub(crate) credit: u64,
    /// A chunk is being read.
    pub(crate) reading: bool,
    /// When something was taken last, or could be again.
    pub(crate) progress_at: Instant,
    /// All that its connection had written at the last look, and up to where of that its own bytes are queued.
    pub(crate) written: u64,
    pub(crate) queued_up_to: u64,
}

impl Upload {
    /// Since when its client could have sent something; none while it could not.
    pub(crate) fn stalled_since(&self) -> Option<Instant> {
        let is_clients_turn = self.credit > 0 || self.received == self.size;
        (self.stage == UploadStage::Receiving && is_clients_turn).then_some(self.progress_at)
    }
}

impl Download {
    /// Since when its client could have taken something; none while it could not.
    pub(crate) fn stalled_since(&self) -> Option<Instant> {
        (!self.reading).then_some(self.progress_at)
    }

    /// Its connection has written so many bytes in all. That is progress if it waits for them to leave: its own, or
    /// those that are in the way of more.
    pub(crate) fn note_output(&mut self, written: u64, now: Instant) {
        let waits_for_output = self.credit > 0 || self.queued_up_to > self.written;
        if written > self.written && waits_for_output {
            self.progress_at = now;
        }
        self.written = written;
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Transfers {
    uploads: BTreeMap<TransferKey, Upload>,
    downloads: BTreeMap<TransferKey, Download>,
    /// The downloads of each thread.
    by_thread: BTreeSet<(ThreadId, TransferKey)>,
    /// The connections whose transfers are to be looked at. Connections and not transfers, because those may come and
    /// go by the thousand within one timeout: a connection with transfers is looked at about once per timeout, however
    /// many it has had.
    watched: HashSet<ConnectionId>,
}

impl Transfers {
    /// An upload begins.
    pub(crate) fn begin_upload(&mut self, key: TransferKey, upload: Upload) {
        self.uploads.insert(key, upload);
    }

    /// A download begins.
    pub(crate) fn begin_download(&mut self, key: TransferKey, download: Download) {
        self.by_thread.insert((download.thread, key));
        self.downloads.insert(key, download);
    }

    /// The upload, while it is under way.
    pub(crate) fn upload(&self, key: TransferKey) -> Option<&Upload> {
        self.uploads.get(&key)
    }

    /// The upload, while it is under way.
    pub(crate) fn upload_mut(&mut self, key: TransferKey) -> Option<&mut Upload> {
        self.uploads.get_mut(&key)
    }

    /// The download, while it is under way.
    pub(crate) fn download(&self, key: TransferKey) -> Option<&Download> {
        self.downloads.get(&key)
    }

    /// The download, while it is under way.
    pub(crate) fn download_mut(&mut self, key: TransferKey) -> Option<&mut Download> {
        self.downloads.get_mut(&key)
    }

    /// An upload ends.
    pub(crate) fn end_upload(&mut self, key: TransferKey) -> Option<Upload> {
        self.uploads.remove(&key)
    }

    /// A download ends.
    pub(crate) fn end_download(&mut self, key: TransferKey) -> Option<Download> {
        let download = self.downloads.remove(&key)?;
        self.by_thread.remove(&(download.thread, key));
        Some(download)
    }

    /// Whether a transfer is under way.
    pub(crate) fn has(&self, key: TransferKey) -> bool {
        self.uploads.contains_key(&key) || self.downloads.contains_key(&key)
    }

    /// How many uploads there are.
    pub(crate) fn uploads(&self) -> usize {
        self.uploads.len()
    }

    /// Whether there is no download.
    pub(crate) fn no_downloads(&self) -> bool {
        self.downloads.is_empty()
    }

    /// The uploads of a connection.
    pub(crate) fn uploads_of(&self, id: ConnectionId) -> impl Iterator<Item = (TransferKey, &Upload)> {
        self.uploads.range(TransferKey::of(id)).map(|(key, upload)| (*key, upload))
    }

    /// The downloads of a connection.
    pub(crate) fn downloads_of(&self, id: ConnectionId) -> impl Iterator<Item = (TransferKey, &Download)> {
        self.downloads.range(TransferKey::of(id)).map(|(key, download)| (*key, download))
    }

    /// The first download of a thread.
    pub(crate) fn download_of_thread(&self, thread: ThreadId) -> Option<TransferKey> {
        let (first, key) = self.by_thread.range((thread, TransferKey::FIRST)..).next()?;
        (*first == thread).then_some(*key)
    }

    /// A connection has written so many bytes in all.
    pub(crate) fn note_output(&mut self, id: ConnectionId, written: u64, now: Instant) {
        for (_, download) in self.downloads.range_mut(TransferKey::of(id)) {
            download.note_output(written, now);
        }
    }

    /// All transfers of a connection, and since when each waits for its client, if it does.
    pub(crate) fn stalled(&self, id: ConnectionId) -> impl Iterator<Item = (TransferKey, Option<Instant>)> {
        let uploads = self.uploads_of(id).map(|(key, upload)| (key, upload.stalled_since()));
        uploads.chain(self.downloads_of(id).map(|(key, download)| (key, download.stalled_since())))
    }

    /// A connection's transfers are to be looked at; says whether that is news.
    pub(crate) fn watch(&mut self, id: ConnectionId) -> bool {
        self.watched.insert(id)
    }

    /// A connection's transfers are looked at now.
    pub(crate) fn unwatch(&mut self, id: ConnectionId) {
        self.watched.remove(&id);
    }

    /// How many uploads and downloads there are.
    #[cfg(test)]
    pub(crate) fn count(&self) -> (usize, usize) {
        debug_assert_eq!(self.by_thread.len(), self.downloads.len());
        (self.uploads.len(), self.downloads.len())
    }
}
