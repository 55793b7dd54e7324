//! Rough treatment: what happens around the programs, closed pipes, damaged files and odd paths, ends in a
//! clear word and never in a crash or a hang.
#![forbid(unsafe_code)]

use std::fs;
use std::io::Read;
use std::path::PathBuf;

use forum_common::limits::FRAME_BYTES_MAX;
use forum_common::wire::{Closing, FromServer, Notice, OwnedFromServer, OwnedNotice, Request, frame};
use forum_tests::{ADMIN_PASSWORD, Forumd, PASSWORD, Process, Server, Wire, hello, until};

/// A server with thread `t`, and file `f` in it.
fn server_with_file(bytes: &[u8]) -> Server {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    assert!(yoda.upload("t", "f", bytes).is_ok());
    server
}

/// Where the server keeps the bytes of its only file.
fn only_stored_file(server: &Server) -> PathBuf {
    let files = fs::read_dir(server.launch().data().join("files")).unwrap();
    let paths: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    let [path] = &paths[..] else { panic!("{paths:?}") };
    path.clone()
}

#[test]
fn a_file_that_was_damaged_on_the_servers_disk_is_refused_and_named_in_the_log() {
    for length in [1, 300_000, 2_000_000] {
        let server = server_with_file(&vec![b'x'; length]);
        let stored = only_stored_file(&server);
        let mut bytes = fs::read(&stored).unwrap();
        bytes[length / 2] ^= 1;
        fs::write(&stored, &bytes).unwrap();
        let mut hans = server.sign_up("hans");
        hans.fails("DWN t f", "The server's copy of f is damaged. Ask its administrator to restore it");
        assert_eq!(fs::read_dir(hans.path(".")).unwrap().count(), 0, "no partial file is left");
        let id = stored.file_name().unwrap().display().to_string();
        server.logged(&format!("could not download f of thread t, files/{id}: the file is damaged"));
        assert!(!server.log().iter().any(|line| line.contains("downloaded f")), "{:#?}", server.log());
    }
}

#[test]
fn a_server_whose_log_nobody_reads_any_more_goes_on() {
    let launch = Forumd::new().args(&["-vv"]);
    let mut server = Process::start_and_hang_up(&mut launch.command(), "listening on ");
    let said = |line: &str| line.strip_prefix("listening on ")?.parse().ok();
    let address = server.stderr.find("`listening on`", said);
    for round in 0..50 {
        let mut wire = Wire::connect(address);
        wire.hello();
        wire.become_user(&format!("user{round}"));
        assert_eq!(wire.done(&Request::LogOut), "Goodbye");
    }
    let mut wire = Wire::connect(address);
    wire.hello();
    wire.become_user("yoda");
    wire.send(&Request::ShutDown { password: ADMIN_PASSWORD });
    wire.expect_closing();
    drop(wire);
    assert!(server.wait_exit().success());
}

#[test]
fn a_client_whose_output_nobody_reads_ends_without_a_crash() {
    let server = Server::start(&["--durability", "none"]);
    let mut input = "CRT t\n".to_owned();
    for _ in 0..200 {
        input.push_str("MSG t hello\nRDT t\n");
    }
    let forum = server.forum().args(&["--user", "yoda"]).env("FORUM_PASSWORD", PASSWORD);
    let mut client = Process::start_and_hang_up(&mut forum.command(), "Welcome to the forum");
    client.write(input.as_bytes());
    let finished = client.finish();
    assert_eq!(finished.stdout, ["Welcome to the forum"]);
    assert!(!finished.stderr.iter().any(|line| line.contains("panicked")), "{finished:#?}");
    assert_ne!(finished.code, Some(101), "{finished:#?}");
    until("the name to be free", || server.wire().log_in("yoda", PASSWORD).is_ok().then_some(()));
}

#[test]
fn a_stored_file_that_is_gone_is_refused() {
    let mut server = server_with_file(b"bytes");
    fs::remove_file(only_stored_file(&server)).unwrap();
    for _ in 0..2 {
        let mut hans = server.user("hans");
        let answer = hans.download("t", "f", 100);
        assert!(answer.is_err(), "{answer:?}");
        hans.ping();
        server.stop();
        assert_eq!(server.launch().admin(&["check"], "").code, Some(1));
        server.start_again();
    }
    assert_eq!(
        server.user("yoda").done(&Request::RemoveThread { title: "t", key: None }),
        "Thread t removed"
    );
}

#[test]
fn a_stored_file_that_was_cut_is_refused_or_ended() {
    let server = server_with_file(&[7; 500_000]);
    fs::File::options().write(true).open(only_stored_file(&server)).unwrap().set_len(100_000).unwrap();
    let mut hans = server.user("hans");
    let answer = hans.download("t", "f", 1 << 20);
    assert!(answer.is_err(), "{answer:?}");
    hans.ping();
}

#[test]
fn what_is_no_file_cannot_be_uploaded() {
    let server = Server::start(&[]);
    let mut yoda = server.sign_up("yoda");
    yoda.does("CRT t", "Thread t created");
    let made = std::process::Command::new("mkfifo").arg(yoda.path("fifo")).status().unwrap();
    assert!(made.success());
    for path in ["fifo", "/dev/zero", "/proc/cpuinfo", ".", "/", ".."] {
        yoda.says(&format!("UPD t {path}"));
        let complaint = yoda.complaint();
        assert!(complaint.starts_with(&format!("File {path} ")), "{complaint}");
    }
    yoda.does("RDT t", "Thread t is empty");
}

#[test]
fn a_directory_that_holds_something_else_is_left_alone() {
    let launch = Forumd::new().args(&["--wipe-on-shutdown"]);
    fs::create_dir(launch.data()).unwrap();
    fs::write(launch.data().join("mine.txt"), "precious").unwrap();
    let finished = launch.run("");
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    assert!(finished.stderr.last().unwrap().contains("mine.txt"), "{finished:#?}");
    let names: Vec<_> =
        fs::read_dir(launch.data()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["mine.txt"]);
}

#[test]
fn a_wipe_deletes_nothing_but_what_forumd_stored() {
    let mut server = Server::start(&["--wipe-on-shutdown"]);
    let data = server.launch().data();
    fs::write(data.join("mine.txt"), "precious").unwrap();
    fs::create_dir(data.join("mine")).unwrap();
    fs::write(data.join("mine/too"), "precious").unwrap();
    let mut yoda = server.user("yoda");
    yoda.send(&Request::ShutDown { password: ADMIN_PASSWORD });
    yoda.expect_closing();
    drop(yoda);
    server.wait_exit();
    assert_eq!(fs::read_to_string(data.join("mine.txt")).unwrap(), "precious");
    assert_eq!(fs::read_to_string(data.join("mine/too")).unwrap(), "precious");
}

#[test]
fn a_download_directory_that_is_missing_is_said() {
    let server = server_with_file(b"bytes");
    let forum = server.forum().args(&["--user", "hans", "--download-dir", "nowhere"]);
    let finished = forum.env("FORUM_PASSWORD", PASSWORD).run("DWN t f\n");
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    assert!(finished.stderr[0].starts_with("f was not downloaded"), "{finished:#?}");
    assert_eq!(finished.stdout, ["Welcome to the forum", "Goodbye"]);
}

#[test]
fn tags_used_twice_and_tag_0_confuse_nobody() {
    let server = server_with_file(&[7; 300_000]);
    let mut yoda = server.user("yoda");
    let mut bytes = Vec::new();
    for request in [
        Request::Upload { title: "t", file: "a", size: 10, key: None },
        Request::Upload { title: "t", file: "b", size: 10, key: None },
        Request::Download { title: "t", file: "f", offset: None, digest: None },
        Request::Download { title: "t", file: "f", offset: None, digest: None },
        Request::ListThreads { after: None, at_most: None, unread: None },
    ] {
        request.encode(0, &mut bytes);
    }
    yoda.send_bytes(&bytes);
    yoda.close_output();
    let mut heard = Vec::new();
    yoda.stream().read_to_end(&mut heard).expect("an orderly end");
    let mut rest = &heard[..];
    while let Some((frame, bytes)) = frame::split(rest, FRAME_BYTES_MAX).expect("the server sends frames") {
        rest = &rest[bytes..];
        match FromServer::decode(&frame).expect("the server speaks the protocol") {
            FromServer::Reply(0, _) | FromServer::Transfer(0, _) => {}
            FromServer::Notice(Notice::Closing { code: Closing::ProtocolError, .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(!heard.is_empty() && rest.is_empty());
    let mut hans = server.user("hans");
    assert_eq!(hans.titles(), ["t"]);
    until("the uploads to be gone", || {
        hans.ping();
        (server.stored_files() == 1).then_some(())
    });
}

#[test]
fn who_only_pings_does_not_stay_without_logging_in() {
    let server = Server::start(&["--login-timeout", "1"]);
    let mut wire = server.raw();
    let (_, hello) = wire.frame(&hello());
    wire.send_bytes_regardless(&hello);
    let last = until("the end", || {
        let (_, ping) = wire.frame(&Request::Ping { payload: b"" });
        wire.send_bytes_regardless(&ping);
        match wire.next_frame() {
            Some(OwnedFromServer::Notice(OwnedNotice::Closing { text, .. })) => Some(text),
            _ => None,
        }
    });
    assert_eq!(last, "Login timed out");
}

#[test]
fn hundreds_of_users_are_served() {
    let server = Server::start(&["--durability", "none"]);
    let mut wires: Vec<Wire> = (0..300).map(|number| server.user(&format!("user{number}"))).collect();
    wires[0].done(&Request::CreateThread { title: "t", key: None });
    let post = Request::Post { title: "t", text: "m", key: None };
    let tags: Vec<u32> = wires.iter_mut().map(|wire| wire.send(&post)).collect();
    for (wire, tag) in wires.iter_mut().zip(tags) {
        assert!(wire.outcome_of(tag).is_ok());
    }
    for wire in &mut wires {
        assert_eq!(wire.read_thread("t").len(), 300);
    }
}
