//! Secrets stay where they belong: no password and no private text in the log, the data directory, the command lines
//! and the environments of the programs, when passwords come from files.
#![forbid(unsafe_code)]

use std::fs;
use std::process::Command;

use forum_tests::{Forumd, Process, Server, files_below, until};

/// What is planted. None of them is part of anything else.
const PASSWORD: &str = "marker-of-a-password-7f3a";
const ADMIN: &str = "marker-of-the-admin-91c2";
const PRIVATE: &str = "marker of a private text 5e0b";

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
    for (place, bytes) in &places {
        for marker in [PASSWORD, ADMIN, PRIVATE] {
            assert!(!has(bytes, marker), "{marker} is in {place}");
        }
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
