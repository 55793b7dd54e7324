//! What the page shows of each rung comes about: its shell commands are run, and what it shows of `strace` is in what
//! strace says.

use std::fs;
use std::process::Command;

use forum_tests::{Process, example, until, workspace};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::rung::Rung;

/// The part of the page that is about this rung, from its heading on.
fn section(number: usize) -> String {
    let page = fs::read_to_string(workspace().join("docs/LADDER.md")).unwrap();
    let (_, rest) = page.split_once(&format!("\n## {number}. ")).expect("a heading");
    rest.split("\n## ").next().expect("a section").to_owned()
}

/// The blocks of a section of this kind, without their fences.
fn blocks(section: &str, kind: &str) -> Vec<String> {
    let fence = format!("```{kind}\n");
    let parts = section.split(&fence).skip(1);
    parts.map(|part| part.split("```").next().expect("an end").to_owned()).collect()
}

/// A rung under strace, and what it says there.
struct Traced {
    rung: Rung,
    directory: TempDir,
}

impl Traced {
    fn start(name: &str, arguments: &[&str], calls: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let mut command = Command::new("strace");
        command.args(["-o", "calls", "-s", "24", "-e", calls]).current_dir(directory.path());
        command.arg(example("forumd", name)).arg("0").args(arguments);
        Self { rung: Rung::start_command(&mut command), directory }
    }

    /// What a script of the page prints, with this rung as the server and a directory of its own for its files.
    fn run(&self, script: &str) -> Vec<String> {
        let script = script.replace(" 12345", &format!(" {}", self.rung.address().port()));
        let script = script.replace("/tmp/", &format!("{}/", self.directory.path().display()));
        Process::start(Command::new("bash").args(["-c", &script])).finish().stdout
    }

    /// Waits until strace has said these lines, one after the other.
    fn has_said(&self, shown: &str) {
        let shown: Vec<_> = shown.lines().map(without_chance).collect();
        let mut said = Vec::new();
        until("the calls that are shown", || {
            let calls = fs::read_to_string(self.directory.path().join("calls")).ok()?;
            said = calls.lines().map(without_chance).collect();
            said.windows(shown.len()).any(|calls| calls == shown).then_some(())
        });
    }
}

impl Drop for Traced {
    /// A strace that is killed lets its program run on.
    fn drop(&mut self) {
        let pid = self.rung.process.pid();
        let programs = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        for program in programs.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)) {
            if kill_process(program, Signal::KILL).is_ok() {
                self.rung.process.wait_exit();
            }
        }
    }
}

/// A line of strace without what differs from run to run: descriptors, addresses, large numbers, and how much of a
/// long text is shown.
fn without_chance(line: &str) -> String {
    let words: String = line.chars().filter(|letter| !matches!(letter, ' ' | 'x')).collect();
    let mut kept = String::new();
    let mut rest = words.as_str();
    while let Some(at) = rest.find(|letter: char| letter.is_ascii_digit()) {
        let digits = rest[at..].bytes().take_while(u8::is_ascii_hexdigit).count();
        kept.push_str(&rest[..at]);
        let is_descriptor = rest[..at].ends_with('(');
        kept.push_str(if is_descriptor || digits >= 5 { "#" } else { &rest[at..at + digits] });
        rest = &rest[at + digits..];
    }
    kept + rest
}

/// A session in a shell as a page shows it: the command after `$ `, and what it prints.
fn session(block: &str) -> (&str, Vec<&str>) {
    let (command, printed) = block.split_once('\n').expect("a command and what it prints");
    (command.strip_prefix("$ ").expect("a command"), printed.lines().collect())
}

#[test]
fn rung_1_answers_what_the_page_shows() {
    let section = section(1);
    let rung = Traced::start("rung1_echo", &[], "trace=%network,epoll_wait");
    let block = &blocks(&section, "sh")[0];
    let (command, printed) = session(block);
    assert_eq!(rung.run(command), printed);
    rung.has_said(&blocks(&section, "text")[0]);
}

/// The bytes that a script of the page counts in the end.
fn counted(lines: &[String]) -> usize {
    lines.last().and_then(|line| line.trim().parse().ok()).unwrap_or_else(|| panic!("no number: {lines:?}"))
}

#[test]
fn rung_2_loses_most_of_what_rung_3_delivers_as_the_page_says() {
    let (lossy, whole) = (section(2), section(3));
    let script = &blocks(&lossy, "sh")[0];
    let rung = Traced::start("rung2_framing", &[], "trace=%network,epoll_wait");
    let came = counted(&rung.run(script));
    assert!(came < 20_000_000, "about 4 million are shown: {came}");
    rung.has_said(&blocks(&lossy, "text")[0]);

    let (making, _) = script.rsplit_once("nc -N").expect("the book is made before it is sent");
    let rung = Traced::start("rung3_queues", &[], "trace=%network,epoll_wait");
    let came = counted(&rung.run(&format!("{making}{}", blocks(&whole, "sh")[0])));
    assert!((202_000_000..204_000_000).contains(&came), "202 million are promised: {came}");
    rung.has_said(&blocks(&whole, "text")[0]);
}

#[test]
fn rung_5_syncs_two_messages_at_once_as_the_page_shows() {
    let rung = Traced::start("rung5_log", &["book.log"], "trace=%network,write,fdatasync");
    let mut client = rung.rung.connect();
    client.say("hello\nworld\n");
    assert_eq!(client.through("2 world\n"), "1 hello\n2 world\n");
    rung.has_said(&blocks(&section(5), "text")[0]);
}
