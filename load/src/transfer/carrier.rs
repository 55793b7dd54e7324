//! One connection that moves files, and blocks while it does.

use std::error::Error;
use std::fmt::{self, Display};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use forum_common::frame::{Decoder, Tag};
use forum_common::limits::DATA_BYTES_MAX;
use forum_common::reply::Reply;
use forum_common::request::{Request, VERSION};
use forum_common::transfer::Transfer;

use super::Log;
use crate::args::{Arguments, Direction, FILE_BYTES};
use crate::work::user_name;

/// Bytes that the server may send ahead of what has arrived.
const CREDIT_BYTES: u64 = 4 << 20;
/// How long a server may say nothing.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// The name of the file that is fetched.
const FILE: &str = "load.bin";

/// One connection that moves files.
pub(super) struct Carrier {
    pub(super) stream: TcpStream,
    decoder: Decoder,
    title: String,
    size: u64,
    tag: Tag,
    output: Vec<u8>,
    input: Vec<u8>,
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

/// What a frame means to a transfer.
enum Heard {
    Starts,
    Credit(u32),
    /// Bytes of a file that arrived here.
    Data(u64),
    End([u8; 32]),
    Done,
}

impl Carrier {
    /// Logs in, and makes a thread with nothing in it but, if it is to be fetched, the file.
    pub(super) fn prepare(arguments: &Arguments, address: SocketAddr, number: u32) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        stream.set_write_timeout(Some(SILENCE_MAX))?;
        let mut carrier = Self {
            stream,
            decoder: Decoder::default(),
            title: format!("{}-files-{number}", arguments.user_prefix),
            size: arguments.size.unwrap_or(FILE_BYTES),
            tag: 0,
            output: Vec::new(),
            input: vec![0; 256 * 1024],
        };
        carrier.log_in(&user_name(&arguments.user_prefix, number), &arguments.password)?;
        let title = carrier.title.clone();
        let _ = carrier.request(&Request::RemoveThread { title: &title });
        carrier.request(&Request::CreateThread { title: &title })?;
        if arguments.direction == Direction::Down {
            carrier.upload(FILE)?;
        }
        Ok(carrier)
    }

    fn log_in(&mut self, name: &str, password: &str) -> io::Result<()> {
        Request::Hello { version: VERSION }.encode(1, &mut self.output);
        self.send(&Request::LogIn { name, udp_port: 0 })?;
        let known = loop {
            let known = self.next(|frame| match Reply::decode(frame) {
                Ok(Reply::PasswordWanted { known }) => Ok(Some(known)),
                Ok(Reply::Refused { text, .. }) => Err(io::Error::other(text)),
                _ => Ok(None),
            })?;
            if let Some(known) = known {
                break known;
            }
        };
        if known {
            self.request(&Request::Password(password))
        } else {
            self.request(&Request::SignUp { password, confirmation: password })
        }
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
                Ok(()) => meter.answer(due, log.now_ns()),
                Err(_) if log.is_interrupted() => {
                    meter.give_up(due, 1);
                    return (bytes, false);
                }
                Err(error) if error.get_ref().is_some_and(|inner| inner.is::<Refusal>()) => {
                    meter.refuse(due, 1, log.now_ns(), error.to_string().as_bytes());
                    return (bytes, true);
                }
                Err(error) => {
                    meter.lose([due], log.now_ns(), &error.to_string());
                    return (bytes, false);
                }
            }
            bytes += self.size;
        }
        (bytes, true)
    }

    /// Removes what the files were in. It is no part of what was measured.
    pub(super) fn clean_up(mut self) {
        let title = self.title.clone();
        let _ = self.request(&Request::RemoveThread { title: &title });
    }

    fn upload(&mut self, file: &str) -> io::Result<()> {
        let piece = [b'f'; DATA_BYTES_MAX];
        let (title, size) = (self.title.clone(), self.size);
        let mut digest = blake3::Hasher::new();
        let mut left = size;
        self.send(&Request::Upload { title: &title, file, size })?;
        let mut credit = match self.hear()? {
            Heard::Credit(credit) => u64::from(credit),
            _ => 0,
        };
        while left > 0 {
            let count = credit.min(left).min(DATA_BYTES_MAX as u64) as usize;
            if count == 0 {
                if let Heard::Credit(more) = self.hear()? {
                    credit += u64::from(more);
                }
                continue;
            }
            digest.update(&piece[..count]);
            self.send_transfer(&Transfer::Data(&piece[..count]))?;
            credit -= count as u64;
            left -= count as u64;
        }
        self.send_transfer(&Transfer::End(*digest.finalize().as_bytes()))?;
        while !matches!(self.hear()?, Heard::Done) {}
        Ok(())
    }

    fn download(&mut self, file: &str) -> io::Result<()> {
        let title = self.title.clone();
        let mut digest = blake3::Hasher::new();
        self.send(&Request::Download { title: &title, file })?;
        while !matches!(self.hear()?, Heard::Starts) {}
        self.send_transfer(&Transfer::Credit(CREDIT_BYTES as u32))?;
        let mut arrived = 0;
        loop {
            match self.hear_data(&mut digest)? {
                Heard::Data(bytes) => arrived += bytes,
                Heard::End(sent) if sent == *digest.finalize().as_bytes() => return Ok(()),
                Heard::End(_) => return Err(io::Error::other("a file was damaged on its way")),
                _ => {}
            }
            // In halves, so that the server never waits.
            if arrived >= CREDIT_BYTES / 2 {
                self.send_transfer(&Transfer::Credit(arrived as u32))?;
                arrived = 0;
            }
        }
    }

    fn request(&mut self, request: &Request<'_>) -> io::Result<()> {
        self.send(request)?;
        while !matches!(self.hear()?, Heard::Done) {}
        Ok(())
    }

    fn send(&mut self, request: &Request<'_>) -> io::Result<()> {
        self.tag += 1;
        request.encode(self.tag, &mut self.output);
        self.flush()
    }

    fn send_transfer(&mut self, transfer: &Transfer<'_>) -> io::Result<()> {
        transfer.encode(self.tag, &mut self.output);
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.output)?;
        self.output.clear();
        Ok(())
    }

    fn hear(&mut self) -> io::Result<Heard> {
        self.hear_data(&mut blake3::Hasher::new())
    }

    /// The next frame that belongs to the last request; bytes of a file are digested.
    fn hear_data(&mut self, digest: &mut blake3::Hasher) -> io::Result<Heard> {
        let tag = self.tag;
        loop {
            let heard = self.next(|frame| {
                if frame.tag != tag {
                    return Ok(None);
                }
                if let Ok(transfer) = Transfer::decode(frame) {
                    return Ok(match transfer {
                        Transfer::Data(bytes) => {
                            digest.update(bytes);
                            Some(Heard::Data(bytes.len() as u64))
                        }
                        Transfer::Credit(credit) => Some(Heard::Credit(credit)),
                        Transfer::End(sent) => Some(Heard::End(sent)),
                        Transfer::Abort => None,
                    });
                }
                match Reply::decode(frame).map_err(io::Error::other)? {
                    Reply::Refused { text, .. } => Err(io::Error::other(Refusal(text.to_owned()))),
                    Reply::UploadStarts { credit } => Ok(Some(Heard::Credit(credit))),
                    Reply::DownloadStarts { .. } => Ok(Some(Heard::Starts)),
                    Reply::Done { .. } | Reply::Welcome { .. } => Ok(Some(Heard::Done)),
                    _ => Ok(None),
                }
            })?;
            if let Some(heard) = heard {
                return Ok(heard);
            }
        }
    }

    /// Hands the next frame to `look`.
    fn next<T>(
        &mut self,
        look: impl FnOnce(&forum_common::frame::Frame<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            if let Some(frame) = self.decoder.next_frame().map_err(io::Error::other)? {
                return look(&frame);
            }
            let count = self.stream.read(&mut self.input)?;
            if count == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.decoder.feed(&self.input[..count]);
        }
    }
}
