//! What the server writes for people, when nobody takes it: it goes on serving, and what it was asked to show and
//! can't is an error. And what it is given to write to or read from, when that is of no use.
#![forbid(unsafe_code)]

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use forum_tests::{DEADLINE, Finished, Forumd, Server, Wire, until};
use rustix::fs::{CWD, Mode, mkfifoat};

/// A server whose standard error is of no use, so that it can't say where it listens: on a port that was free
/// a moment ago; if somebody has taken it since, on another one.
fn server_with_stderr(stderr: impl Fn() -> Stdio) -> (Killed, Wire) {
    until("a server", || {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let launch = Forumd::bare().args(&[&port.to_string(), "order66"]);
        let mut command = launch.command();
        let child = command.stderr(stderr()).stdout(Stdio::null()).stdin(Stdio::null()).spawn().unwrap();
        let mut server = Killed { child, _launch: launch };
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        until("it to listen or to end", || {
            let ended = server.child.try_wait().unwrap().is_some();
            (ended || TcpStream::connect_timeout(&address, DEADLINE).is_ok()).then_some(())
        });
        let mut wire = Wire::connect(address);
        wire.hello();
        let runs = server.child.try_wait().unwrap().is_none();
        runs.then_some((server, wire))
    })
}

/// A server that is killed when dropped, and its directory.
struct Killed {
    child: Child,
    _launch: Forumd,
}

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn dev_full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn a_server_that_nobody_hears_serves() {
    for stderr in [dev_full, closed_pipe] {
        let (_server, mut wire) = server_with_stderr(stderr);
        wire.become_user("yoda");
        wire.ping();
    }
}

#[test]
fn what_was_asked_for_and_cant_be_shown_is_an_error() {
    let mut server = Server::start(&[]);
    server.stop();
    for words in [&["check"][..], &["--help"], &["--version"]] {
        for stdout in [dev_full(), closed_pipe()] {
            let launch = Forumd::bare().on_data_of(server.launch()).args(words);
            let output = launch.command().stdout(stdout).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{words:?}: {said}");
            assert_eq!(said.lines().count(), 1, "{words:?}: {said}");
        }
    }
}

#[test]
fn a_standard_output_that_was_closed_before_the_start_is_said_before_anything_is_done() {
    let mut server = Server::start(&[]);
    server.stop();
    let said = "forumd: Standard output is closed. \
        Use a terminal, a pipe or a file, or >/dev/null to discard the answers\n";
    let backup = server.launch().directory().join("backup");
    for words in [&["check"][..], &["export", backup.to_str().unwrap()], &["--help"], &["--version"]] {
        let launch = Forumd::bare().on_data_of(server.launch()).args(words);
        let command = launch.command();
        let mut shell = Command::new("sh");
        shell.args(["-c", "exec \"$@\" >&-", "sh"]).arg(command.get_program()).args(command.get_args());
        let output = shell.output().unwrap();
        let heard = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), heard.as_str()), (Some(1), said), "{words:?}");
    }
    assert!(!backup.exists());
}

#[test]
fn errors_that_nobody_hears_have_their_exit_status() {
    let launches = [
        (Forumd::bare().args(&["--no-such-option"]), 2),
        (Forumd::bare().args(&["--max-attempts", "9"]), 2),
        (Forumd::bare().args(&["check"]), 1),
    ];
    for (launch, code) in launches {
        for stderr in [dev_full(), closed_pipe()] {
            let status = launch.command().stderr(stderr).stdout(Stdio::null()).status().unwrap();
            assert_eq!(status.code(), Some(code), "{:?}", launch.command());
        }
    }
}

#[test]
fn a_log_file_that_is_a_fifo_nobody_reads_is_refused_in_words() {
    let launch = Forumd::new();
    let path = launch.directory().join("fifo");
    mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
    let Finished { code, stderr, .. } = launch.args(&["--log-file", path.to_str().unwrap()]).run("");
    assert_eq!(code, Some(1), "{stderr:?}");
    assert_eq!(stderr.len(), 1, "{stderr:?}");
    assert!(stderr[0].ends_with(": it is a FIFO that nobody reads"), "{stderr:?}");
}

#[test]
fn a_zone_that_nobody_knows_is_said() {
    let mut server = Forumd::new().env("TZ", "Nowhere/Land").start();
    server.stop();
    let warning = "[WARN] TZ=Nowhere/Land is no time zone that is known here: all times are in UTC";
    assert_eq!(server.log().iter().filter(|line| line.ends_with(warning)).count(), 1, "{:#?}", server.log());
    let export = server.launch().directory().join("export");
    let launch = Forumd::bare().on_data_of(server.launch()).env("TZ", "Nowhere/Land");
    let Finished { code, stderr, .. } = launch.args(&["export", export.to_str().unwrap()]).run("");
    assert_eq!(code, Some(0));
    assert!(stderr.iter().any(|line| line.contains("TZ=Nowhere/Land")), "{stderr:?}");
    // A zone that is known, or none, is nothing to speak of.
    for zone in ["Australia/Sydney", ""] {
        let mut server = Forumd::new().env("TZ", zone).start();
        server.stop();
        assert!(!server.log().iter().any(|line| line.contains("TZ=")), "{:#?}", server.log());
    }
}
