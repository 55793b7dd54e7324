//! The commands, with the texts of the contract.

use forum_common::wire::Request;

use super::*;

#[test]
fn threads_are_opened_read_changed_and_removed() {
    let server = Server::start(&[]);
    let mut yoda = Visitor::sign_up(&server, "yoda");
    yoda.does("LST", "No threads to list");
    for title in ["3331", "9331"] {
        yoda.does(&format!("CRT {title}"), &format!("Thread {title} created"));
    }
    yoda.does("CRT 3331", "Thread 3331 exists");
    yoda.does("LST", "The list of active threads:\n3331\n9331");
    yoda.does("RDT 3331", "Thread 3331 is empty");
    yoda.does("MSG 3331  two spaces, grüße", "Message posted to 3331 thread");
    yoda.does("MSG 3331 second", "Message posted to 3331 thread");
    yoda.does("MSG none x", "Thread none does not exist");
    yoda.does("EDT 3331 2 zweite", "The message has been edited");
    yoda.does("RDT 3331", "1 yoda:  two spaces, grüße\n2 yoda: zweite");
    yoda.does("RDT 3331 2", "2 yoda: zweite");
    yoda.does("RDT 3331 5", "Invalid message number");
    yoda.does("DLT 3331 1", "The message has been deleted");
    yoda.does("DLT 3331 x", "Invalid message number");
    yoda.does("RDT 3331", "1 yoda: zweite");
    let mut hans = Visitor::sign_up(&server, "hans");
    hans.does("DLT 3331 1", "The message belongs to another user and cannot be deleted");
    hans.does("EDT 3331 1 x", "The message belongs to another user and cannot be edited");
    hans.does("RMV 3331", "The thread was created by another user and cannot be removed");
    yoda.is_told("hans logged in");
    yoda.does("RMV 3331", "Thread 3331 removed");
    yoda.does("RMV 3331", "Thread 3331 does not exist");
}

#[test]
fn what_is_no_command_is_said_to_be_none() {
    let server = Server::start(&[]);
    let mut yoda = Visitor::sign_up(&server, "yoda");
    yoda.does("crt t", "Error. Invalid command");
    yoda.does("HELLO", "Invalid command");
    yoda.does("CRT", "Incorrect syntax for CRT\nUsage: CRT title");
    yoda.does("whoelsesince soon", "Invalid number");
    yoda.does("RDM b yesterday", "Invalid timestamp");
    yoda.does("RDM x 1 Jun 2022 16:01:20", "Incorrect syntax for RDM\nUsage: RDM b|s timestamp");
    yoda.does("MSG t \u{1b}[2J", "Invalid text");
    yoda.does("y", "Error. Invalid command");
    yoda.says("", "> ");
    yoda.says("   ", "> ");
    yoda.does("help CRT", "Usage: CRT title\nCRT: open a thread");
    yoda.does("help crt", "Error. Invalid command");
    yoda.send("help\n");
    yoda.hears("Forum:\n  CRT title ");
}

#[test]
fn a_batch_is_answered_as_the_client_answers_it_in_a_pipe() {
    let server = Server::start(&[]);
    let users = ["leia", "hans"];
    let members = users.map(|name| server.user(name));
    let mut yoda = server.user("yoda");
    for title in ["t", "u"] {
        yoda.done(&Request::CreateThread { title, key: None });
        for text in ["a", "b c", "c b"] {
            yoda.done(&Request::Post { title, text, key: None });
        }
    }
    yoda.done(&Request::CreateRoom { users: "leia hans", key: None });
    members.into_iter().for_each(forum_tests::Wire::log_out);
    yoda.done(&Request::PostToRoom { room: 1, text: "room", key: None });
    yoda.done(&Request::PostToBoard { text: "board", key: None });
    let commands = "unread\nRDT t new\nRDT t -2\nRDT t 2-3\nwatch t\nunwatch t\nrooms\nRDM s 1 #1\nRDM b #1\n\
                    RDM b #2\nsearch b c\nsearch B in t\nsearch nowhere\npresence off\npresence on\nLST\nwhoelse\n";
    let [leia, hans] = users.map(|name| format!("{name}\n{PASSWORD}\n{commands}"));
    let by_client = server.forum().run(&leia);
    let mut door = Visitor::connect(&server);
    door.send(hans);
    door.end_input();
    assert_eq!(door.rest().lines().collect::<Vec<_>>(), by_client.stdout);
    assert_eq!((by_client.stderr.len(), by_client.stdout.len()), (0, 31), "{by_client:#?}");
}

#[test]
fn what_needs_the_client_says_so() {
    let server = Server::start(&[]);
    let mut yoda = Visitor::sign_up(&server, "yoda");
    for line in [
        "UPD t f",
        "DWN t f",
        "UDP hans f",
        "startprivate hans",
        "private hans hello",
        "stopprivate hans",
        "cancel",
    ] {
        let word = line.split(' ').next().unwrap();
        yoda.does(line, &format!("{word} needs the forum client"));
    }
}

#[test]
fn files_of_others_stand_in_the_thread() {
    let server = Server::start(&[]);
    let mut hans = server.user("hans");
    hans.done(&forum_common::wire::Request::CreateThread { title: "t", key: None });
    assert!(hans.upload("t", "test.exe", b"MZ").is_ok());
    let mut yoda = Visitor::sign_up(&server, "yoda");
    yoda.does("RDT t", "hans uploaded test.exe");
}

#[test]
fn board_and_rooms_are_written_to_and_read() {
    let server = Server::start(&[]);
    let mut yoda = Visitor::sign_up(&server, "yoda");
    let mut hans = Visitor::sign_up(&server, "hans");
    yoda.is_told("hans logged in");
    yoda.does("SRB yoda", "Error. Cannot create a room with yourself");
    let created = "Separate chat room has been created, room ID: 1, users in this room: yoda, hans";
    yoda.does("SRB  hans ", created);
    hans.is_told("yoda put you in separate room 1: yoda, hans");
    hans.does("SRB yoda", "a separate room (ID: 1) already created for these users");
    hans.does("SRM 2 x", "The separate room does not exist");
    yoda.send("BCM to all\n");
    hans.is_told("yoda (BCM #1): to all");
    yoda.hears("Broadcast message, #1 broadcast at ");
    hans.send("SRM 1 to you\n");
    hans.hears("Message #1 sent to separate room 1 at ");
    hans.send("RDM s 1d\n");
    assert!(hans.line().ends_with(".\n"));
    assert_eq!(hans.line(), "> room-1:\n");
    assert!(hans.line().starts_with("#1; hans: to you at "));
    hans.hears("> ");
    hans.send("ATU\n");
    assert!(hans.line().starts_with("yoda, 127.0.0.1, 0, active since "));
    hans.hears("> ");
}
