//! The log, written by a thread of its own: the threads that log never wait for a terminal, a pipe or a disk. Knows
//! lines and where they go, not what they say.
//!
//! When lines come faster than they can be written, those that don't fit the queue are dropped, and how many
//! is said in their place: `… 123 log lines dropped`. A warning that comes again and again is counted instead
//! (`repeats.rs`).

mod repeats;
mod sink;

use std::io::{self, Write};
use std::mem;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use forum_common::escape::for_terminal;
use jiff::Timestamp;
use log::{Level, LevelFilter, Log, Metadata, Record, error, info};
use simplelog::{Config, ConfigBuilder, WriteLogger};

use self::repeats::{Counted, Repeats};
use self::sink::{LogFile, Sink};

/// Lines that may wait to be written: a second of the busiest log there is, in about a megabyte.
const WAITING_LINES_MAX: usize = 10_000;
/// Characters of a message; longer ones are cut. Far more than any message of ours needs.
const MESSAGE_CHARACTERS_MAX: usize = 2_000;
/// Bytes that are written at once when many lines wait.
const BATCH_BYTES_MAX: usize = 64 * 1_024;
/// How long the writer rests after it has written: what is logged meanwhile is written together, and wakes nobody. Who
/// logs thousands of lines a second would otherwise spend more on waking it than on the lines.
const REST: Duration = Duration::from_millis(2);
/// How long the end of the program waits for the log: a pipe that nobody reads must not hold it up for ever.
const FLUSH_SECONDS_MAX: u64 = 2;

/// Sends what is logged from here on, at `level` and above, to the end of `file`, or to stderr.
///
/// # Errors
/// The file can't be opened, the operating system refuses a thread, or there is a log already.
pub fn init(level: LevelFilter, file: Option<&Path>) -> io::Result<LogGuard> {
    let sink: Box<dyn Sink> = match file {
        Some(path) => Box::new(LogFile::open(path)?),
        None => Box::new(io::stderr()),
    };
    let (lines, guard) = start(sink, WAITING_LINES_MAX, Duration::from_secs(FLUSH_SECONDS_MAX))?;
    log::set_boxed_logger(Box::new(Logger::new(level, lines))).map_err(io::Error::other)?;
    log::set_max_level(level);
    Ok(guard)
}

/// Keeps the log open. Dropped, it waits until what was logged is written, two seconds at most; what is
/// logged after that is lost.
#[derive(Debug)]
#[must_use = "the log ends when this is dropped"]
pub struct LogGuard {
    lines: SyncSender<Message>,
    shared: Arc<Shared>,
    /// Nothing ever comes; it hangs up when the writer has ended.
    writer: Receiver<()>,
    patience: Duration,
}

impl LogGuard {
    /// What opens the log file anew.
    pub fn reopener(&self) -> Reopener {
        Reopener { lines: self.lines.clone(), shared: Arc::clone(&self.shared) }
    }
}

/// Opens the log file anew: somebody has moved it away, to begin another one.
#[derive(Debug)]
pub struct Reopener {
    lines: SyncSender<Message>,
    shared: Arc<Shared>,
}

impl Reopener {
    /// Has it opened anew soon, not waiting for that. What comes of it is logged.
    pub fn reopen(&self) {
        self.shared.reopening.store(true, Ordering::SeqCst);
        // As with closing: a thread that is too busy for this sees the flag.
        let _ = self.lines.try_send(Message::Wake);
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        // A writer that sleeps wakes up. If there is no room for this it doesn't sleep, and sees the flag.
        let _ = self.lines.try_send(Message::Wake);
        let ended = self.writer.recv_timeout(self.patience);
        debug_assert_ne!(ended, Ok(()), "the writer says nothing");
    }
}

#[derive(Debug, Default)]
struct Shared {
    /// Lines that were dropped and not yet spoken of.
    dropped: AtomicU64,
    closing: AtomicBool,
    /// The log file is to be opened anew.
    reopening: AtomicBool,
    repeats: Mutex<Repeats>,
}

impl Shared {
    fn repeats(&self) -> MutexGuard<'_, Repeats> {
        self.repeats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    /// So many lines are missing here.
    Dropped(u64),
    /// There is something to do besides lines.
    Wake,
}

/// Starts the writer.
fn start(sink: Box<dyn Sink>, waiting_max: usize, patience: Duration) -> io::Result<(LineSender, LogGuard)> {
    let (lines, queue) = mpsc::sync_channel(waiting_max);
    let (hangs_up, writer) = mpsc::channel();
    let shared = Arc::new(Shared::default());
    let at_writer = Arc::clone(&shared);
    thread::Builder::new().name("log".into()).spawn(move || {
        write_lines(&queue, sink, &at_writer);
        drop::<mpsc::Sender<()>>(hangs_up);
    })?;
    let sender = LineSender { lines: lines.clone(), shared: Arc::clone(&shared), line: Vec::new() };
    Ok((sender, LogGuard { lines, shared, writer, patience }))
}

/// The writer's life: until it is told to close and finds nothing left to write.
fn write_lines(queue: &Receiver<Message>, mut sink: Box<dyn Sink>, shared: &Shared) {
    loop {
        // Looked at before the queue is: what was logged before the flag was set lies in the queue by now.
        let closing = shared.closing.load(Ordering::SeqCst);
        let mut batch = Batch::default();
        let Some(first) = next_message(queue, closing, shared) else {
            batch.count(shared.repeats().take_all());
            return batch.write_to(&mut *sink, shared);
        };
        if shared.reopening.swap(false, Ordering::SeqCst) {
            reopen(&mut *sink);
        }
        batch.add(first);
        batch.count(shared.repeats().take_due(Instant::now()));
        while batch.bytes.len() < BATCH_BYTES_MAX {
            let Ok(next) = queue.try_recv() else {
                // The next line may be hours away: who was dropped is spoken of now.
                batch.add(Message::Dropped(shared.dropped.swap(0, Ordering::SeqCst)));
                break;
            };
            batch.add(next);
        }
        batch.write_to(&mut *sink, shared);
        if !closing {
            thread::sleep(REST);
        }
    }
}

/// Waits for something to do; none if that was all.
fn next_message(queue: &Receiver<Message>, closing: bool, shared: &Shared) -> Option<Message> {
    if closing {
        return queue.try_recv().ok();
    }
    let due = shared.repeats().next_due();
    let Some(due) = due else { return queue.recv().ok() };
    match queue.recv_timeout(due.saturating_duration_since(Instant::now())) {
        Ok(message) => Some(message),
        Err(RecvTimeoutError::Timeout) => Some(Message::Wake),
        Err(RecvTimeoutError::Disconnected) => None,
    }
}

/// Says what came of it in the log itself, the new one if there is one.
fn reopen(sink: &mut dyn Sink) {
    match sink.reopen() {
        None => info!("the log goes to standard error: there is no file to open again"),
        Some(Ok(())) => info!("log file opened again"),
        Some(Err(error)) => error!("can't open the log file again, so the old one is used on: {error}"),
    }
}

/// Lines that are written together.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    /// How many are lost if this can't be written, those that were lost already included.
    lines: u64,
}

impl Batch {
    fn add(&mut self, message: Message) {
        match message {
            Message::Line(line) => {
                self.bytes.extend(line);
                self.lines += 1;
            }
            Message::Dropped(0) | Message::Wake => {}
            Message::Dropped(count) => {
                self.bytes.extend(format!("… {count} log lines dropped\n").into_bytes());
                self.lines += count;
            }
        }
    }

    /// Adds what was only counted.
    fn count(&mut self, counted: Vec<Counted>) {
        let now = stamp(SystemTime::now());
        let seconds = repeats::WINDOW.as_secs();
        for Counted { count, level, last } in counted {
            let line = format!("{now} [{level}] {count} more like this within {seconds} s: {last}\n");
            self.add(Message::Line(line.into_bytes()));
        }
    }

    fn write_to(self, sink: &mut dyn Sink, shared: &Shared) {
        if sink.write_all(&self.bytes).and_then(|()| sink.flush()).is_err() {
            // The disk is full, say: a log of that would not get through either.
            shared.dropped.fetch_add(self.lines, Ordering::SeqCst);
        }
    }
}

/// The time in front of a line. The clock may be anywhere, and the log goes on: a time that no calendar has is the
/// last there is.
fn stamp(now: SystemTime) -> Timestamp {
    let first_or_last = if now < SystemTime::UNIX_EPOCH { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::try_from(now).unwrap_or(first_or_last)
}

/// Where simplelog writes to: pieces go in, whole lines with their time go to the writer.
#[derive(Debug)]
struct LineSender {
    lines: SyncSender<Message>,
    shared: Arc<Shared>,
    /// The line so far.
    line: Vec<u8>,
}

impl LineSender {
    fn send(&self, line: Vec<u8>) {
        let dropped = self.shared.dropped.swap(0, Ordering::SeqCst);
        let spoken = dropped == 0 || self.lines.try_send(Message::Dropped(dropped)).is_ok();
        let sent = spoken && self.lines.try_send(Message::Line(line)).is_ok();
        let dropped = if spoken { 0 } else { dropped } + u64::from(!sent);
        self.shared.dropped.fetch_add(dropped, Ordering::SeqCst);
    }
}

impl Write for LineSender {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if self.line.is_empty() {
            write!(self.line, "{} ", stamp(SystemTime::now()))?;
        }
        self.line.extend_from_slice(piece);
        if piece.ends_with(b"\n") {
            let line = mem::take(&mut self.line);
            self.send(line);
        }
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// simplelog, and the one thing that it doesn't do: a message is one line, no matter what it contains, and drives
/// nobody's terminal. User names and file names get into the log, and so do errors of other programs.
struct Logger {
    writer: Box<WriteLogger<LineSender>>,
    shared: Arc<Shared>,
}

impl Logger {
    fn new(level: LevelFilter, lines: LineSender) -> Self {
        let shared = Arc::clone(&lines.shared);
        Self { writer: WriteLogger::new(level, config(), lines), shared }
    }
}

/// Lines like `[INFO] yoda exited`; at `debug` and below, with the module. The time in front of them is ours: simplelog's
/// panics when the clock is beyond the year 9999.
fn config() -> Config {
    ConfigBuilder::new()
        .set_time_level(LevelFilter::Off)
        .set_target_level(LevelFilter::Debug)
        .set_thread_level(LevelFilter::Off)
        .set_location_level(LevelFilter::Off)
        // It logs each registration of a socket, which tells us nothing.
        .add_filter_ignore_str("mio")
        .build()
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.writer.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let message = record.args().to_string();
        let shown = for_terminal(&message);
        let (shown, ellipsis) = match shown.char_indices().nth(MESSAGE_CHARACTERS_MAX) {
            Some((end, _)) => (&shown[..end], "…"),
            None => (&*shown, ""),
        };
        if record.level() <= Level::Warn
            && !self.shared.repeats().is_to_be_said(record, shown, Instant::now())
        {
            return;
        }
        let mut shown_record = Record::builder();
        shown_record.metadata(record.metadata().clone());
        self.writer.log(&shown_record.args(format_args!("{shown}{ellipsis}")).build());
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests;
