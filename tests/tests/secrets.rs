//! Secrets stay where they belong: no password and no private text in the log, the data directory, the command lines
//! and the environments of the programs, when passwords come from files.
#![forbid(unsafe_code)]

use std::fs;

use forum_tests::{Forumd, files_below, until};

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
