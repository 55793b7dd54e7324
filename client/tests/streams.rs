//! Standard streams that are closed or of no use: said, and never an exit status of 0 or a crash.
#![forbid(unsafe_code)]

mod stage;

use std::fs::File;
use std::process::{Output, Stdio};
use std::thread;

use stage::{END, LIST_THREADS, Place, Script};

/// The exit status of a client with these redirections, what it said on stdout, and what on stderr.
fn redirected(place: &mut Place, redirections: &str) -> (Option<i32>, String, String) {
    texts(place.redirected(Stdio::null(), redirections))
}

fn texts(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_stream_that_is_closed_or_cannot_be_used_is_said_before_anybody_is_asked() {
    let input = "Use a terminal, a pipe or a file, or </dev/null for no commands\n";
    let output = "Use a terminal, a pipe or a file, or >/dev/null to discard the answers\n";
    for (redirections, what, instead) in [
        ("<&-", "Standard input is closed. ", input),
        ("< .", "Standard input is a directory. ", input),
        ("0> written", "Standard input is not open for reading. ", input),
        (">&-", "Standard output is closed. ", output),
        ("1< /dev/null", "Standard output is not open for writing. ", output),
        ("<&- >&-", "Standard input is closed. ", input),
        // There is nobody to be told; the status has to say it.
        ("2>&-", "", ""),
        ("2< /dev/null", "", ""),
        ("<&- >&- 2>&-", "", ""),
    ] {
        let script = Script::new();
        let said = redirected(&mut Place::of_yoda(&script), redirections);
        assert_eq!(said, (Some(1), String::new(), format!("{what}{instead}")), "{redirections}");
        script.expect_nobody();
    }
}

#[test]
fn streams_that_are_thrown_away_on_purpose_are_fine() {
    for redirections in ["> /dev/null", "2> /dev/null", "<> /dev/null >&0 2>&0"] {
        let script = Script::new();
        let mut place = Place::of_yoda(&script);
        let client = thread::spawn(move || redirected(&mut place, redirections).0);
        script.admit().say_goodbye();
        assert_eq!(client.join().unwrap(), Some(0), "{redirections}");
    }
}

#[test]
fn help_that_cannot_be_written_is_said() {
    let full =
        "Cannot write to standard output: No space left on device. Make room on the disk and try again\n";
    for args in [["--help"], ["--version"]] {
        let (status, out, err) = redirected(&mut Place::with_args(&args), "> /dev/full");
        assert_eq!((status, out.as_str(), err.as_str()), (Some(1), "", full), "{args:?}");
        assert_eq!(redirected(&mut Place::with_args(&args), "2> /dev/full").0, Some(0));
    }
    assert_eq!(redirected(&mut Place::with_args(&["--nothing"]), "2> /dev/full").0, Some(2));
}

#[test]
fn a_full_disk_below_stdout_is_said_and_one_below_stderr_shows_in_the_status() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let client = thread::spawn(move || redirected(&mut place, "> /dev/full"));
    script.admit().expect_end();
    let full =
        "Cannot write to standard output: No space left on device. Make room on the disk and try again\n";
    assert_eq!(client.join().unwrap(), (Some(1), String::new(), full.to_owned()));

    let script = Script::new();
    let mut place = Place::of_yoda(&script).file("input", b"nonsense\nLST\n");
    let client = thread::spawn(move || redirected(&mut place, "< input 2> /dev/full"));
    let mut peer = script.admit();
    let tag = peer.hears(&LIST_THREADS);
    peer.reply(tag, &END);
    peer.say_goodbye();
    let out = "Welcome to the forum\nNo threads to list\nGoodbye\n".to_owned();
    assert_eq!(client.join().unwrap(), (Some(1), out, String::new()));
}

#[test]
fn an_input_that_fails_while_it_is_read_ends_the_session_and_is_said() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    // The first page of a process can be read by nobody.
    let unreadable = File::open("/proc/self/mem").unwrap();
    let client = thread::spawn(move || texts(place.redirected(unreadable.into(), "")));
    script.admit().say_goodbye();
    let out = "Welcome to the forum\nGoodbye\n".to_owned();
    let err = "Cannot read standard input: Input/output error\n".to_owned();
    assert_eq!(client.join().unwrap(), (Some(1), out, err));
}
