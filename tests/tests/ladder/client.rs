//! The minimal client, against the real server.

use std::process::Command;

use forum_tests::{Finished, PASSWORD, Process, Server, example};

/// The client, not logged in yet.
fn start(server: &Server) -> Process {
    let address = server.address();
    let mut command = Command::new(example("forum", "minimal"));
    Process::start(command.args([address.ip().to_string(), address.port().to_string()]))
}

/// Gives it all of this, then the end of input, and waits for its end.
fn run(server: &Server, input: &str) -> Finished {
    let mut client = start(server);
    client.write(input.as_bytes());
    client.finish()
}

#[test]
fn it_signs_up_works_through_what_it_is_given_and_logs_out_at_the_end() {
    let server = Server::start(&[]);
    let commands = "LST\nCRT 3331\nLST\nMSG 3331   hello there\nMSG nosuch hi\nRDT 3331\nhelp CRT\nUPD 3331 f\nbroadcast hi";
    let ended = run(&server, &format!("yoda\n{PASSWORD}\n{PASSWORD}\n{commands}"));
    let stdout = [
        "Welcome to the forum",
        "No threads to list",
        "Thread 3331 created",
        "The list of active threads:",
        "3331",
        "Message posted to 3331 thread",
        "1 yoda:   hello there",
        "Usage: CRT title",
        "CRT: open a thread",
        "Goodbye",
    ];
    assert_eq!(ended.stdout, stdout);
    let stderr = ["Thread nosuch does not exist", "This client can't do that, but `forum` can"];
    assert_eq!(ended.stderr, stderr);
    assert_eq!(ended.code, Some(0));
}

#[test]
fn a_wrong_password_leads_back_to_the_name() {
    let server = Server::start(&[]);
    server.user("yoda").log_out();
    let ended = run(&server, &format!("yoda\nguess\nyoda\n{PASSWORD}\nXIT\nLST\n"));
    assert_eq!(ended.stderr, ["Invalid password"]);
    assert_eq!(ended.stdout, ["Welcome to the forum", "Goodbye"]);
}

#[test]
fn what_arrives_is_shown_at_once_and_a_message_only_once() {
    let server = Server::start(&[]);
    let mut hans = server.user("hans");
    let mut yoda = start(&server);
    let log_in = format!("yoda\n{PASSWORD}\n{PASSWORD}\n");
    yoda.write(log_in.as_bytes());
    yoda.stdout.find("the welcome", |line| (line == "Welcome to the forum").then_some(()));
    hans.tell("yoda", "are you there?");
    assert_eq!(yoda.stdout.next_line().as_deref(), Some("hans: are you there?"));
    yoda.finish().expect_success();
    // It was acknowledged.
    let ended = run(&server, &format!("yoda\n{PASSWORD}\n"));
    assert_eq!(ended.stdout, ["Welcome to the forum", "Goodbye"]);
}

#[test]
fn a_lost_connection_and_a_shutdown_are_told_apart() {
    let mut server = Server::start(&[]);
    let mut yoda = start(&server);
    yoda.write(format!("yoda\n{PASSWORD}\n{PASSWORD}\nSHT order66\n").as_bytes());
    yoda.stdout.find("the goodbye", |line| (line == "Goodbye. Server shutting down").then_some(()));
    assert!(yoda.wait_exit().success());
    server.expect_exit_0();

    let mut server = Server::start(&[]);
    let mut yoda = start(&server);
    yoda.write(format!("yoda\n{PASSWORD}\n{PASSWORD}\n").as_bytes());
    yoda.stdout.find("the welcome", |line| (line == "Welcome to the forum").then_some(()));
    server.kill();
    assert!(!yoda.wait_exit().success());
}
