//! Files on their way: what is sent against the server's credit, and what is taken in against ours.
//!
//! Two state machines over the frames of `forum_common::transfer`. They know local files and refuse to know
//! sockets, terminals and clocks: frames come in as values and go out into an [`Outbox`].

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use forum_common::frame::Tag;
use forum_common::limits::{DATA_BYTES_MAX, DIGEST_BYTES};
use forum_common::names::FileName;
use forum_common::reply::Reply;
use forum_common::transfer::Transfer;
use rustix::fs::OFlags;
use tempfile::NamedTempFile;

use crate::connection::Outbox;

/// Bytes that a download may be ahead of the disk: enough for 1 Gbit/s over 30 ms.
pub const WINDOW_BYTES: u32 = 4 << 20;

/// Bytes of credit saved up before more is given: a frame of credit for each frame of data would be waste.
const CREDIT_STEP_BYTES: u64 = WINDOW_BYTES as u64 / 4;

const _: () = assert!(CREDIT_STEP_BYTES + DATA_BYTES_MAX as u64 <= WINDOW_BYTES as u64);

/// What came of an event in the life of a transfer.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// It goes on; nothing to say.
    Going,
    /// This end gives it up, for this reason. The server's last word about it is still to come.
    GaveUp(String),
    /// It is over, and went well.
    Done(String),
    /// It is over, and was refused or failed.
    Refused(String),
    /// It is over, and what there was to say has been said.
    Over,
    /// The server sent what has no place here.
    Unexpected,
}

/// A local file that can be sent.
#[derive(Debug)]
pub struct Source {
    /// The last part of its path: its name in the forum.
    pub name: String,
    /// Its size when it was opened. What it grows by later is not sent.
    pub size: u64,
    file: File,
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

/// Where downloads go.
#[derive(Debug, Clone)]
pub struct Folder {
    /// The directory.
    pub path: PathBuf,
    /// Whether a download may replace a file that is there.
    pub overwrites: bool,
}

/// A file being fetched.
#[derive(Debug)]
pub struct Download {
    name: String,
    folder: Folder,
    stage: Taking,
}

#[derive(Debug)]
enum Taking {
    /// The server was asked.
    Asked,
    /// It said yes, and sends.
    Going(Box<Partial>),
    /// Given up, and said so; what is still under way is thrown away.
    GivenUp,
}

/// A file that is not all there yet. It has a name of its own, and goes when it is dropped.
#[derive(Debug)]
struct Partial {
    file: NamedTempFile,
    target: PathBuf,
    digest: blake3::Hasher,
    size: u64,
    taken: u64,
    /// Bytes that the server may still send.
    credit: u64,
}

impl Download {
    /// The transfer of the file `name`, for which the server has just been asked.
    pub fn new(name: &str, folder: &Folder) -> Self {
        Self { name: name.to_owned(), folder: folder.clone(), stage: Taking::Asked }
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes that are here and bytes in all, while they come.
    pub fn progress(&self) -> Option<(u64, u64)> {
        match &self.stage {
            Taking::Going(partial) => Some((partial.taken, partial.size)),
            Taking::Asked | Taking::GivenUp => None,
        }
    }

    /// Takes in the server's answer: the go-ahead, or a refusal at any time.
    pub fn answered(&mut self, reply: &Reply<'_>, tag: Tag, outbox: &mut Outbox) -> Step {
        match (&self.stage, reply) {
            (Taking::Asked, Reply::DownloadStarts { size }) => match self.open(*size) {
                Ok(partial) => {
                    self.stage = Taking::Going(Box::new(partial));
                    outbox.transfer(tag, &Transfer::Credit(WINDOW_BYTES));
                    Step::Going
                }
                Err(reason) => self.give_up(reason, tag, outbox),
            },
            (Taking::GivenUp, Reply::Refused { .. }) => Step::Over,
            (_, Reply::Refused { text, .. }) => Step::Refused((*text).to_owned()),
            _ => Step::Unexpected,
        }
    }

    /// Takes in a frame of the transfer itself.
    pub fn received(&mut self, transfer: &Transfer<'_>, tag: Tag, outbox: &mut Outbox) -> Step {
        match (&mut self.stage, transfer) {
            (Taking::Going(partial), Transfer::Data(bytes)) => match partial.take(bytes) {
                Ok(credit) => {
                    if let Some(credit) = credit {
                        outbox.transfer(tag, &Transfer::Credit(credit));
                    }
                    Step::Going
                }
                Err(error) => self.give_up(self.failure(&error), tag, outbox),
            },
            (Taking::Going(_), Transfer::End(digest)) => {
                match std::mem::replace(&mut self.stage, Taking::GivenUp) {
                    Taking::Going(partial) => self.finish(*partial, digest),
                    Taking::Asked | Taking::GivenUp => Step::Unexpected,
                }
            }
            (Taking::GivenUp, Transfer::Data(_)) => Step::Going,
            // The end was on its way when this end gave up: to the server, it all went well.
            (Taking::GivenUp, Transfer::End(_)) => Step::Over,
            _ => Step::Unexpected,
        }
    }

    fn give_up(&mut self, reason: String, tag: Tag, outbox: &mut Outbox) -> Step {
        outbox.transfer(tag, &Transfer::Abort);
        self.stage = Taking::GivenUp;
        Step::GaveUp(reason)
    }

    fn failure(&self, reason: &io::Error) -> String {
        format!("{} was not downloaded: {reason}", self.name)
    }

    fn exists_here(&self) -> String {
        format!("{} exists here. Use --force to overwrite", self.name)
    }

    /// A place for the file, if it may be put here. The name is judged here too: it becomes a path.
    fn open(&self, size: u64) -> Result<Partial, String> {
        let name = FileName::parse(&self.name).map_err(|invalid| invalid.to_string())?;
        let target = self.folder.path.join(name.as_str());
        if !self.folder.overwrites && target.symlink_metadata().is_ok() {
            return Err(self.exists_here());
        }
        // Readable by whom the umask lets, like any file a program makes.
        let file = tempfile::Builder::new()
            .prefix(".forum-")
            .suffix(".part")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(&self.folder.path)
            .map_err(|error| self.failure(&error))?;
        Ok(Partial {
            file,
            target,
            digest: blake3::Hasher::new(),
            size,
            taken: 0,
            credit: u64::from(WINDOW_BYTES),
        })
    }

    /// All frames are here; gives the file its name if they are what was sent.
    fn finish(&self, partial: Partial, digest: &[u8; DIGEST_BYTES]) -> Step {
        if partial.taken != partial.size || partial.digest.finalize() != *digest {
            let what = "what arrived is not what the server sent";
            return Step::Refused(format!("{} was not downloaded: {what}", self.name));
        }
        match partial.keep(self.folder.overwrites) {
            Ok(()) => Step::Done(format!("{} successfully downloaded", self.name)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Step::Refused(self.exists_here()),
            Err(error) => Step::Refused(self.failure(&error)),
        }
    }
}

impl Partial {
    /// Stores the next bytes; the credit to give for more, when there is enough of it.
    fn take(&mut self, bytes: &[u8]) -> io::Result<Option<u32>> {
        let length = bytes.len() as u64;
        if length > self.credit || self.taken + length > self.size {
            return Err(io::Error::other("the server sent more than it may"));
        }
        self.file.write_all(bytes)?;
        self.digest.update(bytes);
        self.taken += length;
        self.credit -= length;
        let used = u64::from(WINDOW_BYTES) - self.credit;
        if used < CREDIT_STEP_BYTES || self.taken == self.size {
            return Ok(None);
        }
        self.credit = u64::from(WINDOW_BYTES);
        Ok(Some(u32::try_from(used).expect("no more than the window was used")))
    }

    /// Makes it durable under its real name.
    fn keep(self, overwrites: bool) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        let kept = if overwrites {
            self.file.persist(&self.target)
        } else {
            self.file.persist_noclobber(&self.target)
        };
        kept.map_err(|error| error.error)?;
        // The name is durable when the directory is.
        File::open(self.target.parent().unwrap_or(Path::new(".")))?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use forum_common::frame::Decoder;
    use forum_common::refusal::Refusal;

    use super::*;

    const TAG: Tag = 7;

    /// Every transfer frame in the outbox, as (kind, body).
    fn frames(outbox: &mut Outbox) -> Vec<(u8, Vec<u8>)> {
        let mut decoder = Decoder::default();
        decoder.feed(outbox.unsent());
        let mut frames = Vec::new();
        while let Some(frame) = decoder.next_frame().unwrap() {
            assert_eq!(frame.tag, TAG);
            assert!(Transfer::is_kind(frame.kind));
            frames.push((frame.kind, frame.body.to_vec()));
        }
        outbox.sent(outbox.unsent().len());
        frames
    }

    fn encoded(transfer: &Transfer<'_>) -> Vec<(u8, Vec<u8>)> {
        let mut outbox = Outbox::default();
        outbox.transfer(TAG, transfer);
        frames(&mut outbox)
    }

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n * 31 % 251) as u8).collect()
    }

    fn aborted() -> Reply<'static> {
        Reply::Refused { code: Refusal::TransferAborted, text: "Transfer aborted" }
    }

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

    struct Fetch {
        directory: tempfile::TempDir,
        download: Download,
        outbox: Outbox,
    }

    impl Fetch {
        fn new(name: &str, overwrites: bool) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let folder = Folder { path: directory.path().to_owned(), overwrites };
            Self { directory, download: Download::new(name, &folder), outbox: Outbox::default() }
        }

        fn start(&mut self, size: u64) -> Step {
            self.download.answered(&Reply::DownloadStarts { size }, TAG, &mut self.outbox)
        }

        fn receive(&mut self, transfer: &Transfer<'_>) -> Step {
            self.download.received(transfer, TAG, &mut self.outbox)
        }

        /// The names in the directory.
        fn left(&self) -> Vec<String> {
            let mut names: Vec<_> = fs::read_dir(self.directory.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        }
    }

    #[test]
    fn a_download_gives_credit_as_it_writes_and_keeps_what_is_whole() {
        let content = content(9 << 20);
        let mut fetch = Fetch::new("f", false);
        assert_eq!(fetch.start(content.len() as u64), Step::Going);
        let mut credit = i64::from(WINDOW_BYTES);
        assert_eq!(frames(&mut fetch.outbox), encoded(&Transfer::Credit(WINDOW_BYTES)));
        for piece in content.chunks(DATA_BYTES_MAX) {
            credit -= piece.len() as i64;
            assert!(credit >= 0, "it starved");
            assert_eq!(fetch.receive(&Transfer::Data(piece)), Step::Going);
            for (kind, body) in frames(&mut fetch.outbox) {
                assert_eq!(kind, 0x41);
                credit += i64::from(u32::from_be_bytes(body.try_into().unwrap()));
            }
            assert!(credit <= i64::from(WINDOW_BYTES));
        }
        let end = Transfer::End(*blake3::hash(&content).as_bytes());
        assert_eq!(fetch.receive(&end), Step::Done("f successfully downloaded".into()));
        assert_eq!(fetch.left(), ["f"]);
        assert_eq!(fs::read(fetch.directory.path().join("f")).unwrap(), content);
    }

    #[test]
    fn an_empty_file_is_downloaded() {
        let mut fetch = Fetch::new("f", false);
        assert_eq!(fetch.start(0), Step::Going);
        let end = Transfer::End(*blake3::hash(b"").as_bytes());
        assert_eq!(fetch.receive(&end), Step::Done("f successfully downloaded".into()));
        assert_eq!(fs::read(fetch.directory.path().join("f")).unwrap(), b"");
    }

    #[test]
    fn a_file_that_is_here_is_kept_without_force() {
        let mut fetch = Fetch::new("f", false);
        fs::write(fetch.directory.path().join("f"), b"mine").unwrap();
        let said = "f exists here. Use --force to overwrite";
        assert_eq!(fetch.start(3), Step::GaveUp(said.into()));
        assert_eq!(frames(&mut fetch.outbox), encoded(&Transfer::Abort));
        assert_eq!(fetch.receive(&Transfer::Data(b"abc")), Step::Going);
        assert_eq!(fetch.download.answered(&aborted(), TAG, &mut fetch.outbox), Step::Over);
        assert_eq!(fs::read(fetch.directory.path().join("f")).unwrap(), b"mine");
        assert_eq!(fetch.left(), ["f"]);
    }

    #[test]
    fn a_file_that_appears_meanwhile_is_kept_without_force() {
        let mut fetch = Fetch::new("f", false);
        assert_eq!(fetch.start(3), Step::Going);
        assert_eq!(fetch.receive(&Transfer::Data(b"abc")), Step::Going);
        fs::write(fetch.directory.path().join("f"), b"mine").unwrap();
        let said = "f exists here. Use --force to overwrite";
        let end = Transfer::End(*blake3::hash(b"abc").as_bytes());
        assert_eq!(fetch.receive(&end), Step::Refused(said.into()));
        assert_eq!(fs::read(fetch.directory.path().join("f")).unwrap(), b"mine");
        assert_eq!(fetch.left(), ["f"]);
    }

    #[test]
    fn with_force_the_file_is_replaced() {
        let mut fetch = Fetch::new("f", true);
        fs::write(fetch.directory.path().join("f"), b"mine").unwrap();
        assert_eq!(fetch.start(3), Step::Going);
        assert_eq!(fetch.receive(&Transfer::Data(b"abc")), Step::Going);
        let end = Transfer::End(*blake3::hash(b"abc").as_bytes());
        assert_eq!(fetch.receive(&end), Step::Done("f successfully downloaded".into()));
        assert_eq!(fs::read(fetch.directory.path().join("f")).unwrap(), b"abc");
    }

    #[test]
    fn what_arrived_wrong_leaves_nothing() {
        for (bytes, digest) in [(&b"abd"[..], blake3::hash(b"abc")), (b"ab", blake3::hash(b"ab"))] {
            let mut fetch = Fetch::new("f", false);
            assert_eq!(fetch.start(3), Step::Going);
            assert_eq!(fetch.receive(&Transfer::Data(bytes)), Step::Going);
            let said = "f was not downloaded: what arrived is not what the server sent";
            assert_eq!(fetch.receive(&Transfer::End(*digest.as_bytes())), Step::Refused(said.into()));
            assert!(fetch.left().is_empty());
        }
    }

    #[test]
    fn more_than_was_announced_is_given_up() {
        let mut fetch = Fetch::new("f", false);
        assert_eq!(fetch.start(3), Step::Going);
        let said = "f was not downloaded: the server sent more than it may";
        assert_eq!(fetch.receive(&Transfer::Data(b"abcd")), Step::GaveUp(said.into()));
        assert!(fetch.left().is_empty());
        assert_eq!(fetch.receive(&Transfer::End([0; DIGEST_BYTES])), Step::Over);
    }

    #[test]
    fn a_download_refused_in_the_middle_leaves_nothing() {
        let mut fetch = Fetch::new("f", false);
        assert_eq!(fetch.start(3), Step::Going);
        assert_eq!(fetch.receive(&Transfer::Data(b"ab")), Step::Going);
        let text = "Thread T was removed during the download";
        let refusal = Reply::Refused { code: Refusal::RemovedDuringDownload, text };
        let step = fetch.download.answered(&refusal, TAG, &mut fetch.outbox);
        assert_eq!(step, Step::Refused(text.into()));
        drop(fetch.download);
        assert_eq!(fs::read_dir(fetch.directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_name_that_is_a_path_never_becomes_one() {
        for name in ["../f", "/tmp/f", ".profile", ".."] {
            let mut fetch = Fetch::new(name, true);
            assert_eq!(fetch.start(3), Step::GaveUp("Invalid name".into()), "{name}");
            assert!(fetch.left().is_empty());
        }
    }

    #[test]
    fn a_folder_that_is_missing_is_said() {
        let mut fetch = Fetch::new("f", false);
        fetch.download.folder.path.push("missing");
        let Step::GaveUp(said) = fetch.start(3) else { panic!("it started") };
        assert!(said.starts_with("f was not downloaded: No such file or directory"), "{said}");
    }
}
