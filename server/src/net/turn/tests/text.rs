//! Sessions that speak text: what becomes of lines and frames when the kernel takes only some of the bytes.

use super::*;
use crate::core::probes::SILENCE;
use forum_common::names::UserName;

const PROMPT: &str = "Commands: CRT MSG DLT EDT LST RDT UPD DWN RMV XIT SHT, more with help: ";

/// Somebody without a client, who has said nothing yet.
fn visitor(stage: &mut Stage) -> Client {
    let link = Rc::new(RefCell::new(Link { room: 1 << 30, ..Link::default() }));
    let id = stage.server.admit(Pipe(Rc::clone(&link)), "127.0.0.1:1".parse().unwrap()).unwrap();
    Client { id, link, input: Input::default() }
}

/// One who has signed up.
fn member(stage: &mut Stage, name: &str) -> Client {
    let mut visitor = visitor(stage);
    type_in(stage, &visitor, &format!("{name}\n{PASSWORD}\n{PASSWORD}\n"));
    assert_eq!(heard(&mut visitor), format!("Welcome to the forum\n{PROMPT}"));
    visitor
}

fn type_in(stage: &mut Stage, visitor: &Client, text: &str) {
    visitor.link.borrow_mut().to_server.extend(text.as_bytes());
    stage.settle(visitor);
}

fn heard(visitor: &mut Client) -> String {
    String::from_utf8(visitor.frame()).unwrap()
}

/// The kernel takes so many bytes more.
fn make_room(stage: &mut Stage, visitor: &Client, bytes: usize) {
    visitor.link.borrow_mut().room += bytes;
    stage.settle(visitor);
}

fn block(visitor: &Client) {
    visitor.link.borrow_mut().room = 0;
}

#[test]
fn lines_that_leave_byte_by_byte_are_the_same() {
    let mut stage = stage(&[]);
    let mut yoda = member(&mut stage, "yoda");
    type_in(&mut stage, &yoda, "CRT t\nMSG t one\nMSG t two\n");
    heard(&mut yoda);
    block(&yoda);
    type_in(&mut stage, &yoda, "RDT t\nwhoelse\nXIT\n");
    let mut said = String::new();
    while !yoda.link.borrow().server_closed {
        make_room(&mut stage, &yoda, 1);
        said.push_str(&heard(&mut yoda));
    }
    assert_eq!(said, "1 yoda: one\n2 yoda: two\nNo one else is online\nGoodbye\n");
}

#[test]
fn the_next_line_waits_until_the_answer_is_written() {
    let mut stage = stage(&[]);
    let mut yoda = member(&mut stage, "yoda");
    block(&yoda);
    type_in(&mut stage, &yoda, "LST\nCRT t\n");
    assert_eq!(stage.server.forum().threads.len(), 0);
    make_room(&mut stage, &yoda, "No threads to list".len());
    assert_eq!(stage.server.forum().threads.len(), 0, "the end of the line is still to be written");
    make_room(&mut stage, &yoda, 1_000);
    assert_eq!(heard(&mut yoda), "No threads to list\nThread t created\n> ");
}

#[test]
fn what_all_are_told_is_told_in_words_and_in_frames() {
    let mut stage = stage(&[]);
    let mut yoda = member(&mut stage, "yoda");
    let mut hans = stage.sign_up("hans");
    let mut leia = stage.sign_up("leia");
    hans.heard();
    stage.ask(&mut leia, 4, &Request::SendBroadcast { text: "hello" });
    assert_eq!(
        heard(&mut yoda),
        format!("\nhans logged in\n{PROMPT}\nleia logged in\n{PROMPT}\nleia: hello\n{PROMPT}")
    );
    assert_eq!(hans.heard(), ["Broadcast { from: \"leia\", text: \"hello\" }"]);
    // What comes at once stands together before one prompt.
    block(&yoda);
    for text in ["one", "two"] {
        stage.ask(&mut leia, 5, &Request::SendBroadcast { text });
    }
    make_room(&mut stage, &yoda, 1_000);
    assert_eq!(heard(&mut yoda), format!("\nleia: one\nleia: two\n{PROMPT}"));
}

#[test]
fn a_message_is_acknowledged_when_the_last_byte_of_its_line_is_written_and_no_sooner() {
    let mut stage = stage(&[]);
    let mut yoda = member(&mut stage, "yoda");
    let mut hans = stage.sign_up("hans");
    heard(&mut yoda);
    let waiting = |stage: &Stage| {
        let account = stage.server.forum().accounts.find(&UserName::parse("yoda").unwrap()).unwrap();
        stage.server.forum().mail.of(account).map_or(0, |mailbox| mailbox.len())
    };
    block(&yoda);
    stage.ask(&mut hans, 4, &Request::SendMessage { user: "yoda", text: "hello", key: None });
    make_room(&mut stage, &yoda, "\nhans: hello".len());
    assert_eq!(waiting(&stage), 1);
    make_room(&mut stage, &yoda, 1);
    assert_eq!((heard(&mut yoda).as_str(), waiting(&stage)), ("\nhans: hello\n", 0));
    // And what was not written when the connection broke is there at the next log-in.
    block(&yoda);
    stage.ask(&mut hans, 5, &Request::SendMessage { user: "yoda", text: "again", key: None });
    make_room(&mut stage, &yoda, 3);
    stage.cut(&yoda);
    assert_eq!(waiting(&stage), 1);
    let mut yoda = visitor(&mut stage);
    type_in(&mut stage, &yoda, &format!("yoda\n{PASSWORD}\n"));
    assert_eq!(heard(&mut yoda), format!("Welcome to the forum\nhans: again\n{PROMPT}"));
    assert_eq!(waiting(&stage), 0);
}

#[test]
fn who_is_cut_off_in_the_middle_of_a_line_gets_the_rest_of_it_and_the_last_word() {
    let mut stage = stage(&["--max-notice-bytes", "20000"]);
    let mut yoda = member(&mut stage, "yoda");
    let mut hans = stage.sign_up("hans");
    heard(&mut yoda);
    block(&yoda);
    let text = "x".repeat(4_000);
    for tag in 4..14 {
        stage.ask(&mut hans, tag, &Request::SendBroadcast { text: &text });
        make_room(&mut stage, &yoda, 100);
    }
    make_room(&mut stage, &yoda, 1 << 20);
    let said = heard(&mut yoda);
    let lines: Vec<&str> = said.trim_start().lines().collect();
    let line = format!("hans: {text}");
    let (last, whole) = lines.split_last().unwrap();
    assert_eq!(*last, "You have been disconnected: too slow");
    assert!(whole.iter().all(|whole| *whole == line) && whole.len() < 10, "{} lines", whole.len());
}

#[test]
fn who_takes_nothing_is_cut_off_though_only_a_prompt_waits() {
    let mut stage = stage(&["--stall-timeout", "10"]);
    let yoda = member(&mut stage, "yoda");
    block(&yoda);
    type_in(&mut stage, &yoda, "passwd\n");
    stage.pass(Duration::from_secs(9));
    assert!(stage.server.core.sessions.member(yoda.id).is_some());
    for _ in 0..12 {
        stage.pass(Duration::from_secs(1));
    }
    assert!(stage.server.core.sessions.member(yoda.id).is_none());
}

#[test]
fn nothing_is_written_to_find_out_whether_a_visitor_is_still_there() {
    let mut stage = stage(&[]);
    let mut yoda = member(&mut stage, "yoda");
    stage.pass(SILENCE * 2);
    assert_eq!(heard(&mut yoda), "");
}

#[test]
fn an_idle_visitor_owns_no_buffers() {
    let mut stage = stage(&[]);
    let yoda = member(&mut stage, "yoda");
    let connection = stage.server.connections.get(yoda.id).unwrap();
    assert!(connection.received.is_empty());
    assert!(stage.server.core.outbox.owns_nothing(yoda.id));
}
