//! UPD: a file comes in pieces, is made durable by the file workers, and then becomes an entry.

use forum_common::names::{FileName, Title};
use forum_common::text::Rejection;
use forum_common::wire::{Digest, Limit, Reply, Transfer};

use crate::core::Core;
use crate::core::limits::Subject;
use crate::core::pipeline::Origin;
use crate::core::transfers::{TransferKey, Upload, UploadStage};
use crate::forum::{AccountId, Change, Effect, Entry, Keyed, ThreadId};
use crate::journal::Journal;
use crate::planted::{Bug, planted};
use crate::session::input::ProtocolError;
use crate::workers::files::{Announced, FileId, UPLOAD_CREDIT_BYTES};

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
            let id = FileId::random(&self.random);
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
            self.pipeline.in_flight_mut().raise(Subject::FilesIn(thread), 0);
            self.pipeline.in_flight_mut().raise(Subject::FilesOf(account), size);
            self.transfers.begin_upload(key, upload);
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
        if self.transfers.uploads() >= limits.max_total_uploads {
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

    pub(super) fn take_data(&mut self, key: TransferKey, bytes: &[u8]) -> Result<(), ProtocolError> {
        let Some(upload) = self.transfers.upload_mut(key) else { return Ok(()) };
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

    pub(super) fn end_upload(
        &mut self,
        key: TransferKey,
        digest: Option<Digest>,
    ) -> Result<(), ProtocolError> {
        let Some(upload) = self.transfers.upload_mut(key) else { return Ok(()) };
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
        if planted(Bug::EntryOfAFileComesBeforeTheFileIsStored)
            && let Some(digest) = digest
        {
            self.stored(key, digest);
        }
        Ok(())
    }

    /// Gives credit back as data reaches the disk, in steps of half the window.
    pub(super) fn written(&mut self, key: TransferKey, bytes: u64) {
        let Some(upload) = self.transfers.upload_mut(key) else { return };
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
    pub(super) fn stored(&mut self, key: TransferKey, digest: Digest) {
        let Some(upload) = self.transfers.upload_mut(key) else { return };
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

    /// Ends an upload that came to nothing; no trace of it stays.
    pub(crate) fn break_upload(&mut self, key: TransferKey, no: &Rejection) {
        if self.remove_upload(key) {
            self.files.end(key);
            self.transfer_ended(key);
            self.refuse(key.connection, key.tag, no);
        }
    }

    /// Forgets an upload, which no limit counts any longer; says whether there was one.
    /// An upload is over, however it ended; says whether there was one.
    pub(super) fn remove_upload(&mut self, key: TransferKey) -> bool {
        let Some(upload) = self.transfers.end_upload(key) else { return false };
        self.pipeline.in_flight_mut().lower(&Subject::FilesIn(upload.thread), 0);
        self.pipeline.in_flight_mut().lower(&Subject::FilesOf(upload.account), upload.size);
        true
    }
}
