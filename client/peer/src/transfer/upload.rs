//! A file on its way to the server, sent as the server gives credit.
//!
//! ```text
//!   Asked ──UploadStarts──► Going ──last byte──► Sent ──Uploaded──► over
//!                             └──the file fails──► GivenUp ──the server's word──► over
//! ```

use forum_common::limits::DATA_BYTES_MAX;
use forum_common::wire::{Credit, Reply, Transfer};

use super::Step;
use crate::local_files::{FileAction, FileId, FileProblem};

/// A file being sent.
#[derive(Debug)]
pub struct Upload {
    name: String,
    size: u64,
    file: FileId,
    stage: Sending,
}

#[derive(Debug)]
enum Sending {
    /// The server was asked.
    Asked,
    /// It said yes. `is_reading`: the next bytes are on their way from the file.
    Going { digest: Box<blake3::Hasher>, sent: u64, credit: Credit, is_reading: bool },
    /// All is sent; the server has the word.
    Sent,
    /// Given up, and said so; the server has the word.
    GivenUp,
}

impl Upload {
    /// The transfer of an open file, for which the server is asked now.
    pub fn new(name: String, size: u64, file: FileId) -> Self {
        Self { name, size, file, stage: Sending::Asked }
    }

    /// The file's name in the forum.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The local file.
    pub fn file(&self) -> FileId {
        self.file
    }

    /// Bytes sent and bytes in all, while they are being sent.
    pub fn progress(&self) -> Option<(u64, u64)> {
        match self.stage {
            Sending::Going { sent, .. } => Some((sent, self.size)),
            Sending::Sent => Some((self.size, self.size)),
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

    /// The user wants it no more. `None`: it is too late for that.
    pub fn cancel(&mut self) -> Option<Step> {
        let step = match self.stage {
            // The server is told when it has said yes.
            Sending::Asked => Step::Going,
            Sending::Going { .. } => Step::Abort,
            Sending::Sent | Sending::GivenUp => return None,
        };
        self.stage = Sending::GivenUp;
        Some(step)
    }

    /// Takes in the go-ahead.
    pub fn started(&mut self, reply: &Reply<'_>) -> Step {
        if let (Sending::GivenUp, Reply::UploadStarts { .. }) = (&self.stage, reply) {
            return Step::Abort;
        }
        let (Sending::Asked, Reply::UploadStarts { credit: bytes }) = (&self.stage, reply) else {
            return Step::Unexpected;
        };
        let mut credit = Credit::default();
        if credit.give(*bytes).is_err() {
            return Step::Unexpected;
        }
        self.stage = Sending::Going { digest: Box::default(), sent: 0, credit, is_reading: false };
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

    /// Whether [`Upload::next_read`] has something.
    pub fn can_read(&self) -> bool {
        matches!(&self.stage,
            Sending::Going { sent, credit, is_reading: false, .. } if credit.bytes() > 0 || *sent == self.size)
    }

    /// What is to be read from the file next, if the server has given credit for it.
    pub fn next_read(&mut self) -> Option<FileAction> {
        if !self.can_read() {
            return None;
        }
        let Sending::Going { sent, credit, is_reading, .. } = &mut self.stage else { return None };
        *is_reading = true;
        let bytes_max = (self.size - *sent).min(credit.bytes().into()).min(DATA_BYTES_MAX as u64) as usize;
        Some(FileAction::Read { offset: *sent, bytes_max })
    }

    /// Takes in what was read, and hands the frames that become of it to `send`.
    pub fn read(&mut self, bytes: &[u8], mut send: impl FnMut(&Transfer<'_>)) -> Step {
        let Sending::Going { digest, sent, credit, is_reading } = &mut self.stage else { return Step::Over };
        *is_reading = false;
        if credit.spend(bytes.len()).is_err() || (bytes.is_empty() && *sent < self.size) {
            return self.failed(&FileProblem::Other("it could not be read".to_owned()));
        }
        if !bytes.is_empty() {
            send(&Transfer::Data { piece: bytes });
        }
        digest.update(bytes);
        *sent += bytes.len() as u64;
        if *sent == self.size {
            send(&Transfer::DataEnd { digest: Some(*digest.finalize().as_bytes()) });
            self.stage = Sending::Sent;
        }
        Step::Going
    }

    /// The file can't be read, or has changed.
    pub fn failed(&mut self, problem: &FileProblem) -> Step {
        self.stage = Sending::GivenUp;
        match problem {
            FileProblem::Exists => Step::Unexpected,
            FileProblem::Other(why) => Step::GaveUp(format!("{} was not uploaded: {why}", self.name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use forum_common::wire::Refusal;

    use super::*;
    use crate::transfer::values::{aborted, content, end_of, refused};

    /// Everything that may be sent now of a file with this content: the bytes, and the end if that is among it.
    fn sent(upload: &mut Upload, content: &[u8]) -> (Vec<u8>, Option<Transfer<'static>>) {
        let (mut bytes, mut end) = (Vec::new(), None);
        while let Some(read) = upload.next_read() {
            let FileAction::Read { offset, bytes_max } = read else { panic!("{read:?}") };
            let piece = &content[offset as usize..][..bytes_max];
            let step = upload.read(piece, |transfer| match transfer {
                Transfer::Data { piece } => bytes.extend_from_slice(piece),
                Transfer::DataEnd { digest } => end = Some(Transfer::DataEnd { digest: *digest }),
                other => panic!("{other:?}"),
            });
            assert_eq!(step, Step::Going);
        }
        (bytes, end)
    }

    fn upload_of(content: &[u8]) -> Upload {
        Upload::new("f".to_owned(), content.len() as u64, 1)
    }

    fn stored(text: &str) -> Reply<'_> {
        Reply::Uploaded { id: 1, at_ms: 2, digest: [0; 32], text }
    }

    #[test]
    fn an_upload_sends_against_credit_and_ends_with_the_digest() {
        let content = content(150_000);
        let mut upload = upload_of(&content);
        assert_eq!(sent(&mut upload, &content), (vec![], None), "nothing before the go-ahead");
        assert_eq!(upload.started(&Reply::UploadStarts { credit: 100_000 }), Step::Going);
        let (first, end) = sent(&mut upload, &content);
        assert_eq!((first.len(), end), (100_000, None), "never more than the credit");
        assert_eq!(upload.progress(), Some((100_000, 150_000)));
        assert_eq!(upload.credited(&Transfer::Credit { bytes: 1_000_000 }), Step::Going);
        let (rest, end) = sent(&mut upload, &content);
        assert!([first, rest].concat() == content);
        assert_eq!(end, Some(end_of(&content)));
        assert!(!upload.can_read());
        let done = stored("f uploaded to T thread");
        assert_eq!(upload.answered(&done), Step::Done("f uploaded to T thread".into()));
    }

    #[test]
    fn one_piece_is_read_at_a_time() {
        let content = content(150_000);
        let mut upload = upload_of(&content);
        assert_eq!(upload.started(&Reply::UploadStarts { credit: 150_000 }), Step::Going);
        assert!(upload.next_read().is_some());
        assert_eq!(upload.next_read(), None);
    }

    #[test]
    fn an_empty_file_is_its_digest_alone() {
        let mut upload = upload_of(b"");
        assert_eq!(upload.started(&Reply::UploadStarts { credit: 0 }), Step::Going);
        assert_eq!(sent(&mut upload, b""), (vec![], Some(end_of(b""))));
        assert_eq!(sent(&mut upload, b""), (vec![], None));
    }

    #[test]
    fn an_upload_begins_again_on_another_connection_unless_it_is_stored_already() {
        let mut upload = upload_of(b"abc");
        assert_eq!(upload.started(&Reply::UploadStarts { credit: 2 }), Step::Going);
        assert_eq!(sent(&mut upload, b"abc").0, b"ab");
        assert!(upload.begin_again());
        assert_eq!(upload.started(&Reply::UploadStarts { credit: 9 }), Step::Going);
        assert_eq!(sent(&mut upload, b"abc"), (b"abc".to_vec(), Some(end_of(b"abc"))));
        assert!(upload.begin_again());
        assert_eq!(upload.answered(&stored("done")), Step::Done("done".into()));
    }

    #[test]
    fn more_credit_than_there_are_numbers_is_unexpected() {
        let mut upload = upload_of(b"abc");
        assert_eq!(upload.started(&Reply::UploadStarts { credit: u32::MAX }), Step::Going);
        assert_eq!(upload.credited(&Transfer::Credit { bytes: 1 }), Step::Unexpected);
    }

    #[test]
    fn a_file_that_fails_meanwhile_is_given_up() {
        let mut upload = upload_of(b"abc");
        assert_eq!(upload.started(&Reply::UploadStarts { credit: 9 }), Step::Going);
        assert!(upload.next_read().is_some());
        let why = FileProblem::Other("it was changed".to_owned());
        assert_eq!(upload.failed(&why), Step::GaveUp("f was not uploaded: it was changed".into()));
        assert_eq!(upload.next_read(), None);
        assert!(!upload.begin_again());
        assert_eq!(upload.answered(&aborted()), Step::Over, "the server's word is swallowed");
    }

    #[test]
    fn an_upload_refused_in_the_middle_says_why() {
        let content = content(100);
        let mut upload = upload_of(&content);
        assert_eq!(upload.started(&Reply::UploadStarts { credit: 50 }), Step::Going);
        let refusal = refused(Refusal::NoSuchThread, "Thread T does not exist");
        assert_eq!(upload.answered(&refusal), Step::Refused("Thread T does not exist".into()));
    }

    #[test]
    fn an_answer_in_the_middle_is_unexpected() {
        let mut upload = upload_of(b"abc");
        assert_eq!(upload.started(&Reply::UploadStarts { credit: 1 }), Step::Going);
        assert_eq!(upload.answered(&stored("?")), Step::Unexpected);
        assert_eq!(upload.started(&Reply::UploadStarts { credit: 1 }), Step::Unexpected);
    }
}
