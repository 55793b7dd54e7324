//! A server that is there but says nothing: a client gives it up after a stated time, whatever it waits for.
#![forbid(unsafe_code)]

use std::net::SocketAddr;

use forum_tests::{Client, Finished, Forum, Gate, PASSWORD, Server};
use rustix::process::Signal;

/// Seconds that the server may say nothing: more than a server that is not stopped takes on a busy machine.
const TIMEOUT: &str = "8";

const LOST: &str = "Connection lost: the server has said nothing for 8 seconds";

/// This user's client, which gives up soon.
fn user(server: &Server, name: &str) -> Forum {
    user_at(server.address(), name)
}

fn user_at(address: SocketAddr, name: &str) -> Forum {
    Forum::at(address).args(&["--server-timeout", TIMEOUT, "--user", name]).env("FORUM_PASSWORD", PASSWORD)
}

/// Stops the server below a client, and waits until that gives up.
fn stop(server: &Server, client: &mut Client) -> Finished {
    server.signal(Signal::STOP);
    let code = client.wait_exit();
    server.signal(Signal::CONT);
    assert_eq!(code, Some(69), "lost without a goodbye");
    client.finish()
}

#[test]
fn a_command_is_not_waited_for_longer_than_the_server_timeout() {
    let server = Server::start(&[]);
    let mut client = user(&server, "yoda").start();
    client.hears("Welcome to the forum");
    server.signal(Signal::STOP);
    client.says("LST");
    let finished = stop(&server, &mut client);
    assert_eq!(finished.stderr, [LOST, "Not answered: LST"]);
}

#[test]
fn a_client_that_only_listens_notices_too() {
    let server = Server::start(&[]);
    let mut client = user(&server, "yoda").start();
    client.hears("Welcome to the forum");
    assert_eq!(stop(&server, &mut client).stderr, [LOST]);
}

#[test]
fn the_end_of_input_and_files_are_not_waited_for_longer_either() {
    let server = Server::start(&[]);
    let mut client = user(&server, "yoda").start();
    client.hears("Welcome to the forum");
    server.signal(Signal::STOP);
    client.close_input();
    assert_eq!(stop(&server, &mut client).stderr, [LOST]);

    // The server lets hans send some of his file, and then no more reaches him.
    let gate = Gate::before(server.address(), 1_000);
    let mut client = user_at(gate.address(), "hans").start();
    client.hears("Welcome to the forum");
    client.does("CRT t", "Thread t created");
    client.put_file("f", &vec![7; 64 << 20]);
    client.says("UPD t f");
    gate.wait_full();
    let finished = stop(&server, &mut client);
    assert_eq!(finished.stderr, [LOST, "f was not uploaded: the connection is gone"]);
}

#[test]
fn a_server_that_does_not_even_say_hello_is_given_up() {
    let server = Server::start(&[]);
    server.signal(Signal::STOP);
    let mut client = user(&server, "yoda").start();
    let finished = stop(&server, &mut client);
    assert_eq!(finished.stderr, ["Connection lost: the server has not said hello within 8 seconds"]);
}

#[test]
fn a_log_in_is_not_waited_for_longer_either() {
    let server = Server::start(&[]);
    let mut client = server.forum().args(&["--server-timeout", TIMEOUT]).start();
    client.fails("bad name", "Invalid name");
    server.signal(Signal::STOP);
    client.says("yoda");
    assert_eq!(stop(&server, &mut client).stderr, [LOST]);
}
