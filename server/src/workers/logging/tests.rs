//! What the log says, and that nobody waits for it.

use std::sync::Mutex;

use super::*;
use crate::TEST_DEADLINE;

/// A log into memory.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{text:?}");
        text.lines().map(str::to_owned).collect()
    }
}

impl Sink for Paper {}

/// A log that is written when somebody opens the gate: once for each write, or for good by letting go of it.
struct Gated {
    at_gate: mpsc::Sender<()>,
    gate: Receiver<()>,
    paper: Paper,
}

impl Write for Gated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.at_gate.send(());
        let _ = self.gate.recv();
        self.paper.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Gated {}

fn say(logger: &Logger, level: Level, message: &str) {
    logger.log(
        &Record::builder().level(level).target("forumd::module").args(format_args!("{message}")).build(),
    );
}

/// What a log at `level` says to what `speak` says.
fn logged(level: LevelFilter, speak: impl FnOnce(&Logger)) -> Vec<String> {
    let paper = Paper::default();
    let (lines, guard) = start(Box::new(paper.clone()), WAITING_LINES_MAX, TEST_DEADLINE).unwrap();
    speak(&Logger::new(level, lines));
    drop(guard);
    paper.lines()
}

/// A line without its time stamp, which must be one: `2022-06-01T15:00:01.250861Z `, or with other fractions.
fn without_time(line: &str) -> &str {
    let (time, rest) = line.split_once(' ').unwrap();
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let fraction = shape.strip_prefix("0000-00-00T00:00:00").and_then(|rest| rest.strip_suffix('Z'));
    assert!(
        fraction.is_some_and(|fraction| fraction.trim_start_matches('.').bytes().all(|c| c == b'0')),
        "{line}"
    );
    rest
}

#[test]
fn a_line_is_time_level_and_message() {
    let lines = logged(LevelFilter::Info, |logger| {
        say(logger, Level::Info, "yoda exited");
        say(logger, Level::Debug, "not at this level");
        say(logger, Level::Error, "no space left");
    });
    let lines: Vec<&str> = lines.iter().map(|line| without_time(line)).collect();
    assert_eq!(lines, ["[INFO] yoda exited", "[ERROR] no space left"]);
}

#[test]
fn a_debug_line_names_its_module() {
    let lines = logged(LevelFilter::Debug, |logger| say(logger, Level::Debug, "turn over"));
    assert_eq!(without_time(&lines[0]), "[DEBUG] forumd::module: turn over");
}

#[test]
fn a_message_is_one_line_and_drives_no_terminal() {
    let lines = logged(LevelFilter::Info, |logger| {
        say(logger, Level::Info, "\x1b[2J\n2022-06-01T15:00:01.250Z [INFO] forged");
        say(logger, Level::Info, &"é".repeat(MESSAGE_CHARACTERS_MAX + 1));
    });
    let lines: Vec<&str> = lines.iter().map(|line| without_time(line)).collect();
    assert_eq!(lines[0], "[INFO] \\u{1b}[2J\\u{a}2022-06-01T15:00:01.250Z [INFO] forged");
    assert_eq!(lines[1], format!("[INFO] {}…", "é".repeat(MESSAGE_CHARACTERS_MAX)));
}

#[test]
fn lines_that_do_not_fit_are_dropped_and_counted_in_their_place() {
    let (at_gate, arrived) = mpsc::channel();
    let (open, gate) = mpsc::channel();
    let paper = Paper::default();
    let sink = Box::new(Gated { at_gate, gate, paper: paper.clone() });
    let (lines, guard) = start(sink, 3, TEST_DEADLINE).unwrap();
    let logger = Logger::new(LevelFilter::Info, lines);
    say(&logger, Level::Info, "being written");
    arrived.recv_timeout(TEST_DEADLINE).unwrap();
    for n in 1..=5 {
        say(&logger, Level::Info, &format!("waits {n}"));
    }
    // One write ends; the next takes the three that wait, and has said by then what was dropped.
    open.send(()).unwrap();
    arrived.recv_timeout(TEST_DEADLINE).unwrap();
    say(&logger, Level::Info, "there is room again");
    drop(open);
    drop(guard);
    let lines = paper.lines();
    let expected =
        ["being written", "waits 1", "waits 2", "waits 3", "… 2 log lines dropped", "there is room again"];
    assert_eq!(lines.len(), expected.len(), "{lines:?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.ends_with(expected), "{lines:?}");
    }
}

#[test]
fn what_could_not_be_written_is_counted_when_it_can_again() {
    /// A disk that is full for the first write.
    struct FullOnce(bool, Paper);
    impl Write for FullOnce {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if mem::replace(&mut self.0, false) {
                Err(io::ErrorKind::StorageFull.into())
            } else {
                self.1.write(bytes)
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    impl Sink for FullOnce {}
    let paper = Paper::default();
    let (lines, guard) = start(Box::new(FullOnce(true, paper.clone())), 10, TEST_DEADLINE).unwrap();
    lines.send(b"lost\n".to_vec());
    let started = std::time::Instant::now();
    while guard.shared.dropped.load(Ordering::SeqCst) == 0 {
        assert!(started.elapsed() < TEST_DEADLINE, "what could not be written is counted");
        thread::yield_now();
    }
    lines.send(b"written\n".to_vec());
    drop(guard);
    assert_eq!(paper.lines(), ["… 1 log lines dropped", "written"]);
}

#[test]
fn nobody_waits_for_ever_for_a_log_that_nobody_reads() {
    let (at_gate, arrived) = mpsc::channel();
    let (open, gate) = mpsc::channel();
    let sink = Box::new(Gated { at_gate, gate, paper: Paper::default() });
    let (lines, guard) = start(sink, 1, Duration::from_millis(10)).unwrap();
    for _ in 0..10 {
        lines.send(b"nobody reads this\n".to_vec());
    }
    arrived.recv_timeout(TEST_DEADLINE).unwrap();
    drop(guard);
    drop(open);
}

#[test]
fn a_log_file_is_appended_to_and_private() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    for line in ["first\n", "second\n"] {
        let (lines, guard) = start(Box::new(LogFile::open(&path).unwrap()), 10, TEST_DEADLINE).unwrap();
        lines.send(line.as_bytes().to_vec());
        drop(guard);
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "first\nsecond\n");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_warning_that_is_repeated_is_counted_and_the_count_is_said_at_the_latest_at_the_end() {
    let lines = logged(LevelFilter::Warn, |logger| {
        for n in 0..1_000 {
            let mut record = Record::builder();
            record.level(Level::Warn).target("forumd").file_static(Some("x.rs")).line(Some(7));
            logger.log(&record.args(format_args!("#{n} turned away")).build());
        }
        say(logger, Level::Warn, "something else");
    });
    let lines: Vec<&str> = lines.iter().map(|line| without_time(line)).collect();
    assert_eq!(lines.len(), 7, "{lines:?}");
    assert_eq!(lines[0], "[WARN] #0 turned away");
    assert_eq!(lines[5], "[WARN] something else");
    assert_eq!(lines[6], "[WARN] 995 more like this within 10 s: #999 turned away");
}

#[test]
fn a_log_file_that_was_moved_away_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (path, old) = (dir.path().join("log"), dir.path().join("log.1"));
    let (lines, guard) = start(Box::new(LogFile::open(&path).unwrap()), 10, TEST_DEADLINE).unwrap();
    lines.send(b"before\n".to_vec());
    // It is written, not only queued, before the file is moved.
    let started = Instant::now();
    while std::fs::read(&path).unwrap().is_empty() {
        assert!(started.elapsed() < TEST_DEADLINE, "nothing is written");
        thread::yield_now();
    }
    std::fs::rename(&path, &old).unwrap();
    guard.reopener().reopen();
    lines.send(b"after\n".to_vec());
    drop(guard);
    assert_eq!(std::fs::read_to_string(&old).unwrap(), "before\n");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "after\n");
}

#[test]
fn a_log_file_that_cant_be_opened_anew_is_used_on() {
    let dir = tempfile::tempdir().unwrap();
    let (path, old) = (dir.path().join("log"), dir.path().join("log.1"));
    let (lines, guard) = start(Box::new(LogFile::open(&path).unwrap()), 10, TEST_DEADLINE).unwrap();
    std::fs::rename(&path, &old).unwrap();
    std::fs::create_dir(&path).unwrap();
    guard.reopener().reopen();
    lines.send(b"after\n".to_vec());
    drop(guard);
    assert_eq!(std::fs::read_to_string(&old).unwrap(), "after\n");
}

#[test]
fn a_clock_that_no_calendar_knows_is_shown_as_the_first_or_last_time_there_is() {
    let year = Duration::from_secs(31_556_952);
    for (now, shown) in [
        (SystemTime::UNIX_EPOCH, "1970-01-01T00:00:00Z"),
        (SystemTime::UNIX_EPOCH + 8_040 * year, "9999-12-30T22:00:00.999999999Z"),
        (SystemTime::UNIX_EPOCH + 1_000_000 * year, "9999-12-30T22:00:00.999999999Z"),
        (SystemTime::UNIX_EPOCH - 1_000_000 * year, "-009999-01-02T01:59:59Z"),
    ] {
        assert_eq!(stamp(now).to_string(), shown);
    }
}
