//! The text door: who has only `nc` types the same commands on the same port. Here somebody types and waits for each
//! prompt, as a person does; what is read is compared to the last byte.
#![forbid(unsafe_code)]

mod commands;
mod endings;
mod limits;
mod login;
mod programs;
mod users;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use forum_tests::{DEADLINE, PASSWORD, Server};

/// The prompt before the first command.
const FIRST_PROMPT: &str = "Commands: CRT MSG DLT EDT LST RDT UPD DWN RMV XIT SHT, more with help: ";

/// Somebody with nothing but a socket.
struct Visitor {
    stream: TcpStream,
}

impl Visitor {
    /// One who has said nothing yet.
    fn connect(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address()).expect("it listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a TCP socket");
        stream.set_write_timeout(Some(DEADLINE)).expect("a TCP socket");
        Self { stream }
    }

    /// One who has signed up, and has given the command for which the prompt is long.
    fn sign_up(server: &Server, name: &str) -> Self {
        let mut visitor = Self::connect(server);
        visitor.says("", "Enter username: ");
        visitor.says(name, &format!("Enter new password for {name}: "));
        visitor.says(PASSWORD, "Confirm password: ");
        visitor.says(PASSWORD, &format!("Welcome to the forum\n{FIRST_PROMPT}"));
        visitor.does("RDM b 1 Jan 2999 00:00:00", "no new message");
        visitor
    }

    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("it takes what is typed");
    }

    /// Nothing more is typed.
    fn end_input(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("it is connected");
    }

    /// Insists on this as what comes next.
    fn hears(&mut self, text: &str) {
        let (mut heard, mut byte) = (Vec::new(), [0]);
        while heard.len() < text.len() {
            match self.stream.read(&mut byte) {
                Ok(0) => break,
                Ok(_) => heard.push(byte[0]),
                Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&heard)),
            }
            if !text.as_bytes().starts_with(&heard) {
                break;
            }
        }
        assert_eq!(String::from_utf8_lossy(&heard), text);
    }

    /// Types a line, and insists on this as what comes then, prompt and all.
    fn says(&mut self, line: &str, answer: &str) {
        self.send(format!("{line}\n"));
        self.hears(answer);
    }

    /// Types a command that is answered by these lines.
    fn does(&mut self, command: &str, answer: &str) {
        self.says(command, &format!("{answer}\n> "));
    }

    /// Insists on this as the next thing that is told unasked.
    fn is_told(&mut self, line: &str) {
        self.hears(&format!("\n{line}\n> "));
    }

    /// All that comes until the server closes, which it does in order.
    fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => String::from_utf8(rest).expect("text"),
            Err(error) => panic!("{:?} after {:?}", error.kind(), String::from_utf8_lossy(&rest)),
        }
    }

    /// Insists on this as all that comes until the server closes.
    fn hears_last(&mut self, text: &str) {
        assert_eq!(self.rest(), text);
    }

    /// The next line, whatever it says.
    fn line(&mut self) -> String {
        let (mut line, mut byte) = (Vec::new(), [0]);
        while line.last() != Some(&b'\n') {
            self.stream.read_exact(&mut byte).expect("a whole line");
            line.push(byte[0]);
        }
        String::from_utf8(line).expect("text")
    }

    /// Dies without a word.
    fn resets(self) {
        let socket = socket2::SockRef::from(&self.stream);
        socket.set_linger(Some(Duration::ZERO)).expect("a TCP socket");
    }
}

/// What all of this input is answered with, if it is sent at once and ended: the lines without prompts.
fn batch(server: &Server, input: &str) -> Vec<String> {
    let mut visitor = Visitor::connect(server);
    visitor.send(input);
    visitor.end_input();
    without_prompts(visitor.rest().lines())
}

/// Lines without the prompts before them: who pipes lines in is asked for one when the next is late.
fn without_prompts<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let strip = |line: &'a str| {
        let rest = ["> ", FIRST_PROMPT].iter().find_map(|prompt| line.strip_prefix(prompt));
        let question = || line.strip_prefix("Enter ").or(line.strip_prefix("Confirm "));
        rest.or_else(|| Some(question()?.split_once(": ")?.1))
    };
    let mut answers = Vec::new();
    for line in lines {
        let mut rest = line;
        while let Some(after) = strip(rest) {
            rest = after;
        }
        if rest == line || !rest.is_empty() {
            answers.push(rest.to_owned());
        }
    }
    answers
}
