//! Asking for a new password: on a terminal twice and unseen, elsewhere one line. It doesn't know whose.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};

use forum_common::limits::PASSWORD_BYTES_MAX;
use forum_common::names::Password;
use rustix::termios::{LocalModes, OptionalActions, Termios, isatty, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::because;
use crate::failed::Failed;
use crate::interrupts::{Interrupted, Interrupts, Ready};

/// Bytes of the longest line worth reading: a password, its line end, and one more that shows it is too long.
const LINE_BYTES_MAX: usize = PASSWORD_BYTES_MAX + 3;

/// Reads a new password from `input`, behind `prompt` if somebody sits there.
pub(super) fn ask(prompt: &str, input: &impl AsFd, interrupts: &Interrupts) -> Result<Password, Failed> {
    let input = input.as_fd();
    if !isatty(input) {
        return parse(&read_line(input, interrupts)?);
    }
    let _hidden = Hidden::begin(input).map_err(because("hide the password"))?;
    let first = answer(prompt, input, interrupts)?;
    let password = parse(&first)?;
    let second = answer("The same again: ", input, interrupts)?;
    if *first == *second { Ok(password) } else { Err(Failed::because("Passwords do not match")) }
}

fn answer(
    prompt: &str,
    input: BorrowedFd<'_>,
    interrupts: &Interrupts,
) -> Result<Zeroizing<Vec<u8>>, Failed> {
    let mut terminal = io::stderr();
    let prompted = write!(terminal, "{prompt}").and_then(|()| terminal.flush());
    prompted.map_err(because("write to standard error"))?;
    read_line(input, interrupts).inspect_err(|_| {
        // The line of the prompt is still open. If that fails too, nobody sees it.
        let _ = writeln!(terminal);
    })
}

fn parse(line: &[u8]) -> Result<Password, Failed> {
    let text = std::str::from_utf8(line).map_err(|_| forum_common::names::Invalid::Password);
    text.and_then(Password::parse).map_err(Failed::because)
}

/// Reads a line without its end, or what there is of one. What follows behind [`LINE_BYTES_MAX`] is left.
fn read_line(input: BorrowedFd<'_>, interrupts: &Interrupts) -> Result<Zeroizing<Vec<u8>>, Failed> {
    let mut line = Zeroizing::new(Vec::with_capacity(LINE_BYTES_MAX));
    while line.len() < LINE_BYTES_MAX {
        // Byte by byte: it is one line in the life of this program, and what is behind it stays unread.
        let mut byte = [0];
        match interrupts.wait(input).map_err(because("wait for the password"))? {
            Ready::Interrupt => return Err(Interrupted.into()),
            Ready::Input => match rustix::io::read(input, &mut byte) {
                Ok(0) => break,
                Ok(_) if byte == *b"\n" => break,
                Ok(_) => line.push(byte[0]),
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
                Err(error) => return Err(because("read the password")(error.into())),
            },
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(line)
}

/// A terminal that doesn't show what is typed, until this is dropped.
struct Hidden<'a> {
    terminal: BorrowedFd<'a>,
    before: Termios,
}

impl<'a> Hidden<'a> {
    fn begin(terminal: BorrowedFd<'a>) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        // The cursor goes to the next line all the same.
        hidden.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(terminal, OptionalActions::Flush, &hidden)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        // A terminal that is gone needs no echo.
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn asked(typed: &[u8]) -> Result<Vec<u8>, String> {
        let (input, mut other_end) = UnixStream::pair().unwrap();
        other_end.write_all(typed).unwrap();
        drop(other_end);
        match ask("", &input, &Interrupts::Deadly) {
            Ok(password) => Ok(password.as_bytes().to_vec()),
            Err(Failed::Other(text) | Failed::Usage(text)) => Err(text),
        }
    }

    #[test]
    fn one_line_is_the_password_whatever_ends_it() {
        for typed in [&b"new one\n"[..], b"new one\r\n", b"new one", b"new one\nsomething else\n"] {
            assert_eq!(asked(typed), Ok(b"new one".to_vec()));
        }
        let longest = "x".repeat(PASSWORD_BYTES_MAX);
        assert_eq!(asked(format!("{longest}\r\n").as_bytes()), Ok(longest.into_bytes()));
    }

    #[test]
    fn what_the_server_would_not_take_is_refused() {
        let too_long = "x".repeat(PASSWORD_BYTES_MAX + 1);
        for typed in [&b""[..], b"\n", b"\r\n", b"a\tb\n", b"\xff\n", too_long.as_bytes()] {
            assert_eq!(asked(typed), Err("Invalid password format".into()));
        }
    }

    #[test]
    fn an_interrupt_ends_the_question() {
        let (input, _other_end) = UnixStream::pair().unwrap();
        let Err(Failed::Other(text)) = ask("", &input, &Interrupts::fired()) else { panic!("an answer?") };
        assert_eq!(text, "interrupted");
    }
}
