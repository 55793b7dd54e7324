//! The end of the server: everybody is told once, nothing that was answered is lost, and the exit is clean.
#![forbid(unsafe_code)]

use std::fs;

use forum_common::wire::{Closing, OwnedFromServer, OwnedNotice, OwnedReply, Refusal, Request};
use forum_tests::{ADMIN_PASSWORD, Forumd, PASSWORD, Server, Wire, hello, outcome};
use rustix::process::Signal;

const GOODBYE: &str = "Goodbye. Server shutting down";

fn shutting_down() -> (Closing, String) {
    (Closing::ShuttingDown, GOODBYE.to_owned())
}

/// Connections in every phase of a life: silent, greeted, named, asked for a password, logged in.
fn one_of_each_phase(server: &Server) -> Vec<Wire> {
    server.user("known").done(&Request::LogOut);
    let silent = server.raw();
    let greeted = server.wire();
    let mut new = server.wire();
    assert_eq!(new.name("new"), Ok(false));
    let mut known = server.wire();
    assert_eq!(known.name("known"), Ok(true));
    let logged_in = server.user("yoda");
    // A round trip, so that the server has accepted the silent one as well.
    server.wire().ping();
    vec![silent, greeted, new, known, logged_in]
}

#[test]
fn sigterm_and_sigint_reach_every_client_logged_in_or_not() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Server::start(&[]);
        let mut wires = one_of_each_phase(&server);
        server.signal(signal);
        for wire in &mut wires {
            assert_eq!(wire.expect_closing(), shutting_down());
        }
        drop(wires);
        server.expect_exit_0();
    }
}

#[test]
fn sht_reaches_every_client_and_is_the_answer_to_who_asked() {
    let mut server = Server::start(&["--max-attempts", "5"]);
    let mut wires = one_of_each_phase(&server);
    let mut admin = server.user("admin");
    let wrong = (Refusal::IncorrectAdminPassword, "Incorrect password".to_owned());
    for password in ["", "wrong", "order6", "order666", "ORDER66"] {
        assert_eq!(admin.refused(&Request::ShutDown { password }), wrong);
    }
    admin.send(&Request::ShutDown { password: ADMIN_PASSWORD });
    assert_eq!(admin.expect_closing(), shutting_down());
    for wire in &mut wires {
        assert_eq!(wire.expect_closing(), shutting_down());
    }
    drop((wires, admin));
    server.expect_exit_0();
}

#[test]
fn people_hear_the_goodbye_and_their_clients_end_well() {
    let mut server = Server::start(&[]);
    let mut yoda = server.sign_up("yoda");
    let mut hans = server.sign_up("hans");
    yoda.hears("hans logged in");
    let mut nobody = server.forum().start();
    nobody.says("two words");
    nobody.complains("Invalid name");
    yoda.fails("SHT wrong", "Incorrect password");
    hans.says(&format!("SHT {ADMIN_PASSWORD}"));
    for client in [&mut yoda, &mut hans, &mut nobody] {
        client.hears(GOODBYE);
    }
    assert_eq!(hans.wait_exit(), Some(0));
    assert_eq!(yoda.wait_exit(), Some(1), "a command of yoda was refused");
    nobody.wait_exit();
    server.expect_exit_0();
}

#[test]
fn without_an_admin_password_sht_is_always_refused() {
    let server = Forumd::new().without_admin_password().start();
    let mut yoda = server.user("yoda");
    for password in ["", "x", ADMIN_PASSWORD] {
        let refusal = yoda.refused(&Request::ShutDown { password });
        assert_eq!(refusal, (Refusal::IncorrectAdminPassword, "Incorrect password".to_owned()));
    }
    yoda.ping();
}

#[test]
fn the_admin_password_may_come_from_a_file() {
    let launch = Forumd::new().without_admin_password();
    let file = launch.directory().join("admin");
    fs::write(&file, "from a file\n").unwrap();
    let mut server = launch.args(&["--admin-password-file", file.to_str().unwrap()]).start();
    let mut yoda = server.user("yoda");
    yoda.refused(&Request::ShutDown { password: ADMIN_PASSWORD });
    yoda.send(&Request::ShutDown { password: "from a file" });
    assert_eq!(yoda.expect_closing(), shutting_down());
    drop(yoda);
    server.expect_exit_0();
}

#[test]
fn an_admin_password_may_have_spaces() {
    let mut server = Forumd::new().env("FORUM_ADMIN_PASSWORD", " execute order 66 ").start();
    let mut yoda = server.sign_up("yoda");
    yoda.fails("SHT execute order 66", "Incorrect password");
    yoda.says("SHT  execute order 66 ");
    yoda.hears(GOODBYE);
    server.expect_exit_0();
}

#[test]
fn the_admin_password_is_never_stored() {
    let mut server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    yoda.send(&Request::ShutDown { password: ADMIN_PASSWORD });
    yoda.expect_closing();
    drop(yoda);
    server.expect_exit_0();
    let mut directories = vec![server.launch().data()];
    let mut files = 0;
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            files += 1;
            let bytes = fs::read(&path).unwrap();
            for secret in [ADMIN_PASSWORD, PASSWORD] {
                let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!found, "a password stands in {}", path.display());
            }
        }
    }
    assert!(files > 0);
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut server = Server::start(&[]);
    // It does not close its end, so the server waits for it.
    let mut clinging = server.user("yoda");
    server.signal(Signal::TERM);
    assert_eq!(clinging.expect_closing(), shutting_down());
    server.signal(Signal::TERM);
    let status = server.wait_exit();
    assert!(!status.success(), "an end in order, {status}: it came with the deadline, not with the signal");
}

#[test]
fn a_client_that_does_not_close_is_waited_for_only_so_long() {
    let mut server = Server::start(&[]);
    let mut clinging = server.user("yoda");
    server.signal(Signal::TERM);
    assert_eq!(clinging.expect_closing(), shutting_down());
    server.expect_exit_0();
}

#[test]
fn what_comes_behind_the_end_is_thrown_away_and_what_came_before_is_answered() {
    let mut server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    let mut admin = server.user("admin");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    // In one piece: what stands in front of SHT is done and answered, what stands behind it is neither.
    let post = |text| Request::Post { title: "t", text, key: None };
    let end = Request::ShutDown { password: ADMIN_PASSWORD };
    let tags = admin.send_all([post("a"), post("b"), post("c"), end, post("too late")]);
    for tag in &tags[..3] {
        assert_eq!(admin.outcome_of(*tag), outcome::done("Message posted to t thread"));
    }
    assert_eq!(admin.expect_closing(), shutting_down());
    assert_eq!(yoda.expect_closing(), shutting_down());
    let (_, too_late) = yoda.frame(&post("too late"));
    yoda.send_bytes_regardless(&too_late);
    drop((yoda, admin));
    server.expect_exit_0();
    server.start_again();
    let lines = server.user("yoda").read_thread("t");
    assert_eq!(lines, ["1 admin: a", "2 admin: b", "3 admin: c"]);
}

#[test]
fn nobody_is_let_in_while_the_server_shuts_down() {
    let mut server = Server::start(&[]);
    let mut clinging = server.user("yoda");
    server.signal(Signal::TERM);
    assert_eq!(clinging.expect_closing(), shutting_down());
    if let Ok(stream) = std::net::TcpStream::connect(server.address()) {
        drop(stream);
        let mut late = server.raw();
        let (_, hello) = late.frame(&hello());
        late.send_bytes_regardless(&hello);
        let heard = late.next_frame_or_reset();
        assert!(!matches!(heard, Ok(Some(OwnedFromServer::Reply(..)))), "{heard:?}");
    }
    drop(clinging);
    server.expect_exit_0();
}

#[test]
fn changes_in_flight_at_sigterm_are_kept_as_they_are_answered() {
    let mut server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    yoda.send_all([Request::Post { title: "t", text: "m", key: None }; 500]);
    server.signal(Signal::TERM);
    let mut answered = 0;
    let goodbye = loop {
        match yoda.next_frame() {
            Some(OwnedFromServer::Reply(_, OwnedReply::Posted { .. })) => answered += 1,
            Some(OwnedFromServer::Notice(OwnedNotice::Closing { code, text })) => break (code, text),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(goodbye, shutting_down());
    yoda.expect_closed();
    drop(yoda);
    server.expect_exit_0();
    server.start_again();
    assert_eq!(server.user("yoda").read_thread("t").len(), answered);
}

/// A server with `--wipe-on-shutdown` that has something to wipe.
fn server_to_wipe() -> (Server, Wire) {
    let server = Server::start(&["--wipe-on-shutdown"]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    assert!(yoda.upload("t", "f", b"bytes").is_ok());
    (server, yoda)
}

#[test]
fn an_accepted_sht_wipes_when_asked_to() {
    let (mut server, mut yoda) = server_to_wipe();
    yoda.refused(&Request::ShutDown { password: "wrong" });
    yoda.ping();
    yoda.send(&Request::ShutDown { password: ADMIN_PASSWORD });
    assert_eq!(yoda.expect_closing(), shutting_down());
    drop(yoda);
    server.expect_exit_0();
    assert_eq!(server.stored_files(), 0);
    server.start_again();
    let mut wire = server.wire();
    assert_eq!(wire.sign_up("yoda", "another"), outcome::welcome());
    assert_eq!(wire.titles(), Vec::<String>::new());
}

#[test]
fn nothing_but_sht_wipes() {
    for signal in [Signal::TERM, Signal::INT, Signal::KILL] {
        let (mut server, yoda) = server_to_wipe();
        server.signal(signal);
        drop(yoda);
        server.wait_exit();
        server.start_again();
        let mut yoda = server.user("yoda");
        assert_eq!(yoda.titles(), ["t"]);
        assert_eq!(yoda.download("t", "f", 100), Ok(b"bytes".to_vec()));
    }
}

#[test]
fn sht_keeps_everything_unless_told_to_wipe() {
    let mut server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    yoda.send(&Request::ShutDown { password: ADMIN_PASSWORD });
    yoda.expect_closing();
    drop(yoda);
    server.expect_exit_0();
    server.start_again();
    assert_eq!(server.user("yoda").titles(), ["t"]);
}
