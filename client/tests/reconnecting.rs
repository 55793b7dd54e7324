//! A client on a terminal whose connection is lost: it is made again, and nothing is lost with it.
#![forbid(unsafe_code)]

mod stage;

use forum_common::wire::{Notice, Refusal, Reply, Request, Transfer};
use stage::{AT_MS, LIST_ON_TERMINAL, Place, Script, Terminal, WELCOME, digest};

/// What is said of a command that a lost connection has left unanswered.
const SENT_AGAIN: &str = "Not answered yet: CRT a. It is sent again after the next log-in\r\n";

#[test]
fn a_lost_connection_is_made_again_and_what_was_typed_stays() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (mut terminal, mut peer) = Terminal::yoda(&script, &mut place);
    terminal.warm_up(&mut peer);
    terminal.types("LST\rMSG a hello");
    peer.hears(&LIST_ON_TERMINAL);
    terminal.shows("> MSG a hello");
    drop(peer);
    terminal.shows("Connection lost: the server closed it\r\nNot answered: LST\r\n");
    terminal.shows("Next attempt in 1 s. Not connected");
    terminal.shows("(not connected) > MSG a hello");
    // The server has not noticed yet; the client waits it out.
    let mut peer = script.greet();
    let tag = peer.hears_log_in("yoda");
    peer.refuse(tag, Refusal::AlreadyLoggedIn, "yoda has already logged in");
    peer.expect_end();
    terminal.shows("s. yoda has already logged in");
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
    let (mut terminal, mut peer) = Terminal::yoda(&script, &mut place);
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
    let (mut terminal, mut peer) = Terminal::yoda(&script, &mut place);
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
    let (terminal, mut peer) = Terminal::yoda(&script, &mut place);
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
fn late_messages_have_their_time_and_are_shown_once_whatever_becomes_of_the_connection() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let mut terminal = place.terminal();
    let mut peer = script.admit();
    let message = |number, late, text| Notice::Message { number, late, at_ms: AT_MS, from: "hans", text };
    peer.notices(&[message(1, true, "one"), message(2, false, "two")]);
    terminal.shows("hans: one  (16:00)\r\nhans: two  (16:00)\r\n");
    peer.hears(&Request::AckMessages { up_to: 2 });
    drop(peer);
    let mut peer = script.admit();
    peer.notices(&[message(1, true, "one"), message(2, true, "two"), message(3, true, "three")]);
    terminal.shows("hans: three  (16:00)\r\n");
    peer.hears(&Request::AckMessages { up_to: 3 });
    assert_eq!(terminal.seen().matches("hans: two").count(), 1);
}

#[test]
fn presence_stays_off_on_the_next_connection() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let (mut terminal, mut peer) = Terminal::yoda(&script, &mut place);
    terminal.types("presence off\r");
    let tag = peer.hears(&Request::SetPresence { on: false });
    peer.done(tag, "Presence off");
    terminal.shows("Presence off\r\n");
    drop(peer);
    let mut peer = script.accept();
    let tag = peer.hears_hello(false);
    peer.hello(tag, forum_common::wire::VERSION, "UTC");
    peer.admits();
    terminal.shows("Welcome to the forum\r\n");
}
