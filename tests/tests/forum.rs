//! The forum's commands: every success and every refusal of section 4 of the contract, with more than one
//! client, as people see them and as programs do.
#![forbid(unsafe_code)]

use forum_common::wire::{Refusal, Request};
use forum_tests::{Server, Wire, read};

/// A thread of yoda's with messages `m1` to `m{count}`.
fn thread_with(wire: &mut Wire, title: &str, count: usize) {
    assert_eq!(wire.done(&Request::CreateThread { title, key: None }), format!("Thread {title} created"));
    for number in 1..=count {
        let text = format!("m{number}");
        let posted = wire.done(&Request::Post { title, text: &text, key: None });
        assert_eq!(posted, format!("Message posted to {title} thread"));
    }
}

#[test]
fn two_users_see_the_same_forum() {
    let server = Server::start(&[]);
    let mut yoda = server.sign_up("yoda");
    let mut hans = server.sign_up("hans");
    yoda.hears("hans logged in");
    yoda.does("LST", "No threads to list");
    yoda.does("CRT 3331", "Thread 3331 created");
    hans.fails("CRT 3331", "Thread 3331 exists");
    hans.does("CRT 9331", "Thread 9331 created");
    yoda.does("LST", "The list of active threads:");
    yoda.hears_all(&["3331", "9331"]);
    hans.does("RDT 3331", "Thread 3331 is empty");
    hans.does("MSG 3331 I have a bad feeling", "Message posted to 3331 thread");
    yoda.does("MSG 3331 Do or do not", "Message posted to 3331 thread");
    for client in [&mut yoda, &mut hans] {
        client.does("RDT 3331", "1 hans: I have a bad feeling");
        client.hears("2 yoda: Do or do not");
    }
    yoda.fails("EDT 3331 1 mine", "The message belongs to another user and cannot be edited");
    yoda.fails("DLT 3331 1", "The message belongs to another user and cannot be deleted");
    hans.does("EDT 3331 1 never mind", "The message has been edited");
    yoda.does("RDT 3331 1", "1 hans: never mind");
    hans.does("DLT 3331 1", "The message has been deleted");
    yoda.does("RDT 3331", "1 yoda: Do or do not");
    hans.fails("RMV 3331", "The thread was created by another user and cannot be removed");
    yoda.does("RMV 3331", "Thread 3331 removed");
    hans.does("LST", "The list of active threads:");
    hans.hears("9331");
    hans.fails("RDT 3331", "Thread 3331 does not exist");
    hans.says("XIT");
    hans.hears("Goodbye");
    assert_eq!(hans.finish().code, Some(1), "a command of hans was refused");
}

#[test]
fn every_command_needs_an_existing_thread() {
    let server = Server::start(&[]);
    let mut yoda = server.sign_up("yoda");
    yoda.put_file("f", b"x");
    let commands =
        ["MSG t hello", "DLT t 1", "EDT t 1 x", "RDT t", "RDT t 1", "RDT t 0", "UPD t f", "DWN t f", "RMV t"];
    for command in commands {
        yoda.fails(command, "Thread t does not exist");
    }
}

#[test]
fn the_wire_gives_every_refusal_its_code() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    let mut hans = server.user("hans");
    thread_with(&mut yoda, "t", 1);
    let no_thread = (Refusal::NoSuchThread, "Thread x does not exist".to_owned());
    let bad_number = (Refusal::InvalidMessageNumber, "Invalid message number".to_owned());
    let not_yours =
        |verb| (Refusal::NotYourMessage, format!("The message belongs to another user and cannot be {verb}"));
    let table = [
        (
            Request::CreateThread { title: "t", key: None },
            (Refusal::ThreadExists, "Thread t exists".to_owned()),
        ),
        (Request::Post { title: "x", text: "m", key: None }, no_thread.clone()),
        (Request::DeletePost { title: "x", number: 1, id: None, key: None }, no_thread.clone()),
        (Request::DeletePost { title: "t", number: 2, id: None, key: None }, bad_number.clone()),
        (Request::DeletePost { title: "t", number: 0, id: None, key: None }, bad_number.clone()),
        (Request::DeletePost { title: "t", number: u32::MAX, id: None, key: None }, bad_number.clone()),
        (Request::DeletePost { title: "t", number: 1, id: None, key: None }, not_yours("deleted")),
        (Request::EditPost { title: "x", number: 1, text: "m", id: None, key: None }, no_thread.clone()),
        (Request::EditPost { title: "t", number: 0, text: "m", id: None, key: None }, bad_number.clone()),
        (Request::EditPost { title: "t", number: 2, text: "m", id: None, key: None }, bad_number.clone()),
        (Request::EditPost { title: "t", number: 1, text: "m", id: None, key: None }, not_yours("edited")),
        (read("x", None), no_thread.clone()),
        (read("x", Some((0, 0))), no_thread.clone()),
        (read("t", Some((2, 2))), bad_number.clone()),
        (read("t", Some((0, 1))), bad_number.clone()),
        (Request::Upload { title: "x", file: "f", size: 1, key: None }, no_thread.clone()),
        (Request::Download { title: "x", file: "f", offset: None, digest: None }, no_thread.clone()),
        (
            Request::Download { title: "t", file: "f", offset: None, digest: None },
            (Refusal::NoSuchFile, "File does not exist in Thread t".to_owned()),
        ),
        (Request::RemoveThread { title: "x", key: None }, no_thread),
        (
            Request::RemoveThread { title: "t", key: None },
            (
                Refusal::NotYourThread,
                "The thread was created by another user and cannot be removed".to_owned(),
            ),
        ),
    ];
    for (request, refusal) in &table {
        assert_eq!(hans.refused(request), *refusal, "{request:?}");
    }
    assert_eq!(yoda.read_thread("t"), ["1 yoda: m1"], "nothing of it changed anything");
}

#[test]
fn names_and_texts_are_checked_by_the_server() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    thread_with(&mut yoda, "t", 1);
    let long_title = "x".repeat(65);
    let long_file = "x".repeat(201);
    let long_text = "é".repeat(4_097);
    let bad_name = (Refusal::InvalidName, "Invalid name".to_owned());
    let bad_text = (Refusal::InvalidText, "Invalid text".to_owned());
    for title in ["", "a b", "a/b", "a\\b", "ü", "\x1b[2J", &long_title] {
        for request in [
            Request::CreateThread { title, key: None },
            Request::Post { title, text: "m", key: None },
            Request::DeletePost { title, number: 1, id: None, key: None },
            Request::EditPost { title, number: 1, text: "m", id: None, key: None },
            read(title, None),
            Request::Upload { title, file: "f", size: 0, key: None },
            Request::Download { title, file: "f", offset: None, digest: None },
            Request::RemoveThread { title, key: None },
        ] {
            assert_eq!(yoda.refused(&request), bad_name, "{request:?}");
        }
    }
    for file in ["", "a b", "../x", ".x", "-x", "a/b", "a\\b", "a\u{202e}b", &long_file] {
        assert_eq!(
            yoda.refused(&Request::Upload { title: "t", file, size: 0, key: None }),
            bad_name,
            "{file}"
        );
        assert_eq!(
            yoda.refused(&Request::Download { title: "t", file, offset: None, digest: None }),
            bad_name,
            "{file}"
        );
    }
    for text in ["", "a\nb", "\x1b[31m", "\x7f", "\u{9b}", "\u{202e}", &long_text] {
        assert_eq!(yoda.refused(&Request::Post { title: "t", text, key: None }), bad_text, "{text:?}");
        assert_eq!(
            yoda.refused(&Request::EditPost { title: "t", number: 1, text, id: None, key: None }),
            bad_text,
            "{text:?}"
        );
    }
    assert_eq!(yoda.read_thread("t"), ["1 yoda: m1"], "nothing of it changed anything");
    assert_eq!(yoda.titles(), ["t"]);
}

#[test]
fn the_longest_names_and_texts_are_taken() {
    let server = Server::start(&[]);
    let name = "~".repeat(32);
    let mut user = server.user(&name);
    let title = "!".repeat(64);
    let text = "é".repeat(4_096);
    user.done(&Request::CreateThread { title: &title, key: None });
    user.done(&Request::Post { title: &title, text: &text, key: None });
    let file = "x".repeat(128);
    assert!(user.upload(&title, &file, b"bytes").is_ok());
    assert_eq!(user.read_thread(&title), [format!("1 {name}: {text}"), format!("{name} uploaded {file}")]);
}

#[test]
fn messages_beyond_nine_keep_their_order_and_their_numbers() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    let mut hans = server.user("hans");
    thread_with(&mut yoda, "t", 12);
    let all = |skipped: &[usize]| -> Vec<String> {
        let kept = (1..=12).filter(|number| !skipped.contains(number));
        kept.enumerate().map(|(index, number)| format!("{} yoda: m{number}", index + 1)).collect()
    };
    assert_eq!(hans.read_thread("t"), all(&[]));
    assert_eq!(
        yoda.done(&Request::DeletePost { title: "t", number: 10, id: None, key: None }),
        "The message has been deleted"
    );
    assert_eq!(hans.read_thread("t"), all(&[10]));
    assert_eq!(
        yoda.done(&Request::DeletePost { title: "t", number: 1, id: None, key: None }),
        "The message has been deleted"
    );
    assert_eq!(hans.read_thread("t"), all(&[1, 10]));
    let edit = Request::EditPost { title: "t", number: 10, text: "last", id: None, key: None };
    assert_eq!(yoda.done(&edit), "The message has been edited");
    assert_eq!(hans.read_thread("t")[9], "10 yoda: last");
    let past = yoda.refused(&Request::DeletePost { title: "t", number: 11, id: None, key: None });
    assert_eq!(past.0, Refusal::InvalidMessageNumber);
}

#[test]
fn titles_are_exact_and_no_prefixes() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    for title in ["333", "3331", "33", "33311", "T", "t"] {
        assert_eq!(yoda.done(&Request::CreateThread { title, key: None }), format!("Thread {title} created"));
        assert_eq!(
            yoda.done(&Request::Post { title, text: title, key: None }),
            format!("Message posted to {title} thread")
        );
    }
    assert_eq!(yoda.done(&Request::RemoveThread { title: "333", key: None }), "Thread 333 removed");
    assert_eq!(yoda.done(&Request::RemoveThread { title: "t", key: None }), "Thread t removed");
    assert_eq!(yoda.titles(), ["3331", "33", "33311", "T"], "oldest first");
    for title in ["3331", "33", "33311", "T"] {
        assert_eq!(yoda.read_thread(title), [format!("1 yoda: {title}")]);
    }
    assert_eq!(yoda.refused(&read("3", None)).0, Refusal::NoSuchThread);
}

#[test]
fn a_removed_title_can_be_used_again_by_anyone_and_starts_empty() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    let mut hans = server.user("hans");
    thread_with(&mut yoda, "t", 3);
    yoda.done(&Request::CreateThread { title: "u", key: None });
    assert!(yoda.upload("t", "f", b"bytes").is_ok());
    yoda.done(&Request::RemoveThread { title: "t", key: None });
    assert_eq!(hans.done(&Request::CreateThread { title: "t", key: None }), "Thread t created");
    assert_eq!(hans.read_thread("t"), Vec::<String>::new());
    assert_eq!(hans.titles(), ["u", "t"]);
    assert_eq!(
        hans.refused(&Request::Download { title: "t", file: "f", offset: None, digest: None }).0,
        Refusal::NoSuchFile
    );
    assert_eq!(yoda.refused(&Request::RemoveThread { title: "t", key: None }).0, Refusal::NotYourThread);
}

#[test]
fn a_range_is_read_with_both_ends_and_the_uploads_between() {
    let server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    yoda.done(&Request::CreateThread { title: "t", key: None });
    let upload = |yoda: &mut Wire, file| assert!(yoda.upload("t", file, b"x").is_ok());
    upload(&mut yoda, "first");
    for text in ["a", "b", "c"] {
        yoda.done(&Request::Post { title: "t", text, key: None });
        if text == "b" {
            upload(&mut yoda, "middle");
        }
    }
    upload(&mut yoda, "last");
    let whole = [
        "yoda uploaded first",
        "1 yoda: a",
        "2 yoda: b",
        "yoda uploaded middle",
        "3 yoda: c",
        "yoda uploaded last",
    ];
    assert_eq!(yoda.read_thread("t"), whole);
    assert_eq!(yoda.lines(&read("t", Some((2, 2)))), ["2 yoda: b"]);
    assert_eq!(yoda.lines(&read("t", Some((1, 2)))), ["1 yoda: a", "2 yoda: b"]);
    assert_eq!(yoda.lines(&read("t", Some((2, 3)))), ["2 yoda: b", "yoda uploaded middle", "3 yoda: c"]);
    assert_eq!(yoda.lines(&read("t", Some((1, 3)))), whole[1..5]);
    assert_eq!(
        yoda.lines(&read("t", Some((1, 3)))),
        yoda.lines(&read("t", Some((1, 3_000)))),
        "the end is cut"
    );
    for (from, to) in [(4, 4), (4, 9), (3, 2), (0, 2), (0, 0), (u32::MAX, u32::MAX)] {
        let refusal = yoda.refused(&read("t", Some((from, to))));
        assert_eq!(refusal, (Refusal::InvalidMessageNumber, "Invalid message number".to_owned()));
    }
    // The upload goes on standing where it stood among the messages that are left.
    yoda.done(&Request::DeletePost { title: "t", number: 1, id: None, key: None });
    assert_eq!(
        yoda.read_thread("t"),
        ["yoda uploaded first", "1 yoda: b", "yoda uploaded middle", "2 yoda: c", "yoda uploaded last"]
    );
    yoda.done(&Request::DeletePost { title: "t", number: 1, id: None, key: None });
    yoda.done(&Request::DeletePost { title: "t", number: 1, id: None, key: None });
    assert_eq!(yoda.read_thread("t"), ["yoda uploaded first", "yoda uploaded middle", "yoda uploaded last"]);
    assert_eq!(yoda.refused(&read("t", Some((1, 1)))).0, Refusal::InvalidMessageNumber);
}

#[test]
fn people_read_ranges() {
    let server = Server::start(&[]);
    let mut wire = server.user("yoda");
    thread_with(&mut wire, "t", 11);
    let mut hans = server.sign_up("hans");
    hans.does("RDT t 5", "5 yoda: m5");
    hans.does("RDT t 9-10", "9 yoda: m9");
    hans.hears("10 yoda: m10");
    hans.does("RDT t 11-99", "11 yoda: m11");
    hans.does("RDT t 11-99999999999", "11 yoda: m11");
    for bad in ["0", "12", "12-13", "5-4", "x", "1-x", "-0", "1-", "-", "1-2-3", "+1", "99999999999", "1.0"] {
        hans.fails(&format!("RDT t {bad}"), "Invalid message number");
    }
}

#[test]
fn a_message_number_is_a_number_in_range() {
    let server = Server::start(&[]);
    let mut yoda = server.sign_up("yoda");
    yoda.does("CRT t", "Thread t created");
    yoda.does("MSG t hello", "Message posted to t thread");
    for bad in ["0", "2", "-1", "x", "1x", "+1", "1.0", "4294967297", "99999999999999999999"] {
        yoda.fails(&format!("DLT t {bad}"), "Invalid message number");
        yoda.fails(&format!("EDT t {bad} text"), "Invalid message number");
    }
    yoda.does("RDT t", "1 yoda: hello");
}

#[test]
fn what_was_asked_wrongly_is_answered_by_the_usage() {
    let server = Server::start(&[]);
    let mut yoda = server.sign_up("yoda");
    for line in [
        "CRT",
        "CRT a b",
        "MSG",
        "MSG t",
        "DLT t",
        "DLT t 1 2",
        "EDT t 1",
        "EDT t",
        "LST x",
        "RDT",
        "RDT a 1 2",
        "UPD t",
        "DWN t",
        "RMV",
        "RMV a b",
        "XIT now",
        "SHT",
    ] {
        let word = line.split(' ').next().unwrap();
        yoda.fails(line, &format!("Incorrect syntax for {word}"));
        let usage = yoda.complaint();
        assert!(usage.contains(word), "{line}: {usage}");
    }
    yoda.fails("frobnicate", "Error. Invalid command");
    yoda.fails("crt t", "Error. Invalid command");
    yoda.fails("CRTT t", "Invalid command");
    yoda.fails("Crt t", "Invalid command");
    yoda.fails("x1", "Invalid command");
    yoda.fails("!", "Invalid command");
    yoda.does("LST", "No threads to list");
    assert_eq!(yoda.finish().code, Some(1));
}

#[test]
fn text_is_kept_to_the_last_space() {
    let server = Server::start(&[]);
    let mut yoda = server.sign_up("yoda");
    yoda.does("CRT t", "Thread t created");
    yoda.does("MSG t   two  spaces\tand a tab  ", "Message posted to t thread");
    yoda.does("MSG t grüße 🙂", "Message posted to t thread");
    yoda.does("RDT t", "1 yoda:   two  spaces\tand a tab  ");
    yoda.hears("2 yoda: grüße 🙂");
    yoda.does("EDT t 1  x ", "The message has been edited");
    yoda.does("RDT t 1", "1 yoda:  x ");
    let mut wire = server.user("hans");
    assert_eq!(wire.read_thread("t")[0], "1 yoda:  x ");
}

#[test]
fn the_forum_outlives_the_server() {
    let mut server = Server::start(&[]);
    let mut yoda = server.user("yoda");
    let mut hans = server.user("hans");
    thread_with(&mut yoda, "t", 3);
    hans.done(&Request::Post { title: "t", text: "mine", key: None });
    hans.done(&Request::CreateThread { title: "u", key: None });
    assert!(hans.upload("t", "f", b"bytes").is_ok());
    yoda.done(&Request::DeletePost { title: "t", number: 2, id: None, key: None });
    yoda.done(&Request::EditPost { title: "t", number: 2, text: "edited", id: None, key: None });
    let before = yoda.read_thread("t");
    assert_eq!(before, ["1 yoda: m1", "2 yoda: edited", "3 hans: mine", "hans uploaded f"]);
    // Their clients close, or the server would wait for that.
    drop((yoda, hans));
    for _ in 0..3 {
        server.stop();
        server.start_again();
        let mut yoda = server.user("yoda");
        assert_eq!(yoda.read_thread("t"), before);
        assert_eq!(yoda.titles(), ["t", "u"]);
        assert_eq!(yoda.download("t", "f", 1_000), Ok(b"bytes".to_vec()));
        assert_eq!(yoda.refused(&Request::RemoveThread { title: "u", key: None }).0, Refusal::NotYourThread);
    }
}

#[test]
fn clients_that_write_at_once_lose_nothing() {
    const CLIENTS: usize = 8;
    const POSTS: usize = 40;
    let server = Server::start(&[]);
    server.user("yoda").done(&Request::CreateThread { title: "t", key: None });
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let server = &server;
            scope.spawn(move || {
                let mut wire = server.user(&format!("user{client}"));
                for number in 0..POSTS {
                    wire.done(&Request::Post { title: "t", text: &number.to_string(), key: None });
                }
            });
        }
    });
    let lines = server.user("reader").read_thread("t");
    assert_eq!(lines.len(), CLIENTS * POSTS);
    for client in 0..CLIENTS {
        let author = format!(" user{client}: ");
        let texts = lines.iter().filter_map(|line| Some(line.split_once(&author)?.1.to_owned()));
        assert!(texts.eq((0..POSTS).map(|number| number.to_string())), "the order of user{client}");
    }
}
