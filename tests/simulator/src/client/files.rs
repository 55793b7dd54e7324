//! Uploads and downloads of a client.

use forum_common::wire::{Digest, OwnedReply, OwnedRequest, OwnedTransfer, Refusal, Tag, Transfer as Frame};

use super::{Asked, Client, Note, Phase};
use crate::rng::Rng;
use crate::stage::Stage;

/// Bytes of credit that a download is given at once, at most.
const CREDIT_MAX: u64 = 3_000;

/// A file on its way.
#[derive(Debug)]
pub(super) enum Transfer {
    Upload {
        content: Vec<u8>,
        sent: usize,
        credit: usize,
        /// The client gives it up, or lies about its digest.
        will_abort: bool,
        is_aborted: bool,
    },
    Download {
        received: Vec<u8>,
        size: u64,
        digest: Digest,
        credit: u64,
        is_aborted: bool,
    },
}

/// The bytes of a file: the same whenever it is asked for again.
fn content_of(request: &OwnedRequest) -> Vec<u8> {
    let OwnedRequest::Upload { title, file, size, .. } = request else { return Vec::new() };
    let mut content = vec![0; *size as usize];
    let name = title.bytes().chain(file.bytes()).fold(*size, |hash, byte| (hash << 8) + u64::from(byte));
    Rng::new(name).fill(&mut content);
    content
}

impl Client {
    /// Announces a file.
    pub(super) fn begin_upload(&mut self, stage: &mut Stage) {
        let size = self.rng.below(2) * self.rng.magnitude(1, 4_000);
        let (title, file) = (self.title(), self.file());
        let request = OwnedRequest::Upload { title, file, size, key: self.key() };
        self.ask(stage, &request.clone(), Asked::Member(request));
    }

    /// A transfer may begin.
    pub(super) fn take_start(
        &mut self,
        stage: &mut Stage,
        tag: Tag,
        request: &OwnedRequest,
        reply: &OwnedReply,
    ) {
        let Some(connection) = &mut self.connection else { return };
        match reply {
            OwnedReply::UploadStarts { credit } => {
                let (content, sent, credit) = (content_of(request), 0, *credit as usize);
                let (will_abort, is_aborted) = (!stage.is_calm && self.rng.chance(100), false);
                let upload = Transfer::Upload { content, sent, credit, will_abort, is_aborted };
                connection.transfers.insert(tag, upload);
                self.send_data(stage, tag);
            }
            OwnedReply::DownloadStarts { size, digest, .. } => {
                let (received, size, digest) = (Vec::new(), *size, *digest);
                let download = Transfer::Download { received, size, digest, credit: 0, is_aborted: false };
                connection.transfers.insert(tag, download);
                self.give_credit(tag);
            }
            other => stage.fail(format!("{other:?} begins no transfer")),
        }
    }

    fn send_data(&mut self, stage: &mut Stage, tag: Tag) {
        let Some(connection) = &mut self.connection else { return };
        let Some(Transfer::Upload { content, sent, credit, will_abort, is_aborted }) =
            connection.transfers.get_mut(&tag)
        else {
            return;
        };
        while *credit > 0 && *sent < content.len() && !*is_aborted {
            let count = (self.rng.between(1, 1_500) as usize).min(*credit).min(content.len() - *sent);
            let piece = &content[*sent..*sent + count];
            connection.peer.transfer(tag, &Frame::Data { piece });
            (*sent, *credit) = (*sent + count, *credit - count);
            if *will_abort && self.rng.chance(500) {
                *is_aborted = true;
                connection.peer.transfer(tag, &Frame::Abort);
            }
        }
        if *sent == content.len() && !std::mem::replace(is_aborted, true) {
            let digest = self.rng.chance(800).then(|| *blake3::hash(content).as_bytes());
            connection.peer.transfer(tag, &Frame::DataEnd { digest });
            if connection.phase == Phase::Member && self.rng.chance(150) {
                self.leave(stage);
            }
        }
    }

    fn give_credit(&mut self, tag: Tag) {
        let bytes = self.rng.between(1, CREDIT_MAX);
        let Some(connection) = &mut self.connection else { return };
        if let Some(Transfer::Download { credit, is_aborted: false, .. }) = connection.transfers.get_mut(&tag)
            && *credit == 0
        {
            *credit += bytes;
            connection.peer.transfer(tag, &Frame::Credit { bytes: bytes as u32 });
        }
    }

    /// A frame of a transfer has come.
    pub(super) fn take_transfer(&mut self, stage: &mut Stage, tag: Tag, transfer: &OwnedTransfer) {
        let Some(connection) = &mut self.connection else { return };
        let known = connection.transfers.get_mut(&tag);
        match (transfer, known) {
            (OwnedTransfer::Credit { bytes }, Some(Transfer::Upload { credit, .. })) => {
                *credit += *bytes as usize;
                self.send_data(stage, tag);
            }
            (
                OwnedTransfer::Data { piece },
                Some(Transfer::Download { received, credit, is_aborted, .. }),
            ) => {
                received.extend_from_slice(piece);
                let Some(left) = credit.checked_sub(piece.len() as u64) else {
                    return stage.fail(format!("{} bytes with a credit of {credit}", piece.len()));
                };
                *credit = left;
                if self.rng.chance(20) {
                    *is_aborted = true;
                    connection.peer.transfer(tag, &Frame::Abort);
                }
                self.give_credit(tag);
            }
            (other, known) => stage.fail(format!("{other:?} for {known:?}")),
        }
    }

    /// A download is whole.
    pub(super) fn downloaded(&mut self, stage: &mut Stage, tag: Tag, note: &Note, end: &OwnedTransfer) {
        let Some(connection) = &mut self.connection else { return };
        let (socket, known) = (connection.socket, connection.transfers.remove(&tag));
        let Asked::Member(request) = &note.asked else { return };
        let Some(Transfer::Download { received, size, digest, .. }) = known else { return };
        let taken = *blake3::hash(&received).as_bytes();
        let is_whole = received.len() as u64 == size && taken == digest;
        let is_said = matches!(end, OwnedTransfer::DataEnd { digest: Some(said) } if *said == digest);
        if !is_whole || !is_said {
            stage.fail(format!("{request:?}: {} bytes of {size} came, and {end:?}", received.len()));
        }
        self.expect_file(stage, note, request, size, digest);
        stage.oracle.borrow_mut().conn(socket).forget(tag);
    }

    /// A thread has had such a file at some time since it was asked for.
    fn expect_file(&self, stage: &Stage, note: &Note, request: &OwnedRequest, size: u64, digest: Digest) {
        let OwnedRequest::Download { title, file, .. } = request else { return };
        let held =
            stage.oracle.borrow().held(note.from, |state| state.file(title, file) == Some((size, digest)));
        if !held {
            stage.fail(format!("{title} had no file {file} of {size} bytes"));
        }
    }

    /// A transfer came to nothing, or an upload is stored.
    pub(super) fn transfer_answered(
        &mut self,
        stage: &mut Stage,
        tag: Tag,
        note: &Note,
        request: &OwnedRequest,
        reply: &OwnedReply,
    ) {
        let Some(connection) = &mut self.connection else { return };
        let (socket, known) = (connection.socket, connection.transfers.remove(&tag));
        let OwnedReply::Refused { code, .. } = reply else {
            return stage.oracle.borrow_mut().answered(socket, tag, note.from, request, None, reply);
        };
        let has_begun = match &known {
            Some(Transfer::Upload { sent, content, .. }) => *sent > 0 || content.is_empty(),
            Some(Transfer::Download { .. }) => true,
            None => false,
        };
        let holds = match code {
            Refusal::RemovedDuringDownload => {
                let OwnedRequest::Download { title, .. } = request else { return };
                stage.oracle.borrow().held(note.from, |state| state.thread(title).is_none())
            }
            // The disk is full, or the client gave it up, or was too slow.
            Refusal::NoSpace | Refusal::TransferAborted => has_begun,
            _ => false,
        };
        if holds {
            stage.oracle.borrow_mut().conn(socket).forget(tag);
        } else {
            stage.oracle.borrow_mut().answered(socket, tag, note.from, request, None, reply);
        }
    }
}
