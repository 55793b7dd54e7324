//! What is typed on a terminal: the Tab key, and the history.
#![forbid(unsafe_code)]

mod stage;

use forum_common::wire::{Notice, Reply, Request};
use rustix::process::Signal;
use stage::{AT_MS, END, LIST_THREADS, Place, Script, Terminal, post, thread, user};

#[test]
fn a_history_that_cannot_be_kept_is_said_once() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    std::fs::write(place.state.path().join("forumd"), "not a directory").unwrap();
    let mut terminal = place.terminal();
    let mut peer = script.admit();
    terminal.shows("The history is not kept: Not a directory");
    terminal.warm_up(&mut peer);
    terminal.warm_up(&mut peer);
    assert_eq!(terminal.seen().matches("The history is not kept").count(), 1, "{}", terminal.seen());
}

#[test]
fn the_history_outlives_the_client_and_has_no_secrets() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (mut terminal, mut peer) = Terminal::yoda(&script, &mut place);
    terminal.warm_up(&mut peer);
    terminal.types("SHT s3cret\rpasswd\rold\rnew\rnew\rCRT a\r");
    peer.hears(&Request::ShutDown { password: "s3cret" });
    peer.hears(&Request::Active);
    peer.hears(&Request::ChangePassword { old: "old", new: "new", confirmation: "new" });
    peer.hears(&Request::CreateThread { title: "a", key: None });
    terminal.child.signal(Signal::TERM);
    terminal.end();
    let kept = std::fs::read_to_string(place.state.path().join("forumd/history")).unwrap();
    assert_eq!(kept, "LST\npasswd\nCRT a\n");
    let (mut terminal, mut peer) = Terminal::yoda(&script, &mut place);
    terminal.types("\x1b[A");
    terminal.shows("CRT a");
    terminal.types("\r");
    peer.hears(&Request::CreateThread { title: "a", key: None });
}

#[test]
fn tab_does_not_wait_for_names_for_ever() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (mut terminal, mut peer) = Terminal::yoda(&script, &mut place);
    terminal.warm_up(&mut peer);
    terminal.types("MSG 3\t331 hi\r");
    peer.hears(&LIST_THREADS);
    peer.hears(&Request::Post { title: "3331", text: "hi", key: None });
}

#[test]
fn tab_asks_for_names_whose_list_nobody_sees() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (mut terminal, mut peer) = Terminal::yoda(&script, &mut place);
    terminal.warm_up(&mut peer);
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
    // A user who types on before they have come means the whole word.
    terminal.types("you");
    peer.expect_silence();
    peer.reply(tag, &user("hans"));
    peer.reply(tag, &END);
    terminal.displays(&["> message hans you"], 18);
    peer.notice(&Notice::PutInRoom { room: 12, by: "hans", users: "hans yoda" });
    terminal.shows("hans put you in separate room 12: hans, yoda  (16:00)\r\n");
    terminal.types("\x15SRM \t");
    let tag = peer.hears(&Request::ListRooms { after: None, at_most: None });
    peer.reply(tag, &Reply::RoomSummaryItem { room: 12, posts: 0, users: "hans yoda" });
    peer.reply(tag, &END);
    terminal.displays(&["> SRM 12"], 9);
    for listed in ["The list of", "\r\n3331", "\r\nhans\r\n"] {
        assert!(!terminal.seen().contains(listed), "{}", terminal.seen());
    }
}

#[test]
fn tab_completes_commands_and_shows_a_choice() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (mut terminal, mut peer) = Terminal::yoda(&script, &mut place);
    terminal.warm_up(&mut peer);
    terminal.types("whoe\t");
    terminal.displays(&["> whoelse"], 9);
    terminal.types("\t");
    terminal.displays(&["whoelse       whoelsesince", "> whoelse"], 9);
    terminal.types("s\t60\r");
    peer.hears(&Request::WhoElseSince { seconds: 60, after: None, at_most: None });
}

#[test]
fn the_history_has_commands_but_no_secrets() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (mut terminal, mut peer) = Terminal::yoda(&script, &mut place);
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
    terminal.warm_up(&mut peer);
    assert_eq!(terminal.seen().matches("The history is not kept").count(), 1, "{}", terminal.seen());
}

#[test]
fn tab_completes_the_files_of_a_thread() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (mut terminal, mut peer) = Terminal::yoda(&script, &mut place);
    terminal.warm_up(&mut peer);
    terminal.types("DWN a no\t");
    let files = Request::ReadThread {
        title: "a",
        range: None,
        after: None,
        at_most: None,
        last: Some(200),
        unread: None,
    };
    let tag = peer.hears(&files);
    peer.reply(tag, &post(1, "hans", "notes.txt it is"));
    for (id, file) in [(2, "notes.txt"), (3, "grüße")] {
        peer.reply(tag, &Reply::UploadItem { id, at_ms: AT_MS, author: "hans", file, size: 3 });
    }
    peer.reply(tag, &END);
    terminal.displays(&["> DWN a notes.txt"], 18);
    // It is known now, and so is the other one.
    terminal.types("gr\t");
    terminal.displays(&["> DWN a notes.txt grüße"], 24);
    assert!(!terminal.seen().contains("it is"), "{}", terminal.seen());
}

#[test]
fn ctrl_r_searches_the_history_and_enter_runs_what_was_found() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (mut terminal, mut peer) = Terminal::yoda(&script, &mut place);
    let create = |title| Request::CreateThread { title, key: None };
    for title in ["one", "two"] {
        terminal.types(&format!("CRT {title}\r"));
        let tag = peer.hears(&create(title));
        peer.done(tag, "created");
    }
    terminal.types("\x12CRT");
    terminal.displays(&["(search) 'CRT': CRT two"], 16);
    terminal.types("\x12");
    terminal.displays(&["(search) 'CRT': CRT one"], 16);
    terminal.types("\r");
    peer.hears(&create("one"));
    terminal.types("draft\x12two");
    terminal.displays(&["(search) 'two': CRT two"], 20);
    // Escape alone.
    terminal.types("\x1b");
    terminal.displays(&["> draft"], 7);
}
