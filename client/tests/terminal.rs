//! The client on a terminal, in front of a scripted server: prompts, what is typed and what is printed above
//! it, and the terminal afterwards.
#![forbid(unsafe_code)]

mod stage;

use std::os::unix::process::ExitStatusExt;

use forum_client::line_editor::terminal::Ability;
use forum_common::wire::{Closing, Notice, Refusal, Reply, Request, Transfer};
use rustix::process::Signal;
use stage::{AT_MS, END, LIST_THREADS, Peer, Place, Script, Terminal, WELCOME, digest, thread, user};

/// The first prompt on 80 columns.
const FULL_PROMPT: &str = forum_common::text::prompts::NARROW;

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

/// Yoda, logged in by options, at the full prompt.
fn yoda(script: &Script, place: &mut Place) -> (Terminal, Peer) {
    let mut terminal = place.terminal();
    let peer = script.admit();
    terminal.shows("Welcome to the forum\r\n");
    terminal.shows(FULL_PROMPT);
    (terminal, peer)
}

/// Types a command and has it answered; the short prompt is there then.
fn warm_up(terminal: &mut Terminal, peer: &mut Peer) {
    terminal.types("LST\r");
    let tag = peer.hears(&LIST_THREADS);
    peer.reply(tag, &END);
    terminal.shows("No threads to list\r\n> ");
}

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
    let (mut terminal, mut peer) = yoda(&script, &mut place);
    warm_up(&mut terminal, &mut peer);
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
fn the_history_has_commands_but_no_secrets() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (mut terminal, mut peer) = yoda(&script, &mut place);
    terminal.types("CRT a\rSHT s3cret\rpasswd\rold\rnew\rnew\r");
    peer.hears(&Request::CreateThread { title: "a", key: None });
    peer.hears(&Request::ShutDown { password: "s3cret" });
    peer.hears(&Request::Active);
    peer.hears(&Request::ChangePassword { old: "old", new: "new", confirmation: "new" });
    terminal.shows("Enter old password: \r\n");
    terminal.types("\x1b[A\x1b[A\x1b[A\r");
    // Up: passwd. Up again: CRT a. There is nothing above it.
    peer.hears(&Request::CreateThread { title: "a", key: None });
}

#[test]
fn ctrl_c_drops_the_line_and_on_an_empty_one_says_how_to_log_out() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (mut terminal, mut peer) = yoda(&script, &mut place);
    warm_up(&mut terminal, &mut peer);
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
    let (mut terminal, mut peer) = yoda(&script, &mut place);
    terminal.types("UPD a f\rLST\r");
    let upload = peer.hears(&Request::Upload { title: "a", file: "f", size: 1_000, key: None });
    peer.reply(upload, &Reply::UploadStarts { credit: 500 });
    let list = peer.hears(&LIST_THREADS);
    peer.takes(upload, &Transfer::Data { piece: &[7; 500] });
    peer.reply(list, &thread("a"));
    terminal.shows("The list of active threads:\r\na\r\n");
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
    let (mut terminal, _peer) = yoda(&script, &mut place);
    terminal.types("rdt a\r/msg\rxyzzy\r");
    terminal.shows("Error. Invalid command\r\nDid you mean RDT?\r\n");
    terminal.shows("Invalid command\r\nDid you mean MSG?\r\n");
    terminal.shows("Error. Invalid command\r\n> ");
}

#[test]
fn a_paste_that_is_too_long_is_cut_and_said_to_be() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (mut terminal, _peer) = yoda(&script, &mut place);
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
fn ctrl_c_at_the_log_in_leaves() {
    let script = Script::new();
    let mut terminal = Place::new(&script).terminal();
    let mut peer = script.greet();
    terminal.shows("Enter username: ");
    terminal.types("yoda\x03");
    peer.expect_end();
    assert_eq!(terminal.end().code(), Some(77));
}

/// What is said of a command that a lost connection has left unanswered.
const SENT_AGAIN: &str = "Not answered yet: CRT a. It is sent again after the next log-in\r\n";

#[test]
fn a_lost_connection_is_made_again_and_what_was_typed_stays() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (mut terminal, mut peer) = yoda(&script, &mut place);
    warm_up(&mut terminal, &mut peer);
    terminal.types("LST\rMSG a hello");
    peer.hears(&LIST_THREADS);
    terminal.shows("> MSG a hello");
    drop(peer);
    terminal.shows("Connection lost: the server closed it\r\nNot answered: LST\r\n");
    terminal.shows("Not connected. Next attempt in ");
    terminal.shows("(not connected) > MSG a hello");
    // The server has not noticed yet; the client waits it out.
    let mut peer = script.greet();
    let tag = peer.hears_log_in("yoda");
    peer.refuse(tag, Refusal::AlreadyLoggedIn, "yoda has already logged in");
    peer.expect_end();
    terminal.shows("yoda has already logged in. Next attempt in ");
    let mut peer = script.admit();
    terminal.shows("Welcome to the forum\r\n> MSG a hello");
    terminal.types("!\r");
    let tag = peer.hears(&Request::Post { title: "a", text: "hello!", key: None });
    peer.done(tag, "Message posted to a thread");
    terminal.types("\x04");
    peer.say_goodbye();
    assert_eq!(terminal.end().code(), Some(0));
}

#[test]
fn unanswered_changes_are_sent_again_in_order_with_their_keys_after_a_lost_connection() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script).file("f", b"abc");
    let (mut terminal, mut peer) = yoda(&script, &mut place);
    terminal.types("UPD a f\rCRT a\rMSG a hi\r");
    let upload = Request::Upload { title: "a", file: "f", size: 3, key: None };
    let create = Request::CreateThread { title: "a", key: None };
    let post = Request::Post { title: "a", text: "hi", key: None };
    let (tag, upload_key) = peer.hears_key(&upload);
    peer.reply(tag, &Reply::UploadStarts { credit: 2 });
    let (_, create_key) = peer.hears_key(&create);
    let (_, post_key) = peer.hears_key(&post);
    peer.takes(tag, &Transfer::Data { piece: b"ab" });
    drop(peer);
    terminal.shows("Connection lost: the server closed it\r\n");
    terminal.shows(SENT_AGAIN);
    let mut peer = script.admit();
    let again = [&upload, &create, &post].map(|wanted| peer.hears_key(wanted));
    assert_eq!(again.map(|(_, key)| key), [upload_key, create_key, post_key]);
    let [(upload, _), (create, _), (post, _)] = again;
    peer.reply(upload, &Reply::UploadStarts { credit: 3 });
    peer.takes(upload, &Transfer::Data { piece: b"abc" });
    peer.takes(upload, &Transfer::DataEnd { digest: Some(digest(b"abc")) });
    peer.done(create, "Thread a created");
    peer.done(post, "Message posted to a thread");
    peer.done(upload, "f uploaded to a thread");
    for line in ["Thread a created\r\n", "Message posted to a thread\r\n", "f uploaded to a thread\r\n"] {
        terminal.shows(line);
    }
    terminal.types("\x04");
    peer.say_goodbye();
    assert_eq!(terminal.end().code(), Some(0));
}

#[test]
fn what_one_user_has_not_had_answered_is_not_sent_for_another() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (mut terminal, mut peer) = yoda(&script, &mut place);
    terminal.types("CRT a\r");
    peer.hears(&Request::CreateThread { title: "a", key: None });
    drop(peer);
    terminal.shows(SENT_AGAIN);
    let mut peer = script.greet();
    let tag = peer.hears_log_in("yoda");
    peer.reply(tag, &Reply::PasswordWanted { known: true });
    let tag = peer.hears(&Request::Password { password: "jedi" });
    peer.refuse(tag, Refusal::InvalidPassword, "Invalid password");
    terminal.shows("Enter username: ");
    terminal.types("hans\r");
    let tag = peer.hears_log_in("hans");
    peer.reply(tag, &Reply::PasswordWanted { known: true });
    terminal.types("solo\r");
    let tag = peer.hears(&Request::Password { password: "solo" });
    peer.reply(tag, &WELCOME);
    terminal.shows("Welcome to the forum\r\nNot answered: CRT a\r\n");
    peer.expect_silence();
}

#[test]
fn after_a_passwd_it_logs_in_again_with_the_new_password() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (terminal, mut peer) = yoda(&script, &mut place);
    terminal.types("passwd\rjedi\rsith\rsith\r");
    peer.hears(&Request::Active);
    let tag = peer.hears(&Request::ChangePassword { old: "jedi", new: "sith", confirmation: "sith" });
    peer.done(tag, "Password changed");
    drop(peer);
    let mut peer = script.greet();
    let tag = peer.hears_log_in("yoda");
    peer.reply(tag, &Reply::PasswordWanted { known: true });
    peer.hears(&Request::Password { password: "sith" });
}

#[test]
fn a_transfer_shows_its_progress_and_leaves_the_prompt_usable() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script).file("f", &[7; 1_000]);
    let (mut terminal, mut peer) = yoda(&script, &mut place);
    terminal.types("UPD a f\r");
    terminal.shows(&format!("{FULL_PROMPT}UPD a f\r\n"));
    let tag = peer.hears(&Request::Upload { title: "a", file: "f", size: 1_000, key: None });
    peer.reply(tag, &Reply::UploadStarts { credit: 500 });
    peer.takes(tag, &Transfer::Data { piece: &[7; 500] });
    terminal.shows("Uploading f [==========>         ]  50% 500 B of 1000 B");
    terminal.types("LST\r");
    let list = peer.hears(&LIST_THREADS);
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
    let (mut terminal, mut peer) = yoda(&script, &mut place);
    warm_up(&mut terminal, &mut peer);
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
    let (terminal, mut peer) = yoda(&script, &mut place);
    terminal.types("MSG a \x1b[200~one\ntwo\x03\x1b[201~\r");
    peer.hears(&Request::Post { title: "a", text: "one two", key: None });
}

#[test]
fn the_terminal_is_restored_however_it_ends() {
    for signal in DEADLY {
        let script = Script::new();
        let mut place = Place::of_yoda(&script);
        let (mut terminal, _peer) = yoda(&script, &mut place);
        terminal.child.signal(signal);
        assert_eq!(terminal.end().signal(), Some(signal.as_raw()));
    }
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (mut terminal, peer) = yoda(&script, &mut place);
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

#[test]
fn a_fifo_in_the_place_of_the_history_does_not_hold_up_the_start() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let folder = place.state.path().join("forumd");
    std::fs::create_dir(&folder).unwrap();
    let (fifo, mode) = (folder.join("history"), 0o600.into());
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let mut terminal = place.terminal();
    let mut peer = script.admit();
    terminal.shows("The history is not kept: ");
    terminal.shows("is not a regular file. Remove it to keep one\r\n");
    warm_up(&mut terminal, &mut peer);
    assert_eq!(terminal.seen().matches("The history is not kept").count(), 1, "{}", terminal.seen());
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
    let (mut terminal, mut peer) = yoda(&script, &mut place);
    warm_up(&mut terminal, &mut peer);
    terminal.types("message hans hel");
    terminal.displays(&["> message hans hel"], 18);
    peer.notices(&[
        Notice::LoggedIn { name: "hans" },
        Notice::Broadcast { at_ms: AT_MS, from: "hans", text: "hi" },
        Notice::RoomPost { at_ms: AT_MS, room: 1, number: 2, author: "hans", text: "ho" },
    ]);
    terminal
        .shows(&format!("{ERASE}hans logged in\r\nhans: hi\r\nhans (room-1 #2): ho\r\n> message hans hel"));
    terminal.types("lo\r");
    let tag = peer.hears(&Request::SendMessage { user: "hans", text: "hello", key: None });
    peer.done(tag, "");
    peer.notice(&Notice::LoggedOut { name: "hans" });
    terminal.shows("> message hans hello\r\n");
    terminal.shows("hans logged out\r\n> ");
}

#[test]
fn late_messages_have_their_time_and_are_shown_once_whatever_becomes_of_the_connection() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let mut terminal = place.terminal();
    let mut peer = script.admit();
    let message = |number, late, text| Notice::Message { number, late, at_ms: AT_MS, from: "hans", text };
    peer.notices(&[message(1, true, "one"), message(2, false, "two")]);
    terminal.shows("hans: one  (1 Jun 2022 16:00:01)\r\nhans: two\r\n");
    peer.hears(&Request::AckMessages { up_to: 2 });
    drop(peer);
    let mut peer = script.admit();
    peer.notices(&[message(1, true, "one"), message(2, true, "two"), message(3, true, "three")]);
    terminal.shows("hans: three  (1 Jun 2022 16:00:01)\r\n");
    peer.hears(&Request::AckMessages { up_to: 3 });
    assert_eq!(terminal.seen().matches("hans: two").count(), 1);
}

#[test]
fn tab_completes_commands_and_shows_a_choice() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (mut terminal, mut peer) = yoda(&script, &mut place);
    warm_up(&mut terminal, &mut peer);
    terminal.types("who\t");
    terminal.displays(&["> whoelse"], 9);
    terminal.types("\t");
    terminal.displays(&["whoelse       whoelsesince", "> whoelse"], 9);
    terminal.types("s\t60\r");
    peer.hears(&Request::WhoElseSince { seconds: 60, after: None, at_most: None });
}

#[test]
fn tab_asks_for_names_whose_list_nobody_sees() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (mut terminal, mut peer) = yoda(&script, &mut place);
    warm_up(&mut terminal, &mut peer);
    terminal.types("MSG 3\t");
    let tag = peer.hears(&LIST_THREADS);
    for title in ["3331", "9331"] {
        peer.reply(tag, &thread(title));
    }
    peer.reply(tag, &END);
    terminal.displays(&["> MSG 3331"], 11);
    terminal.types("hi\r");
    // Asked once, the titles are known for a while.
    let tag = peer.hears(&Request::Post { title: "3331", text: "hi", key: None });
    peer.done(tag, "Message posted to 3331 thread");
    terminal.shows("Message posted to 3331 thread\r\n> ");
    terminal.types("RDT 9\t");
    terminal.displays(&["> RDT 9331"], 11);
    terminal.types("\x15message h\t");
    let tag = peer.hears(&Request::WhoElse { after: None, at_most: None });
    // Whoever types on before they have come meant the whole word.
    terminal.types("you");
    peer.expect_silence();
    peer.reply(tag, &user("hans"));
    peer.reply(tag, &END);
    terminal.displays(&["> message hans you"], 18);
    peer.notice(&Notice::PutInRoom { room: 12, by: "hans", users: "hans yoda" });
    terminal.shows("hans put you in separate room 12: hans, yoda\r\n");
    terminal.types("\x15SRM \t");
    terminal.displays(&["> SRM 12"], 9);
    for listed in ["The list of", "\r\n3331", "\r\nhans\r\n"] {
        assert!(!terminal.seen().contains(listed), "{}", terminal.seen());
    }
}

#[test]
fn tab_does_not_wait_for_names_for_ever() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (mut terminal, mut peer) = yoda(&script, &mut place);
    warm_up(&mut terminal, &mut peer);
    terminal.types("MSG 3\t331 hi\r");
    peer.hears(&LIST_THREADS);
    peer.hears(&Request::Post { title: "3331", text: "hi", key: None });
}

#[test]
fn the_history_outlives_the_client_and_has_no_secrets() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (mut terminal, mut peer) = yoda(&script, &mut place);
    warm_up(&mut terminal, &mut peer);
    terminal.types("SHT s3cret\rpasswd\rold\rnew\rnew\rCRT a\r");
    peer.hears(&Request::ShutDown { password: "s3cret" });
    peer.hears(&Request::Active);
    peer.hears(&Request::ChangePassword { old: "old", new: "new", confirmation: "new" });
    peer.hears(&Request::CreateThread { title: "a", key: None });
    terminal.child.signal(Signal::TERM);
    terminal.end();
    let kept = std::fs::read_to_string(place.state.path().join("forumd/history")).unwrap();
    assert_eq!(kept, "LST\npasswd\nCRT a\n");
    let (mut terminal, mut peer) = yoda(&script, &mut place);
    terminal.types("\x1b[A");
    terminal.shows("CRT a");
    terminal.types("\r");
    peer.hears(&Request::CreateThread { title: "a", key: None });
}

#[test]
fn a_history_that_cannot_be_kept_is_said_once() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    std::fs::write(place.state.path().join("forumd"), "not a directory").unwrap();
    let mut terminal = place.terminal();
    let mut peer = script.admit();
    terminal.shows("The history is not kept: Not a directory");
    warm_up(&mut terminal, &mut peer);
    warm_up(&mut terminal, &mut peer);
    assert_eq!(terminal.seen().matches("The history is not kept").count(), 1, "{}", terminal.seen());
}
