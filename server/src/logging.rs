//! The log, written by a thread of its own: whoever logs never waits for a terminal, a pipe or a disk. Knows
//! lines and where they go, not what they say.
//!
//! When lines come faster than they can be written, those that don't fit the queue are dropped, and how many
//! is said in their place: `… 123 log lines dropped`.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::mem;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use forum_common::escape::for_terminal;
use log::{LevelFilter, Log, Metadata, Record};
use simplelog::{Config, ConfigBuilder, WriteLogger};

/// Lines that may wait to be written: a second of the busiest log there is, in about a megabyte.
const WAITING_LINES_MAX: usize = 10_000;
/// Characters of a message; longer ones are cut. Far more than any message of ours needs.
const MESSAGE_CHARACTERS_MAX: usize = 2_000;
/// Bytes that are written at once when many lines wait.
const BATCH_BYTES_MAX: usize = 64 * 1_024;
/// How long the end of the program waits for the log: a pipe that nobody reads must not hold it up for ever.
const FLUSH_SECONDS_MAX: u64 = 2;
/// The log tells who did what when; it is for the owner of the server.
const FILE_MODE: u32 = 0o600;

/// Sends what is logged from here on, at `level` and above, to the end of `file`, or to stderr.
///
/// # Errors
/// The file can't be opened, the operating system refuses a thread, or there is a log already.
pub fn init(level: LevelFilter, file: Option<&Path>) -> io::Result<LogGuard> {
    let sink: Box<dyn Write + Send> = match file {
        Some(path) => Box::new(open(path)?),
        None => Box::new(io::stderr()),
    };
    let (lines, guard) = start(sink, WAITING_LINES_MAX, Duration::from_secs(FLUSH_SECONDS_MAX))?;
    log::set_boxed_logger(Box::new(Logger::new(level, lines))).map_err(io::Error::other)?;
    log::set_max_level(level);
    Ok(guard)
}

fn open(path: &Path) -> io::Result<std::fs::File> {
    OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path)
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

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        // A writer that sleeps wakes up. If there is no room for this it doesn't sleep, and sees the flag.
        let _ = self.lines.try_send(Message::Close);
        let ended = self.writer.recv_timeout(self.patience);
        debug_assert_ne!(ended, Ok(()), "the writer says nothing");
    }
}

#[derive(Debug, Default)]
struct Shared {
    /// Lines that were dropped and not yet spoken of.
    dropped: AtomicU64,
    closing: AtomicBool,
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    /// So many lines are missing here.
    Dropped(u64),
    Close,
}

/// Starts the writer.
fn start(
    sink: Box<dyn Write + Send>,
    waiting_max: usize,
    patience: Duration,
) -> io::Result<(LineSender, LogGuard)> {
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
fn write_lines(queue: &Receiver<Message>, mut sink: Box<dyn Write + Send>, shared: &Shared) {
    loop {
        // Looked at before the queue is: what was logged before the flag was set lies in the queue by now.
        let closing = shared.closing.load(Ordering::SeqCst);
        let first = if closing { queue.try_recv().ok() } else { queue.recv().ok() };
        let Some(first) = first else { return };
        let mut batch = Batch::default();
        batch.add(first);
        while batch.bytes.len() < BATCH_BYTES_MAX {
            let Ok(next) = queue.try_recv() else {
                // The next line may be hours away: who was dropped is spoken of now.
                batch.add(Message::Dropped(shared.dropped.swap(0, Ordering::SeqCst)));
                break;
            };
            batch.add(next);
        }
        if sink.write_all(&batch.bytes).and_then(|()| sink.flush()).is_err() {
            // The disk is full, say: a log of that would not get through either.
            shared.dropped.fetch_add(batch.lines, Ordering::SeqCst);
        }
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
            Message::Dropped(0) | Message::Close => {}
            Message::Dropped(count) => {
                self.bytes.extend(format!("… {count} log lines dropped\n").into_bytes());
                self.lines += count;
            }
        }
    }
}

/// Where simplelog writes to: pieces go in, whole lines go to the writer.
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

/// simplelog, behind the one thing that it doesn't do: a message is one line, whatever is in it, and drives
/// nobody's terminal. User names and file names get into the log, and so do errors of other programs.
struct Logger(Box<WriteLogger<LineSender>>);

impl Logger {
    fn new(level: LevelFilter, lines: LineSender) -> Self {
        Self(WriteLogger::new(level, config(), lines))
    }
}

/// Lines like `2022-06-01T15:00:01.250861Z [INFO] yoda exited`; at `debug` and below, with the module.
fn config() -> Config {
    ConfigBuilder::new()
        .set_time_format_rfc3339()
        .set_time_level(LevelFilter::Error)
        .set_target_level(LevelFilter::Debug)
        .set_thread_level(LevelFilter::Off)
        .set_location_level(LevelFilter::Off)
        // It logs each registration of a socket, which tells us nothing.
        .add_filter_ignore_str("mio")
        .build()
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.enabled(metadata)
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
        let mut shown_record = Record::builder();
        shown_record.metadata(record.metadata().clone());
        self.0.log(&shown_record.args(format_args!("{shown}{ellipsis}")).build());
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests;
