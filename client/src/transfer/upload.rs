//! A file on its way to the server: opened here, sent as the server gives credit.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use forum_common::frame::Tag;
use forum_common::limits::DATA_BYTES_MAX;
use forum_common::reply::Reply;
use forum_common::transfer::Transfer;
use rustix::fs::OFlags;

use super::Step;
use crate::connection::Outbox;

/// A local file that can be sent.
#[derive(Debug)]
pub struct Source {
    /// The last part of its path: its name in the forum.
    pub name: String,
    /// Its size when it was opened. What it grows by later is not sent.
    pub size: u64,
    /// The file itself.
    pub file: File,
}

impl Source {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// Why it can't be sent, for people.
    pub fn open(path: &str) -> Result<Self, String> {
        let unreadable = |error: io::Error| format!("File {path} cannot be read: {error}");
        // Looked at before it is opened: opening a device may do something.
        let metadata = match fs::metadata(path) {
            Err(error) if is_missing(&error) => return Err(format!("File {path} does not exist")),
            // To whoever wants to send it, a directory is no file.
            Ok(metadata) if metadata.is_dir() => return Err(format!("File {path} does not exist")),
            other => other.map_err(unreadable)?,
        };
        let name = Path::new(path).file_name().and_then(|name| name.to_str());
        let (true, Some(name)) = (metadata.is_file(), name) else {
            return Err(format!("File {path} cannot be read: it is not a regular file"));
        };
        // Should it have become a FIFO meanwhile, opening must not wait for its other end.
        let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).expect("the flag is a small number");
        let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path).map_err(unreadable)?;
        let size = file.metadata().map_err(unreadable)?.len();
        Ok(Self { name: name.to_owned(), size, file })
    }
}

/// `a/b` is missing as well if `a` is a file.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// A file being sent.
#[derive(Debug)]
pub struct Upload<R = File> {
    name: String,
    size: u64,
    stage: Sending<R>,
}

#[derive(Debug)]
enum Sending<R> {
    /// The server was asked.
    Asked(R),
    /// It said yes.
    Going { source: R, digest: Box<blake3::Hasher>, sent: u64, credit: u64 },
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

impl Upload<File> {
    /// The transfer of `source`, for which the server has just been asked.
    pub fn new(source: Source) -> Self {
        Self::of(source.name, source.size, source.file)
    }
}

impl<R: Read> Upload<R> {
    fn of(name: String, size: u64, source: R) -> Self {
        Self { name, size, stage: Sending::Asked(source) }
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
            (Sending::Asked(source), Reply::UploadStarts { credit }) => {
                let digest = Box::new(blake3::Hasher::new());
                self.stage = Sending::Going { source, digest, sent: 0, credit: u64::from(*credit) };
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
        let Sending::Going { source, digest, sent, credit } = &mut self.stage else { return Sent::Nothing };
        if *sent == self.size {
            outbox.transfer(tag, &Transfer::End(*digest.finalize().as_bytes()));
            self.stage = Sending::Sent;
            return Sent::Frame;
        }
        let mut bytes = [0; DATA_BYTES_MAX];
        let wanted = (self.size - *sent).min(*credit).min(DATA_BYTES_MAX as u64);
        let reason = match read_some(source, &mut bytes[..wanted as usize]) {
            Ok(0) => "it has become shorter meanwhile".to_owned(),
            Ok(count) => {
                digest.update(&bytes[..count]);
                outbox.transfer(tag, &Transfer::Data(&bytes[..count]));
                *sent += count as u64;
                *credit -= count as u64;
                return Sent::Frame;
            }
            Err(error) => error.to_string(),
        };
        outbox.transfer(tag, &Transfer::Abort);
        self.stage = Sending::GivenUp;
        Sent::GaveUp(format!("{} was not uploaded: {reason}", self.name))
    }
}

fn read_some(source: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    loop {
        match source.read(bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use forum_common::refusal::Refusal;

    use super::*;
    use crate::transfer::frames::{TAG, aborted, content, encoded, frames};

    #[test]
    fn an_upload_sends_against_credit_and_ends_with_the_digest() {
        let content = content(150_000);
        let mut upload = Upload::of("f".into(), 150_000, &content[..]);
        let mut outbox = Outbox::default();
        assert_eq!(upload.send_one(TAG, &mut outbox), Sent::Nothing, "nothing before the go-ahead");
        assert_eq!(upload.answered(&Reply::UploadStarts { credit: 100_000 }), Step::Going);

        let mut arrived = Vec::new();
        let mut pump = |upload: &mut Upload<&[u8]>| {
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
        let mut upload = Upload::of("f".into(), 0, &b""[..]);
        let mut outbox = Outbox::default();
        assert_eq!(upload.answered(&Reply::UploadStarts { credit: 0 }), Step::Going);
        assert_eq!(upload.send_one(TAG, &mut outbox), Sent::Frame);
        assert_eq!(upload.send_one(TAG, &mut outbox), Sent::Nothing);
        assert_eq!(frames(&mut outbox), encoded(&Transfer::End(*blake3::hash(b"").as_bytes())));
    }

    #[test]
    fn a_file_that_grew_is_sent_at_its_declared_size() {
        let content = content(100);
        let mut upload = Upload::of("f".into(), 60, &content[..]);
        let mut outbox = Outbox::default();
        assert_eq!(upload.answered(&Reply::UploadStarts { credit: 1_000 }), Step::Going);
        while upload.send_one(TAG, &mut outbox) == Sent::Frame {}
        let mut wanted = encoded(&Transfer::Data(&content[..60]));
        wanted.extend(encoded(&Transfer::End(*blake3::hash(&content[..60]).as_bytes())));
        assert_eq!(frames(&mut outbox), wanted);
    }

    #[test]
    fn a_file_that_shrank_is_given_up_and_the_servers_word_swallowed() {
        let content = content(10);
        let mut upload = Upload::of("f".into(), 60, &content[..]);
        let mut outbox = Outbox::default();
        assert_eq!(upload.answered(&Reply::UploadStarts { credit: 1_000 }), Step::Going);
        assert_eq!(upload.send_one(TAG, &mut outbox), Sent::Frame);
        let said = "f was not uploaded: it has become shorter meanwhile";
        assert_eq!(upload.send_one(TAG, &mut outbox), Sent::GaveUp(said.into()));
        assert_eq!(frames(&mut outbox).last(), encoded(&Transfer::Abort).first());
        assert_eq!(upload.send_one(TAG, &mut outbox), Sent::Nothing);
        assert_eq!(upload.answered(&aborted()), Step::Over);
    }

    #[test]
    fn an_upload_refused_in_the_middle_sends_nothing_more() {
        let content = content(100);
        let mut upload = Upload::of("f".into(), 100, &content[..]);
        let mut outbox = Outbox::default();
        assert_eq!(upload.answered(&Reply::UploadStarts { credit: 50 }), Step::Going);
        let refusal = Reply::Refused { code: Refusal::NoSuchThread, text: "Thread T does not exist" };
        assert_eq!(upload.answered(&refusal), Step::Refused("Thread T does not exist".into()));
        assert_eq!(upload.send_one(TAG, &mut outbox), Sent::Nothing);
        assert!(outbox.unsent().is_empty());
    }

    #[test]
    fn a_done_without_a_go_ahead_is_unexpected() {
        let mut upload = Upload::of("f".into(), 0, &b""[..]);
        assert_eq!(upload.answered(&Reply::Done { text: "?" }), Step::Unexpected);
    }

    #[test]
    fn only_readable_regular_files_are_sources() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        fs::write(path("a"), b"abc").unwrap();
        let source = Source::open(&path("a")).unwrap();
        assert_eq!((source.name.as_str(), source.size), ("a", 3));
        for missing in [path("b"), path("a/b"), path(""), path(".."), String::new()] {
            assert_eq!(Source::open(&missing).unwrap_err(), format!("File {missing} does not exist"));
        }
        let fifo = path("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        for special in [fifo, "/dev/zero".to_owned()] {
            let said = format!("File {special} cannot be read: it is not a regular file");
            assert_eq!(Source::open(&special).unwrap_err(), said);
        }
    }
}
