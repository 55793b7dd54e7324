//! A file on its way here: taken in as this end gives credit, and kept if it is what was sent.
//!
//! ```text
//!   Asked ──DownloadStarts──► Opening ──there is room──► Going ──DataEnd──► Finishing ──it is what was sent──► over
//!                                └──it can't be stored──┴──► GivenUp ──the server's word──► over
//! ```

use forum_common::names::FileName;
use forum_common::text::{Answer, Rejection};
use forum_common::wire::{Digest, Reply, Transfer, Window};

use super::Step;
use crate::local_files::{FileAction, FileId, FileProblem};
use crate::wording::stored_as;

/// Bytes that a download may be ahead of the disk: enough for 1 Gbit/s over 30 ms.
const WINDOW_BYTES: u32 = 4 << 20;

/// A file being fetched.
#[derive(Debug)]
pub struct Download {
    name: String,
    file: FileId,
    /// What a broken download has left, and of which file.
    has: Option<(u64, Digest)>,
    stage: Taking,
}

#[derive(Debug)]
enum Taking {
    /// The server was asked.
    Asked,
    /// It said yes; there is no room for the file yet.
    Opening(Box<Arriving>),
    /// There is, and the server sends.
    Going(Box<Arriving>),
    /// All is here; it has yet to get its name.
    Finishing,
    /// Given up, and said so; what is still under way is thrown away.
    GivenUp,
}

#[derive(Debug)]
struct Arriving {
    size: u64,
    taken: u64,
    window: Window,
    first_credit: u32,
}

impl Download {
    /// The transfer of the file `name`, for which the server is asked now: for what comes after what it `has`. It will
    /// be called `file` while it arrives.
    pub fn new(name: &str, file: FileId, has: Option<(u64, Digest)>) -> Self {
        Self { name: name.to_owned(), file, has, stage: Taking::Asked }
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The local file.
    pub fn file(&self) -> FileId {
        self.file
    }

    /// Bytes that are here and bytes in all, while they come.
    pub fn progress(&self) -> Option<(u64, u64)> {
        match &self.stage {
            Taking::Going(arriving) => Some((arriving.taken, arriving.size)),
            _ => None,
        }
    }

    /// The user wants it no more. `None`: it is too late for that.
    pub fn cancel(&mut self) -> Option<Step> {
        let step = match self.stage {
            // The server is told when it has said yes.
            Taking::Asked => Step::Going,
            Taking::Opening(_) | Taking::Going(_) => Step::Abort,
            Taking::Finishing | Taking::GivenUp => return None,
        };
        self.stage = Taking::GivenUp;
        Some(step)
    }

    /// Takes in the go-ahead. The name is judged here: it becomes a path.
    pub fn started(&mut self, reply: &Reply<'_>) -> Step {
        if let (Taking::GivenUp, Reply::DownloadStarts { .. }) = (&self.stage, reply) {
            return Step::Abort;
        }
        let (Taking::Asked, &Reply::DownloadStarts { size, digest, offset }) = (&self.stage, reply) else {
            return Step::Unexpected;
        };
        if offset > size || (offset > 0 && self.has != Some((offset, digest))) {
            return Step::Unexpected;
        }
        if let Err(invalid) = FileName::parse(&self.name) {
            return self.give_up(Rejection::from(invalid).to_string());
        }
        let (window, first_credit) = Window::new(size - offset, WINDOW_BYTES);
        self.stage = Taking::Opening(Box::new(Arriving { size, taken: offset, window, first_credit }));
        Step::File(FileAction::Create { name: self.name.clone(), size, digest, has: offset })
    }

    /// There is room for it.
    pub fn created(&mut self) -> Step {
        match std::mem::replace(&mut self.stage, Taking::GivenUp) {
            Taking::Opening(arriving) => {
                let credit = arriving.first_credit;
                self.stage = Taking::Going(arriving);
                Step::Credit(credit)
            }
            _ => Step::Unexpected,
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
            (Taking::Going(arriving), Transfer::Data { piece }) => {
                if arriving.window.received(piece.len()).is_err() {
                    return self.give_up(self.failure("the server sent more than it may"));
                }
                arriving.taken += piece.len() as u64;
                Step::File(FileAction::Append(piece.to_vec()))
            }
            (Taking::GivenUp, Transfer::Data { .. }) => Step::Going,
            _ => Step::Unexpected,
        }
    }

    /// So many bytes more are stored.
    pub fn appended(&mut self, bytes: usize) -> Step {
        match &mut self.stage {
            Taking::Going(arriving) => arriving.window.stored(bytes).map_or(Step::Going, Step::Credit),
            _ => Step::Going,
        }
    }

    /// All frames are here.
    pub fn ended(&mut self) -> Step {
        match std::mem::replace(&mut self.stage, Taking::Finishing) {
            // Less of it than announced is not what was sent either.
            Taking::Going(_) => Step::File(FileAction::Finish),
            // The end was on its way when this end gave up: to the server, it all went well.
            Taking::GivenUp => Step::Over,
            Taking::Asked | Taking::Opening(_) | Taking::Finishing => Step::Unexpected,
        }
    }

    /// It has its name, or this one if something had its own.
    pub fn finished(&self, renamed: Option<&str>) -> Step {
        let done = Answer::Downloaded { file: &self.name };
        Step::Done(renamed.map_or_else(|| done.to_string(), |name| format!("{done}\n{}", stored_as(name))))
    }

    /// It can't be stored.
    pub fn failed(&mut self, problem: &FileProblem) -> Step {
        let why = match problem {
            FileProblem::Exists => format!("File {} exists here. Use --force to overwrite", self.name),
            FileProblem::Other(why) => self.failure(why),
        };
        match self.stage {
            Taking::Finishing => Step::Refused(why),
            _ => self.give_up(why),
        }
    }

    fn give_up(&mut self, reason: String) -> Step {
        self.stage = Taking::GivenUp;
        Step::GaveUp(reason)
    }

    fn failure(&self, why: &str) -> String {
        format!("{} was not downloaded: {why}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use forum_common::limits::DATA_BYTES_MAX;
    use forum_common::wire::Refusal;

    use super::*;
    use crate::transfer::values::{aborted, content, digest, refused};

    fn starts(content: &[u8]) -> Reply<'static> {
        Reply::DownloadStarts { size: content.len() as u64, digest: digest(content), offset: 0 }
    }

    /// A download of `f` with this content that has begun.
    fn begun(content: &[u8]) -> Download {
        let mut download = Download::new("f", 1, None);
        let size = content.len() as u64;
        let create = FileAction::Create { name: "f".to_owned(), size, digest: digest(content), has: 0 };
        assert_eq!(download.started(&starts(content)), Step::File(create));
        assert!(matches!(download.created(), Step::Credit(1..)));
        download
    }

    fn take(download: &mut Download, piece: &[u8]) {
        let append = FileAction::Append(piece.to_vec());
        assert_eq!(download.received(&Transfer::Data { piece }), Step::File(append));
    }

    #[test]
    fn a_download_gives_credit_as_bytes_are_stored_and_gets_its_name() {
        let content = content(6 << 20);
        let mut download = begun(&content);
        let mut given = 4 << 20;
        for piece in content.chunks(DATA_BYTES_MAX) {
            take(&mut download, piece);
            match download.appended(piece.len()) {
                Step::Credit(more) => given += more,
                step => assert_eq!(step, Step::Going),
            }
        }
        assert_eq!(given, 6 << 20);
        assert_eq!(download.progress(), Some((6 << 20, 6 << 20)));
        assert_eq!(download.ended(), Step::File(FileAction::Finish));
        assert_eq!(download.finished(None), Step::Done("f successfully downloaded".into()));
        let done = "f successfully downloaded\nStored as f-2";
        assert_eq!(download.finished(Some("f-2")), Step::Done(done.into()));
    }

    #[test]
    fn what_a_broken_download_has_left_is_resumed_if_the_server_has_the_same_file() {
        let has = Some((2, digest(b"abc")));
        let mut download = Download::new("f", 1, has);
        let reply = Reply::DownloadStarts { size: 3, digest: digest(b"abc"), offset: 2 };
        let create = FileAction::Create { name: "f".to_owned(), size: 3, digest: digest(b"abc"), has: 2 };
        assert_eq!(download.started(&reply), Step::File(create));
        assert_eq!(download.created(), Step::Credit(1));
        assert_eq!(download.progress(), Some((2, 3)));
        take(&mut download, b"c");
        assert_eq!(download.ended(), Step::File(FileAction::Finish));
        let mut download = Download::new("f", 1, has);
        let create = FileAction::Create { name: "f".to_owned(), size: 3, digest: digest(b"xyz"), has: 0 };
        assert_eq!(download.started(&starts(b"xyz")), Step::File(create));
    }

    #[test]
    fn more_than_was_announced_is_given_up() {
        let mut download = begun(b"abc");
        let said = "f was not downloaded: the server sent more than it may";
        assert_eq!(download.received(&Transfer::Data { piece: b"abcd" }), Step::GaveUp(said.into()));
        assert_eq!(download.received(&Transfer::Data { piece: b"abcd" }), Step::Going);
        assert_eq!(download.answered(&aborted()), Step::Over);
        assert_eq!(download.ended(), Step::Over);
    }

    #[test]
    fn what_can_not_be_stored_is_given_up_or_refused_at_the_end() {
        let exists = "File f exists here. Use --force to overwrite";
        let mut download = Download::new("f", 1, None);
        assert!(matches!(download.started(&starts(b"abc")), Step::File(_)));
        assert_eq!(download.failed(&FileProblem::Exists), Step::GaveUp(exists.into()));
        let mut download = begun(b"abc");
        take(&mut download, b"abc");
        assert_eq!(download.ended(), Step::File(FileAction::Finish));
        assert_eq!(download.failed(&FileProblem::Exists), Step::Refused(exists.into()));
        let mut download = begun(b"abc");
        let full = FileProblem::Other("the disk is full".to_owned());
        assert_eq!(download.failed(&full), Step::GaveUp("f was not downloaded: the disk is full".into()));
    }

    #[test]
    fn a_download_refused_in_the_middle_says_why() {
        let download = begun(b"abc");
        let text = "Thread T was removed during the download";
        let step = download.answered(&refused(Refusal::RemovedDuringDownload, text));
        assert_eq!(step, Step::Refused(text.into()));
    }

    #[test]
    fn a_name_that_is_a_path_never_becomes_one() {
        for name in ["../f", "/tmp/f", ".profile", ".."] {
            let mut download = Download::new(name, 1, None);
            assert_eq!(download.started(&starts(b"abc")), Step::GaveUp("Invalid name".into()), "{name}");
        }
    }

    #[test]
    fn a_download_that_begins_where_nobody_asked_for_is_unexpected() {
        for has in [None, Some((2, digest(b"abc"))), Some((1, digest(b"abd")))] {
            let reply = Reply::DownloadStarts { size: 3, digest: digest(b"abc"), offset: 1 };
            assert_eq!(Download::new("f", 1, has).started(&reply), Step::Unexpected, "{has:?}");
        }
        let reply = Reply::DownloadStarts { size: 3, digest: digest(b"abc"), offset: 4 };
        assert_eq!(Download::new("f", 1, Some((4, digest(b"abc")))).started(&reply), Step::Unexpected);
    }
}
