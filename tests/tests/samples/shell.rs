//! What the pages show of scripts: each is run by a shell, with the programs that were built.

use std::fs;
use std::process::Command;

use forum_common::wire::Request;
use forum_tests::{Forum, Forumd, Process, Server, workspace};
use tempfile::TempDir;

use crate::pages::{contents, hold, script_of};

const SCRIPTING: &str = "docs/SCRIPTING.md";

/// What a script prints, with `forum` on its path and this server as the one on port 12345.
fn printed(server: &Server, script: &str) -> Vec<String> {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("report.txt"), "all green\n").unwrap();
    let forum = Forum::at(server.address()).command().get_program().to_owned();
    let programs = std::path::Path::new(&forum).parent().unwrap().to_str().unwrap().to_owned();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap());
    let script = script.replace(" 12345", &format!(" {}", server.address().port()));
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(directory.path());
    command.env("PATH", path).env("FORUM_PASSWORD", "beep boop").env("TZ", "UTC");
    Process::start(&mut command).finish().stdout
}

#[test]
fn a_script_prints_what_is_shown() {
    let server = Forumd::new().start();
    hold(SCRIPTING, "script", &printed(&server, &script_of(SCRIPTING, "script")));
}

#[test]
fn a_script_for_programs_prints_what_is_shown() {
    let server = Forumd::new().start();
    let shown = contents(SCRIPTING, "json");
    let command = shown.lines().next().and_then(|line| line.strip_prefix("$ ")).expect("a command");
    let mut lines = printed(&server, command);
    lines.insert(0, format!("$ {command}"));
    hold(SCRIPTING, "json", &lines);
}

/// The block of a page that begins with this line.
fn block(page: &str, begins: &str) -> String {
    let text = fs::read_to_string(workspace().join(page)).unwrap();
    let (_, rest) =
        text.split_once(&format!("\n{begins}")).unwrap_or_else(|| panic!("{page} has no {begins}"));
    let (block, _) = rest.split_once("```").expect("its end");
    format!("{begins}{block}")
}

#[test]
fn the_five_lines_of_readme_are_an_account_a_thread_and_a_post() {
    let server = Forumd::new().start();
    let lines = block("README.md", "luke\nx-wing\nx-wing\n");
    let said = printed(&server, &format!("nc -N 127.0.0.1 12345 <<'END'\n{lines}END"));
    assert!(said.last().is_some_and(|line| line.ends_with("Goodbye")), "{said:#?}");
    assert_eq!(server.user("yoda").read_thread("hello"), ["1 luke: My first post"]);
}

#[test]
fn the_piped_session_of_the_guide_posts_and_reads() {
    let server = Forumd::new().start();
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "3331", key: None });
    let sign_up = "printf 'luke\\nx-wing\\nx-wing\\n' | nc -N 127.0.0.1 12345; ";
    let said = printed(&server, &(sign_up.to_owned() + &block("docs/GUIDE.md", "printf 'luke")));
    assert!(said.iter().any(|line| line.ends_with("1 luke: from a script")), "{said:#?}");
}
