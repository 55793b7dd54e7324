//! A file on its way to the server, sent as the server gives credit.

use std::io;

use forum_common::frame::Tag;
use forum_common::limits::DATA_BYTES_MAX;
use forum_common::reply::Reply;
use forum_common::transfer::Transfer;

use super::Step;
use crate::connection::Outbox;
use crate::original::{Original, Source};
use crate::wording::cause;

/// A file being sent.
#[derive(Debug)]
pub struct Upload {
    name: String,
    size: u64,
    stage: Sending,
}

#[derive(Debug)]
enum Sending {
    /// The server was asked.
    Asked(Original),
    /// It said yes.
    Going { original: Original, digest: Box<blake3::Hasher>, sent: u64, credit: u64 },
    /// All is sent; the server has the word.
    Sent,
    /// Given up, and said so; the server has the word.
    GivenUp,
}

/// What [`Upload::send_one`] did.
#[derive(Debug, PartialEq, Eq)]
pub enum Sent {
    /// One frame is in the outbox.
    Frame,
    /// Nothing: there is no credit, or nothing left to send.
    Nothing,
    /// The local file failed; this end gives up, for this reason.
    GaveUp(String),
}

impl Upload {
    /// The transfer of `source`, for which the server has just been asked.
    pub fn new(source: Source) -> Self {
        let Source { name, original } = source;
        Self { name, size: original.size(), stage: Sending::Asked(original) }
    }

    /// The file's name in the forum.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes sent and bytes in all, while they are being sent.
    pub fn progress(&self) -> Option<(u64, u64)> {
        match self.stage {
            Sending::Going { sent, .. } => Some((sent, self.size)),
            Sending::Sent => Some((self.size, self.size)),
            Sending::Asked(_) | Sending::GivenUp => None,
        }
    }

    /// Takes in the server's answer, of which there are up to two: the go-ahead and the end.
    pub fn answered(&mut self, reply: &Reply<'_>) -> Step {
        let stage = std::mem::replace(&mut self.stage, Sending::GivenUp);
        match (stage, reply) {
            (Sending::Asked(original), Reply::UploadStarts { credit }) => {
                let digest = Box::new(blake3::Hasher::new());
                self.stage = Sending::Going { original, digest, sent: 0, credit: u64::from(*credit) };
                Step::Going
            }
            (Sending::GivenUp, Reply::Refused { .. } | Reply::Done { .. }) => Step::Over,
            (Sending::Sent, Reply::Done { text }) => Step::Done((*text).to_owned()),
            (_, Reply::Refused { text, .. }) => Step::Refused((*text).to_owned()),
            _ => Step::Unexpected,
        }
    }

    /// Takes in a frame of the transfer itself.
    pub fn credited(&mut self, transfer: &Transfer<'_>) -> Step {
        match (&mut self.stage, transfer) {
            (Sending::Going { credit, .. }, Transfer::Credit(bytes)) => {
                *credit += u64::from(*bytes);
                Step::Going
            }
            // Credit may cross the last byte, or the abort, on its way.
            (Sending::Sent | Sending::GivenUp, Transfer::Credit(_)) => Step::Going,
            _ => Step::Unexpected,
        }
    }

    /// Whether [`Upload::send_one`] would send something.
    pub fn can_send(&self) -> bool {
        matches!(&self.stage, Sending::Going { sent, credit, .. } if *credit > 0 || *sent == self.size)
    }

    /// Puts the next frame into the outbox, if the server has given credit for it.
    pub fn send_one(&mut self, tag: Tag, outbox: &mut Outbox) -> Sent {
        if !self.can_send() {
            return Sent::Nothing;
        }
        match self.send_next(tag, outbox) {
            Ok(()) => Sent::Frame,
            Err(error) => {
                outbox.transfer(tag, &Transfer::Abort);
                self.stage = Sending::GivenUp;
                Sent::GaveUp(format!("{} was not uploaded: {}", self.name, cause(&error)))
            }
        }
    }

    /// Sends the next bytes, or the end: what is said to be whole has not changed since it was opened.
    fn send_next(&mut self, tag: Tag, outbox: &mut Outbox) -> io::Result<()> {
        let Sending::Going { original, digest, sent, credit } = &mut self.stage else { return Ok(()) };
        if *sent == self.size {
            original.verify()?;
            outbox.transfer(tag, &Transfer::End(*digest.finalize().as_bytes()));
            self.stage = Sending::Sent;
            return Ok(());
        }
        let mut bytes = [0; DATA_BYTES_MAX];
        let wanted = (self.size - *sent).min(*credit).min(DATA_BYTES_MAX as u64);
        let count = original.read_some_at(&mut bytes[..wanted as usize], *sent)?;
        digest.update(&bytes[..count]);
        outbox.transfer(tag, &Transfer::Data(&bytes[..count]));
        *sent += count as u64;
        *credit -= count as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::os::unix::fs::FileExt;
    use std::time::SystemTime;

    use forum_common::refusal::Refusal;
    use tempfile::NamedTempFile;

    use super::*;
    use crate::transfer::frames::{TAG, aborted, content, encoded, frames};

    /// The upload of a file `f` with this content, last changed long ago, and the name by which others change that.
    fn upload_of(content: &[u8]) -> (NamedTempFile, Upload) {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        file.as_file().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let original = Original::new(File::open(file.path()).unwrap()).unwrap();
        (file, Upload::new(Source { name: "f".to_owned(), original }))
    }

    #[test]
    fn an_upload_sends_against_credit_and_ends_with_the_digest() {
        let content = content(150_000);
        let (_file, mut upload) = upload_of(&content);
        let mut outbox = Outbox::default();
        assert_eq!(upload.send_one(TAG, &mut outbox), Sent::Nothing, "nothing before the go-ahead");
        assert_eq!(upload.answered(&Reply::UploadStarts { credit: 100_000 }), Step::Going);

        let mut arrived = Vec::new();
        let mut pump = |upload: &mut Upload| {
            while upload.send_one(TAG, &mut outbox) == Sent::Frame {}
            let frames = frames(&mut outbox);
            for (kind, body) in &frames {
                if *kind == forum_common::transfer::DATA {
                    assert!(body.len() <= DATA_BYTES_MAX);
                    arrived.extend_from_slice(body);
                }
            }
            (arrived.clone(), frames)
        };
        let (arrived, _) = pump(&mut upload);
        assert_eq!(arrived.len(), 100_000, "never more than the credit");
        assert_eq!(upload.progress(), Some((100_000, 150_000)));
        assert_eq!(upload.credited(&Transfer::Credit(1_000_000)), Step::Going);
        let (arrived, frames) = pump(&mut upload);
        assert_eq!(arrived, content);
        assert_eq!(frames.last(), encoded(&Transfer::End(*blake3::hash(&content).as_bytes())).first());
        assert!(!upload.can_send());
        let done = Reply::Done { text: "f uploaded to T thread" };
        assert_eq!(upload.answered(&done), Step::Done("f uploaded to T thread".into()));
    }

    #[test]
    fn an_empty_file_is_its_digest_alone() {
        let (_file, mut upload) = upload_of(b"");
        let mut outbox = Outbox::default();
        assert_eq!(upload.answered(&Reply::UploadStarts { credit: 0 }), Step::Going);
        assert_eq!(upload.send_one(TAG, &mut outbox), Sent::Frame);
        assert_eq!(upload.send_one(TAG, &mut outbox), Sent::Nothing);
        assert_eq!(frames(&mut outbox), encoded(&Transfer::End(*blake3::hash(b"").as_bytes())));
    }

    /// An upload of 100,000 bytes whose file is changed like this after the first of them have been sent.
    fn changed_meanwhile(change: impl FnOnce(&File)) -> String {
        let (file, mut upload) = upload_of(&content(100_000));
        let mut outbox = Outbox::default();
        assert_eq!(upload.answered(&Reply::UploadStarts { credit: 1_000_000 }), Step::Going);
        assert_eq!(upload.send_one(TAG, &mut outbox), Sent::Frame);
        change(file.as_file());
        let reason = loop {
            match upload.send_one(TAG, &mut outbox) {
                Sent::Frame => {}
                Sent::GaveUp(reason) => break reason,
                Sent::Nothing => panic!("it was sent as if whole"),
            }
        };
        assert_eq!(frames(&mut outbox).last(), encoded(&Transfer::Abort).first());
        assert_eq!(upload.send_one(TAG, &mut outbox), Sent::Nothing);
        assert_eq!(upload.answered(&aborted()), Step::Over, "the server's word is swallowed");
        reason
    }

    #[test]
    fn a_file_that_grows_shrinks_or_changes_meanwhile_is_given_up() {
        let grown = changed_meanwhile(|file| file.set_len(100_001).unwrap());
        assert!(grown.starts_with("f was not uploaded: it holds more than its 100000 bytes"), "{grown}");
        let cut = changed_meanwhile(|file| file.set_len(99_999).unwrap());
        assert!(cut.starts_with("f was not uploaded: it holds less than its 100000 bytes"), "{cut}");
        let changed = changed_meanwhile(|file| {
            file.write_at(b"x", 0).unwrap();
        });
        assert!(changed.starts_with("f was not uploaded: it was changed while it was read"), "{changed}");
    }

    #[test]
    fn an_upload_refused_in_the_middle_sends_nothing_more() {
        let content = content(100);
        let (_file, mut upload) = upload_of(&content);
        let mut outbox = Outbox::default();
        assert_eq!(upload.answered(&Reply::UploadStarts { credit: 50 }), Step::Going);
        let refusal = Reply::Refused { code: Refusal::NoSuchThread, text: "Thread T does not exist" };
        assert_eq!(upload.answered(&refusal), Step::Refused("Thread T does not exist".into()));
        assert_eq!(upload.send_one(TAG, &mut outbox), Sent::Nothing);
        assert!(outbox.unsent().is_empty());
    }

    #[test]
    fn a_done_without_a_go_ahead_is_unexpected() {
        let (_file, mut upload) = upload_of(b"");
        assert_eq!(upload.answered(&Reply::Done { text: "?" }), Step::Unexpected);
    }
}
