//! The command line of forumd: what it takes, what it refuses, and what it says about it.
#![forbid(unsafe_code)]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use forum_common::wire::{Refusal, Request};
use forum_tests::{Finished, Forumd, Server, free_port};
use rustix::fs::{CWD, Mode, mkfifoat};

/// Insists on one clear line and this exit code.
fn expect_failure(finished: &Finished, code: i32) -> &str {
    assert_eq!(finished.code, Some(code), "{finished:#?}");
    assert_eq!(finished.stdout, Vec::<String>::new());
    assert_eq!(finished.stderr.len(), 1, "one line: {finished:#?}");
    &finished.stderr[0]
}

#[test]
fn a_wrong_number_of_attempts_is_said_in_the_words_of_the_assignments() {
    for bad in ["0", "6", "-1", "three", "2.5", "", "99999999999999999999"] {
        let finished = Forumd::new().args(&["--max-attempts", bad]).run("");
        let text = format!(
            "Invalid number of allowed failed consecutive attempt: {bad}. The valid value of argument number is \
             an integer between 1 and 5"
        );
        assert_eq!(expect_failure(&finished, 2), text);
    }
}

#[test]
fn port_and_listen_together_are_a_usage_error() {
    let launch = Forumd::bare().args(&["--listen", "127.0.0.1:0", "4000"]);
    assert_eq!(launch.run("").code, Some(2));
    assert!(!launch.data().exists(), "nothing was changed");
    for wrong in [&["--no-such-option"] as &[&str], &["70000"], &["--listen", "nowhere"], &["1", "p", "x"]] {
        assert_eq!(Forumd::bare().args(wrong).run("").code, Some(2), "{wrong:?}");
    }
}

#[test]
fn the_data_directory_may_be_named_before_or_behind_the_command() {
    let mut server = Server::start(&[]);
    server.user("yoda").done(&Request::CreateThread { title: "t", key: None });
    server.stop();
    let data = server.launch().data();
    let data = data.to_str().unwrap();
    for words in [["--data", data, "check"], ["check", "--data", data]] {
        let finished = Forumd::without_data().args(&words).run("");
        assert_eq!(finished.code, Some(0), "{words:?}: {finished:#?}");
    }
}

#[test]
fn the_positionals_of_the_assignments_work() {
    let port = free_port();
    let server = Forumd::bare().args(&[&port.to_string(), "s3cret"]).start();
    assert_eq!(server.address(), ([127, 0, 0, 1], port).into());
    let mut wire = server.wire();
    wire.become_user("yoda");
    wire.send(&Request::ShutDown { password: "s3cret" });
    wire.expect_closing();
}

#[test]
fn the_command_lines_of_the_other_assignments_are_told_which_options_are_meant() {
    for (words, meant) in [
        (&["4000", "60", "120"] as &[&str], "forumd 4000 --block-duration 60 --timeout 120"),
        (&["4000", "3"], "--max-attempts 3"),
        (&["4000", "7"], "--max-attempts 7"),
    ] {
        let launch = Forumd::bare().args(words);
        let finished = launch.run("");
        assert_eq!(finished.code, Some(2), "{words:?}: {finished:#?}");
        assert!(finished.stderr.concat().contains(meant), "{words:?}: {finished:#?}");
        assert!(!launch.data().exists(), "nothing was changed");
    }
}

#[test]
fn a_port_that_is_taken_is_one_clear_line() {
    let server = Server::start(&[]);
    let address = server.address().to_string();
    let launch = Forumd::bare().args(&["--listen", &address]);
    let finished = launch.run("");
    let line = expect_failure(&finished, 1);
    assert!(line.contains(&address), "{line}");
    server.user("yoda").ping();
}

#[test]
fn a_data_directory_in_use_is_one_clear_line() {
    let mut server = Server::start(&[]);
    server.user("yoda").done(&Request::CreateThread { title: "t", key: None });
    let second = Forumd::new().on_data_of(server.launch()).run("");
    let line = expect_failure(&second, 1);
    assert!(line.contains(&*server.launch().data().to_string_lossy()), "{line}");
    assert_eq!(server.user("yoda").titles(), ["t"], "the first goes on");
    // The lock dies with its holder, however it ends.
    server.kill();
    server.start_again();
    assert_eq!(server.user("yoda").titles(), ["t"]);
}

#[test]
fn unreadable_data_is_one_clear_line_and_stays_as_it_is() {
    let launch = Forumd::new();
    fs::write(launch.data(), "not a directory").unwrap();
    expect_failure(&launch.run(""), 1);
    assert_eq!(fs::read_to_string(launch.data()).unwrap(), "not a directory");
}

#[test]
fn damaged_data_is_one_clear_line_and_stays_as_it_is() {
    let mut server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    for _ in 0..100 {
        yoda.done(&Request::Post { title: "t", text: &"x".repeat(500), key: None });
    }
    drop(yoda);
    server.stop();
    let data = server.launch().data();
    let largest =
        fs::read_dir(&data).unwrap().map(|entry| entry.unwrap()).filter(|entry| entry.path().is_file());
    let largest = largest.max_by_key(|entry| entry.metadata().unwrap().len()).unwrap().path();
    let mut bytes = fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    for byte in &mut bytes[middle..middle + 2_000] {
        *byte ^= 0x55;
    }
    fs::write(&largest, &bytes).unwrap();
    let finished = server.launch().run("");
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    assert!(!finished.stderr.iter().any(|line| line.contains("panicked")), "{finished:#?}");
    assert!(fs::read(&largest).unwrap() == bytes, "the damaged file was changed");
    assert_eq!(server.launch().admin(&["check"], "").code, Some(1));
}

#[test]
fn only_the_owner_may_read_what_is_stored() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    assert!(yoda.upload("t", "f", b"bytes").is_ok());
    let mut pending = vec![server.launch().data()];
    let mut files = 0;
    while let Some(path) = pending.pop() {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        if path.is_dir() {
            assert_eq!(mode, 0o700, "{}", path.display());
            pending.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            files += 1;
            assert_eq!(mode, 0o600, "{}", path.display());
        }
    }
    assert!(files >= 2);
}

#[test]
fn credentials_are_imported_for_new_names_alone() {
    let launch = Forumd::new();
    let file = launch.directory().join("credentials.txt");
    fs::write(&file, "yoda jedi*knight\r\nhans falcon*solo\n\nr2d2 beep boop\n").unwrap();
    let mut server = launch.args(&["--credentials", file.to_str().unwrap()]).start();
    let mut yoda = server.wire();
    assert!(yoda.log_in("yoda", "jedi*knight").is_ok());
    let change = Request::ChangePassword { old: "jedi*knight", new: "changed", confirmation: "changed" };
    assert_eq!(yoda.done(&change), "Password changed");
    assert!(server.wire().log_in("hans", "falcon*solo").is_ok());
    assert!(server.wire().log_in("r2d2", "beep boop").is_ok());
    drop(yoda);
    server.stop();
    fs::write(&file, "yoda jedi*knight\nvader imperial*march\n").unwrap();
    server.start_again();
    assert!(server.wire().log_in("yoda", "jedi*knight").is_err());
    assert!(server.wire().log_in("yoda", "changed").is_ok());
    assert!(server.wire().log_in("vader", "imperial*march").is_ok());
}

/// Credentials that are imported between two looks at the log.
const CREDENTIALS_AT_ONCE: usize = 10_000;

#[test]
fn more_credentials_than_are_imported_at_once_are_all_imported() {
    let launch = Forumd::new();
    let file = launch.directory().join("credentials.txt");
    let last = CREDENTIALS_AT_ONCE + 1;
    let lines: String = (1..=last).map(|number| format!("u{number} jedi\n")).collect();
    fs::write(&file, lines).unwrap();
    let server = launch.args(&["--credentials", file.to_str().unwrap()]).start();
    for number in [1, CREDENTIALS_AT_ONCE, last] {
        assert!(server.wire().log_in(&format!("u{number}"), "jedi").is_ok(), "{number}");
    }
}

#[test]
fn credentials_that_cannot_be_read_end_it_with_a_clear_line() {
    let missing = Forumd::new().args(&["--credentials", "/no/such/file"]).run("");
    assert_eq!(missing.code, Some(1));
    assert!(missing.stderr.last().unwrap().contains("/no/such/file"), "{missing:#?}");
    let launch = Forumd::new();
    let file = launch.directory().join("credentials.txt");
    fs::write(&file, "yoda jedi*knight\njustaname\n").unwrap();
    let finished = launch.args(&["--credentials", file.to_str().unwrap()]).run("");
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    assert!(finished.stderr.last().unwrap().contains("line 2"), "{finished:#?}");
}

#[test]
fn the_log_goes_to_a_file_when_asked_to() {
    let launch = Forumd::new();
    let file = launch.directory().join("log");
    let mut server = launch.args(&["--log-file", file.to_str().unwrap()]).start();
    server.user("yoda").done(&Request::CreateThread { title: "3331", key: None });
    server.stop();
    let log = fs::read_to_string(&file).unwrap();
    assert!(log.contains("Thread 3331 created"), "{log}");
    assert!(!server.log().iter().any(|line| line.contains("Thread 3331 created")));
}

#[test]
fn version_and_help_are_on_standard_output() {
    for option in ["--version", "--help"] {
        let finished = Forumd::bare().args(&[option]).run("");
        assert_eq!(finished.code, Some(0));
        assert!(finished.stdout.join("\n").contains("forumd"));
    }
}

#[test]
fn sht_without_any_password_is_refused_even_with_an_empty_environment() {
    let server = Forumd::new().env("FORUM_ADMIN_PASSWORD", "").start();
    let refusal = server.user("yoda").refused(&Request::ShutDown { password: "" });
    assert_eq!(refusal.0, Refusal::IncorrectAdminPassword);
}

#[test]
fn an_admin_password_that_can_be_none_is_a_usage_error() {
    let wanted = ["the admin password must have 1 to 128 bytes and no control characters"];
    let long = "x".repeat(129);
    for password in ["", "tab\there", &long] {
        let finished = Forumd::bare().args(&["0", password]).run("");
        assert_eq!((finished.code, &finished.stderr[..]), (Some(2), &wanted.map(str::to_owned)[..]));
    }
    let launch = Forumd::new().without_admin_password();
    let path = launch.directory().join("admin");
    fs::write(&path, "tab\there\n").unwrap();
    let finished = launch.args(&["--admin-password-file", path.to_str().unwrap()]).run("");
    assert_eq!((finished.code, &finished.stderr[..]), (Some(2), &wanted.map(str::to_owned)[..]));
}

#[test]
fn files_of_passwords_are_read_as_far_as_a_password_may_reach() {
    let launch = Forumd::new().without_admin_password();
    let finished = launch.args(&["--admin-password-file", "/dev/zero"]).run("");
    let why = "its first line is longer than 1024 bytes";
    let said = format!("forumd: can't read the admin password in /dev/zero: {why}");
    assert_eq!((finished.code, finished.stderr.last()), (Some(1), Some(&said)));
    let finished = Forumd::new().args(&["--credentials", "/dev/zero"]).run("");
    let said = "forumd: /dev/zero, line 1: it has more than 1024 bytes".to_owned();
    assert_eq!((finished.code, finished.stderr.last()), (Some(1), Some(&said)));
}

#[test]
fn an_admin_password_from_a_fifo_that_nobody_writes_is_given_up() {
    let launch = Forumd::new().without_admin_password();
    let fifo = launch.directory().join("admin");
    mkfifoat(CWD, &fifo, Mode::RUSR | Mode::WUSR).unwrap();
    let finished = launch.args(&["--admin-password-file", fifo.to_str().unwrap()]).run("");
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    let said = finished.stderr.last().unwrap();
    assert!(said.ends_with(": nobody wrote a line into it within 10 seconds"), "{said}");
}
