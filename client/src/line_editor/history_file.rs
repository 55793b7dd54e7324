//! The lines of earlier runs: a file that several clients share.
//!
//! Each line that is kept is merged into what is in the file at that moment, under a lock, and the file is
//! replaced as a whole: clients at once lose nothing of each other's, and a crash leaves the old file or the
//! new one. It doesn't know what a line means; lines that must not be kept are not handed over.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt};
use std::path::{Path, PathBuf};

use crate::line_editor::history::HISTORY_LINES_MAX;
use crate::state_file::{lock_file, open_regular, replace};
use forum_peer::wording::cause;

/// Bytes of the file; older lines go first.
const FILE_BYTES_MAX: usize = 256 << 10;

/// Bytes of a line that is kept. The longest command is shorter; what is longer was an accident.
const LINE_BYTES_MAX: usize = 16 << 10;

/// What is said of a history that can't be kept.
pub fn not_kept(error: &io::Error) -> String {
    format!("The history is not kept: {}", cause(error))
}

/// The lines of earlier runs, and those that are to be read by later ones.
#[derive(Debug)]
pub struct HistoryFile {
    path: PathBuf,
    /// Kept, but not written: another client had the lock.
    pending: Vec<String>,
}

impl HistoryFile {
    /// Keeps lines in the file at `path`, which need not exist.
    pub fn at(path: PathBuf) -> Self {
        Self { path, pending: Vec::new() }
    }

    /// Where the XDG Base Directory Specification wants such a file, given the values of `XDG_STATE_HOME`
    /// and `HOME`; relative ones are to be ignored, it says.
    pub fn usual_path(state_home: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
        let absolute = |path: &PathBuf| path.is_absolute();
        let state = state_home
            .filter(absolute)
            .or_else(|| home.filter(absolute).map(|home| home.join(".local").join("state")))?;
        Some(state.join("forumd").join("history"))
    }

    /// The lines of earlier runs, the oldest first.
    ///
    /// # Errors
    /// There is something of this name, but it is no file or can't be read.
    pub fn lines(&self) -> io::Result<Vec<String>> {
        if is_unwanted(&self.path) {
            return Ok(Vec::new());
        }
        match open_regular(&self.path, OpenOptions::new().read(true)) {
            Ok(file) => read(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Keeps a line for later runs. If another client is writing just now, see [`HistoryFile::catch_up`].
    ///
    /// # Errors
    /// The file can't be written; its old contents are untouched.
    pub fn keep(&mut self, line: &str) -> io::Result<()> {
        if is_clean(line) && line.len() <= LINE_BYTES_MAX && !line.trim().is_empty() {
            self.pending.push(line.to_owned());
        }
        self.catch_up()
    }

    /// Merges what is not in the file yet into it, unless another client is writing.
    ///
    /// # Errors
    /// As [`HistoryFile::keep`].
    pub fn catch_up(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        // A link is followed: a user who keeps this file elsewhere wants it there.
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        if is_unwanted(&path) {
            self.pending.clear();
            return Ok(());
        }
        let lock = lock_file(&path)?;
        match lock.try_lock() {
            Ok(()) => {}
            // Another client may have it, and be stopped. There will be another time.
            Err(TryLockError::WouldBlock) => {
                self.pending.drain(..self.pending.len().saturating_sub(HISTORY_LINES_MAX));
                return Ok(());
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut lines = self.lines()?;
        lines.append(&mut self.pending);
        lines.dedup();
        replace(&path, directory, newest(&lines))
    }
}

impl Drop for HistoryFile {
    /// What another client's lock kept from being written gets its last chance.
    fn drop(&mut self) {
        let _ = self.catch_up();
    }
}

/// Whether somebody wants no history, and has put a device or a link to one in its place: `/dev/null`, say.
fn is_unwanted(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.file_type().is_char_device())
}

/// Reads as much of the end of the file as is of interest. Lines that no client wrote are skipped.
fn read(mut file: File) -> io::Result<Vec<String>> {
    let length = file.metadata()?.len();
    let skipped = length.saturating_sub(FILE_BYTES_MAX as u64);
    file.seek(SeekFrom::Start(skipped))?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX as u64).read_to_end(&mut bytes)?;
    let mut lines = bytes.split(|byte| *byte == b'\n');
    if skipped > 0 {
        // It begins somewhere before.
        lines.next();
    }
    let lines = lines.filter_map(|line| std::str::from_utf8(line).ok());
    let lines: Vec<&str> = lines.filter(|line| is_clean(line) && !line.is_empty()).collect();
    Ok(newest(&lines).iter().map(|line| (*line).to_owned()).collect())
}

/// The last lines, as many as may be kept.
fn newest<L: AsRef<str>>(lines: &[L]) -> &[L] {
    let mut first = lines.len().saturating_sub(HISTORY_LINES_MAX);
    let mut bytes: usize = lines[first..].iter().map(|line| line.as_ref().len() + 1).sum();
    while bytes > FILE_BYTES_MAX {
        bytes -= lines[first].as_ref().len() + 1;
        first += 1;
    }
    &lines[first..]
}

fn is_clean(line: &str) -> bool {
    !line.chars().any(|c| c.is_control() && c != '\t')
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state").join("forumd").join("history");
        (directory, path)
    }

    fn lines(path: &Path) -> Vec<String> {
        HistoryFile::at(path.to_owned()).lines().unwrap()
    }

    #[test]
    fn the_place_is_the_one_of_the_specification() {
        let path = |text: &str| Some(PathBuf::from(text));
        for (state_home, home, wanted) in [
            (path("/s"), path("/h"), path("/s/forumd/history")),
            (path("s"), path("/h"), path("/h/.local/state/forumd/history")),
            (path(""), path("/h"), path("/h/.local/state/forumd/history")),
            (None, path("/h"), path("/h/.local/state/forumd/history")),
            (None, path("h"), None),
            (None, None, None),
        ] {
            assert_eq!(HistoryFile::usual_path(state_home, home), wanted);
        }
    }

    #[test]
    fn lines_come_back_in_a_file_for_its_owner_alone() {
        let (_directory, path) = place();
        assert_eq!(lines(&path), Vec::<String>::new());
        let mut file = HistoryFile::at(path.clone());
        for line in ["LST", "MSG a  grüße ", "MSG a  grüße ", "  ", "a\x1b[2Jb"] {
            file.keep(line).unwrap();
        }
        assert_eq!(lines(&path), ["LST", "MSG a  grüße "]);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }

    #[test]
    fn clients_at_once_keep_each_others_lines() {
        let (_directory, path) = place();
        let [mut one, mut two] = [0; 2].map(|_| HistoryFile::at(path.clone()));
        one.keep("a").unwrap();
        two.keep("b").unwrap();
        one.keep("c").unwrap();
        assert_eq!(lines(&path), ["a", "b", "c"]);
    }

    #[test]
    fn a_line_that_meets_a_lock_is_written_later_or_at_the_end() {
        let (_directory, path) = place();
        let mut file = HistoryFile::at(path.clone());
        file.keep("a").unwrap();
        let lock = lock_file(&path).unwrap();
        lock.try_lock().unwrap();
        file.keep("b").unwrap();
        assert_eq!(lines(&path), ["a"]);
        drop(lock);
        file.catch_up().unwrap();
        assert_eq!(lines(&path), ["a", "b"]);
        file.keep("c").unwrap();
        assert_eq!(lines(&path), ["a", "b", "c"]);
        let lock = lock_file(&path).unwrap();
        lock.try_lock().unwrap();
        file.keep("d").unwrap();
        drop(lock);
        drop(file);
        assert_eq!(lines(&path), ["a", "b", "c", "d"]);
    }

    #[test]
    fn the_file_is_bounded_in_lines_and_bytes() {
        let (_directory, path) = place();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let many: String = (0..2 * HISTORY_LINES_MAX).map(|n| format!("{n}\n")).collect();
        fs::write(&path, many).unwrap();
        let mut file = HistoryFile::at(path.clone());
        file.keep("last").unwrap();
        let kept = lines(&path);
        assert_eq!((kept.len(), kept.last().unwrap().as_str()), (HISTORY_LINES_MAX, "last"));

        for n in 0..HISTORY_LINES_MAX {
            file.pending.push(format!("{n}{}", "x".repeat(LINE_BYTES_MAX - 10)));
        }
        file.keep("end").unwrap();
        assert!(fs::metadata(&path).unwrap().len() <= FILE_BYTES_MAX as u64);
        assert_eq!(lines(&path).last().unwrap(), "end");
        file.keep(&"x".repeat(LINE_BYTES_MAX + 1)).unwrap();
        assert_eq!(lines(&path).last().unwrap(), "end");
    }

    #[test]
    fn a_file_that_is_no_history_is_read_as_far_as_it_goes() {
        let (_directory, path) = place();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, b"\xff\xfe\na\x1b[2J\n\n LST\nunfinished").unwrap();
        assert_eq!(lines(&path), [" LST", "unfinished"]);
        HistoryFile::at(path.clone()).keep("next").unwrap();
        assert_eq!(lines(&path), [" LST", "unfinished", "next"]);
    }

    #[test]
    fn a_link_is_followed_and_one_to_no_file_left_alone() {
        let (directory, path) = place();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let elsewhere = directory.path().join("elsewhere");
        fs::write(&elsewhere, "a\n").unwrap();
        symlink(&elsewhere, &path).unwrap();
        HistoryFile::at(path.clone()).keep("b").unwrap();
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "a\nb\n");
        fs::remove_file(&path).unwrap();
        symlink("/dev/null", &path).unwrap();
        HistoryFile::at(path.clone()).keep("b").unwrap();
        assert_eq!(fs::read_link(&path).unwrap(), Path::new("/dev/null"));
    }

    #[test]
    fn a_fifo_or_a_directory_is_not_waited_for_and_says_where_it_is() {
        for replaced in ["history", "history.lock"] {
            for is_fifo in [true, false] {
                let (_directory, path) = place();
                let folder = path.parent().unwrap();
                fs::create_dir_all(folder).unwrap();
                let special = folder.join(replaced);
                if is_fifo {
                    let mode = 0o600.into();
                    rustix::fs::mknodat(rustix::fs::CWD, &special, rustix::fs::FileType::Fifo, mode, 0)
                        .unwrap();
                } else {
                    fs::create_dir(&special).unwrap();
                }
                let mut file = HistoryFile::at(path.clone());
                let error = file.lines().and_then(|_| file.keep("a")).unwrap_err();
                let said = format!("{} is not a regular file. Remove it to keep one", special.display());
                assert_eq!(error.to_string(), said);
            }
        }
    }
}
