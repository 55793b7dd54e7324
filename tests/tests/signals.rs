//! Signals: no signal that people send ends a server without a goodbye.
#![forbid(unsafe_code)]

use std::fs;

use forum_common::wire::Closing;
use forum_tests::{Forumd, Server, until};
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
