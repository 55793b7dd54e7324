//! The client on a terminal, in front of a scripted server: prompts, what is typed and what is printed above
//! it, and the terminal afterwards.
#![forbid(unsafe_code)]

mod stage;

use std::os::unix::process::ExitStatusExt;

use forum_client::line_editor::terminal::Ability;
use forum_common::wire::{Closing, Notice, Refusal, Reply, Request, Transfer};
use rustix::process::Signal;
use stage::{
    AT_MS, END, FULL_PROMPT, LIST_ON_TERMINAL, Place, Script, Terminal, WELCOME, digest, post, read_thread,
    thread,
};

/// What makes the line being typed disappear, if it is one row.
const ERASE: &str = "\r\x1b[K";

/// Signals that end a program unless it does something about them, as far as it can.
const DEADLY: [Signal; 10] = [
    Signal::TERM,
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
    Signal::ALARM,
    Signal::VTALARM,
    Signal::PROF,
    Signal::XCPU,
];

#[test]
fn the_log_in_is_prompted_and_passwords_stay_unseen() {
    let script = Script::new();
    let mut terminal = Place::new(&script).terminal();
    let mut peer = script.greet();
    terminal.shows("Enter username: ");
    // Typed ahead, before anybody asks for it: the password must not be seen either.
    terminal.types("yoda\rs3cret\r");
    let tag = peer.hears_log_in("yoda");
    peer.reply(tag, &Reply::PasswordWanted { known: false });
    terminal.shows("There is no user yoda yet. A password makes one; ^C leaves\r\n");
    terminal.shows("Enter new password for yoda: \r\n");
    terminal.shows("Confirm password: ");
    terminal.types("s3cret\r");
    let tag = peer.hears(&Request::SignUp { password: "s3cret", confirmation: "s3cret" });
    peer.refuse(tag, Refusal::NameTaken, "Username yoda is taken");
    terminal.shows("Username yoda is taken\r\n");
    terminal.shows("Enter username: ");
    terminal.types("yoda\r");
    let tag = peer.hears_log_in("yoda");
    peer.reply(tag, &Reply::PasswordWanted { known: true });
    terminal.shows("Enter password: ");
    terminal.types("s3cret\r");
    let tag = peer.hears(&Request::Password { password: "s3cret" });
    peer.reply(tag, &WELCOME);
    terminal.shows("Welcome to the forum\r\n");
    terminal.shows(FULL_PROMPT);
    assert!(!terminal.seen().contains("s3cret"), "{}", terminal.seen());
    terminal.types("XIT\r");
    peer.say_goodbye();
    terminal.shows("Goodbye\r\n");
    assert_eq!(terminal.end().code(), Some(0));
}

#[test]
fn what_arrives_is_printed_above_what_is_being_typed() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (mut terminal, mut peer) = Terminal::yoda(&script, &mut place);
    terminal.warm_up(&mut peer);
    terminal.types("CRT a\r");
    let tag = peer.hears(&Request::CreateThread { title: "a", key: None });
    terminal.types("MSG a hellp\x08o\x01");
    terminal.displays(&["> CRT a", "> MSG a hello"], 2);
    peer.done(tag, "Thread a created");
    terminal.displays(&["> CRT a", "Thread a created", "> MSG a hello"], 2);
    terminal.types("\x05!\r");
    peer.hears(&Request::Post { title: "a", text: "hello!", key: None });
}

#[test]
fn ctrl_c_drops_the_line_and_on_an_empty_one_says_how_to_log_out() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (mut terminal, mut peer) = Terminal::yoda(&script, &mut place);
    terminal.warm_up(&mut peer);
    terminal.types("CRT a\x03");
    terminal.shows("> CRT a^C\r\n> ");
    terminal.types("\x03");
    terminal.shows("To log out, enter XIT or press ^D\r\n> ");
    terminal.types("\x04");
    peer.say_goodbye();
    terminal.shows("Goodbye\r\n");
    assert_eq!(terminal.end().code(), Some(0));
}

#[test]
fn ctrl_c_on_an_empty_line_cancels_transfers_and_lists() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script).file("f", &[7; 1_000]);
    let (mut terminal, mut peer) = Terminal::yoda(&script, &mut place);
    terminal.types("UPD a f\rLST\r");
    let upload = peer.hears(&Request::Upload { title: "a", file: "f", size: 1_000, key: None });
    peer.reply(upload, &Reply::UploadStarts { credit: 500 });
    let list = peer.hears(&LIST_ON_TERMINAL);
    peer.takes(upload, &Transfer::Data { piece: &[7; 500] });
    peer.reply(list, &thread("a"));
    terminal.shows("The list of active threads:\r\na (0 messages)\r\n");
    terminal.types("\x03");
    terminal.shows("LST was cancelled\r\nf was cancelled\r\n");
    peer.takes(upload, &Transfer::Abort);
    peer.reply(list, &thread("unwanted"));
    peer.reply(list, &END);
    peer.refuse(upload, Refusal::TransferAborted, "The transfer was given up");
    terminal.types("XIT\r");
    peer.say_goodbye();
    terminal.shows("Goodbye\r\n");
    assert!(!terminal.seen().contains("unwanted"), "{}", terminal.seen());
}

#[test]
fn a_word_that_is_nearly_a_command_gets_a_hint() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (mut terminal, _peer) = Terminal::yoda(&script, &mut place);
    terminal.types("rdt a\r/msg\rxyzzy\r");
    terminal.shows("Error. Invalid command\r\nDid you mean RDT?\r\n");
    terminal.shows("Invalid command\r\nDid you mean MSG?\r\n");
    terminal.shows("Error. Invalid command\r\n> ");
}

#[test]
fn a_paste_that_is_too_long_is_cut_and_said_to_be() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (mut terminal, _peer) = Terminal::yoda(&script, &mut place);
    terminal.types(&format!("\x1b[200~{}\x1b[201~", "x".repeat(70_000)));
    terminal.shows("The paste was cut: a line holds at most 65536 bytes\r\n");
}

#[test]
fn after_a_wrong_password_it_is_asked_for_again_hidden_for_the_same_name() {
    let script = Script::new();
    let mut terminal = Place::new(&script).terminal();
    let mut peer = script.greet();
    terminal.shows("Enter username: ");
    terminal.types("yoda\r");
    for (password, is_right) in [("s1th", false), ("jedi", true)] {
        let tag = peer.hears_log_in("yoda");
        peer.reply(tag, &Reply::PasswordWanted { known: true });
        terminal.shows("Enter password: ");
        terminal.types(&format!("{password}\r"));
        let tag = peer.hears(&Request::Password { password });
        match is_right {
            true => peer.reply(tag, &WELCOME),
            false => {
                peer.refuse(tag, Refusal::InvalidPassword, "Invalid password");
                terminal.shows("Invalid password\r\n");
            }
        }
    }
    terminal.shows("Welcome to the forum\r\n");
    assert!(!terminal.seen().contains("s1th"), "{}", terminal.seen());
}

#[test]
fn ctrl_c_at_the_log_in_leaves_on_a_row_of_its_own() {
    let script = Script::new();
    let mut terminal = Place::new(&script).terminal();
    let mut peer = script.greet();
    terminal.shows("Enter username: ");
    terminal.types("yoda\x03");
    terminal.shows("Enter username: yoda^C\r\n");
    peer.expect_end();
    assert_eq!(terminal.end().code(), Some(77));
}

#[test]
fn a_transfer_shows_its_progress_and_leaves_the_prompt_usable() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script).file("f", &[7; 1_000]);
    let (mut terminal, mut peer) = Terminal::yoda(&script, &mut place);
    terminal.types("UPD a f\r");
    terminal.shows(&format!("{FULL_PROMPT}UPD a f\r\n"));
    let tag = peer.hears(&Request::Upload { title: "a", file: "f", size: 1_000, key: None });
    peer.reply(tag, &Reply::UploadStarts { credit: 500 });
    peer.takes(tag, &Transfer::Data { piece: &[7; 500] });
    terminal.shows("Uploading f [==========>         ]  50% 500 B of 1000 B");
    terminal.types("LST\r");
    let list = peer.hears(&LIST_ON_TERMINAL);
    peer.reply(list, &END);
    terminal.shows("No threads to list\r\nUploading f [");
    peer.transfer(tag, &Transfer::Credit { bytes: 500 });
    peer.takes(tag, &Transfer::Data { piece: &[7; 500] });
    peer.takes(tag, &Transfer::DataEnd { digest: Some(digest(&[7; 1_000])) });
    peer.done(tag, "f uploaded to a thread");
    terminal.shows("f uploaded to a thread\r\n> ");
}

#[test]
fn a_line_longer_than_the_screen_is_wrapped_and_erased_as_a_whole() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (mut terminal, mut peer) = Terminal::yoda(&script, &mut place);
    terminal.warm_up(&mut peer);
    terminal.resize(10, 24);
    terminal.types("CRT a\rMSG a 語語語語語");
    let tag = peer.hears(&Request::CreateThread { title: "a", key: None });
    // The second wide character would begin in the last column.
    terminal.displays(&["> CRT a", "> MSG a 語", "語語語語"], 8);
    peer.done(tag, "Thread a created");
    terminal.displays(&["> CRT a", "Thread a c", "reated", "> MSG a 語", "語語語語"], 8);
}

#[test]
fn a_paste_of_several_lines_is_one_line() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (terminal, mut peer) = Terminal::yoda(&script, &mut place);
    terminal.types("MSG a \x1b[200~one\ntwo\x03\x1b[201~\r");
    peer.hears(&Request::Post { title: "a", text: "one two", key: None });
}

#[test]
fn the_terminal_is_restored_however_it_ends() {
    for signal in DEADLY {
        let script = Script::new();
        let mut place = Place::of_yoda(&script);
        let (mut terminal, _peer) = Terminal::yoda(&script, &mut place);
        terminal.child.signal(signal);
        assert_eq!(terminal.end().signal(), Some(signal.as_raw()));
    }
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (mut terminal, peer) = Terminal::yoda(&script, &mut place);
    peer.close(Closing::Idle, "You have been logged out: no activity for 120 seconds");
    terminal.shows("You have been logged out: no activity for 120 seconds\r\n");
    assert_eq!(terminal.end().code(), Some(0));
}

#[test]
fn a_name_without_a_password_is_a_usage_error_on_a_terminal_too() {
    let mut terminal = Place::with_args(&["--user", "newbie", "localhost", "1"]).terminal();
    terminal.shows("error: --user needs a password: name a file that holds it with --password-file FILE");
    assert_eq!(terminal.child.wait().code(), Some(2));
}

/// What [`a_panic_restores_the_terminal_before_it_says_what_happened`] runs as a program of its own.
const PANICKING: &str = "FORUM_TEST_PANICKING";

#[test]
fn a_panic_restores_the_terminal_before_it_says_what_happened() {
    if std::env::var_os(PANICKING).is_some() {
        let raw_mode = forum_client::line_editor::terminal::Modes::enter(Ability::Full).unwrap();
        // It is not dropped, as if the process ended in the panic.
        std::mem::forget(raw_mode);
        panic!("on purpose");
    }
    let mut place = Place::of_program(std::env::current_exe().unwrap())
        .arg("a_panic_restores_the_terminal_before_it_says_what_happened")
        .arg("--exact")
        .arg("--nocapture")
        .env(PANICKING, "1");
    let mut terminal = place.terminal();
    terminal.shows("\x1b[?2004h");
    assert_ne!(terminal.end().code(), Some(0));
    // What comes after the end of raw mode has the terminal's own line ends again.
    terminal.shows("panicked at ");
    terminal.shows("\r\non purpose\r\n");
}

#[test]
fn notices_are_printed_above_what_is_being_typed_and_drawn_once() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (mut terminal, mut peer) = Terminal::yoda(&script, &mut place);
    terminal.warm_up(&mut peer);
    terminal.types("message hans hel");
    terminal.displays(&["> message hans hel"], 18);
    peer.notices(&[
        Notice::LoggedIn { name: "hans" },
        Notice::Broadcast { at_ms: AT_MS, from: "hans", text: "hi" },
        Notice::RoomPost { at_ms: AT_MS, room: 1, number: 2, author: "hans", text: "ho" },
    ]);
    terminal
        .shows(&format!("{ERASE}hans logged in  (16:00)\r\nhans (broadcast): hi  (16:00)\r\nhans (room-1 #2): ho  (16:00)\r\n> message hans hel"));
    terminal.types("lo\r");
    let tag = peer.hears(&Request::SendMessage { user: "hans", text: "hello", key: None });
    peer.done(tag, "");
    peer.notice(&Notice::LoggedOut { name: "hans" });
    terminal.shows("> message hans hello\r\n");
    terminal.shows("hans logged out  (16:00)\r\n> ");
}

/// What [`a_terminal_that_takes_no_escape_sequence_is_restored`] runs as a program of its own.
const UNWRITABLE: &str = "FORUM_TEST_UNWRITABLE";

#[test]
fn a_terminal_that_takes_no_escape_sequence_is_restored() {
    if std::env::var_os(UNWRITABLE).is_some() {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        rustix::stdio::dup2_stdout(&full).unwrap();
        rustix::stdio::dup2_stderr(&full).unwrap();
        let error = forum_client::line_editor::terminal::Modes::enter(Ability::Full).unwrap_err();
        // Nothing can be said, so the exit status has to.
        std::process::exit(if error.kind() == std::io::ErrorKind::StorageFull { 33 } else { 34 });
    }
    let mut terminal = Place::of_program(std::env::current_exe().unwrap())
        .arg("a_terminal_that_takes_no_escape_sequence_is_restored")
        .arg("--exact")
        .arg("--nocapture")
        .env(UNWRITABLE, "1")
        .terminal();
    assert_eq!(terminal.child.wait().code(), Some(33));
    terminal.is_as_before();
}

#[test]
fn names_and_times_have_colours_on_a_terminal_that_knows_them_and_a_mention_rings() {
    let hi = Notice::Broadcast { at_ms: AT_MS, from: "hans", text: "hi yoda" };
    let coloured = "m (broadcast): hi \x1b[1myoda\x1b[0m\x1b[2m  (16:00)\x1b[0m\x07\r\n";
    let plain = "hans (broadcast): hi yoda  (16:00)\x07\r\n";
    for (variables, option, wanted) in [
        (&[("NO_COLOR", "")][..], "auto", coloured),
        (&[("NO_COLOR", "1")], "auto", plain),
        (&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], "auto", plain),
        (&[("NO_COLOR", "1")], "always", coloured),
        (&[("NO_COLOR", "")], "never", plain),
        (&[("NO_COLOR", ""), ("TERM", "dumb")], "auto", plain),
        (&[("NO_COLOR", ""), ("TERM", "dumb"), ("CLICOLOR_FORCE", "0")], "auto", plain),
        (&[("NO_COLOR", ""), ("TERM", "dumb"), ("CLICOLOR_FORCE", "1")], "auto", coloured),
    ] {
        let script = Script::new();
        let mut place = Place::of_yoda(&script).arg("--color").arg(option);
        for (name, value) in variables {
            place = place.env(name, value);
        }
        let mut terminal = place.terminal();
        let mut peer = script.admit();
        terminal.shows("Welcome to the forum\r\n");
        peer.notice(&hi);
        terminal.shows(wanted);
    }
}

#[test]
fn posts_have_their_times_on_a_terminal_and_none_in_pipes() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (mut terminal, mut peer) = Terminal::yoda(&script, &mut place);
    terminal.types("RDT a\r");
    let tag = peer.hears(&read_thread("a", None));
    let file = Reply::UploadItem { id: 2, at_ms: AT_MS - 86_400_000, author: "hans", file: "f", size: 3 };
    peer.reply(tag, &post(1, "hans", "hello"));
    peer.reply(tag, &file);
    peer.reply(tag, &END);
    terminal.shows("1 hans: hello  (16:00)\r\n");
    terminal.shows("hans uploaded f  (31 May 2022 16:00)\r\n");
    let script = Script::new();
    let client = Place::of_yoda(&script).arg("--color").arg("always").pipe_all("RDT a\n");
    let mut peer = script.admit();
    let tag = peer.hears(&read_thread("a", None));
    peer.reply(tag, &post(1, "hans", "hello"));
    peer.reply(tag, &END);
    peer.notice(&Notice::Broadcast { at_ms: AT_MS, from: "hans", text: "hi yoda" });
    peer.say_goodbye();
    assert_eq!(client.end().1, ["Welcome to the forum", "1 hans: hello", "hans: hi yoda", "Goodbye"]);
}
