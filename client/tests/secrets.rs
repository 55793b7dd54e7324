//! Passwords in the memory of the client: what is typed, pasted or piped in is wiped once it has gone to the server.
#![forbid(unsafe_code)]

mod stage;

use forum_common::wire::{Refusal, Reply, Request};
use stage::{FULL_PROMPT, Peer, Place, Script, WELCOME};

/// The password that is right, which the client keeps: it needs it when the connection is lost.
const RIGHT: &str = "right-one-and-kept";
const TYPED_AHEAD: &str = "wrong-one-typed-ahead";
const TYPED: &str = "wrong-one-typed-late";
const PASTED: &str = "wrong-one-pasted-here";

/// Insists on the log-in of yoda with this password, and refuses it unless it is right.
fn judge(peer: &mut Peer, password: &str) {
    let tag = peer.hears_log_in("yoda");
    peer.reply(tag, &Reply::PasswordWanted { known: true });
    let tag = peer.hears(&Request::Password { password });
    match password == RIGHT {
        true => peer.reply(tag, &WELCOME),
        false => peer.refuse(tag, Refusal::InvalidPassword, "Invalid password"),
    }
}

#[test]
fn a_password_on_a_terminal_is_nowhere_in_memory_once_it_has_gone_to_the_server() {
    let script = Script::new();
    let mut terminal = Place::new(&script).terminal();
    let mut peer = script.accept();
    let hello = peer.hears_hello(true);
    terminal.shows("\x1b[?2004h");
    terminal.types(&format!("yoda\r{TYPED_AHEAD}\r"));
    peer.hello(hello, forum_common::wire::VERSION, "UTC");
    judge(&mut peer, TYPED_AHEAD);
    terminal.shows("Invalid password\r\n");
    for letter in TYPED.chars() {
        terminal.types(&letter.to_string());
    }
    terminal.types("\r");
    judge(&mut peer, TYPED);
    terminal.shows("Invalid password\r\n");
    terminal.types(&format!("\x1b[200~{PASTED}\x1b[201~\r"));
    judge(&mut peer, PASTED);
    terminal.shows("Invalid password\r\n");
    terminal.types(&format!("{RIGHT}\r"));
    judge(&mut peer, RIGHT);
    terminal.shows(FULL_PROMPT);
    assert!(terminal.child.remembers(RIGHT), "what is there can be found");
    for secret in [TYPED_AHEAD, TYPED, PASTED] {
        assert!(!terminal.child.remembers(secret), "{secret} is still there");
    }
    let new = "new-one-that-is-refused";
    terminal.types(&format!("passwd\r{TYPED}\r{new}\r\x1b[200~{new}\x1b[201~\r"));
    peer.hears(&Request::Active);
    let tag = peer.hears(&Request::ChangePassword { old: TYPED, new, confirmation: new });
    peer.refuse(tag, Refusal::InvalidPassword, "Invalid password");
    terminal.shows("Invalid password\r\n");
    terminal.warm_up(&mut peer);
    for secret in [TYPED, new] {
        assert!(!terminal.child.remembers(secret), "{secret} is still there");
    }
}

#[test]
fn a_password_from_a_pipe_is_nowhere_in_memory_once_it_has_gone_to_the_server() {
    let script = Script::new();
    let mut client = Place::new(&script).pipe();
    client.write(format!("yoda\n{TYPED}\nyoda\n{PASTED}").as_bytes());
    let mut peer = script.greet();
    judge(&mut peer, TYPED);
    client.complains("Invalid password");
    client.write(format!("\nyoda\n{RIGHT}\nSHT {TYPED_AHEAD}\nLST\n").as_bytes());
    judge(&mut peer, PASTED);
    judge(&mut peer, RIGHT);
    let tag = peer.hears(&Request::ShutDown { password: TYPED_AHEAD });
    peer.refuse(tag, Refusal::InvalidPassword, "Incorrect password");
    peer.hears(&stage::LIST_THREADS);
    for secret in [TYPED, PASTED, TYPED_AHEAD] {
        assert!(!client.child.remembers(secret), "{secret} is still there");
    }
}
