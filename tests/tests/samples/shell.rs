//! What the pages show of scripts: each is run by a shell, with the programs that were built.

use std::fs;
use std::process::Command;

use forum_tests::{Forum, Forumd, Process, Server};
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
