//! The sessions of GUIDE, OPERATION and README.

use std::fs;
use std::process::Command;

use forum_common::wire::Request;
use forum_tests::{Forum, Forumd, Server};

use crate::pages::hold;
use crate::seat::Seat;

const GUIDE: &str = "docs/GUIDE.md";
/// Wide enough for the long prompt and a command.
const COLUMNS: u16 = 130;

fn server() -> Server {
    Forumd::bare()
        .args(&["--hash-memory-kib", "8", "--hash-iterations", "1", "0", "s3cret"])
        .env("TZ", "UTC")
        .start()
}

fn seat(forum: &Forum) -> Seat {
    Seat::take(forum.command(), COLUMNS)
}

/// These rows with the command that begins a session.
fn begun(mut rows: Vec<String>) -> Vec<String> {
    rows.insert(0, "$ forum 127.0.0.1 12345".to_owned());
    rows
}

/// Lines of the log, as a server on the usual port writes them.
fn log_of(server: &mut Server, last: &str) -> Vec<String> {
    server.wait_log(last);
    let port = format!(":{}", server.address().port());
    let log = server.log().into_iter().filter(|line| !line.contains("[WARN]"));
    let mut lines: Vec<String> = log.map(|line| line.replace(&port, ":12345")).collect();
    let end = lines.iter().position(|line| line.contains(last)).expect("it was waited for");
    lines.truncate(end + 1);
    // A thread of its own writes the log, before or after the server says that it listens.
    if lines[0].starts_with("listening") {
        lines.swap(0, 1);
    }
    lines
}

#[test]
fn the_first_session_of_the_guide_is_what_is_shown() {
    let mut server = server();
    let [of_yoda, of_hans] = [Forum::at(server.address()), Forum::at(server.address())];
    fs::write(of_yoda.directory().join("notes.txt"), "Do or do not.\n").unwrap();
    let mut yoda = seat(&of_yoda);
    yoda.signs_up("yoda");
    yoda.does("CRT 3331", "Thread 3331 created");
    let mut log = log_of(&mut server, "Thread 3331 created");
    log.insert(0, "$ forumd 12345 s3cret".to_owned());
    hold(GUIDE, "server", &log);
    yoda.does("MSG 3331 Networking, hard is it?", "Message posted to 3331 thread");
    yoda.does("UPD 3331 notes.txt", "notes.txt uploaded to 3331 thread");
    hold(GUIDE, "yoda", &begun(yoda.rows()));
    let mut hans = seat(&of_hans);
    hans.signs_up("hans");
    hans.does("LST", "3331");
    hans.does("RDT 3331", "yoda uploaded notes.txt");
    hans.does("MSG 3331 Not if you read the tour.", "Message posted to 3331 thread");
    hans.does("DLT 3331 1", "The message belongs to another user");
    hans.does("DWN 3331 notes.txt", "notes.txt successfully downloaded");
    hans.leaves("XIT", "Goodbye");
    hold(GUIDE, "hans", &begun(hans.rows()));
    let log = log_of(&mut server, "hans exited");
    let of_hans = log.iter().skip_while(|line| !line.contains("#2 "));
    hold("docs/OPERATION.md", "log", &of_hans.cloned().collect::<Vec<_>>());
    yoda.shows("hans logged out");
    yoda.does("RDT 3331", "2 hans: Not if you read the tour.");
    yoda.does("EDT 3331 1 Networking, fun it is!", "The message has been edited");
    yoda.does("RDT 3331 1", "1 yoda: Networking, fun it is!");
    yoda.leaves("SHT s3cret", "Goodbye. Server shutting down");
    hold(GUIDE, "yoda has the last word", &yoda.rows());
    server.wait_exit();
}

#[test]
fn a_day_with_three_terminals_is_what_is_shown() {
    let mut server = server();
    for name in ["yoda", "hans", "leia"] {
        server.user(name).log_out();
    }
    // A blocked user is not told who comes and goes.
    let mut luke = server.user("luke");
    luke.done(&Request::Block { user: "yoda", key: None });
    let forum = Forum::at(server.address());
    let [mut yoda, mut hans, mut leia] = [0; 3].map(|_| seat(&forum));
    yoda.logs_in("yoda");
    yoda.does("LST", "No threads to list");
    yoda.rows();
    yoda.does("message hans Awake, are you?", ">");
    server.wait_log("yoda issued message command");
    // What comes after it in the log was done: so was the message.
    luke.done(&Request::Block { user: "hans", key: None });
    luke.log_out();
    hans.logs_in("hans");
    hans.shows("yoda: Awake, are you?  (");
    yoda.shows("hans logged in");
    hans.does("message yoda I am now.", ">");
    yoda.shows("hans: I am now.");
    leia.logs_in("leia");
    [&mut yoda, &mut hans].into_iter().for_each(|seat| seat.shows("leia logged in"));
    leia.does("LST", "No threads to list");
    leia.rows();
    leia.does("whoelse", "hans");
    leia.does("BCM The shuttle leaves at six.", "Broadcast message, #1");
    [&mut yoda, &mut hans].into_iter().for_each(|seat| seat.shows("leia (BCM #1)"));
    yoda.does("SRB leia hans", "Separate chat room has been created");
    [&mut leia, &mut hans].into_iter().for_each(|seat| seat.shows("yoda put you in separate room 1"));
    hans.does("SRM 1 Which of you drives?", "Message #1 sent to separate room 1");
    [&mut leia, &mut yoda].into_iter().for_each(|seat| seat.shows("hans (room-1 #1)"));
    yoda.does("SRM 1 Fly it I will, if leia lets me.", "Message #2 sent to separate room 1");
    [&mut leia, &mut hans].into_iter().for_each(|seat| seat.shows("yoda (room-1 #2)"));
    leia.does("block yoda", "yoda is blocked");
    yoda.does("broadcast Quiet it has become.", "Your message could not be delivered to some recipients");
    hans.shows("yoda (broadcast): Quiet it has become.");
    yoda.does(
        "message leia My turn it was!",
        "Your message could not be delivered as the recipient has blocked",
    );
    leia.does("RDM b 1 Jun 2022 16:00:00", "#1; leia");
    leia.does("RDM s 1h", "#2; yoda");
    hans.leaves("XIT", "Goodbye");
    [&mut yoda, &mut leia].into_iter().for_each(|seat| seat.shows("hans logged out"));
    yoda.does("whoelsesince 60", "hans");
    yoda.leaves("XIT", "Goodbye");
    leia.shows("yoda logged out");
    leia.leaves("XIT", "Goodbye");
    hold(GUIDE, "a day of yoda", &yoda.rows());
    hold(GUIDE, "a day of hans", &begun(hans.rows()));
    hold(GUIDE, "a day of leia", &leia.rows());
}

#[test]
fn a_private_session_is_what_is_shown() {
    let server = server();
    let [of_yoda, of_hans] = [Forum::at(server.address()), Forum::at(server.address())];
    fs::write(of_yoda.directory().join("plans.tar"), vec![7; 3_000_000]).unwrap();
    let [mut yoda, mut hans] = [seat(&of_yoda), seat(&of_hans)];
    yoda.signs_up("yoda");
    hans.signs_up("hans");
    for seat in [&mut yoda, &mut hans] {
        seat.does("LST", "No threads to list");
    }
    yoda.shows("hans logged in");
    [&mut yoda, &mut hans].into_iter().for_each(|seat| _ = seat.rows());
    yoda.does("startprivate hans", "Start private messaging with hans");
    hans.shows("yoda would like to private message");
    hans.does("y", "Private messaging with yoda is on");
    yoda.shows("hans accepts private messaging");
    yoda.does("private hans The plans you wanted: over UDP they come.", ">");
    hans.shows("yoda(private)");
    yoda.does("UDP hans plans.tar", ">");
    hans.shows("yoda would like to send you plans.tar");
    hans.does("y", "Received plans.tar from yoda");
    yoda.shows("plans.tar has been uploaded");
    hans.does("private yoda Got them!", ">");
    yoda.shows("hans(private): Got them!");
    hans.does("stopprivate yoda", "Stop private messaging with yoda");
    yoda.shows("hans stopped private messaging");
    hold(GUIDE, "in private, yoda", &yoda.rows());
    hold(GUIDE, "in private, hans", &hans.rows());
}

#[test]
fn a_session_with_nothing_but_nc_is_what_is_shown() {
    let server = server();
    let mut luke = Command::new("nc");
    luke.args(["127.0.0.1", &server.address().port().to_string()]);
    let mut wire = server.user("yoda");
    wire.done(&Request::CreateThread { title: "3331", key: None });
    let mut luke = Seat::take(luke, 80);
    luke.types("", "");
    luke.types("Enter username:", "luke");
    luke.types("Enter new password for", "x-wing");
    luke.types("Confirm password:", "x-wing");
    luke.does("LST", "3331");
    luke.does("MSG 3331 Hello from nc", "Message posted to 3331 thread");
    luke.does("XIT", "Goodbye");
    let mut rows = luke.rows();
    rows.insert(0, "$ nc 127.0.0.1 12345".to_owned());
    hold(GUIDE, "nc", &rows);
}

#[test]
fn the_first_session_of_readme_is_what_is_shown() {
    let server = server();
    let mut yoda = seat(&Forum::at(server.address()));
    yoda.signs_up("yoda");
    yoda.does("CRT 3331", "Thread 3331 created");
    yoda.does("MSG 3331 Networking, hard is it?", "Message posted to 3331 thread");
    yoda.does("RDT 3331", "1 yoda: Networking, hard is it?");
    yoda.leaves("XIT", "Goodbye");
    hold("README.md", "first session", &yoda.rows());
}
