//! Transfers whose client has stopped: an upload that sends nothing, a download that takes nothing. Each holds a
//! slot that others may want, so after [`Settings::transfer_timeout`](crate::core::Settings) it is given up.
//! What waits for the server, or for its disk, is not.

use forum_common::text::Rejection;

use crate::core::Core;
use crate::core::deadlines::Deadline;
use crate::core::transfers::TransferKey;
use crate::journal::Journal;
use crate::session::ConnectionId;

impl<J: Journal> Core<J> {
    /// A transfer of this connection begins.
    pub(super) fn watch_transfers(&mut self, id: ConnectionId) {
        if self.transfers.watch(id) {
            self.deadlines.set(Deadline::Transfers(id), self.time.now + self.settings.transfer_timeout);
        }
    }

    /// Output of a connection was written, or was to be.
    pub(crate) fn note_output(&mut self, id: ConnectionId) {
        if !self.transfers.no_downloads() {
            self.transfers.note_output(id, self.outbox.written(id), self.time.now);
        }
    }

    /// Gives up the transfers of a connection that stand still for too long.
    pub(crate) fn expire_transfers(&mut self, id: ConnectionId) {
        self.transfers.unwatch(id);
        let (now, timeout) = (self.time.now, self.settings.transfer_timeout);
        let is_over = |since| since + timeout <= now;
        let stalled = self.transfers.stalled(id).filter(|(_, since)| since.is_some_and(is_over));
        for key in stalled.map(|(key, _)| key).collect::<Vec<_>>() {
            self.give_up(key);
        }
        let since = self.transfers.stalled(id).map(|(_, since)| since.unwrap_or(now)).min();
        if let Some(since) = since
            && self.transfers.watch(id)
        {
            self.deadlines.set(Deadline::Transfers(id), since + timeout);
        }
    }

    fn give_up(&mut self, key: TransferKey) {
        let seconds = self.settings.transfer_timeout.as_secs();
        if let Some(upload) = self.transfers.upload(key) {
            let no = Rejection::NoProgress(upload.file.clone(), seconds);
            self.break_upload(key, &no);
        } else if let Some(download) = self.transfers.download(key) {
            let no = Rejection::NoProgress(download.file.clone(), seconds);
            self.break_download(key, &no);
        }
    }
}
