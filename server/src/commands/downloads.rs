//! DWN: a file goes out in pieces, as fast as its client gives credit and its output drains.

use forum_common::names::{FileName, Title};
use forum_common::text::Rejection;
use forum_common::wire::credit::CreditError;
use forum_common::wire::{Digest, Limit, Reply, Tag, Transfer};
use log::info;

use crate::core::Core;
use crate::core::outbox::QUEUED_BYTES_LOW;
use crate::core::transfers::{Download, TransferKey};
use crate::journal::Journal;
use crate::session::ConnectionId;
use crate::session::input::ProtocolError;
use crate::workers::files::{CHUNK_BYTES_MAX, Expected};

impl<J: Journal> Core<J> {
    /// DWN: says how large the file is; data flows once the client gives credit. A client that has the beginning of this
    /// very file gets the rest.
    pub(crate) fn start_download(
        &mut self,
        connection: ConnectionId,
        tag: Tag,
        title: &str,
        file: &str,
        has: Option<(u64, Digest)>,
    ) -> Result<Result<(), Rejection>, ProtocolError> {
        let key = TransferKey { connection, tag };
        Ok(self.check_download(connection, title, file, has).map(|download| {
            let (size, digest, offset) = (download.size, download.digest, download.sent);
            self.outbox.reply(connection, tag, &Reply::DownloadStarts { size, digest, offset });
            self.files.open(key, download.id, tag, Expected { size, digest }, offset);
            self.transfers.begin_download(key, download);
            self.watch_transfers(connection);
        }))
    }

    fn check_download(
        &self,
        connection: ConnectionId,
        title: &str,
        file: &str,
        has: Option<(u64, Digest)>,
    ) -> Result<Download, Rejection> {
        let title = Title::parse(title)?;
        let name = FileName::parse(file)?;
        let thread = self.forum.threads.named(&title)?;
        let no_file = || Rejection::NoSuchFile(title.clone());
        let found = thread.file(&name).ok_or_else(no_file)?;
        if self.transfers.downloads_of(connection).count() >= self.settings.limits.max_downloads {
            return Err(Rejection::LimitReached(Limit::Downloads, self.settings.limits.max_downloads as u64));
        }
        let is_part = |(offset, digest): &(u64, Digest)| *digest == found.digest && *offset <= found.size;
        let download = Download {
            thread: self.forum.threads.find(&title).ok_or_else(no_file)?,
            title: title.clone(),
            id: found.id,
            file: name,
            size: found.size,
            digest: found.digest,
            sent: has.filter(is_part).map_or(0, |(offset, _)| offset),
            has_begun: false,
            credit: 0,
            reading: false,
            progress_at: self.time.now,
            written: self.outbox.written(connection),
            queued_up_to: 0,
        };
        Ok(download)
    }

    /// A chunk of a download was read.
    pub(super) fn send_chunk(&mut self, key: TransferKey, frames: Vec<u8>, bytes: u64) {
        let Some(download) = self.transfers.download_mut(key) else { return };
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

    /// Goes on with all downloads of a connection.
    pub(crate) fn pump_downloads(&mut self, connection: ConnectionId) {
        if self.transfers.no_downloads() {
            return;
        }
        let keys: Vec<_> = self.transfers.downloads_of(connection).map(|(key, _)| key).collect();
        for key in keys {
            self.pump(key);
        }
    }

    /// Has the next chunk of a download read, or ends it.
    pub(super) fn pump(&mut self, key: TransferKey) {
        let Some(download) = self.transfers.download_mut(key) else { return };
        if self.sessions.get(key.connection).is_none() {
            return;
        }
        let left = download.size - download.sent;
        if download.reading || !download.has_begun {
            return;
        }
        if left == 0 {
            let (digest, file) = (download.digest, download.file.clone());
            info!("{} downloaded {file}", self.label(key.connection));
            self.end_download(key);
            self.outbox.transfer(key.connection, key.tag, &Transfer::DataEnd { digest: Some(digest) });
        } else if download.credit > 0 && self.outbox.queued(key.connection) < QUEUED_BYTES_LOW {
            download.reading = true;
            self.files.read(key, download.credit.min(CHUNK_BYTES_MAX));
        }
    }

    pub(crate) fn break_download(&mut self, key: TransferKey, no: &Rejection) {
        if self.transfers.download(key).is_some() {
            self.end_download(key);
            self.refuse(key.connection, key.tag, no);
        }
    }

    pub(super) fn end_download(&mut self, key: TransferKey) {
        self.transfers.end_download(key);
        self.files.end(key);
        self.transfer_ended(key);
    }

    /// A client takes so many bytes more.
    pub(super) fn take_credit(&mut self, key: TransferKey, bytes: u32) -> Result<(), ProtocolError> {
        let Some(download) = self.transfers.download_mut(key) else { return Ok(()) };
        // Further credit takes nothing while what there is waits to be read.
        if download.credit == 0 && bytes > 0 {
            download.progress_at = self.time.now;
        }
        download.has_begun |= bytes > 0;
        download.credit += u64::from(bytes);
        if download.credit > u32::MAX.into() {
            return Err(ProtocolError(CreditError::Overflow.to_string()));
        }
        self.pump(key);
        Ok(())
    }
}
