//! A file on its way here: taken in as this end gives credit, and kept if it is what was sent.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use forum_common::names::FileName;
use forum_common::text::{Answer, Rejection};
use forum_common::wire::{Digest, Reply, Transfer, Window};
use tempfile::NamedTempFile;

use super::{SYNC_EVERY_BYTES, Step};
use crate::wording::cause;

/// Bytes that a download may be ahead of the disk: enough for 1 Gbit/s over 30 ms.
const WINDOW_BYTES: u32 = 4 << 20;

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
    /// What the digest is to become.
    wanted: Digest,
    size: u64,
    taken: u64,
    window: Window,
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

    /// Takes in the go-ahead.
    pub fn started(&mut self, reply: &Reply<'_>) -> Step {
        let (Taking::Asked, Reply::DownloadStarts { size, digest, offset: 0 }) = (&self.stage, reply) else {
            return Step::Unexpected;
        };
        match self.open(*size, *digest) {
            Ok((partial, credit)) => {
                self.stage = Taking::Going(Box::new(partial));
                Step::Credit(credit)
            }
            Err(reason) => self.give_up(reason),
        }
    }

    /// Takes in the server's last word, if that is no file.
    pub fn answered(&self, reply: &Reply<'_>) -> Step {
        match (&self.stage, reply) {
            (Taking::GivenUp, Reply::Refused { .. }) => Step::Over,
            (_, Reply::Refused { text, .. }) => Step::Refused((*text).to_owned()),
            _ => Step::Unexpected,
        }
    }

    /// Takes in a frame of the transfer itself.
    pub fn received(&mut self, transfer: &Transfer<'_>) -> Step {
        match (&mut self.stage, transfer) {
            (Taking::Going(partial), Transfer::Data { piece }) => match partial.take(piece) {
                Ok(credit) => credit.map_or(Step::Going, Step::Credit),
                Err(error) => self.give_up(self.failure(&error)),
            },
            (Taking::GivenUp, Transfer::Data { .. }) => Step::Going,
            _ => Step::Unexpected,
        }
    }

    /// All frames are here; gives the file its name if they are what was sent.
    pub fn finish(mut self) -> Step {
        let partial = match std::mem::replace(&mut self.stage, Taking::GivenUp) {
            Taking::Going(partial) => partial,
            // The end was on its way when this end gave up: to the server, it all went well.
            Taking::GivenUp => return Step::Over,
            Taking::Asked => return Step::Unexpected,
        };
        if partial.taken != partial.size || partial.digest.finalize() != partial.wanted {
            let what = "what arrived is not what the server sent. Try again";
            return Step::Refused(format!("{} was not downloaded: {what}", self.name));
        }
        match partial.keep(self.folder.overwrites) {
            Ok(()) => Step::Done(Answer::Downloaded { file: &self.name }.to_string()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Step::Refused(self.exists_here()),
            Err(error) => Step::Refused(self.failure(&error)),
        }
    }

    fn give_up(&mut self, reason: String) -> Step {
        self.stage = Taking::GivenUp;
        Step::GaveUp(reason)
    }

    fn failure(&self, reason: &io::Error) -> String {
        format!("{} was not downloaded: {}", self.name, cause(reason))
    }

    fn exists_here(&self) -> String {
        format!("File {} exists here. Use --force to overwrite", self.name)
    }

    /// A place for the file, if it may be put here, and the first credit. The name is judged here too: it becomes a
    /// path.
    fn open(&self, size: u64, wanted: Digest) -> Result<(Partial, u32), String> {
        let name = FileName::parse(&self.name).map_err(|invalid| Rejection::from(invalid).to_string())?;
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
        let (window, credit) = Window::new(size, WINDOW_BYTES);
        let digest = blake3::Hasher::new();
        Ok((Partial { file, target, digest, wanted, size, taken: 0, window }, credit))
    }
}

impl Partial {
    /// Stores the next bytes; the credit to give for more, when there is enough of it.
    fn take(&mut self, piece: &[u8]) -> io::Result<Option<u32>> {
        self.window
            .received(piece.len())
            .map_err(|_| io::Error::other("the server sent more than it may"))?;
        self.file.write_all(piece)?;
        self.digest.update(piece);
        let before = self.taken;
        self.taken += piece.len() as u64;
        if self.taken / SYNC_EVERY_BYTES > before / SYNC_EVERY_BYTES {
            self.file.as_file().sync_data()?;
        }
        Ok(self.window.stored(piece.len()))
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
    use std::fs;

    use forum_common::limits::DATA_BYTES_MAX;
    use forum_common::wire::Refusal;

    use super::*;
    use crate::transfer::names_in;
    use crate::transfer::values::{aborted, content, digest, refused};

    struct Fetch {
        directory: tempfile::TempDir,
        download: Download,
    }

    impl Fetch {
        fn new(name: &str, overwrites: bool) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let folder = Folder { path: directory.path().to_owned(), overwrites };
            Self { directory, download: Download::new(name, &folder) }
        }

        /// The server is about to send this.
        fn start(&mut self, content: &[u8]) -> Step {
            let (size, digest) = (content.len() as u64, digest(content));
            self.download.started(&Reply::DownloadStarts { size, digest, offset: 0 })
        }

        fn receive(&mut self, piece: &[u8]) -> Step {
            self.download.received(&Transfer::Data { piece })
        }

        /// What comes of it at the end, and the directory.
        fn finish(self) -> (Step, tempfile::TempDir) {
            (self.download.finish(), self.directory)
        }

        /// The names in the directory.
        fn left(&self) -> Vec<String> {
            names_in(self.directory.path())
        }
    }

    #[test]
    fn a_download_gives_credit_as_it_writes_and_keeps_what_is_whole() {
        let content = content(9 << 20);
        let mut fetch = Fetch::new("f", false);
        let Step::Credit(first) = fetch.start(&content) else { panic!("it did not start") };
        assert_eq!(first, WINDOW_BYTES);
        let mut credit = i64::from(first);
        for piece in content.chunks(DATA_BYTES_MAX) {
            credit -= piece.len() as i64;
            assert!(credit >= 0, "it starved");
            match fetch.receive(piece) {
                Step::Going => {}
                Step::Credit(more) => credit += i64::from(more),
                other => panic!("{other:?}"),
            }
            assert!(credit <= i64::from(WINDOW_BYTES));
        }
        let (step, directory) = fetch.finish();
        assert_eq!(step, Step::Done("f successfully downloaded".into()));
        assert_eq!(names_in(directory.path()), ["f"]);
        assert!(fs::read(directory.path().join("f")).unwrap() == content);
    }

    #[test]
    fn an_empty_file_is_downloaded() {
        let mut fetch = Fetch::new("f", false);
        assert_eq!(fetch.start(b""), Step::Credit(1));
        let (step, directory) = fetch.finish();
        assert_eq!(step, Step::Done("f successfully downloaded".into()));
        assert_eq!(fs::read(directory.path().join("f")).unwrap(), b"");
    }

    const EXISTS: &str = "File f exists here. Use --force to overwrite";

    #[test]
    fn a_file_that_is_here_is_kept_without_force() {
        let mut fetch = Fetch::new("f", false);
        fs::write(fetch.directory.path().join("f"), b"mine").unwrap();
        assert_eq!(fetch.start(b"abc"), Step::GaveUp(EXISTS.into()));
        assert_eq!(fetch.receive(b"abc"), Step::Going);
        assert_eq!(fetch.download.answered(&aborted()), Step::Over);
        assert_eq!(fs::read(fetch.directory.path().join("f")).unwrap(), b"mine");
        assert_eq!(fetch.left(), ["f"]);
    }

    #[test]
    fn a_file_that_appears_meanwhile_is_kept_without_force() {
        let mut fetch = Fetch::new("f", false);
        assert_eq!(fetch.start(b"abc"), Step::Credit(3));
        assert_eq!(fetch.receive(b"abc"), Step::Going);
        fs::write(fetch.directory.path().join("f"), b"mine").unwrap();
        let (step, directory) = fetch.finish();
        assert_eq!(step, Step::Refused(EXISTS.into()));
        assert_eq!(fs::read(directory.path().join("f")).unwrap(), b"mine");
        assert_eq!(names_in(directory.path()), ["f"]);
    }

    #[test]
    fn with_force_the_file_is_replaced() {
        let mut fetch = Fetch::new("f", true);
        fs::write(fetch.directory.path().join("f"), b"mine").unwrap();
        assert_eq!(fetch.start(b"abc"), Step::Credit(3));
        assert_eq!(fetch.receive(b"abc"), Step::Going);
        let (step, directory) = fetch.finish();
        assert_eq!(step, Step::Done("f successfully downloaded".into()));
        assert_eq!(fs::read(directory.path().join("f")).unwrap(), b"abc");
    }

    #[test]
    fn what_arrived_wrong_leaves_nothing() {
        for bytes in [&b"abd"[..], b"ab"] {
            let mut fetch = Fetch::new("f", false);
            assert_eq!(fetch.start(b"abc"), Step::Credit(3));
            assert_eq!(fetch.receive(bytes), Step::Going);
            let (step, directory) = fetch.finish();
            let said = "f was not downloaded: what arrived is not what the server sent. Try again";
            assert_eq!(step, Step::Refused(said.into()));
            assert!(names_in(directory.path()).is_empty());
        }
    }

    #[test]
    fn more_than_was_announced_is_given_up() {
        let mut fetch = Fetch::new("f", false);
        assert_eq!(fetch.start(b"abc"), Step::Credit(3));
        let said = "f was not downloaded: the server sent more than it may";
        assert_eq!(fetch.receive(b"abcd"), Step::GaveUp(said.into()));
        assert!(fetch.left().is_empty());
        assert_eq!(fetch.finish().0, Step::Over);
    }

    #[test]
    fn a_download_refused_in_the_middle_leaves_nothing() {
        let mut fetch = Fetch::new("f", false);
        assert_eq!(fetch.start(b"abc"), Step::Credit(3));
        assert_eq!(fetch.receive(b"ab"), Step::Going);
        let text = "Thread T was removed during the download";
        let step = fetch.download.answered(&refused(Refusal::RemovedDuringDownload, text));
        assert_eq!(step, Step::Refused(text.into()));
        drop(fetch.download);
        assert!(names_in(fetch.directory.path()).is_empty());
    }

    #[test]
    fn a_name_that_is_a_path_never_becomes_one() {
        for name in ["../f", "/tmp/f", ".profile", ".."] {
            let mut fetch = Fetch::new(name, true);
            assert_eq!(fetch.start(b"abc"), Step::GaveUp("Invalid name".into()), "{name}");
            assert!(fetch.left().is_empty());
        }
    }

    #[test]
    fn a_folder_that_is_missing_is_said() {
        let mut fetch = Fetch::new("f", false);
        fetch.download.folder.path.push("missing");
        let Step::GaveUp(said) = fetch.start(b"abc") else { panic!("it started") };
        assert!(said.starts_with("f was not downloaded: No such file or directory"), "{said}");
    }

    #[test]
    fn a_download_that_does_not_begin_at_its_beginning_is_unexpected() {
        let mut fetch = Fetch::new("f", false);
        let reply = Reply::DownloadStarts { size: 3, digest: digest(b"abc"), offset: 1 };
        assert_eq!(fetch.download.started(&reply), Step::Unexpected);
    }
}
