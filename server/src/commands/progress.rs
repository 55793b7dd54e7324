//! Transfers whose client has stopped: an upload that sends nothing, a download that takes nothing. Each holds a
//! slot that others may want, so after [`Settings::transfer_timeout`](crate::core::Settings) it is given up.
//! What waits for the server, or for its disk, is not.

use std::collections::HashSet;
use std::time::Instant;

use forum_common::text::Rejection;

use super::files::{Download, TransferKey, Upload, UploadStage};
use crate::core::Core;
use crate::journal::Journal;
use crate::session::ConnectionId;
use crate::timers::DeadlineQueue;

/// When to look at the transfers of which connections.
///
/// Connections and not transfers, because those may come and go by the thousand within one timeout: a connection with
/// transfers is looked at about once per timeout, however many it has had.
#[derive(Debug, Default)]
pub(crate) struct TransferDeadlines {
    queue: DeadlineQueue<ConnectionId>,
    /// Exactly those in the queue.
    queued: HashSet<ConnectionId>,
}

impl TransferDeadlines {
    /// Has the transfers of a connection looked at when `due` has come, or before.
    fn watch(&mut self, connection: ConnectionId, due: Instant) {
        if self.queued.insert(connection) {
            self.queue.push(connection, due);
        }
    }

    fn pop_due(&mut self, now: Instant) -> Option<ConnectionId> {
        let connection = self.queue.pop_due(now)?;
        self.queued.remove(&connection);
        Some(connection)
    }

    /// When the next connection is to be looked at.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.queue.next_due()
    }
}

impl Upload {
    /// Since when its client could have sent something; none while it could not.
    fn stalled_since(&self) -> Option<Instant> {
        let is_clients_turn = self.credit > 0 || self.received == self.size;
        (self.stage == UploadStage::Receiving && is_clients_turn).then_some(self.progress_at)
    }
}

impl Download {
    /// Since when its client could have taken something; none while it could not.
    fn stalled_since(&self) -> Option<Instant> {
        (!self.reading).then_some(self.progress_at)
    }

    /// Its connection has written so many bytes in all. That is progress if it waits for them to leave: its own, or
    /// those that are in the way of more.
    fn note_output(&mut self, written: u64, now: Instant) {
        let waits_for_output = self.credit > 0 || self.queued_up_to > self.written;
        if written > self.written && waits_for_output {
            self.progress_at = now;
        }
        self.written = written;
    }
}

impl<J: Journal> Core<J> {
    /// A transfer of this connection begins.
    pub(crate) fn watch_transfers(&mut self, connection: ConnectionId) {
        self.transfer_deadlines.watch(connection, self.time.now + self.settings.transfer_timeout);
    }

    /// Output of a connection was written, or was to be.
    pub(crate) fn note_output(&mut self, connection: ConnectionId) {
        if self.downloads.is_empty() {
            return;
        }
        let written = self.outbox.written(connection);
        for (_, download) in self.downloads.range_mut(TransferKey::of(connection)) {
            download.note_output(written, self.time.now);
        }
    }

    /// Gives up the transfers that stand still for too long.
    pub(crate) fn expire_transfers(&mut self) {
        while let Some(connection) = self.transfer_deadlines.pop_due(self.time.now) {
            let stalled = self.stalled_transfers(connection);
            for key in stalled {
                self.give_up(key);
            }
            if let Some(due) = self.transfers_due(connection) {
                self.transfer_deadlines.watch(connection, due);
            }
        }
    }

    fn stalled_transfers(&self, connection: ConnectionId) -> Vec<TransferKey> {
        let is_over = |since: &Instant| *since + self.settings.transfer_timeout <= self.time.now;
        let all = self.transfers_of(connection);
        all.filter(|(_, since)| since.as_ref().is_some_and(is_over)).map(|(key, _)| key).collect()
    }

    /// When a connection's transfers are to be looked at again; none if it has none.
    fn transfers_due(&self, connection: ConnectionId) -> Option<Instant> {
        let since = self.transfers_of(connection).map(|(_, since)| since.unwrap_or(self.time.now)).min()?;
        Some(since + self.settings.transfer_timeout)
    }

    /// All transfers of a connection, and since when each waits for its client, if it does.
    fn transfers_of(&self, connection: ConnectionId) -> impl Iterator<Item = (TransferKey, Option<Instant>)> {
        let uploads = self.uploads.range(TransferKey::of(connection));
        let downloads = self.downloads.range(TransferKey::of(connection));
        let uploads = uploads.map(|(key, upload)| (*key, upload.stalled_since()));
        uploads.chain(downloads.map(|(key, download)| (*key, download.stalled_since())))
    }

    fn give_up(&mut self, key: TransferKey) {
        let seconds = self.settings.transfer_timeout.as_secs();
        if let Some(upload) = self.uploads.get(&key) {
            let no = Rejection::NoProgress(upload.file.clone(), seconds);
            self.break_upload(key, &no);
        } else if let Some(download) = self.downloads.get(&key) {
            let no = Rejection::NoProgress(download.file.clone(), seconds);
            self.break_download(key, &no);
        }
    }
}
