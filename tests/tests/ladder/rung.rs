//! A running rung, and clients of it.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Command;

use forum_tests::{DEADLINE, Process, example, until};
use rustix::process::Signal;
use socket2::{Domain, Socket, Type};

/// A running rung. It is killed when dropped.
pub(crate) struct Rung {
    pub(crate) process: Process,
    address: SocketAddr,
}

impl Rung {
    /// Starts it on a free port.
    pub(crate) fn start(name: &str) -> Self {
        Self::start_with(name, &[])
    }

    /// Starts it on a free port, with these arguments more.
    pub(crate) fn start_with(name: &str, arguments: &[&OsStr]) -> Self {
        Self::start_command(Self::command(name).args(arguments))
    }

    /// The command that starts it on a free port.
    pub(crate) fn command(name: &str) -> Command {
        let mut command = Command::new(example("forumd", name));
        command.arg("0");
        command
    }

    /// Starts a command and waits until it listens.
    pub(crate) fn start_command(command: &mut Command) -> Self {
        let mut process = Process::start(command);
        let address =
            process.stderr.find("its address", |line| line.strip_prefix("listening on ")?.parse().ok());
        Self { process, address }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A new client. Its kernel takes little from the server as long as the client reads nothing.
    pub(crate) fn connect(&self) -> Client {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        // Before it connects: the first window is told then.
        socket.set_recv_buffer_size(65_536).expect("a buffer may be small");
        socket.connect(&self.address.into()).expect("somebody listens");
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(DEADLINE)).expect("a TCP socket");
        stream.set_write_timeout(Some(DEADLINE)).expect("a TCP socket");
        Client(BufReader::new(stream))
    }

    /// Returns after the server has done all that could be done about what had reached it before. Adds two messages.
    ///
    /// The first answer comes out of a turn that has seen everything older, and the second out of a later turn.
    pub(crate) fn barrier(&self) {
        let mut other = self.connect();
        for _ in 0..2 {
            other.say("barrier\n");
            assert!(other.line().ends_with(" barrier"));
        }
    }

    /// Does `deed` while the server stands still; afterwards it finds all of it at once.
    pub(crate) fn in_one_turn(&self, deed: impl FnOnce()) {
        self.process.signal(Signal::STOP);
        self.until_state('T');
        deed();
        self.process.signal(Signal::CONT);
    }

    /// Waits until the process stands still (`T`), or sleeps (`S`), as one never does that finds something to do again
    /// and again.
    pub(crate) fn until_state(&self, state: char) {
        let stat = format!("/proc/{}/stat", self.process.pid());
        until("that state", || {
            fs::read_to_string(&stat).ok()?.contains(&format!(") {state} ")).then_some(())
        });
    }
}

/// A client of a rung.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    /// Sends all of this.
    pub(crate) fn say(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).expect("the server takes it");
    }

    /// Says that nothing more comes, as `nc -N` does at the end of its input.
    pub(crate) fn end(&mut self) {
        self.0.get_mut().shutdown(Shutdown::Write).expect("the connection stands");
    }

    /// The next line, without its end.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("an answer");
        line.strip_suffix('\n').unwrap_or_else(|| panic!("the stream ends with {line:?}")).to_owned()
    }

    /// What comes from here to this text, the text included.
    pub(crate) fn through(&mut self, end: &str) -> String {
        let last = *end.as_bytes().last().expect("a text");
        let mut heard = Vec::new();
        while !heard.ends_with(end.as_bytes()) {
            let count = self.0.read_until(last, &mut heard).expect("an answer");
            assert!(count > 0, "the stream ends before {end:?}: {:?}", String::from_utf8_lossy(&heard));
        }
        String::from_utf8(heard).expect("text")
    }

    /// Exactly so many bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).expect("so many bytes");
        bytes
    }

    /// All that comes to the end of the stream; an error if that is a reset.
    pub(crate) fn rest(&mut self) -> io::Result<String> {
        let mut text = String::new();
        self.0.read_to_string(&mut text)?;
        Ok(text)
    }

    /// What has come and was not read, without waiting for more.
    pub(crate) fn so_far(&mut self) -> String {
        self.0.get_ref().set_nonblocking(true).expect("a TCP socket");
        let mut bytes = Vec::new();
        let ended = self.0.read_to_end(&mut bytes);
        self.0.get_ref().set_nonblocking(false).expect("a TCP socket");
        assert!(ended.is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "the stream has ended");
        String::from_utf8(bytes).expect("text")
    }
}
