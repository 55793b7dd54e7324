//! `--trace-user`: the log shows each frame of one user, nothing of anybody else, and no secret.
#![forbid(unsafe_code)]

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use forum_tests::{DEADLINE, Forum, Forumd, PASSWORD, Server};

const NEW_PASSWORD: &str = "a new hope";
const ADMIN_GUESS: &str = "open sesame";

/// The lines of a trace, without what differs from run to run: from the direction on.
fn traced(log: &str, user: &str) -> Vec<String> {
    let words = [format!(" {user} < 0x"), format!(" {user} > 0x")];
    let from =
        |line: &str| words.iter().find_map(|word| line.find(word.as_str()).map(|at| at + user.len() + 2));
    log.lines().filter_map(|line| from(line).map(|at| line[at..].to_owned())).collect()
}

/// What a session at the text door answers to these lines.
fn at_the_text_door(server: &Server, lines: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(lines.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    said
}

#[test]
fn each_frame_of_the_user_is_in_the_log_and_no_secret_is() {
    let launch = Forumd::new();
    let log = launch.directory().join("log");
    let mut server = launch.args(&["--trace-user", "yoda", "--log-file", log.to_str().unwrap()]).start();
    let lines = format!(
        "yoda\n{PASSWORD}\n{PASSWORD}\nCRT t\nSHT {ADMIN_GUESS}\npasswd\n{PASSWORD}\n{NEW_PASSWORD}\n{NEW_PASSWORD}\n"
    );
    let said = at_the_text_door(&server, &lines);
    assert!(said.contains("Incorrect password") && said.contains("Password changed"), "{said}");
    let mut hans = server.sign_up("hans");
    let forum = Forum::at(server.address());
    let mut yoda = forum.start();
    for line in ["yoda", "sith", "yoda", NEW_PASSWORD, "MSG t Do or do not.", "RDT t"] {
        yoda.says(line);
    }
    yoda.complains("Invalid password");
    yoda.hears_all(&["Welcome to the forum", "Message posted to t thread", "1 yoda: Do or do not."]);
    hans.hears("yoda logged in");
    hans.says("message yoda hello");
    yoda.hears("hans: hello");
    server.stop();
    let log = fs::read_to_string(log).unwrap();
    for secret in [PASSWORD, NEW_PASSWORD, ADMIN_GUESS, "sith", "s3cret"] {
        assert!(!log.contains(secret), "{secret:?} is in the log:\n{log}");
    }
    assert!(traced(&log, "hans").is_empty(), "{log}");
    let trace = traced(&log, "yoda");
    let at = |part: &str| trace.iter().position(|line| line.contains(part));
    let places: Vec<_> = [
        r#"< 0x04 tag 0 {"kind":"LogIn","name":"yoda""#,
        r#"> 0x82 tag 0 {"kind":"PasswordWanted","known":false}"#,
        "< 0x06 tag 0 SignUp (not shown)",
        r#"< 0x20 tag 0 {"kind":"CreateThread","title":"t""#,
        "< 0x12 tag 0 ShutDown (not shown)",
        "< 0x10 tag 0 ChangePassword (not shown)",
        "< 0x05 tag",
        "< 0x21 tag",
        r#"{"kind":"PostItem","number":1"#,
    ]
    .iter()
    .map(|part| at(part).unwrap_or_else(|| panic!("no {part:?} in {trace:#?}")))
    .collect();
    assert!(places.is_sorted(), "{places:?} in {trace:#?}");
    assert!(at(r#""from":"hans","text":"hello""#).is_some(), "what is told is traced, too: {trace:#?}");
}
