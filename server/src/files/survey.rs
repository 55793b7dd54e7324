//! Comparing the files on disk with those that the forum names: at start-up, and for whoever wants to know.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::{fs, io};

use super::FileId;

/// What the directory of the files holds, and what it should. Each list is sorted.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Files that nothing names: an upload broke off, or a thread was removed. Beside a running server, an
    /// upload under way looks the same.
    pub unnamed: Vec<FileId>,
    /// Files that are named and not there: the data is damaged.
    pub missing: Vec<FileId>,
    /// What forumd didn't put there: other names, directories, links.
    pub foreign: Vec<OsString>,
}

/// Looks through `dir`, in which the files `named` are expected. Changes nothing.
///
/// # Errors
/// The directory can't be read.
pub fn survey(dir: &Path, named: impl IntoIterator<Item = FileId>) -> io::Result<Survey> {
    let named: HashSet<FileId> = named.into_iter().collect();
    let mut present = HashSet::with_capacity(named.len());
    let mut survey = Survey::default();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        match file_id(&entry.file_name()) {
            Some(id) if entry.file_type()?.is_file() => drop(present.insert(id)),
            _ => survey.foreign.push(entry.file_name()),
        }
    }
    survey.unnamed = present.difference(&named).copied().collect();
    survey.missing = named.difference(&present).copied().collect();
    survey.unnamed.sort_unstable();
    survey.missing.sort_unstable();
    survey.foreign.sort_unstable();
    Ok(survey)
}

impl Survey {
    /// Deletes the files that nothing names. What is foreign stays.
    ///
    /// # Errors
    /// A file can't be deleted; some may be gone.
    pub fn delete_unnamed(&self, dir: &Path) -> io::Result<()> {
        // Nobody waits until the directory is on disk: a file that comes back is swept at the next start.
        self.unnamed.iter().try_for_each(|id| fs::remove_file(id.path_in(dir)))
    }
}

fn file_id(name: &OsStr) -> Option<FileId> {
    name.to_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_survey_tells_unnamed_missing_and_foreign_files_apart_and_deletes_only_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let [named, unnamed, missing, a_directory, a_link] = [1, 2, 3, 4, 5].map(FileId);
        fs::write(named.path_in(dir.path()), "named").unwrap();
        fs::write(unnamed.path_in(dir.path()), "unnamed").unwrap();
        fs::write(dir.path().join("notes.txt"), "foreign").unwrap();
        fs::create_dir(a_directory.path_in(dir.path())).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", a_link.path_in(dir.path())).unwrap();

        let survey_now = || survey(dir.path(), [named, missing]).unwrap();
        let foreign = vec![a_directory.to_string().into(), a_link.to_string().into(), "notes.txt".into()];
        let expected = Survey { unnamed: vec![unnamed], missing: vec![missing], foreign };
        assert_eq!(survey_now(), expected);

        survey_now().delete_unnamed(dir.path()).unwrap();
        assert_eq!(survey_now(), Survey { unnamed: vec![], ..expected });
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error() {
        assert!(survey(Path::new("/does/not/exist"), []).is_err());
    }
}
