//! Files, up or down. Each connection is a thread that does nothing but this and may block: what is measured
//! is the server, and beside it the pings of an [`Engine`] with one connection.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use forum_common::frame::{Decoder, Tag};
use forum_common::limits::DATA_BYTES_MAX;
use forum_common::reply::Reply;
use forum_common::request::{Request, VERSION};
use forum_common::transfer::Transfer;

use crate::args::{Arguments, Direction, FILE_BYTES};
use crate::engine::{Edge, Engine};
use crate::meter::Meter;
use crate::outcome::Outcome;
use crate::run::{Finished, resolve};
use crate::server_use::{Snapshot, listening_process};
use crate::work::{Work, user_name};

/// Bytes that the server may send ahead of what has arrived.
const CREDIT_BYTES: u64 = 4 << 20;
/// How long a server may say nothing.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// The name of the file that is fetched.
const FILE: &str = "load.bin";

/// Moves the files, and says what has come of it.
///
/// # Errors
/// Why nothing could be measured.
pub fn run(arguments: &Arguments) -> Result<Finished, String> {
    let address = resolve(&arguments.server)?;
    let pid = arguments.server_pid.or_else(|| listening_process(address));
    let look = || pid.and_then(Snapshot::of);
    let carriers: Result<Vec<_>, _> = match arguments.direction {
        Direction::None => Ok(Vec::new()),
        _ => (0..arguments.connections).map(|number| Carrier::prepare(arguments, address, number)).collect(),
    };
    let carriers = carriers.map_err(|error| format!("{}: {error}", arguments.server))?;
    let beside = beside(arguments);
    let mut engine = match &beside {
        Some(beside) => Some(pinging(beside, address, arguments.connections)?),
        None => None,
    };
    let before = look();
    let start = Instant::now();
    let meter = Arc::new(Mutex::new(Meter::default()));
    meter.lock().expect("nobody panics with it").start(0);
    let stopper = engine.as_ref().map(Engine::stopper);
    let moved = thread::spawn({
        let (arguments, meter) = (arguments.clone(), Arc::clone(&meter));
        move || {
            let bytes = move_all(&arguments, carriers, &meter, start);
            if let Some((stop, waker)) = stopper.filter(|_| arguments.direction != Direction::None) {
                stop.store(true, Ordering::Release);
                let _ = waker.wake();
            }
            (bytes, start.elapsed())
        }
    });
    let mut after = None;
    let pings = engine
        .as_mut()
        .map(|engine| engine.measure(&mut |edge| after = if edge == Edge::Ends { look() } else { None }));
    let (bytes, took) = moved.join().map_err(|_| "a transfer has failed")?;
    let after = after.or_else(look);
    let mut meter = meter.lock().expect("nobody panics with it");
    meter.finish(took.as_nanos() as u64);
    let mut outcome = outcome(arguments, &meter, bytes, took);
    if let Some(pings) = pings {
        outcome.operations = pings.operations;
        outcome.latency = pings.latency;
        outcome.series = pings.series;
        outcome.errors.refused += pings.errors.refused;
        outcome.errors.lost += pings.errors.lost;
        outcome.errors.unanswered += pings.errors.unanswered;
        outcome.seconds = pings.seconds;
    }
    outcome.server = before.zip(after).map(|(before, after)| before.until(&after));
    Ok(Finished { outcome, texts: meter.texts.clone(), deliveries: 0 })
}

/// The arguments of the pings beside.
fn beside(arguments: &Arguments) -> Option<Arguments> {
    let rate = arguments.ping_beside?;
    let mut beside = arguments.clone();
    beside.connections = 1;
    beside.rate = Some(rate);
    if arguments.direction != Direction::None {
        // The transfer ends it.
        beside.duration = Duration::from_secs(u64::from(u32::MAX));
    }
    Some(beside)
}

fn pinging(beside: &Arguments, address: SocketAddr, number: u32) -> Result<Engine<'_>, String> {
    let work = Work::pings(beside.protocol);
    let mut engine = Engine::new(beside, address, work, number, None).map_err(|error| error.to_string())?;
    engine.set_up()?;
    Ok(engine)
}

/// Lets every carrier move its files. Returns the bytes that were moved.
fn move_all(arguments: &Arguments, carriers: Vec<Carrier>, meter: &Mutex<Meter>, start: Instant) -> u64 {
    let (files, direction) = (arguments.files, arguments.direction);
    thread::scope(|scope| {
        let moving: Vec<_> = carriers
            .into_iter()
            .map(|mut carrier| scope.spawn(move || carrier.move_files(direction, files, meter, start)))
            .collect();
        moving.into_iter().map(|one| one.join().unwrap_or(0)).sum()
    })
}

fn outcome(arguments: &Arguments, meter: &Meter, bytes: u64, took: Duration) -> Outcome {
    Outcome {
        scenario: arguments.scenario.name().to_owned(),
        target: format!("{} {}", arguments.protocol.name(), arguments.server),
        options: arguments.options().into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        seconds: took.as_secs_f64(),
        operations: meter.operations,
        errors: meter.errors,
        bytes,
        latency: meter.latency.clone(),
        series: meter.series.clone(),
        server: None,
    }
}

/// One connection that moves files.
struct Carrier {
    stream: TcpStream,
    decoder: Decoder,
    title: String,
    size: u64,
    tag: Tag,
    output: Vec<u8>,
    input: Vec<u8>,
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
    fn prepare(arguments: &Arguments, address: SocketAddr, number: u32) -> io::Result<Self> {
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

    fn move_files(&mut self, direction: Direction, files: u32, meter: &Mutex<Meter>, start: Instant) -> u64 {
        let mut bytes = 0;
        for number in 0..files {
            let due = start.elapsed().as_nanos() as u64;
            let moved = match direction {
                Direction::Up => self.upload(&format!("{number}-{FILE}")),
                Direction::Down | Direction::None => self.download(FILE),
            };
            let mut meter = meter.lock().expect("nobody panics with it");
            if let Err(error) = moved {
                meter.lose(&error.to_string());
                return bytes;
            }
            meter.record(due, start.elapsed().as_nanos() as u64);
            bytes += self.size;
        }
        let title = self.title.clone();
        let _ = self.request(&Request::RemoveThread { title: &title });
        bytes
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
                    Reply::Refused { text, .. } => Err(io::Error::other(text)),
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
