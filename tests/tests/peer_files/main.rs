//! `UDP user file` with the real server and two real clients. Here is what everybody does with it; the modules
//! have what goes on at its edges, and how it goes when the network or somebody fails.
#![forbid(unsafe_code)]

mod across;
mod broken;
mod kept;
mod lossy;
mod ports;
mod questions;
mod relayed;

use across::Across;
use forum_tests::{Client, Finished, PASSWORD, Server};

/// yoda and hans, new ones.
fn pair(server: &Server) -> (Client, Client) {
    pair_with(server, &[])
}

/// yoda, and hans with these options.
fn pair_with(server: &Server, options: &[&str]) -> (Client, Client) {
    let mut yoda = server.sign_up("yoda");
    let hans = server.forum().args(options).sign_up("hans");
    yoda.hears("hans logged in");
    (yoda, hans)
}

fn random_bytes(seed: u64, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes
}

/// How hans is asked about a file of yoda's.
fn question(name: &str, bytes: usize) -> String {
    format!("yoda would like to send you {name} ({bytes} bytes), enter y or n: ")
}

/// yoda sends hans the file at `path`, whose name is `name`, and hans takes it.
fn send(yoda: &mut Client, path: &str, name: &str, bytes: usize, hans: &mut Client) {
    yoda.says(&format!("UDP hans {path}"));
    hans.hears(&question(name, bytes));
    hans.says("y");
    yoda.hears(&format!("{name} has been uploaded"));
    hans.hears(&format!("Received {name} from yoda"));
}

/// Both leave, and say nothing that was not waited for; their exit statuses.
fn leave(mut yoda: Client, mut hans: Client) -> [Option<i32>; 2] {
    let yoda = yoda.finish();
    hans.hears("yoda logged out");
    [yoda, hans.finish()].map(|Finished { code, stdout, stderr, .. }| {
        assert_eq!((stdout, stderr), (vec!["Goodbye".to_owned()], Vec::new()));
        code
    })
}

#[test]
fn a_file_is_asked_about_sent_and_said_to_have_come_on_both_sides() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    yoda.put_file("F", &[7; 1_234]);
    yoda.says("UDP hans F");
    hans.hears("yoda would like to send you F (1234 bytes), enter y or n: ");
    assert_eq!(hans.names(), [""; 0], "nothing is written before the yes");
    hans.says("y");
    yoda.hears("F has been uploaded");
    hans.hears("Received F from yoda");
    assert_eq!(hans.names(), ["yoda_F"]);
    assert_eq!(hans.file("yoda_F"), [7; 1_234]);
    assert_eq!(leave(yoda, hans), [Some(0), Some(0)]);
}

#[test]
fn of_several_files_each_is_answered_as_if_alone() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair_with(&server, &["--accept", "always"]);
    for (name, bytes) in [("a", 1_000), ("b", 100_000), ("c", 10)] {
        yoda.put_file(name, &random_bytes(bytes as u64, bytes));
    }
    hans.put_file("yoda_b", b"was here");
    yoda.says("UDP hans a nothing b c");
    yoda.hears("a has been uploaded");
    yoda.complains("File nothing does not exist");
    yoda.complains("hans declined b");
    yoda.hears("c has been uploaded");
    hans.hears("Received a from yoda");
    hans.hears("yoda_b exists here. Use --force to overwrite");
    hans.hears("Received c from yoda");
    assert_eq!(hans.file("yoda_a"), random_bytes(1_000, 1_000));
    assert_eq!(hans.file("yoda_b"), b"was here");
    assert_eq!(hans.file("yoda_c"), random_bytes(10, 10));
}

#[test]
fn refusals_come_in_their_order() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    yoda.put_file("f", b"f");
    for user in ["hans", "yoda", "nobody"] {
        yoda.fails(&format!("UDP {user} none"), "File none does not exist");
    }
    yoda.fails("UDP yoda f", "Error. Cannot send to self");
    yoda.fails("UDP nobody f", "Error. Invalid user");
    hans.does("block yoda", "yoda is blocked");
    let blocked = "Your message could not be delivered as the recipient has blocked you";
    yoda.fails("UDP hans f", blocked);
    // Who is blocked does not hear that hans comes and goes.
    hans.leaves();
    yoda.fails("UDP hans f", blocked);
    let mut hans = server.log_in("hans");
    hans.does("unblock yoda", "yoda is unblocked");
    hans.leaves();
    yoda.hears("hans logged out");
    yoda.fails("UDP hans f", "hans is offline");
    assert_eq!(yoda.finish().code, Some(1));
}

#[test]
fn what_is_no_file_or_has_no_file_name_is_not_sent() {
    let server = Server::start(&[]);
    let (mut yoda, hans) = pair(&server);
    std::fs::create_dir(yoda.path("directory")).unwrap();
    yoda.fails("UDP hans directory", "File directory cannot be read: it is a directory");
    yoda.fails("UDP hans /dev/null", "File /dev/null cannot be read: it is not a regular file");
    yoda.put_file(".hidden", b"f");
    yoda.fails("UDP hans .hidden", "Invalid name");
    assert_eq!(leave(yoda, hans), [Some(1), Some(0)]);
}

#[test]
fn two_senders_at_once_do_not_mix() {
    let server = Server::start(&[]);
    let (mut yoda, mut hans) = pair(&server);
    let mut leia = server.sign_up("leia");
    yoda.hears("leia logged in");
    hans.hears("leia logged in");
    let (of_yoda, of_leia) = (random_bytes(1, 3 << 20), random_bytes(2, (3 << 20) + 1));
    yoda.put_file("f", &of_yoda);
    leia.put_file("f", &of_leia);
    yoda.says("UDP hans f");
    hans.hears(&question("f", 3 << 20));
    leia.says("UDP hans f");
    hans.hears("leia would like to send you f (3145729 bytes), enter y or n: ");
    hans.write("y\ny\n");
    yoda.hears("f has been uploaded");
    leia.hears("f has been uploaded");
    let mut heard = [hans.line(), hans.line()];
    heard.sort();
    assert_eq!(heard, ["Received f from leia", "Received f from yoda"]);
    assert!(hans.file("yoda_f") == of_yoda && hans.file("leia_f") == of_leia);
    assert_eq!(hans.names(), ["leia_f", "yoda_f"]);
}

#[test]
fn on_a_terminal_two_files_are_sent_at_once() {
    let server = Server::start(&[]);
    let (yoda, mut hans) = pair(&server);
    let forum = server.forum().args(&["--user", "leia"]).env("FORUM_PASSWORD", PASSWORD);
    drop(server.user("leia"));
    let mut leia = forum.start_on_terminal();
    leia.shows("Welcome to the forum");
    let files = [("a", random_bytes(1, 2 << 20)), ("b", random_bytes(2, 2 << 20))];
    for (name, bytes) in &files {
        std::fs::write(forum.directory().join(name), bytes).unwrap();
        leia.says(&format!("UDP hans {name}"));
    }
    hans.hears_all(&["leia logged in", "leia logged out", "leia logged in"]);
    for (name, bytes) in &files {
        hans.hears(&format!("leia would like to send you {name} ({} bytes), enter y or n: ", bytes.len()));
    }
    hans.write("y\ny\n");
    let mut heard = [hans.line(), hans.line()];
    heard.sort();
    assert_eq!(heard, ["Received a from leia", "Received b from leia"]);
    for (name, bytes) in &files {
        assert!(hans.file(&format!("leia_{name}")) == *bytes);
    }
    assert_eq!((hans.names().len(), yoda.names().len()), (2, 0));
}
