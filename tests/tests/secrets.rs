//! Secrets stay where they belong: no password and no private text in the log, the data directory, an export, the command
//! lines and the environments of the programs, when passwords come from files.
#![forbid(unsafe_code)]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use forum_common::wire::Request;
use forum_tests::{DEADLINE, Forum, Forumd, Nat, Process, Server, files_below, until};
use rustix::process::Signal;

/// What is planted. None of them is part of anything else.
const PASSWORD: &str = "marker-of-a-password-7f3a";
const ADMIN: &str = "marker-of-the-admin-91c2";
const PRIVATE: &str = "marker of a private text 5e0b";
const NEW_PASSWORD: &str = "marker-of-a-new-password-28d4";
const TYPED_PASSWORD: &str = "marker-of-a-password-typed-into-nc-c6b1";
const RELAYED: &str = "marker of a text that was relayed 40af";

fn has(bytes: &[u8], marker: &str) -> bool {
    bytes.windows(marker.len()).any(|window| window == marker.as_bytes())
}

#[test]
fn what_is_secret_is_in_no_log_no_file_no_command_line_and_no_environment() {
    let forumd = Forumd::new().without_admin_password();
    let data = forumd.data();
    let admin = forumd.directory().join("admin");
    fs::write(&admin, format!("{ADMIN}\n")).expect("there is room");
    let server =
        forumd.args(&["-v", "--admin-password-file", admin.to_str().expect("an ASCII path")]).start();
    let start = |name: &str| {
        let forum = server.forum();
        fs::write(forum.directory().join("password"), format!("{PASSWORD}\n")).expect("there is room");
        forum.args(&["--user", name, "--password-file", "password", "--accept", "always"]).start()
    };
    let mut hans = start("hans");
    hans.hears("Welcome to the forum");
    let mut yoda = start("yoda");
    yoda.hears("Welcome to the forum");
    hans.hears("yoda logged in");
    yoda.fails(&format!("SHT {ADMIN}x"), "Incorrect password");
    yoda.does("startprivate hans", "Start private messaging with hans");
    yoda.hears("hans accepts private messaging");
    yoda.says(&format!("private hans {PRIVATE}"));
    hans.hears(&format!("yoda(private): {PRIVATE}"));
    yoda.does("CRT planted", "Thread planted created");

    let mut places = vec![("the log".to_owned(), server.log().join("\n").into_bytes())];
    places.extend(files_below(&data).into_iter().map(|(path, bytes)| (path.display().to_string(), bytes)));
    for pid in [server.pid(), yoda.pid(), hans.pid()] {
        for what in ["cmdline", "environ"] {
            let path = format!("/proc/{pid}/{what}");
            let bytes = until(&path, || fs::read(&path).ok().filter(|bytes| !bytes.is_empty()));
            places.push((path, bytes));
        }
    }
    assert!(places.iter().any(|(_, bytes)| has(bytes, "planted")), "the data directory is looked at");
    insist_on_none(&places);
}

/// Insists that nothing planted is in any of these.
fn insist_on_none(places: &[(String, Vec<u8>)]) {
    for (place, bytes) in places {
        for marker in [PASSWORD, ADMIN, PRIVATE, NEW_PASSWORD, TYPED_PASSWORD, RELAYED] {
            assert!(!has(bytes, marker), "{marker} is in {place}");
        }
    }
}

/// Yoda, who is traced, gives his password in every way there is, over TLS.
fn give_passwords(server: &Server) {
    let mut yoda = server.tls();
    yoda.hello();
    yoda.sign_up("yoda", PASSWORD).expect("he is new");
    yoda.done(&Request::CreateThread { title: "planted", key: None });
    for old in [NEW_PASSWORD, PASSWORD] {
        let change = Request::ChangePassword { old, new: NEW_PASSWORD, confirmation: NEW_PASSWORD };
        assert_eq!(yoda.outcome(&change).is_ok(), old == PASSWORD);
    }
    let wrong = format!("{ADMIN}x");
    yoda.outcome(&Request::ShutDown { password: &wrong }).expect_err("it is wrong");
    yoda.log_out();
    let mut yoda = server.tls();
    yoda.hello();
    yoda.log_in("yoda", PASSWORD).expect_err("it was changed");
}

/// Yoda and hans talk through the server, over TLS, because hans can't be reached where the server sees him.
fn talk_through_the_server(server: &Server) {
    let nat = Nat::before(server.address());
    let certificate = server.launch().certificates().join("cert.pem");
    let start = |forum: Forum, name: &str, password: &str| {
        fs::write(forum.directory().join("password"), format!("{password}\n")).expect("there is room");
        let certificate = certificate.to_str().expect("an ASCII path");
        let options = ["--password-file", "password", "--accept", "always", "--tls-ca", certificate];
        let mut client = forum.args(&["--user", name]).args(&options).start();
        client.hears("Welcome to the forum");
        client
    };
    let mut yoda = start(server.forum(), "yoda", NEW_PASSWORD);
    let mut hans = start(Forum::at(nat.address()), "hans", PASSWORD);
    yoda.hears("hans logged in");
    yoda.does("startprivate hans", "Start private messaging with hans");
    yoda.hears("hans accepts private messaging");
    yoda.hears("Private messages with hans go through the server: no direct connection could be made");
    yoda.says(&format!("private hans {RELAYED}"));
    hans.hears("Private messages with yoda go through the server: no direct connection could be made");
    hans.hears(&format!("yoda(private): {RELAYED}"));
}

/// Luke logs in at the text door, and mistypes once.
fn type_passwords_into_a_socket(server: &Server) {
    let mut stream = TcpStream::connect(server.address()).expect("it listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a TCP socket");
    let typed = format!(
        "luke\n{TYPED_PASSWORD}\n{TYPED_PASSWORD}\npasswd\n{PASSWORD}\n{PASSWORD}\n{PASSWORD}\nXIT\n"
    );
    stream.write_all(typed.as_bytes()).expect("it takes what is typed");
    let mut said = String::new();
    stream.read_to_string(&mut said).expect("it says goodbye");
    assert!(said.contains("Welcome to the forum") && said.contains("Goodbye"), "{said}");
    assert!(said.contains("Invalid password"), "{said}");
}

#[test]
fn what_is_secret_is_nowhere_that_a_server_writes_though_it_logs_all_of_a_user_and_is_exported_and_crashes() {
    for traced in ["yoda", "luke"] {
        let forumd = Forumd::new().with_tls().without_admin_password();
        let admin = forumd.directory().join("admin");
        fs::write(&admin, format!("{ADMIN}\n")).expect("there is room");
        let admin = admin.to_str().expect("an ASCII path").to_owned();
        let options = ["-vv", "--trace-user", traced, "--admin-password-file", &admin];
        let mut server = forumd.args(&options).start();
        give_passwords(&server);
        talk_through_the_server(&server);
        type_passwords_into_a_socket(&server);
        server.signal(Signal::ABORT);
        server.wait_exit();
        let export = server.launch().export("export");
        let log = server.log().join("\n").into_bytes();
        assert!(has(&log, "ChangePassword") || has(&log, "passwd"), "{traced} is traced");
        let mut places = vec![("the log".to_owned(), log)];
        for directory in [server.launch().data(), export] {
            let files = files_below(&directory).into_iter();
            places.extend(files.map(|(path, bytes)| (path.display().to_string(), bytes)));
        }
        assert!(
            places.iter().filter(|(_, bytes)| has(bytes, "planted")).count() >= 2,
            "the data and the export"
        );
        insist_on_none(&places);
    }
}

/// How to start a program, and one that looks at it, so that even root has no special right to look.
fn without_special_rights() -> &'static [&'static str] {
    match rustix::process::geteuid().is_root() {
        true => &["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"],
        false => &["env"],
    }
}

/// Whether another program of the same user may look into a process. To show what program it runs, the kernel asks for
/// the same right as to show its memory.
fn is_open(pid: u32) -> bool {
    let (wrapper, path) = (without_special_rights(), format!("/proc/{pid}/exe"));
    let readlink = Command::new(wrapper[0]).args(&wrapper[1..]).args(["readlink", "-v", &path]).output();
    let readlink = readlink.expect("setpriv and readlink are there");
    let said = String::from_utf8_lossy(&readlink.stderr);
    assert!(readlink.status.success() || said.contains("Permission denied"), "{readlink:?}");
    readlink.status.success()
}

#[test]
fn no_program_of_the_same_user_and_no_core_file_sees_the_memory_of_a_server_unless_it_is_told_so() {
    let server = Forumd::new().under(without_special_rights()).start();
    assert!(!is_open(server.pid()));
    let server = Forumd::new().under(without_special_rights()).args(&["--dumpable"]).start();
    assert!(is_open(server.pid()));
}

#[test]
fn no_program_of_the_same_user_and_no_core_file_sees_the_memory_of_a_client() {
    let server = Server::start(&[]);
    let forum = server.forum();
    let (wrapper, command) = (without_special_rights(), forum.command());
    let mut wrapped = Command::new(wrapper[0]);
    wrapped.args(&wrapper[1..]).arg(command.get_program()).args(command.get_args());
    let mut client = Process::start(wrapped.current_dir(forum.directory()));
    client.write(b"yoda\njedi\njedi\nwhoami\n");
    client.stdout.find("who it is", |line| line.starts_with("yoda at ").then_some(()));
    assert!(!is_open(client.pid()));
    client.close_input();
    assert_eq!(client.finish().code, Some(0));
}
