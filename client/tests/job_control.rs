//! The client on its controlling terminal, below a shell: ^Z and `fg`, pipelines, a terminal that can do little, and
//! what is left in the scrollback.
#![forbid(unsafe_code)]

mod stage;

use forum_common::wire::{Notice, Reply, Request};
use stage::{AT_MS, END, LIST_ON_TERMINAL, PING, Peer, Place, Script, Terminal, WELCOME, post, read_thread};

/// Runs the client in the foreground; when it is stopped, says so, waits for a line, and continues it.
const STOP_AND_GO: &str =
    "set -m; \"$0\" \"$@\"; echo stopped $?; read -r line; fg >/dev/null; echo ended $?";

/// Stops the client with ^Z, looks at the terminal, and continues it.
fn stop_and_go(terminal: &mut Terminal) {
    terminal.types("\x1a");
    terminal.shows("stopped 147\r\n");
    terminal.is_as_before();
    terminal.types("go\r");
    terminal.shows("go\r\n");
}

#[test]
fn ctrl_z_gives_the_terminal_back_at_every_phase_and_the_line_is_drawn_once_after_fg() {
    for phase in 0..4 {
        let script = Script::new();
        let mut terminal = Place::new(&script).shell(STOP_AND_GO);
        let mut peer = script.accept();
        let hello = peer.hears_hello(true);
        if phase == 0 {
            stop_and_go(&mut terminal);
        }
        peer.hello(hello, forum_common::wire::VERSION, "UTC");
        terminal.shows("Enter username: ");
        if phase == 1 {
            terminal.types("yo");
            terminal.displays(&["Enter username: yo"], 18);
            stop_and_go(&mut terminal);
            terminal.displays(&["stopped 147", "go", "Enter username: yo"], 18);
            terminal.types("\x15");
        }
        terminal.types("yoda\r");
        let tag = peer.hears_log_in("yoda");
        peer.reply(tag, &Reply::PasswordWanted { known: true });
        terminal.shows("Enter password: ");
        if phase == 2 {
            stop_and_go(&mut terminal);
            terminal.displays(&["stopped 147", "go", "Enter password:"], 16);
        }
        terminal.types("jedi\r");
        let tag = peer.hears(&Request::Password { password: "jedi" });
        peer.reply(tag, &WELCOME);
        terminal.shows("more with help: ");
        if phase == 3 {
            terminal.types("LST\r");
            let tag = peer.hears(&LIST_ON_TERMINAL);
            peer.reply(tag, &END);
            terminal.types("CRT a");
            terminal.displays(&["No threads to list", "> CRT a"], 7);
            stop_and_go(&mut terminal);
            terminal.displays(&["stopped 147", "go", "> CRT a"], 7);
            terminal.types("\x15");
        }
        terminal.types("XIT\r");
        peer.say_goodbye();
        terminal.shows("Goodbye\r\n");
        terminal.shows("ended 0\r\n");
    }
}

/// Yoda below a shell that runs this, logged in, who has had a list.
fn yoda(script: &Script, place: &mut Place, line: &str) -> (Terminal, Peer) {
    let mut terminal = place.shell(line);
    let mut peer = script.admit();
    terminal.shows("Welcome to the forum\r\n");
    terminal.types("LST\r");
    let tag = peer.hears(&LIST_ON_TERMINAL);
    peer.reply(tag, &END);
    terminal.shows("No threads to list\r\n");
    (terminal, peer)
}

#[test]
fn a_program_behind_a_pipe_prints_straight_and_is_stopped_too() {
    for program in ["cat", "tee log"] {
        let script = Script::new();
        let mut place = Place::of_yoda(&script);
        let line = format!(
            "set -m; \"$0\" \"$@\" | {program}; echo stopped $?; read -r line; fg >/dev/null; echo ended"
        );
        let (mut terminal, mut peer) = yoda(&script, &mut place, &line);
        peer.notices(&[Notice::LoggedIn { name: "hans" }, Notice::LoggedOut { name: "hans" }]);
        terminal.shows("hans logged in  (16:00)\r\nhans logged out  (16:00)\r\n");
        terminal.types("\x1a");
        terminal.shows("stopped 147\r\n");
        terminal.is_as_before();
        terminal.types("go\r");
        terminal.shows("go\r\n");
        terminal.types("XIT\r");
        peer.say_goodbye();
        terminal.shows("XIT\r\n");
        terminal.shows("ended\r\n");
        let rows = terminal.rows();
        assert!(rows.iter().all(|row| !row.starts_with(' ')), "a staircase: {rows:#?}");
        for line in ["LST", "No threads to list", "hans logged in  (16:00)", "XIT"] {
            assert!(rows.iter().any(|row| row == line), "{line} is not alone on its row: {rows:#?}");
        }
    }
}

#[test]
fn typing_at_the_top_of_the_screen_leaves_no_copies_in_the_scrollback() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (mut terminal, mut peer) = yoda(&script, &mut place, "\"$0\" \"$@\"");
    terminal.types("\x0c");
    terminal.displays(&[">"], 2);
    let before = terminal.scrollback();
    for letter in "message hans hello".chars() {
        terminal.types(&letter.to_string());
    }
    terminal.displays(&["> message hans hello"], 20);
    peer.notice(&Notice::Broadcast { at_ms: AT_MS, from: "hans", text: "hi" });
    terminal.displays(&["hans (broadcast): hi  (16:00)", "> message hans hello"], 20);
    assert_eq!(terminal.scrollback(), before);
    assert!(!terminal.seen().contains("\x1b[J"), "it clears what the terminal may keep");
}

#[test]
fn a_line_that_is_taller_than_the_screen_leaves_no_copies_in_the_scrollback() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (mut terminal, _peer) = yoda(&script, &mut place, "\"$0\" \"$@\"");
    terminal.displays(&["No threads to list", ">"], 2);
    let long = "abcdefghij".repeat(200);
    terminal.types(&long);
    let tail: String = format!("> {long}").chars().skip(80 * 25).collect();
    terminal.displays(&[&tail], tail.len() as u16);
    let full = terminal.scrollback();
    for _ in 0..10 {
        terminal.types("x");
    }
    let tail = format!("{tail}xxxxxxxxxx");
    terminal.displays(&[&tail], tail.len() as u16);
    assert_eq!(terminal.scrollback(), full, "typing on adds nothing");
}

#[test]
fn a_terminal_without_escape_sequences_gets_plain_prompts_and_hides_passwords() {
    for term in ["dumb", ""] {
        let script = Script::new();
        let mut place = Place::new(&script).env("TERM", term);
        let mut terminal = place.shell("\"$0\" \"$@\"; echo ended $?");
        let mut peer = script.greet();
        terminal.shows("Enter username: ");
        terminal.types("yoda\r");
        let tag = peer.hears_log_in("yoda");
        peer.reply(tag, &Reply::PasswordWanted { known: true });
        terminal.shows("yoda\r\nEnter password: ");
        terminal.types("jedi\r");
        let tag = peer.hears(&Request::Password { password: "jedi" });
        peer.reply(tag, &WELCOME);
        terminal.shows("\r\nWelcome to the forum\r\n");
        terminal.shows("more with help: ");
        peer.notice(&Notice::LoggedIn { name: "hans" });
        terminal.shows("\r\nhans logged in  (16:00)\r\n");
        terminal.shows("more with help: ");
        terminal.types("LST\r");
        let tag = peer.hears(&LIST_ON_TERMINAL);
        peer.reply(tag, &END);
        terminal.shows("LST\r\nNo threads to list\r\n> ");
        terminal.types("\x04");
        peer.say_goodbye();
        terminal.shows("Goodbye\r\nended 0\r\n");
        terminal.is_as_before();
        assert!(!terminal.seen().contains('\x1b'), "{}", terminal.seen());
        assert!(!terminal.seen().contains("jedi"), "{}", terminal.seen());
    }
}

#[test]
fn a_reader_that_stops_reading_holds_up_neither_what_is_typed_nor_the_timers() {
    let script = Script::new();
    // As `| less` does at the end of a page: it holds the pipe and reads on when the user wants more.
    let reader =
        "mkfifo go; \"$0\" \"$@\" | { read -r line; echo \"first: $line\"; read -r _ <go; cat; }; echo ended";
    let mut place = Place::of_yoda(&script).arg("--server-timeout").arg("20");
    let directory = place.directory.clone();
    let mut terminal = place.shell(reader);
    let mut peer = script.admit();
    terminal.shows("first: Welcome to the forum\r\n");
    terminal.types("RDT a\r");
    let tag = peer.hears(&read_thread("a", None));
    let text = "x".repeat(8_000);
    // Far more than the pipe and the buffers of the shell hold.
    for number in 1..=20 {
        peer.reply(tag, &post(number, "hans", &text));
    }
    peer.reply(tag, &END);
    // The user goes on typing, unseen, and the server answers.
    terminal.types("LST\r");
    let list = peer.hears(&LIST_ON_TERMINAL);
    peer.reply(list, &END);
    // A timer: after half of the silence that is allowed, the server is asked for a sign of life.
    let ping = peer.hears(&PING);
    peer.reply(ping, &Reply::Pong { payload: &[] });
    terminal.types("half a li");
    std::fs::write(directory.path().join("go"), "\n").unwrap();
    terminal.shows("20 hans: xxx");
    terminal.shows("No threads to list\r\n");
    terminal.types("\x15XIT\r");
    peer.hears(&Request::MarkRead { title: "a", up_to: 20, from: None });
    peer.say_goodbye();
    terminal.shows("Goodbye\r\n");
    terminal.shows("ended\r\n");
    terminal.is_as_before();
}

#[test]
fn a_storm_of_sizes_leaves_the_line_whole() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (mut terminal, mut peer) = yoda(&script, &mut place, "\"$0\" \"$@\"");
    let sizes = [(80, 24), (40, 10), (1, 1), (500, 200), (7, 3), (2, 1), (200, 2), (80, 24)];
    let line = "message hans Über alle Gipfel ist Ruh, 語語語語 in allen Wipfeln spürest du kaum einen Hauch";
    for (number, letter) in line.chars().enumerate() {
        terminal.types(&letter.to_string());
        let (columns, rows) = sizes[number % sizes.len()];
        terminal.resize(columns, rows);
        if number % 10 == 0 {
            peer.notice(&Notice::LoggedIn { name: "hans" });
        }
    }
    terminal.resize(80, 24);
    // What is drawn is drawn for this size, and on a screen that has nothing else.
    terminal.types("\x0c");
    terminal.displays_only(&wrapped(&format!("> {line}"), 80));
    terminal.types("\r");
    let text = line.strip_prefix("message hans ").unwrap();
    peer.hears(&Request::SendMessage { user: "hans", text, key: None });
}

/// A line as it lies on a screen of so many columns; a wide character has two.
fn wrapped(line: &str, columns: usize) -> Vec<String> {
    let mut rows = vec![(String::new(), 0)];
    for letter in line.chars() {
        let width = 1 + usize::from(letter == '語');
        if rows.last().unwrap().1 + width > columns {
            rows.push((String::new(), 0));
        }
        let (row, used) = rows.last_mut().unwrap();
        row.push(letter);
        *used += width;
    }
    rows.into_iter().map(|(row, _)| row).collect()
}
