//! The password that goes along with `--user`: the first line of a file, or the environment.

use std::ffi::OsString;
use std::path::Path;

use forum_common::process;
use forum_common::text::Secret;
use forum_peer::wording::cause;

/// The environment variable that may hold the password.
pub(crate) const VARIABLE: &str = "FORUM_PASSWORD";

/// Why there is no password to use, for people.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// None was given.
    Missing(String),
    /// What was given is none.
    Unusable(String),
}

/// The password: that in `file` if one is named, else that in the environment, whose variable has this value.
///
/// # Errors
/// There is none.
pub(crate) fn given(file: Option<&Path>, variable: Option<OsString>) -> Result<Secret, Problem> {
    match (file, variable) {
        (Some(file), _) => {
            let line = process::first_line(file).map_err(|error| {
                Problem::Unusable(format!(
                    "Cannot read the password in {}: {}",
                    file.display(),
                    cause(&error)
                ))
            });
            line.map(|password| Secret::new(password.to_string()))
        }
        (None, Some(password)) if !password.is_empty() => match password.into_string() {
            Ok(password) => Ok(Secret::new(password)),
            Err(_) => Err(Problem::Unusable(format!("{VARIABLE} is not UTF-8. Set it to the password"))),
        },
        (None, _) => Err(Problem::Missing(format!(
            "--user needs a password: name a file that holds it with --password-file FILE, or set the \
             environment variable {VARIABLE}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::io::Write;
    use std::os::unix::ffi::OsStringExt;
    use std::thread;

    use rustix::fs::{CWD, FileType, mknodat};
    use tempfile::{TempDir, tempdir};

    use super::*;

    fn read(path: &Path) -> Result<String, String> {
        given(Some(path), None).map(|password| password.to_string()).map_err(|problem| match problem {
            Problem::Unusable(text) => text
                .strip_prefix(&format!("Cannot read the password in {}: ", path.display()))
                .unwrap()
                .to_owned(),
            Problem::Missing(text) => panic!("{text}"),
        })
    }

    fn fifo() -> (TempDir, std::path::PathBuf) {
        let folder = tempdir().unwrap();
        let path = folder.path().join("fifo");
        mknodat(CWD, &path, FileType::Fifo, 0o600.into(), 0).unwrap();
        (folder, path)
    }

    #[test]
    fn the_password_is_the_first_line_of_the_file_as_it_is() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("p");
        for (content, password) in
            [("jedi", "jedi"), (" j d \n", " j d "), ("jedi\r\nrest", "jedi"), ("grün\n\n", "grün")]
        {
            fs::write(&path, content).unwrap();
            assert_eq!(read(&path).as_deref(), Ok(password));
        }
    }

    #[test]
    fn a_file_without_a_password_says_why() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("p");
        assert_eq!(read(&path).unwrap_err(), "No such file or directory");
        assert_eq!(read(folder.path()).unwrap_err(), "Is a directory");
        for (content, why) in [
            (&b""[..], "it is empty. Its first line must be the password"),
            (b"\njedi\n", "it is empty. Its first line must be the password"),
            (b"caf\xe9\n", "it is not UTF-8"),
            (&[b'x'; 100_000], "its first line is longer than 1024 bytes"),
        ] {
            fs::write(&path, content).unwrap();
            assert_eq!(read(&path).unwrap_err(), why);
        }
        assert_eq!(read(Path::new("/dev/zero")).unwrap_err(), "its first line is longer than 1024 bytes");
        assert!(read(Path::new("/dev/null")).unwrap_err().starts_with("it is empty"));
    }

    #[test]
    fn a_pipe_is_read_up_to_its_first_line_whichever_end_opens_it_first() {
        let (_folder, path) = fifo();
        let writer = thread::spawn({
            let path = path.clone();
            move || {
                let mut pipe = OpenOptions::new().write(true).open(path).unwrap();
                pipe.write_all(b"jedi\n").unwrap();
                pipe
            }
        });
        assert_eq!(read(&path).as_deref(), Ok("jedi"));
        writer.join().unwrap();
    }

    #[test]
    fn an_empty_variable_is_none_and_one_that_is_not_utf_8_is_said() {
        assert_eq!(given(None, Some("jedi".into())).map(|secret| secret.to_string()), Ok("jedi".to_owned()));
        for missing in [None, Some(OsString::new())] {
            assert!(matches!(given(None, missing), Err(Problem::Missing(_))));
        }
        let said = Problem::Unusable("FORUM_PASSWORD is not UTF-8. Set it to the password".to_owned());
        assert_eq!(given(None, Some(OsString::from_vec(b"caf\xe9".to_vec()))), Err(said));
    }
}
