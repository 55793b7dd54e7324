//! Files that a bare client sends and takes.

use forum_common::limits::DATA_BYTES_MAX;
use forum_common::wire::{OwnedFromServer, OwnedReply, OwnedTransfer, Request, Tag, Transfer, Window};

use super::Wire;
use crate::outcome::{self, Outcome, Refused};

impl Wire {
    /// The next frame, which must be one of the transfer `tag`.
    pub fn transfer(&mut self, tag: Tag) -> OwnedTransfer {
        self.transfer_or_end(tag).expect("the transfer goes on")
    }

    /// The same, or why the server has ended it.
    fn transfer_or_end(&mut self, tag: Tag) -> Result<OwnedTransfer, Refused> {
        match self.next_frame() {
            Some(OwnedFromServer::Transfer(its_tag, transfer)) if its_tag == tag => Ok(transfer),
            Some(OwnedFromServer::Reply(its_tag, reply)) if its_tag == tag => {
                Err(outcome::of(reply).expect_err("a refusal"))
            }
            other => panic!("wanted a frame of transfer {tag}, not {other:?}"),
        }
    }

    /// Does a round trip while an upload runs: credit that comes meanwhile is dropped.
    pub fn ping_between_credits(&mut self) {
        let tag = self.send(&Request::Ping { payload: b"?" });
        self.reply_between_credits(tag);
    }

    /// The reply to `tag`; credit that comes before it is dropped.
    fn reply_between_credits(&mut self, tag: Tag) -> OwnedReply {
        loop {
            match self.next_frame() {
                Some(OwnedFromServer::Transfer(_, OwnedTransfer::Credit { .. })) => {}
                Some(OwnedFromServer::Reply(its_tag, reply)) if its_tag == tag => return reply,
                other => panic!("wanted the answer to {tag}, not {other:?}"),
            }
        }
    }

    /// Sends a whole file; the server's last word.
    ///
    /// # Errors
    /// It is refused.
    pub fn upload(&mut self, title: &str, file: &str, bytes: &[u8]) -> Outcome {
        let (tag, credit) = self.start_upload(title, file, bytes.len() as u64)?;
        self.send_data(tag, credit, bytes);
        self.end_upload(tag, bytes)
    }

    /// Asks to send a file: the transfer's tag and its first credit.
    ///
    /// # Errors
    /// It is refused.
    pub fn start_upload(&mut self, title: &str, file: &str, size: u64) -> Result<(Tag, u32), Refused> {
        let tag = self.send(&Request::Upload { title, file, size, key: None });
        match self.answer(tag) {
            OwnedReply::UploadStarts { credit } => Ok((tag, credit)),
            other => Err(outcome::of(other).expect_err("a refusal")),
        }
    }

    /// Sends file bytes within the credit; what credit is left.
    ///
    /// # Panics
    /// The server refuses the rest.
    pub fn send_data(&mut self, tag: Tag, credit: u32, bytes: &[u8]) -> u32 {
        self.try_send_data(tag, credit, bytes).expect("credit")
    }

    /// Sends file bytes within the credit: what credit is left.
    ///
    /// # Errors
    /// The server wants no more.
    pub fn try_send_data(&mut self, tag: Tag, mut credit: u32, mut bytes: &[u8]) -> Result<u32, Refused> {
        while !bytes.is_empty() {
            while credit == 0 {
                match self.transfer_or_end(tag)? {
                    OwnedTransfer::Credit { bytes } => credit += bytes,
                    other => panic!("wanted credit, not {other:?}"),
                }
            }
            let length = bytes.len().min(credit as usize).min(DATA_BYTES_MAX);
            let (piece, rest) = bytes.split_at(length);
            self.send_transfer(tag, &Transfer::Data { piece });
            credit -= length as u32;
            bytes = rest;
        }
        Ok(credit)
    }

    /// Says that these were all bytes; the server's last word.
    ///
    /// # Errors
    /// It is refused.
    pub fn end_upload(&mut self, tag: Tag, bytes: &[u8]) -> Outcome {
        let digest = Some(*blake3::hash(bytes).as_bytes());
        self.send_transfer(tag, &Transfer::DataEnd { digest });
        self.last_word(tag)
    }

    /// What becomes of the upload `tag`; credit that is still on its way is dropped.
    ///
    /// # Errors
    /// It is refused.
    pub fn last_word(&mut self, tag: Tag) -> Outcome {
        outcome::of(self.reply_between_credits(tag))
    }

    /// Asks for a file: the transfer's tag and the file's size.
    ///
    /// # Errors
    /// It is refused.
    pub fn start_download(&mut self, title: &str, file: &str) -> Result<(Tag, u64), Refused> {
        let tag = self.send(&Request::Download { title, file, offset: None, digest: None });
        match self.answer(tag) {
            OwnedReply::DownloadStarts { size, .. } => Ok((tag, size)),
            other => Err(outcome::of(other).expect_err("a refusal")),
        }
    }

    /// Takes a whole file, of which at most `window` bytes may be on their way.
    ///
    /// # Errors
    /// It is refused, before it begins or in the middle.
    pub fn download(&mut self, title: &str, file: &str, window: u32) -> Result<Vec<u8>, Refused> {
        let (tag, size) = self.start_download(title, file)?;
        let (mut window, first) = Window::new(size, window);
        let (mut bytes, mut credit) = (Vec::new(), Some(first));
        loop {
            if let Some(bytes) = credit.take() {
                self.send_transfer(tag, &Transfer::Credit { bytes });
            }
            match self.transfer_or_end(tag)? {
                OwnedTransfer::Data { piece } => {
                    window.received(piece.len()).expect("no more than was asked for");
                    credit = window.stored(piece.len());
                    bytes.extend_from_slice(&piece);
                }
                OwnedTransfer::DataEnd { digest } => {
                    assert_eq!(bytes.len() as u64, size);
                    assert_eq!(digest, Some(*blake3::hash(&bytes).as_bytes()));
                    return Ok(bytes);
                }
                other => panic!("wanted a piece of {file}, not {other:?}"),
            }
        }
    }
}
