//! A file on its way here: taken in as this end gives credit, and kept if it is what was sent.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use forum_common::frame::Tag;
use forum_common::limits::{DATA_BYTES_MAX, DIGEST_BYTES};
use forum_common::names::FileName;
use forum_common::reply::Reply;
use forum_common::transfer::Transfer;
use tempfile::NamedTempFile;

use super::{SYNC_EVERY_BYTES, Step};
use crate::connection::Outbox;
use crate::wording::cause;

/// Bytes that a download may be ahead of the disk: enough for 1 Gbit/s over 30 ms.
const WINDOW_BYTES: u32 = 4 << 20;

/// Bytes of credit saved up before more is given: a frame of credit for each frame of data would be waste.
const CREDIT_STEP_BYTES: u64 = WINDOW_BYTES as u64 / 4;

const _: () = assert!(CREDIT_STEP_BYTES + DATA_BYTES_MAX as u64 <= WINDOW_BYTES as u64);

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
        format!("{} was not downloaded: {}", self.name, cause(reason))
    }

    fn exists_here(&self) -> String {
        format!("File {} exists here. Use --force to overwrite", self.name)
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
            let what = "what arrived is not what the server sent. Try again";
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
        if (self.taken + length) / SYNC_EVERY_BYTES > self.taken / SYNC_EVERY_BYTES {
            self.file.as_file().sync_data()?;
        }
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
    use std::fs;

    use forum_common::refusal::Refusal;

    use super::*;
    use crate::transfer::frames::{TAG, aborted, content, encoded, frames};
    use crate::transfer::names_in;

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
            names_in(self.directory.path())
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
        let said = "File f exists here. Use --force to overwrite";
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
        let said = "File f exists here. Use --force to overwrite";
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
            let said = "f was not downloaded: what arrived is not what the server sent. Try again";
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
