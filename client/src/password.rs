//! The password that goes along with `--user`: the first line of a file, or the environment.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use forum_client::login::Secret;
use forum_client::wording::cause;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use zeroize::Zeroizing;

/// The environment variable that may hold the password.
pub(crate) const VARIABLE: &str = "FORUM_PASSWORD";

/// Bytes of the first line of a password file. The longest password has 128; a longer line is some other file.
const LINE_BYTES_MAX: usize = 1_024;

/// How long a pipe in the place of the file (`--password-file <(pass show forum)`) may take to give its line.
const PIPE_TIMEOUT: Duration = Duration::from_secs(10);

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
            let line = first_line(file);
            line.map_err(|why| {
                Problem::Unusable(format!("Cannot read the password in {}: {why}", file.display()))
            })
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

fn first_line(path: &Path) -> Result<Secret, String> {
    // Opening a FIFO must not wait for somebody who may never come.
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).expect("the flag is a small number");
    let opened = OpenOptions::new().read(true).custom_flags(nonblocking).open(path);
    let line = opened.and_then(read_line).map_err(|error| cause(&error))?;
    let text = std::str::from_utf8(&line).map_err(|_| "it is not UTF-8".to_owned())?;
    match text.lines().next() {
        Some(password) if !password.is_empty() => Ok(Secret::new(password.to_owned())),
        _ => Err("it is empty. Its first line must be the password".to_owned()),
    }
}

/// Reads up to the end of the first line.
fn read_line(mut file: File) -> io::Result<Zeroizing<Vec<u8>>> {
    let deadline = Instant::now() + PIPE_TIMEOUT;
    // All the room at once: a buffer that grew would leave copies of the password behind.
    let mut line = Zeroizing::new(Vec::with_capacity(LINE_BYTES_MAX + 1));
    let mut byte = [0];
    while line.last() != Some(&b'\n') {
        if line.len() > LINE_BYTES_MAX {
            return Err(io::Error::other(format!("its first line is longer than {LINE_BYTES_MAX} bytes")));
        }
        // A FIFO that nobody has opened for writing yet has an end already; waiting for it takes that for no end.
        await_readable(&file, deadline)?;
        match file.read(&mut byte) {
            Ok(0) => break,
            Ok(_) => line.push(byte[0]),
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(line)
}

fn await_readable(file: &File, deadline: Instant) -> io::Result<()> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(file, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => {
                let seconds = PIPE_TIMEOUT.as_secs();
                let why = format!("nobody wrote a line into it within {seconds} seconds");
                return Err(io::Error::other(why));
            }
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
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
    fn a_pipe_is_read_up_to_its_first_line_whoever_opens_it_first() {
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
    fn a_pipe_in_which_nothing_comes_is_given_up() {
        let (_folder, path) = fifo();
        let file =
            OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(&path);
        let error = await_readable(&file.unwrap(), Instant::now()).unwrap_err();
        assert_eq!(error.to_string(), "nobody wrote a line into it within 10 seconds");
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
