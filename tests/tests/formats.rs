//! What the client prints for programs: objects of JSON, numbered refusals, and nothing that nobody asked for.
#![forbid(unsafe_code)]

use forum_common::wire::Request;
use forum_tests::{Finished, PASSWORD, Server, outcome};
use serde_json::{Value, json};

fn run(server: &Server, options: &[&str], input: &str) -> Finished {
    let options = [&["--user", "yoda"], options].concat();
    server.forum().args(&options).env("FORUM_PASSWORD", PASSWORD).run(input)
}

/// The objects that were printed.
fn objects(finished: &Finished) -> Vec<Value> {
    let object = |line: &String| {
        let object: Value = serde_json::from_str(line).expect(line);
        // Of a name that came twice, only one would be left.
        assert_eq!(object.to_string().len(), line.len(), "{line}");
        object
    };
    finished.stdout.iter().map(object).collect()
}

/// These fields of an object.
fn fields(object: &Value, names: &[&str]) -> Value {
    names
        .iter()
        .map(|name| ((*name).to_owned(), object[name].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[test]
fn json_has_an_object_a_line_with_line_kind_and_numbers_refusals_too_and_all_of_it_on_stdout() {
    let server = Server::start(&[]);
    let input = "CRT t\n\nMSG t hello\nMSG u hi\nnonsense\nRDT t\nLST\nBCM all\nUPD t nothing\nXIT\n";
    let finished = run(&server, &["--json"], input);
    assert_eq!((finished.code, &finished.stderr), (Some(1), &Vec::new()));
    let objects = objects(&finished);
    let said: Vec<(Value, &str)> =
        objects.iter().map(|object| (object["line"].clone(), object["kind"].as_str().unwrap())).collect();
    let of = |line: u64, kind: &'static str| (json!(line), kind);
    assert_eq!(
        said,
        [
            (Value::Null, "Welcome"),
            of(1, "ThreadCreated"),
            of(3, "Posted"),
            of(4, "Refused"),
            of(5, "Refused"),
            of(6, "PostItem"),
            of(6, "EndOfList"),
            of(7, "ThreadItem"),
            of(7, "EndOfList"),
            of(8, "Posted"),
            of(9, "Refused"),
            of(10, "Done"),
        ]
    );
    assert_eq!(
        fields(&objects[2], &["number", "id", "text"]),
        json!({"number": 1, "id": 1, "text": "Message posted to t thread"})
    );
    assert!(objects[2]["at_ms"].as_u64().unwrap() > 0);
    assert_eq!(
        objects[3],
        json!({"line": 4, "kind": "Refused", "code": 21, "limit": objects[3]["limit"], "value": objects[3]["value"],
            "name": null, "text": "Thread u does not exist", "code_name": "NoSuchThread"}),
    );
    assert_eq!(
        fields(&objects[5], &["number", "author", "text"]),
        json!({"number": 1, "author": "yoda", "text": "hello"})
    );
    assert_eq!(objects[10]["text"], "File nothing does not exist");
}

#[test]
fn json_has_notices_as_they_come_and_files_with_their_names() {
    let server = Server::start(&[]);
    let mut hans = server.user("hans");
    hans.done(&Request::CreateThread { title: "t", key: None });
    hans.done(&Request::PostToBoard { text: "before", key: None });
    server.forum().args(&["--user", "yoda"]).env("FORUM_PASSWORD", PASSWORD).run("XIT\n");
    let told = hans.outcome(&Request::SendMessage { user: "yoda", text: "psst", key: None });
    assert_eq!(told, outcome::done(""));
    let forum = server.forum();
    std::fs::write(forum.directory().join("f"), b"12345").unwrap();
    let forum =
        forum.args(&["--user", "yoda", "--json", "--download-dir", "there"]).env("FORUM_PASSWORD", PASSWORD);
    std::fs::create_dir(forum.directory().join("there")).unwrap();
    let finished = forum.run("UPD t f\nDWN t f\nXIT\n");
    assert_eq!((finished.code, &finished.stderr), (Some(0), &Vec::new()));
    let objects = objects(&finished);
    let kinds: Vec<&str> = objects.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["Welcome", "Message", "Uploaded", "Done", "Done"]);
    assert_eq!(
        fields(&objects[1], &["from", "text", "line"]),
        json!({"from": "hans", "text": "psst", "line": null})
    );
    assert_eq!(objects[2]["digest"].as_str().unwrap().len(), 64);
    assert_eq!(
        fields(&objects[3], &["line", "text"]),
        json!({"line": 2, "text": "f successfully downloaded"})
    );
}

#[test]
fn json_has_the_words_to_compare() {
    let server = Server::start(&[]);
    let _hans = server.forum().args(&["--accept", "always"]).sign_up("hans");
    let forum = server.forum().args(&["--user", "yoda", "--json"]).env("FORUM_PASSWORD", PASSWORD);
    let mut yoda = forum.start();
    yoda.says("startprivate hans");
    while !yoda.line().contains("hans accepts private messaging") {}
    yoda.says("verify hans");
    let object: Value = serde_json::from_str(&yoda.line()).unwrap();
    let words: Vec<&str> =
        object["words"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert_eq!(words.len(), 6);
    assert_eq!(
        fields(&object, &["line", "kind", "user", "text"]),
        json!({
            "line": 2,
            "kind": "Compare",
            "user": "hans",
            "text": format!("Compare with hans: {}", words.join(" ")),
        })
    );
}

#[test]
fn numbered_refusals_say_which_line_they_are_about_and_nothing_else_changes() {
    let server = Server::start(&["--max-attempts", "5"]);
    let input = "CRT t\n\nMSG nosuch hi\nRDT\nnonsense\nSHT wrong\nLST\n";
    let finished = run(&server, &["--numbered"], input);
    assert_eq!(
        finished.stderr,
        [
            "line 3: MSG nosuch hi: Thread nosuch does not exist",
            "line 4: RDT: Incorrect syntax for RDT",
            "line 4: RDT: Usage: RDT title [n[-m]|new|-k]",
            "line 5: nonsense: Error. Invalid command",
            "line 6: SHT: Incorrect password",
        ]
    );
    assert_eq!(
        finished.stdout,
        ["Welcome to the forum", "Thread t created", "The list of active threads:", "t", "Goodbye"]
    );
}

#[test]
fn quiet_shows_no_notice_and_leaves_messages_in_the_mailbox() {
    let server = Server::start(&[]);
    let mut hans = server.user("hans");
    run(&server, &[], "XIT\n");
    let told = hans.outcome(&Request::SendMessage { user: "yoda", text: "psst", key: None });
    assert_eq!(told, outcome::done(""));
    let finished = run(&server, &["--quiet"], "CRT t\nXIT\n");
    assert_eq!(finished.stdout, ["Welcome to the forum", "Thread t created", "Goodbye"]);
    let finished = run(&server, &[], "XIT\n");
    assert_eq!(finished.stdout, ["Welcome to the forum", "hans: psst", "Goodbye"]);
}
