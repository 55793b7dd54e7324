//! Signals: no signal that people send ends a server without a goodbye.
#![forbid(unsafe_code)]

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use forum_common::wire::Closing;
use forum_tests::{Forumd, Process, Server, until};
use rustix::fs::{CWD, Mode, OFlags, mkfifoat};
use rustix::process::Signal;

#[test]
fn signals_without_a_meaning_are_harmless_and_in_the_log() {
    let mut server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    let harmless = [
        (Signal::USR1, "SIGUSR1"),
        (Signal::USR2, "SIGUSR2"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::VTALARM, "SIGVTALRM"),
        (Signal::PROF, "SIGPROF"),
        (Signal::IO, "SIGIO"),
    ];
    for (signal, name) in harmless {
        server.signal(signal);
        server.wait_log(&format!("signal {name}: it has no meaning here"));
    }
    server.signal(Signal::PIPE);
    server.signal(Signal::HUP);
    server.wait_log("there is no file to open again");
    yoda.ping();
    // None of them counts as the first of the two that end a server at once.
    server.signal(Signal::TERM);
    assert_eq!(yoda.expect_closing().0, Closing::ShuttingDown);
    drop(yoda);
    server.expect_exit_0();
}

#[test]
fn a_server_whose_cpu_time_is_used_up_ends_in_order() {
    let mut server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    server.signal(Signal::XCPU);
    assert_eq!(yoda.expect_closing().0, Closing::ShuttingDown);
    drop(yoda);
    server.expect_exit_0();
}

#[test]
fn sighup_opens_the_log_file_anew() {
    let launch = Forumd::new();
    let (log, old) = (launch.directory().join("log"), launch.directory().join("log.1"));
    let mut server = launch.args(&["--log-file", log.to_str().unwrap()]).start();
    let mut yoda = server.user("yoda");
    // A thread of its own writes the log.
    until("yoda's log-in in the old log", || {
        yoda.ping();
        fs::read_to_string(&log).unwrap().contains("yoda successfully logged in").then_some(())
    });
    fs::rename(&log, &old).unwrap();
    server.signal(Signal::HUP);
    until("the log file to be made anew", || {
        yoda.ping();
        fs::read_to_string(&log).ok().filter(|text| text.contains("log file opened again"))
    });
    drop(yoda);
    until("yoda's end in the new log", || {
        server.wire().ping();
        fs::read_to_string(&log).unwrap().contains("yoda exited").then_some(())
    });
    server.stop();
    let (old, new) = (fs::read_to_string(old).unwrap(), fs::read_to_string(log).unwrap());
    assert!(old.contains("yoda successfully logged in") && !old.contains("yoda exited"), "{old}");
    assert!(!new.contains("yoda successfully logged in"), "{new}");
}

/// A server that is to read its credentials from a FIFO, and which waits for them.
fn reading_credentials(options: &[&str]) -> (Forumd, Process, PathBuf, File) {
    let launch = Forumd::with_dear_hashes().without_admin_password();
    let fifo = launch.directory().join("credentials");
    mkfifoat(CWD, &fifo, Mode::RUSR | Mode::WUSR).unwrap();
    let launch = launch.args(&["--credentials", fifo.to_str().unwrap()]).args(options);
    let process = launch.process();
    let writer = until("somebody to read the FIFO", || open_for_writing(&fifo));
    (launch, process, fifo, writer)
}

/// Opens a FIFO for writing, if somebody reads it.
fn open_for_writing(fifo: &Path) -> Option<File> {
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new().write(true).custom_flags(nonblocking).open(fifo).ok()
}

#[test]
fn a_signal_ends_a_server_in_order_while_it_waits_for_credentials() {
    for signal in [Signal::TERM, Signal::INT] {
        let (_launch, mut server, _, _writer) = reading_credentials(&[]);
        server.signal(signal);
        let finished = server.finish();
        assert_eq!((finished.code, finished.signal), (Some(0), None), "{finished:#?}");
        assert!(!finished.stderr.iter().any(|line| line.starts_with("listening on")), "{finished:#?}");
    }
}

#[test]
fn a_signal_ends_a_server_in_order_while_it_hashes_passwords() {
    // The rest of them would take minutes.
    let (_launch, mut server, _, mut writer) =
        reading_credentials(&["--hash-memory-kib", "19456", "--hash-iterations", "10"]);
    let lines: String = (0..2_000).map(|number| format!("user{number} secret\n")).collect();
    writer.write_all(lines.as_bytes()).unwrap();
    drop(writer);
    server.stderr.find("a hashed password", |line| line.contains("passwords hashed").then_some(()));
    server.signal(Signal::TERM);
    let finished = server.finish();
    assert_eq!((finished.code, finished.signal), (Some(0), None), "{finished:#?}");
    assert!(!finished.stderr.iter().any(|line| line.starts_with("listening on")), "{finished:#?}");
}

#[test]
fn the_second_signal_ends_a_server_at_once_though_it_is_busy() {
    // A single hash that takes minutes.
    let (_launch, mut server, fifo, mut writer) =
        reading_credentials(&["--hash-memory-kib", "262144", "--hash-iterations", "1000"]);
    writer.write_all(b"yoda secret\n").unwrap();
    drop(writer);
    until("the FIFO to be closed", || open_for_writing(&fifo).is_none().then_some(()));
    server.signal(Signal::TERM);
    server.signal(Signal::INT);
    let finished = server.finish();
    assert!(finished.signal.is_some(), "{finished:#?}");
}
