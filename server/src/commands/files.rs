//! Files on their way: uploads and downloads, each known by its connection and the tag of its request.
//!
//! Data flows against credit, so neither a fast client nor a slow one makes the server's memory grow: an
//! upload has at most [`UPLOAD_CREDIT_BYTES`] between socket and disk, a download one chunk in memory. The
//! disk itself is touched by the file workers only.

use std::time::Instant;

use forum_common::names::{FileName, Title};
use forum_common::text::Rejection;
use forum_common::wire::credit::CreditError;
use forum_common::wire::{Digest, Limit, Reply, Tag, Transfer};
use log::{info, warn};

pub(crate) use super::progress::TransferDeadlines;
use crate::core::Core;
use crate::core::limits::Subject;
use crate::core::outbox::QUEUED_BYTES_LOW;
use crate::core::pipeline::Origin;
use crate::forum::{AccountId, Change, Effect, Entry, Keyed, ThreadId};
use crate::journal::Journal;
use crate::session::input::{ProtocolError, Taken};
use crate::session::{ConnectionId, Wait};
use crate::workers::files::{
    Announced, CHUNK_BYTES_MAX, Expected, Failure, FileId, Report, UPLOAD_CREDIT_BYTES,
};

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
    pub(crate) fn of(connection: ConnectionId) -> std::ops::RangeInclusive<Self> {
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
    /// Queued for the client.
    pub(crate) sent: u64,
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

impl<J: Journal> Core<J> {
    /// UPD: says whether the file may come.
    pub(crate) fn start_upload(
        &mut self,
        key: TransferKey,
        account: AccountId,
        title: &str,
        file: &str,
        size: u64,
        keyed: Option<Keyed>,
    ) -> Result<Result<(), Rejection>, ProtocolError> {
        Ok(self.check_upload(account, title, file, size).map(|(thread, title, file)| {
            let credit = size.min(UPLOAD_CREDIT_BYTES.into());
            let id = FileId::random();
            self.files.create(key, id);
            let stage = UploadStage::Receiving;
            let (received, written, progress_at) = (0, 0, self.time.now);
            let upload = Upload {
                account,
                thread,
                title,
                file,
                id,
                key: keyed,
                size,
                received,
                credit,
                written,
                progress_at,
                stage,
            };
            self.pipeline.raise(Subject::FilesIn(thread), 0);
            self.pipeline.raise(Subject::FilesOf(account), size);
            self.uploads.insert(key, upload);
            self.watch_transfers(key.connection);
            self.outbox.reply(key.connection, key.tag, &Reply::UploadStarts { credit: credit as u32 });
        }))
    }

    fn check_upload(
        &self,
        account: AccountId,
        title: &str,
        file: &str,
        size: u64,
    ) -> Result<(ThreadId, Title, FileName), Rejection> {
        let (title, file) = (Title::parse(title)?, FileName::parse(file)?);
        let thread = self.forum.threads.named(&title)?;
        thread.check_new_file(&file)?;
        let id = self.forum.threads.find(&title).expect("named above");
        let limits = &self.settings.limits;
        if size > limits.max_file_bytes {
            return Err(Rejection::LimitReached(Limit::FileBytes, limits.max_file_bytes));
        }
        if self.pipeline.in_flight().reaches(limits.max_files, thread.uploads().len(), &Subject::FilesIn(id))
        {
            return Err(Rejection::LimitReached(Limit::Files, limits.max_files as u64));
        }
        if self.uploads.len() >= limits.max_total_uploads {
            return Err(Rejection::LimitReached(Limit::Uploads, limits.max_total_uploads as u64));
        }
        let own = self.pipeline.in_flight().of(&Subject::FilesOf(account));
        if own.count >= limits.max_uploads {
            return Err(Rejection::LimitReached(Limit::UserUploads, limits.max_uploads as u64));
        }
        if self.forum.accounts[account].file_bytes + own.bytes + size > limits.max_user_file_bytes {
            return Err(Rejection::LimitReached(Limit::UserFileBytes, limits.max_user_file_bytes));
        }
        Ok((id, title, file))
    }

    /// DWN: says how large the file is; data flows once the client gives credit.
    pub(crate) fn start_download(
        &mut self,
        connection: ConnectionId,
        tag: Tag,
        title: &str,
        file: &str,
    ) -> Result<Result<(), Rejection>, ProtocolError> {
        let key = TransferKey { connection, tag };
        Ok(self.check_download(connection, title, file).map(|download| {
            self.outbox.reply(
                connection,
                tag,
                &Reply::DownloadStarts { size: download.size, digest: download.digest, offset: 0 },
            );
            let expected = Expected { size: download.size, digest: download.digest };
            self.files.open(key, download.id, tag, expected);
            self.removal.downloads.insert((download.thread, key));
            self.downloads.insert(key, download);
            self.watch_transfers(connection);
        }))
    }

    fn check_download(
        &self,
        connection: ConnectionId,
        title: &str,
        file: &str,
    ) -> Result<Download, Rejection> {
        let title = Title::parse(title)?;
        let name = FileName::parse(file)?;
        let thread = self.forum.threads.named(&title)?;
        let no_file = || Rejection::NoSuchFile(title.clone());
        let found = thread.file(&name).ok_or_else(no_file)?;
        if self.downloads.range(TransferKey::of(connection)).count() >= self.settings.limits.max_downloads {
            return Err(Rejection::LimitReached(Limit::Downloads, self.settings.limits.max_downloads as u64));
        }
        let download = Download {
            thread: self.forum.threads.find(&title).ok_or_else(no_file)?,
            title: title.clone(),
            id: found.id,
            file: name,
            size: found.size,
            digest: found.digest,
            sent: 0,
            credit: 0,
            reading: false,
            progress_at: self.time.now,
            written: self.outbox.written(connection),
            queued_up_to: 0,
        };
        Ok(download)
    }

    /// A request may not have the tag of a transfer under way: nobody could tell their answers apart.
    pub(crate) fn insist_on_new(&self, key: TransferKey) -> Result<(), ProtocolError> {
        if self.uploads.contains_key(&key) || self.downloads.contains_key(&key) {
            return Err(ProtocolError(format!("Tag {} belongs to a transfer under way", key.tag)));
        }
        Ok(())
    }

    /// Takes a frame of a transfer. One for a transfer that is over is ignored: the other end can't know yet.
    pub(crate) fn take_transfer(
        &mut self,
        connection: ConnectionId,
        tag: Tag,
        frame: Transfer<'_>,
    ) -> Result<Taken, ProtocolError> {
        let key = TransferKey { connection, tag };
        if self.uploads.contains_key(&key) || self.downloads.contains_key(&key) {
            let now = self.time.now;
            if let Some(session) = self.sessions.get_mut(connection) {
                session.active_at = now;
            }
        }
        match frame {
            Transfer::Data { piece } => self.take_data(key, piece)?,
            Transfer::DataEnd { digest } => self.end_upload(key, digest)?,
            Transfer::Credit { bytes } => {
                let now = self.time.now;
                if let Some(download) = self.downloads.get_mut(&key) {
                    // Further credit takes nothing while what there is waits to be read.
                    if download.credit == 0 && bytes > 0 {
                        download.progress_at = now;
                    }
                    download.credit += u64::from(bytes);
                    if download.credit > u32::MAX.into() {
                        return Err(ProtocolError(CreditError::Overflow.to_string()));
                    }
                    self.pump(key);
                }
            }
            Transfer::Abort => self.take_abort(key),
        }
        Ok(Taken::Yes)
    }

    fn take_data(&mut self, key: TransferKey, bytes: &[u8]) -> Result<(), ProtocolError> {
        let Some(upload) = self.uploads.get_mut(&key) else { return Ok(()) };
        let length = bytes.len() as u64;
        if upload.stage != UploadStage::Receiving {
            return Err(ProtocolError("Data behind the end of an upload".into()));
        }
        if length > upload.credit {
            return Err(ProtocolError(format!("{length} bytes of data with a credit of {}", upload.credit)));
        }
        upload.credit -= length;
        upload.received += length;
        if length > 0 {
            upload.progress_at = self.time.now;
        }
        self.files.write(key, bytes);
        Ok(())
    }

    fn end_upload(&mut self, key: TransferKey, digest: Option<Digest>) -> Result<(), ProtocolError> {
        let Some(upload) = self.uploads.get_mut(&key) else { return Ok(()) };
        if upload.stage != UploadStage::Receiving {
            return Err(ProtocolError("An upload ends only once".into()));
        }
        if upload.received != upload.size {
            let (arrived, size) = (upload.received, upload.size);
            self.break_upload(key, &Rejection::TransferShort { arrived, size });
            return Ok(());
        }
        upload.stage = UploadStage::Storing;
        self.files.finish(key, Announced { size: upload.size, digest });
        Ok(())
    }

    fn take_abort(&mut self, key: TransferKey) {
        let no = Rejection::TransferAborted;
        match self.uploads.get(&key) {
            // Too late: the log decides, and the answer says how.
            Some(upload) if upload.stage == UploadStage::Proposed => {}
            Some(_) => self.break_upload(key, &no),
            None => self.break_download(key, &no),
        }
    }

    /// Takes what the file workers have done.
    pub(crate) fn take_file_results(&mut self) {
        while let Some((key, report)) = self.files.next_report() {
            match report {
                Report::Written { bytes } => self.written(key, bytes.into()),
                Report::Stored { digest, .. } => self.stored(key, digest),
                Report::Opened { .. } => {}
                Report::Chunk { frames, bytes } => self.send_chunk(key, frames, bytes),
                Report::Failed(failure) => self.failed(key, &failure),
            }
        }
        self.note_unlinked();
    }

    /// Gives credit back as data reaches the disk, in steps of half the window.
    fn written(&mut self, key: TransferKey, bytes: u64) {
        let Some(upload) = self.uploads.get_mut(&key) else { return };
        upload.written += bytes;
        let to_come = upload.size - upload.received - upload.credit;
        let step = to_come.min(u64::from(UPLOAD_CREDIT_BYTES) / 2);
        if step > 0 && upload.written >= step {
            let credit = upload.written.min(to_come);
            upload.written -= credit;
            upload.credit += credit;
            upload.progress_at = self.time.now;
            self.outbox.transfer(key.connection, key.tag, &Transfer::Credit { bytes: credit as u32 });
        }
    }

    /// A file is on disk for good; now the log decides whether it belongs to the thread.
    fn stored(&mut self, key: TransferKey, digest: Digest) {
        let Some(upload) = self.uploads.get_mut(&key) else { return };
        if upload.stage != UploadStage::Storing {
            return;
        }
        upload.stage = UploadStage::Proposed;
        let change = Change::AddFile {
            thread: upload.thread,
            title: upload.title.clone(),
            file: upload.file.clone(),
            id: upload.id,
            size: upload.size,
            digest,
        };
        let (account, keyed) = (upload.account, upload.key);
        self.propose_keyed(Origin::Upload(key), Some(account), keyed, change);
    }

    /// The log has decided on an upload.
    pub(crate) fn upload_decided(
        &mut self,
        key: TransferKey,
        entry: &Entry,
        result: &Result<Effect, Rejection>,
    ) {
        self.remove_upload(key);
        self.transfer_ended(key);
        // Unless the file was added, no thread has it: the same upload may have been quicker by another way.
        if let (Ok(Effect::Repeated(_)) | Err(_), Change::AddFile { id, .. }) = (result, &entry.change) {
            self.files.unlink(vec![*id]);
        }
        match result {
            Ok(effect) => self.answer_change(key.connection, key.tag, &entry.change, effect.answer(entry)),
            Err(no) => self.refuse(key.connection, key.tag, no),
        }
    }

    /// A chunk of a download was read.
    fn send_chunk(&mut self, key: TransferKey, frames: Vec<u8>, bytes: u64) {
        let Some(download) = self.downloads.get_mut(&key) else { return };
        download.reading = false;
        download.sent += bytes;
        download.credit = download.credit.saturating_sub(bytes);
        download.progress_at = self.time.now;
        self.outbox.push(key.connection, frames);
        let waits = self.outbox.queued(key.connection) + self.outbox.lag(key.connection);
        download.queued_up_to = self.outbox.written(key.connection) + waits as u64;
        self.note_activity(key.connection);
        self.pump(key);
    }

    /// Whether a connection has downloads, which go on as its output drains.
    pub(crate) fn has_downloads(&self, connection: ConnectionId) -> bool {
        !self.downloads.is_empty() && self.downloads.range(TransferKey::of(connection)).next().is_some()
    }

    /// Whether a connection has uploads or downloads.
    pub(crate) fn has_transfers(&self, connection: ConnectionId) -> bool {
        self.has_downloads(connection) || self.uploads.range(TransferKey::of(connection)).next().is_some()
    }

    /// Whether a connection has uploads that have come whole and are not answered yet.
    pub(crate) fn has_whole_uploads(&self, connection: ConnectionId) -> bool {
        let mut own = self.uploads.range(TransferKey::of(connection));
        own.any(|(_, upload)| upload.stage != UploadStage::Receiving)
    }

    /// Nothing more comes from a connection: ends its uploads that are not whole, and its downloads that have no
    /// credit left.
    pub(crate) fn end_stuck_transfers(&mut self, connection: ConnectionId) {
        let uploads = self.uploads.range(TransferKey::of(connection));
        let uploads = uploads.filter(|(_, upload)| upload.stage == UploadStage::Receiving);
        for key in uploads.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.uploads.remove(&key);
            self.files.end(key);
        }
        let downloads = self.downloads.range(TransferKey::of(connection));
        let downloads = downloads.filter(|(_, download)| download.credit == 0 && !download.reading);
        for key in downloads.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.end_download(key);
        }
    }

    /// Goes on with all downloads of a connection.
    pub(crate) fn pump_downloads(&mut self, connection: ConnectionId) {
        if self.downloads.is_empty() {
            return;
        }
        let keys: Vec<_> = self.downloads.range(TransferKey::of(connection)).map(|(key, _)| *key).collect();
        for key in keys {
            self.pump(key);
        }
    }

    /// Has the next chunk of a download read, or ends it.
    fn pump(&mut self, key: TransferKey) {
        let Some(download) = self.downloads.get_mut(&key) else { return };
        if self.sessions.get(key.connection).is_none() {
            return;
        }
        let left = download.size - download.sent;
        let has_begun = download.sent > 0 || download.credit > 0;
        if download.reading || !has_begun {
            return;
        }
        if left == 0 {
            let digest = download.digest;
            info!("{} downloaded {}", self.label(key.connection), self.downloads[&key].file);
            self.end_download(key);
            self.outbox.transfer(key.connection, key.tag, &Transfer::DataEnd { digest: Some(digest) });
        } else if download.credit > 0 && self.outbox.queued(key.connection) < QUEUED_BYTES_LOW {
            download.reading = true;
            self.files.read(key, download.credit.min(CHUNK_BYTES_MAX));
        }
    }

    fn failed(&mut self, key: TransferKey, failure: &Failure) {
        let label = self.label(key.connection);
        if let Some(Download { file, title, id, .. }) = self.downloads.get(&key) {
            warn!("{label} could not download {file} of thread {title}, files/{id}: {failure}");
            let no = match failure {
                Failure::Damaged => Rejection::FileDamaged(file.clone()),
                _ => Rejection::FileInaccessible,
            };
            self.break_download(key, &no);
        } else {
            warn!("{label} transfer {}: {failure}", key.tag);
            let no = match failure {
                Failure::NoSpace => Rejection::NoSpace,
                Failure::DigestDiffers => Rejection::DigestDiffers,
                _ => Rejection::FileInaccessible,
            };
            self.break_upload(key, &no);
        }
    }

    /// Ends an upload that came to nothing; no trace of it stays.
    pub(crate) fn break_upload(&mut self, key: TransferKey, no: &Rejection) {
        if self.remove_upload(key) {
            self.files.end(key);
            self.transfer_ended(key);
            self.refuse(key.connection, key.tag, no);
        }
    }

    /// Forgets an upload, which no limit counts any longer; says whether there was one.
    fn remove_upload(&mut self, key: TransferKey) -> bool {
        let Some(upload) = self.uploads.remove(&key) else { return false };
        self.pipeline.lower(&Subject::FilesIn(upload.thread), 0);
        self.pipeline.lower(&Subject::FilesOf(upload.account), upload.size);
        true
    }

    pub(crate) fn break_download(&mut self, key: TransferKey, no: &Rejection) {
        if self.downloads.contains_key(&key) {
            self.end_download(key);
            self.refuse(key.connection, key.tag, no);
        }
    }

    fn end_download(&mut self, key: TransferKey) {
        if let Some(download) = self.downloads.remove(&key) {
            self.removal.downloads.remove(&(download.thread, key));
        }
        self.files.end(key);
        self.transfer_ended(key);
    }

    fn transfer_ended(&mut self, key: TransferKey) {
        self.wait_ended(key.connection, Wait::Transfers);
    }

    /// A connection ends: so do its transfers, except uploads whose entry is in the log already.
    pub(crate) fn abandon_transfers(&mut self, connection: ConnectionId) {
        let uploads: Vec<_> = self
            .uploads
            .range(TransferKey::of(connection))
            .filter(|(_, upload)| upload.stage != UploadStage::Proposed)
            .map(|(key, _)| *key)
            .collect();
        for key in uploads {
            self.remove_upload(key);
            self.files.end(key);
        }
        let downloads: Vec<_> =
            self.downloads.range(TransferKey::of(connection)).map(|(key, _)| *key).collect();
        for key in downloads {
            self.end_download(key);
        }
    }
}
