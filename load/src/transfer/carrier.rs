//! One connection that moves files, and blocks while it does.

use std::error::Error;
use std::fmt::{self, Display};
use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::time::Duration;

use forum_common::limits::DATA_BYTES_MAX;
use forum_common::tls::Line;
use forum_common::wire::{
    Blocking, Credit, Event, Notice, OwnedReply, Reply, Request, TakeOver, Transfer, Window,
};
use socket2::{Domain, Protocol, Socket, Type};

use super::{Interrupt, Log};
use crate::args::{Arguments, Direction, FILE_BYTES};
use crate::dialect::forum::{hello, proof};
use crate::kinds::Asked;
use crate::target::Target;
use crate::work::user_name;

/// Bytes that the server may send ahead of what has arrived.
const CREDIT_BYTES: u32 = 4 << 20;
/// How long a server may say nothing.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// The name of the file that is fetched.
const FILE: &str = "load.bin";

/// One connection that moves files.
pub(super) struct Carrier {
    /// That of its user.
    pub(super) number: u32,
    wire: Blocking<Line<TcpStream>, ()>,
    title: String,
    size: u64,
}

/// The server has said no, and why; the connection is as it was.
#[derive(Debug)]
struct Refusal(String);

impl Error for Refusal {}

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Carrier {
    /// Connects and logs in, even if a user of this name is still there.
    pub(super) fn enter(
        arguments: &Arguments,
        target: &Target,
        number: u32,
        interrupt: &Interrupt,
    ) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(target.address), Type::STREAM, Some(Protocol::TCP))?;
        interrupt.shuts(socket.try_clone()?)?;
        socket.connect(&target.address.into())?;
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        stream.set_write_timeout(Some(SILENCE_MAX))?;
        let mut carrier = Self {
            number,
            wire: Blocking::new(target.line(stream)?),
            title: format!("{}-files-{number}", arguments.user_prefix),
            size: arguments.size.unwrap_or(FILE_BYTES),
        };
        carrier.request(&hello(arguments.presence))?;
        // A run that was interrupted comes again before the server has noticed that it went.
        let name = &user_name(&arguments.user_prefix, number);
        let take_over = Some(TakeOver::Always);
        let log_in = Request::LogIn { name, udp_port: 0, take_over, session: None };
        let OwnedReply::PasswordWanted { known } = carrier.request(&log_in)? else {
            return Err(io::Error::other("the server wants no password"));
        };
        carrier.request(&proof(&arguments.password, known))?;
        Ok(carrier)
    }

    /// Makes a thread with nothing in it but, if it is to be fetched, the file.
    pub(super) fn make_files(&mut self, arguments: &Arguments) -> io::Result<()> {
        let _ = self.remove_thread();
        let title = self.title.clone();
        self.request(&Request::CreateThread { title: &title, key: None })?;
        if arguments.direction == Direction::Down {
            self.upload(FILE)?;
        }
        Ok(())
    }

    /// Moves the files one after the other. Returns the bytes, and whether the connection is still there.
    pub(super) fn move_files(&mut self, direction: Direction, files: u32, log: &Log) -> (u64, bool) {
        let mut bytes = 0;
        for number in 0..files {
            let due = log.now_ns();
            log.meter().offer(due, 1);
            let moved = match direction {
                Direction::Up => self.upload(&format!("{number}-{FILE}")),
                Direction::Down | Direction::None => self.download(FILE),
            };
            let mut meter = log.meter();
            match moved {
                Ok(()) => meter.answer(Asked::at(due), log.now_ns()),
                Err(_) if log.is_ended() => {
                    meter.give_up(Asked::at(due), log.now_ns());
                    return (bytes, false);
                }
                Err(error) if error.get_ref().is_some_and(|inner| inner.is::<Refusal>()) => {
                    meter.refuse(Asked::at(due), 1, log.now_ns(), error.to_string().as_bytes());
                    return (bytes, true);
                }
                Err(error) => {
                    meter.lose([Asked::at(due)], log.now_ns(), &error.to_string());
                    return (bytes, false);
                }
            }
            bytes += self.size;
        }
        (bytes, true)
    }

    /// Removes what the files were in, with the connection or, if it was shut, with another. It is no part of what was
    /// measured.
    ///
    /// # Errors
    /// The server is gone, or does not answer.
    pub(super) fn clean_up(
        arguments: &Arguments,
        target: &Target,
        number: u32,
        carrier: Option<Self>,
    ) -> io::Result<()> {
        let mut carrier = match carrier {
            Some(carrier) => carrier,
            None => Self::enter(arguments, target, number, &Interrupt::default())?,
        };
        // There may be none.
        let _ = carrier.remove_thread();
        Ok(())
    }

    fn remove_thread(&mut self) -> io::Result<OwnedReply> {
        let title = self.title.clone();
        self.request(&Request::RemoveThread { title: &title, key: None })
    }

    fn upload(&mut self, file: &str) -> io::Result<()> {
        let piece = [b'f'; DATA_BYTES_MAX];
        let mut digest = blake3::Hasher::new();
        let (mut left, mut is_ended) = (self.size, false);
        let request = Request::Upload { title: &self.title, file, size: left, key: None };
        let tag = self.wire.ask(&request, ())?;
        let mut credit = Credit::default();
        loop {
            match self.next()? {
                Event::Starts(_, (), Reply::UploadStarts { credit: bytes })
                | Event::Transfer(_, (), Transfer::Credit { bytes }) => {
                    credit.give(bytes).map_err(io::Error::other)?;
                }
                Event::Answer(_, (), reply) => return accepted(reply).map(drop),
                _ => continue,
            }
            while left > 0 && credit.bytes() > 0 {
                let count = u64::from(credit.bytes()).min(left).min(DATA_BYTES_MAX as u64) as usize;
                digest.update(&piece[..count]);
                self.wire.transfer(tag, &Transfer::Data { piece: &piece[..count] })?;
                credit.spend(count).map_err(io::Error::other)?;
                left -= count as u64;
            }
            if left == 0 && !is_ended {
                let digest = Some(*digest.finalize().as_bytes());
                self.wire.transfer(tag, &Transfer::DataEnd { digest })?;
                is_ended = true;
            }
        }
    }

    fn download(&mut self, file: &str) -> io::Result<()> {
        let mut digest = blake3::Hasher::new();
        let request = Request::Download { title: &self.title, file, offset: None, digest: None };
        let tag = self.wire.ask(&request, ())?;
        let (mut window, first) = Window::new(self.size, CREDIT_BYTES);
        loop {
            let credit = match self.next()? {
                Event::Starts(..) => Some(first),
                Event::Transfer(_, (), Transfer::Data { piece }) => {
                    digest.update(piece);
                    window.received(piece.len()).map_err(io::Error::other)?;
                    window.stored(piece.len())
                }
                Event::Downloaded(_, (), Transfer::DataEnd { digest: sent }) => {
                    let is_whole = sent == Some(*digest.finalize().as_bytes());
                    return is_whole
                        .then_some(())
                        .ok_or_else(|| io::Error::other("a file was damaged on its way"));
                }
                Event::Answer(_, (), reply) => {
                    accepted(reply)?;
                    return Err(io::Error::other("the server sent no file"));
                }
                _ => None,
            };
            if let Some(bytes) = credit {
                self.wire.transfer(tag, &Transfer::Credit { bytes })?;
            }
        }
    }

    /// Asks, and waits for the answer.
    fn request(&mut self, request: &Request<'_>) -> io::Result<OwnedReply> {
        self.wire.ask(request, ())?;
        loop {
            if let Event::Answer(_, (), reply) = self.next()? {
                return accepted(reply);
            }
        }
    }

    fn next(&mut self) -> io::Result<Event<'_, ()>> {
        match self.wire.next_event()? {
            None => Err(ErrorKind::UnexpectedEof.into()),
            Some(Event::Notice(Notice::Closing { text, .. })) => Err(io::Error::other(text)),
            Some(event) => Ok(event),
        }
    }
}

/// The answer, unless it is a refusal.
fn accepted(reply: Reply<'_>) -> io::Result<OwnedReply> {
    match reply {
        Reply::Refused { text, .. } => Err(io::Error::other(Refusal(text.to_owned()))),
        reply => Ok(reply.owned()),
    }
}
