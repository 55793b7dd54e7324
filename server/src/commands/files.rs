//! Files on their way: uploads and downloads, each known by its connection and the tag of its request.
//!
//! Data flows against credit, so neither a fast client nor a slow one makes the server's memory grow: an upload has at
//! most [`UPLOAD_CREDIT_BYTES`](crate::workers::files::UPLOAD_CREDIT_BYTES) between socket and disk, a download one
//! chunk in memory. The disk itself is touched by the file workers only.

use forum_common::text::Rejection;
use forum_common::wire::{Tag, Transfer};
use log::warn;

use crate::core::Core;
use crate::core::transfers::{Download, TransferKey, UploadStage};
use crate::journal::Journal;
use crate::session::input::{ProtocolError, Taken};
use crate::session::{ConnectionId, Wait};
use crate::workers::files::{Failure, Report};

impl<J: Journal> Core<J> {
    /// A request may not have the tag of a transfer under way: nobody could tell their answers apart.
    pub(crate) fn insist_on_new(&self, key: TransferKey) -> Result<(), ProtocolError> {
        if self.transfers.has(key) {
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
        if self.transfers.has(key) {
            self.note_activity(connection);
        }
        match frame {
            Transfer::Data { piece } => self.take_data(key, piece)?,
            Transfer::DataEnd { digest } => self.end_upload(key, digest)?,
            Transfer::Credit { bytes } => self.take_credit(key, bytes)?,
            Transfer::Abort => self.take_abort(key),
        }
        Ok(Taken::Yes)
    }

    fn take_abort(&mut self, key: TransferKey) {
        let no = Rejection::TransferAborted;
        match self.transfers.upload(key) {
            // Too late: the log decides, and the answer says how.
            Some(upload) if upload.stage == UploadStage::Proposed => {}
            Some(_) => self.break_upload(key, &no),
            None => self.break_download(key, &no),
        }
    }

    /// Takes one of the steps that the file workers have done; says whether there was one.
    pub(crate) fn take_file_report(&mut self) -> bool {
        let Some((key, report)) = self.files.next_report() else { return false };
        match report {
            Report::Written { bytes } => self.written(key, bytes.into()),
            Report::Stored { digest, .. } => self.stored(key, digest),
            Report::Opened { .. } => {}
            Report::Chunk { frames, bytes } => self.send_chunk(key, frames, bytes),
            Report::Failed(failure) => self.failed(key, &failure),
        }
        true
    }

    /// Whether a connection has downloads, which go on as its output drains.
    pub(crate) fn has_downloads(&self, connection: ConnectionId) -> bool {
        !self.transfers.no_downloads() && self.transfers.downloads_of(connection).next().is_some()
    }

    /// Whether a connection has uploads or downloads.
    pub(crate) fn has_transfers(&self, connection: ConnectionId) -> bool {
        self.has_downloads(connection) || self.transfers.uploads_of(connection).next().is_some()
    }

    /// Whether a connection has uploads that have come whole and are not answered yet.
    pub(crate) fn has_whole_uploads(&self, connection: ConnectionId) -> bool {
        let mut own = self.transfers.uploads_of(connection);
        own.any(|(_, upload)| upload.stage != UploadStage::Receiving)
    }

    /// Nothing more comes from a connection: ends its uploads that are not whole, and its downloads that have no
    /// credit left.
    pub(crate) fn end_stuck_transfers(&mut self, connection: ConnectionId) {
        let uploads = self.transfers.uploads_of(connection);
        let uploads = uploads.filter(|(_, upload)| upload.stage == UploadStage::Receiving);
        let uploads: Vec<_> = uploads.map(|(key, _)| key).collect();
        let downloads = self.transfers.downloads_of(connection);
        let downloads = downloads.filter(|(_, download)| download.credit == 0 && !download.reading);
        let downloads: Vec<_> = downloads.map(|(key, _)| key).collect();
        self.end_transfers(uploads, downloads);
    }

    /// Ends transfers of which nobody is to be told.
    fn end_transfers(&mut self, uploads: Vec<TransferKey>, downloads: Vec<TransferKey>) {
        for key in uploads {
            self.remove_upload(key);
            self.files.end(key);
        }
        for key in downloads {
            self.end_download(key);
        }
    }

    fn failed(&mut self, key: TransferKey, failure: &Failure) {
        let label = self.label(key.connection);
        if let Some(Download { file, title, id, .. }) = self.transfers.download(key) {
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

    pub(super) fn transfer_ended(&mut self, key: TransferKey) {
        self.wait_ended(key.connection, Wait::Transfers);
    }

    /// A connection ends: so do its transfers, except uploads whose entry is in the log already.
    pub(crate) fn abandon_transfers(&mut self, connection: ConnectionId) {
        let uploads = self.transfers.uploads_of(connection);
        let uploads = uploads.filter(|(_, upload)| upload.stage != UploadStage::Proposed);
        let uploads: Vec<_> = uploads.map(|(key, _)| key).collect();
        let downloads: Vec<_> = self.transfers.downloads_of(connection).map(|(key, _)| key).collect();
        self.end_transfers(uploads, downloads);
    }
}
