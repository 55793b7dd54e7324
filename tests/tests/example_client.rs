//! The clients in Python that `docs/examples` has for people who write one of their own: they work with a real forumd and
//! a real client, and the first stays short.
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use forum_common::wire::Request;
use forum_tests::{Finished, PASSWORD, Process, Server, workspace};
use tempfile::TempDir;

/// What `docs/PROTOCOL.md` promises of it.
const LINES_MAX: usize = 150;

fn program() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/client.py")
}

/// Runs it to its end, all being well; the lines that it said.
fn run(server: &Server, name: &str, password: &str) -> Vec<String> {
    let (host, port) = (server.address().ip().to_string(), server.address().port().to_string());
    let mut command = Command::new("python3");
    command.args([Path::new("-B"), &program()]).args([&host, &port, name, password]);
    let Finished { code, stdout, stderr, .. } = Process::start(&mut command).finish();
    assert_eq!((code, &*stderr), (Some(0), &[][..]), "{stdout:#?}");
    stdout
}

#[test]
fn it_is_as_short_as_the_page_says() {
    let text = fs::read_to_string(program()).unwrap();
    let lines = text.lines().count();
    assert!(lines <= LINES_MAX, "{lines} lines");
    assert!(text.lines().all(|line| line.len() <= 120), "lines that fit a page");
}

#[test]
fn it_signs_up_posts_uploads_downloads_reads_in_pages_and_repeats_a_post_by_its_key() {
    let server = Server::start(&[]);
    let lines = run(&server, "snake", PASSWORD);
    let file = lines[1].strip_suffix(" came back").unwrap_or_else(|| panic!("{lines:#?}"));
    let id = |line: &str| line.rsplit(' ').next().and_then(|word| word.parse::<u64>().ok()).expect("an id");
    assert_eq!(lines[0], format!("posted as number 1, id {}", id(&lines[0])));
    assert_eq!(lines[2], format!("once, as number 2, id {}", id(&lines[2])));
    let thread = [
        "1 snake: hello from Python".to_owned(),
        format!("snake uploaded {file}"),
        "2 snake: once and only once".to_owned(),
    ];
    assert_eq!(lines[3..], thread);
    let mut yoda = server.user("yoda");
    assert_eq!(yoda.read_thread("python"), thread);
    assert_eq!(yoda.download("python", file, 1 << 20).unwrap().len(), 200_000);
}

#[test]
fn it_logs_in_again_and_shows_the_mailbox_once() {
    let server = Server::start(&[]);
    run(&server, "snake", PASSWORD);
    let mut yoda = server.user("yoda");
    for text in ["hello", "  grüße 🙂"] {
        yoda.tell("snake", text);
    }
    let lines = run(&server, "snake", PASSWORD);
    assert_eq!(lines[..2], ["yoda: hello", "yoda:   grüße 🙂"]);
    assert!(lines[2].starts_with("posted as number 3, "), "{lines:#?}");
    assert_eq!(yoda.read_thread("python").len(), 6);
    // They were acknowledged.
    let lines = run(&server, "snake", PASSWORD);
    assert!(lines[0].starts_with("posted as number 5, "), "{lines:#?}");
    // Whatever the server says to everybody on its way does no harm.
    assert_eq!(yoda.done(&Request::SendBroadcast { text: "to nobody" }), "");
}

#[test]
fn a_wrong_password_is_said_in_the_servers_words() {
    let server = Server::start(&[]);
    server.user("snake").log_out();
    let (host, port) = (server.address().ip().to_string(), server.address().port().to_string());
    let mut command = Command::new("python3");
    command.args([Path::new("-B"), &program()]).args([&host, &port, "snake", "guess"]);
    let ended = Process::start(&mut command).finish();
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(ended.stderr.last().is_some_and(|line| line.contains("Invalid password")), "{ended:#?}");
}

/// A Python with the packages that the receiver of files needs: the system's if it has them, or one of its own.
fn python_with_packages() -> PathBuf {
    let has_packages = |python: &Path| {
        let output = Command::new(python).args(["-c", "import blake3, cryptography"]).output();
        output.is_ok_and(|output| output.status.success())
    };
    let own = workspace().join("target/python");
    let found = [PathBuf::from("python3"), own.join("bin/python3")].into_iter().find(|it| has_packages(it));
    found.unwrap_or_else(|| {
        let run = |command: &mut Command| {
            let output = command.output().expect("a program");
            assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        };
        run(Command::new("python3").args(["-m", "venv"]).arg(&own));
        run(Command::new(own.join("bin/pip")).args([
            "install",
            "--quiet",
            "blake3==1.0.11",
            "cryptography==48.0.0",
        ]));
        own.join("bin/python3")
    })
}

#[test]
fn a_receiver_that_was_made_from_the_page_of_the_transport_takes_a_file_of_the_real_client() {
    let server = Server::start(&[]);
    let (host, port) = (server.address().ip().to_string(), server.address().port().to_string());
    let mut yoda = server.sign_up("yoda");
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| (number ^ (number >> 9)) as u8).collect();
    for (name, bytes) in [("plans.tar", &bytes[..]), ("empty", &[])] {
        let directory = TempDir::new().expect("a directory");
        let mut command = Command::new(python_with_packages());
        command.args([Path::new("-B"), &program().with_file_name("receive_file.py")]);
        command.args([&*host, &*port, "snake", PASSWORD]).current_dir(&directory);
        let mut snake = Process::start(&mut command);
        assert_eq!(snake.stdout.next_line().as_deref(), Some("ready"));
        yoda.hears("snake logged in");
        yoda.put_file(name, bytes);
        yoda.does(&format!("UDP snake {name}"), &format!("{name} has been uploaded"));
        let Finished { code, stdout, stderr, .. } = snake.finish();
        assert_eq!((code, &*stderr), (Some(0), &[][..]), "{stdout:#?}");
        let size = bytes.len();
        assert_eq!(stdout, [format!("received {name} from yoda: {size} bytes of {size}")]);
        assert!(fs::read(directory.path().join(format!("yoda_{name}"))).expect("the file") == bytes);
        yoda.hears("snake logged out");
    }
}
