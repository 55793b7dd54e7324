//! A file on its way to the server, sent as the server gives credit.

use std::io;

use forum_common::limits::DATA_BYTES_MAX;
use forum_common::wire::{Credit, Reply, Transfer};

use super::Step;
use crate::original::{Original, Source};
use crate::wording::cause;

/// A file being sent.
#[derive(Debug)]
pub struct Upload {
    name: String,
    original: Original,
    stage: Sending,
}

#[derive(Debug)]
enum Sending {
    /// The server was asked.
    Asked,
    /// It said yes.
    Going { digest: Box<blake3::Hasher>, sent: u64, credit: Credit },
    /// All is sent; the server has the word.
    Sent,
    /// Given up, and said so; the server has the word.
    GivenUp,
}

/// What is to be sent next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<'b> {
    /// This.
    Frame(Transfer<'b>),
    /// Nothing: there is no credit, or nothing left to send.
    Nothing,
    /// The local file failed: this end gives up, for this reason, and the server is to be told.
    GaveUp(String),
}

impl Upload {
    /// The transfer of `source`, for which the server has just been asked.
    pub fn new(source: Source) -> Self {
        let Source { name, original } = source;
        Self { name, original, stage: Sending::Asked }
    }

    /// The file's name in the forum.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.original.size()
    }

    /// Bytes sent and bytes in all, while they are being sent.
    pub fn progress(&self) -> Option<(u64, u64)> {
        match self.stage {
            Sending::Going { sent, .. } => Some((sent, self.size())),
            Sending::Sent => Some((self.size(), self.size())),
            Sending::Asked | Sending::GivenUp => None,
        }
    }

    /// The server will be asked once more. Returns whether there is any sense in that: not if it was given up.
    pub fn begin_again(&mut self) -> bool {
        let is_whole = !matches!(self.stage, Sending::GivenUp);
        if is_whole {
            self.stage = Sending::Asked;
        }
        is_whole
    }

    /// Takes in the go-ahead.
    pub fn started(&mut self, reply: &Reply<'_>) -> Step {
        let (Sending::Asked, Reply::UploadStarts { credit: bytes }) = (&self.stage, reply) else {
            return Step::Unexpected;
        };
        let mut credit = Credit::default();
        if credit.give(*bytes).is_err() {
            return Step::Unexpected;
        }
        self.stage = Sending::Going { digest: Box::default(), sent: 0, credit };
        Step::Going
    }

    /// Takes in the server's last word. A file that it has stored already, on another connection, needs no go-ahead.
    pub fn answered(&self, reply: &Reply<'_>) -> Step {
        match (&self.stage, reply) {
            (Sending::GivenUp, Reply::Refused { .. } | Reply::Uploaded { .. }) => Step::Over,
            (Sending::Asked | Sending::Sent, Reply::Uploaded { text, .. }) => Step::Done((*text).to_owned()),
            (_, Reply::Refused { text, .. }) => Step::Refused((*text).to_owned()),
            _ => Step::Unexpected,
        }
    }

    /// Takes in a frame of the transfer itself.
    pub fn credited(&mut self, transfer: &Transfer<'_>) -> Step {
        match (&mut self.stage, transfer) {
            (Sending::Going { credit, .. }, Transfer::Credit { bytes }) => {
                credit.give(*bytes).map_or(Step::Unexpected, |()| Step::Going)
            }
            // Credit may cross the last byte, or the abort, on its way.
            (Sending::Sent | Sending::GivenUp, Transfer::Credit { .. }) => Step::Going,
            _ => Step::Unexpected,
        }
    }

    /// Whether there is something to send.
    pub fn can_send(&self) -> bool {
        matches!(&self.stage,
            Sending::Going { sent, credit, .. } if credit.bytes() > 0 || *sent == self.original.size())
    }

    /// The next frame, if the server has given credit for it; its bytes are put into `buffer`.
    pub fn next<'b>(&mut self, buffer: &'b mut [u8; DATA_BYTES_MAX]) -> Next<'b> {
        if !self.can_send() {
            return Next::Nothing;
        }
        match self.read_next(buffer) {
            Ok(transfer) => Next::Frame(transfer),
            Err(error) => {
                self.stage = Sending::GivenUp;
                Next::GaveUp(format!("{} was not uploaded: {}", self.name, cause(&error)))
            }
        }
    }

    /// The next bytes, or the end: what is said to be whole has not changed since it was opened.
    fn read_next<'b>(&mut self, buffer: &'b mut [u8; DATA_BYTES_MAX]) -> io::Result<Transfer<'b>> {
        let size = self.original.size();
        let Sending::Going { digest, sent, credit } = &mut self.stage else {
            return Err(io::Error::other("it was not asked for"));
        };
        if *sent == size {
            self.original.verify()?;
            let digest = Some(*digest.finalize().as_bytes());
            self.stage = Sending::Sent;
            return Ok(Transfer::DataEnd { digest });
        }
        let wanted = (size - *sent).min(credit.bytes().into()).min(DATA_BYTES_MAX as u64);
        let count = self.original.read_some_at(&mut buffer[..wanted as usize], *sent)?;
        credit.spend(count).map_err(io::Error::other)?;
        let piece = &buffer[..count];
        digest.update(piece);
        *sent += count as u64;
        Ok(Transfer::Data { piece })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::os::unix::fs::FileExt;
    use std::time::SystemTime;

    use forum_common::wire::Refusal;
    use tempfile::NamedTempFile;

    use super::*;
    use crate::transfer::values::{aborted, content, end_of, refused};

    /// The upload of a file `f` with this content, last changed long ago, and the name by which others change that.
    fn upload_of(content: &[u8]) -> (NamedTempFile, Upload) {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        file.as_file().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let original = Original::new(File::open(file.path()).unwrap()).unwrap();
        (file, Upload::new(Source { name: "f".to_owned(), original }))
    }

    /// Everything that may be sent now: the bytes, and the end if that is among it.
    fn sent(upload: &mut Upload) -> (Vec<u8>, Option<Transfer<'static>>) {
        let mut bytes = Vec::new();
        loop {
            match upload.next(&mut [0; DATA_BYTES_MAX]) {
                Next::Frame(Transfer::Data { piece }) => bytes.extend_from_slice(piece),
                Next::Frame(Transfer::DataEnd { digest }) => {
                    return (bytes, Some(Transfer::DataEnd { digest }));
                }
                Next::Nothing => return (bytes, None),
                other => panic!("{other:?}"),
            }
        }
    }

    fn stored(text: &str) -> Reply<'_> {
        Reply::Uploaded { id: 1, at_ms: 2, digest: [0; 32], text }
    }

    #[test]
    fn an_upload_sends_against_credit_and_ends_with_the_digest() {
        let content = content(150_000);
        let (_file, mut upload) = upload_of(&content);
        assert_eq!(sent(&mut upload), (vec![], None), "nothing before the go-ahead");
        assert_eq!(upload.started(&Reply::UploadStarts { credit: 100_000 }), Step::Going);
        let (first, end) = sent(&mut upload);
        assert_eq!((first.len(), end), (100_000, None), "never more than the credit");
        assert_eq!(upload.progress(), Some((100_000, 150_000)));
        assert_eq!(upload.credited(&Transfer::Credit { bytes: 1_000_000 }), Step::Going);
        let (rest, end) = sent(&mut upload);
        assert!([first, rest].concat() == content);
        assert_eq!(end, Some(end_of(&content)));
        assert!(!upload.can_send());
        let done = stored("f uploaded to T thread");
        assert_eq!(upload.answered(&done), Step::Done("f uploaded to T thread".into()));
    }

    #[test]
    fn an_empty_file_is_its_digest_alone() {
        let (_file, mut upload) = upload_of(b"");
        assert_eq!(upload.started(&Reply::UploadStarts { credit: 0 }), Step::Going);
        assert_eq!(sent(&mut upload), (vec![], Some(end_of(b""))));
        assert_eq!(sent(&mut upload), (vec![], None));
    }

    #[test]
    fn an_upload_begins_again_on_another_connection_unless_it_is_stored_already() {
        let (_file, mut upload) = upload_of(b"abc");
        assert_eq!(upload.started(&Reply::UploadStarts { credit: 2 }), Step::Going);
        assert_eq!(sent(&mut upload).0, b"ab");
        assert!(upload.begin_again());
        assert_eq!(upload.started(&Reply::UploadStarts { credit: 9 }), Step::Going);
        assert_eq!(sent(&mut upload), (b"abc".to_vec(), Some(end_of(b"abc"))));
        assert!(upload.begin_again());
        assert_eq!(upload.answered(&stored("done")), Step::Done("done".into()));
    }

    #[test]
    fn more_credit_than_there_are_numbers_is_unexpected() {
        let (_file, mut upload) = upload_of(b"abc");
        assert_eq!(upload.started(&Reply::UploadStarts { credit: u32::MAX }), Step::Going);
        assert_eq!(upload.credited(&Transfer::Credit { bytes: 1 }), Step::Unexpected);
    }

    /// An upload of 100,000 bytes whose file is changed like this after the first of them have been sent.
    fn changed_meanwhile(change: impl FnOnce(&File)) -> String {
        let (file, mut upload) = upload_of(&content(100_000));
        assert_eq!(upload.started(&Reply::UploadStarts { credit: 1_000_000 }), Step::Going);
        let mut buffer = [0; DATA_BYTES_MAX];
        assert!(matches!(upload.next(&mut buffer), Next::Frame(_)));
        change(file.as_file());
        let reason = loop {
            match upload.next(&mut buffer) {
                Next::Frame(Transfer::Data { .. }) => {}
                Next::GaveUp(reason) => break reason,
                other => panic!("{other:?}: sent as if whole"),
            }
        };
        assert_eq!(upload.next(&mut buffer), Next::Nothing);
        assert!(!upload.begin_again());
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
    fn an_upload_refused_in_the_middle_says_why() {
        let (_file, mut upload) = upload_of(&content(100));
        assert_eq!(upload.started(&Reply::UploadStarts { credit: 50 }), Step::Going);
        let refusal = refused(Refusal::NoSuchThread, "Thread T does not exist");
        assert_eq!(upload.answered(&refusal), Step::Refused("Thread T does not exist".into()));
    }

    #[test]
    fn an_answer_in_the_middle_is_unexpected() {
        let (_file, mut upload) = upload_of(b"abc");
        assert_eq!(upload.started(&Reply::UploadStarts { credit: 1 }), Step::Going);
        assert_eq!(upload.answered(&stored("?")), Step::Unexpected);
        assert_eq!(upload.started(&Reply::UploadStarts { credit: 1 }), Step::Unexpected);
    }
}
