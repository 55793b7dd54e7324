//! The test has the streams.

use super::*;

const PIPES: Place = None;
const SCREEN: Place = Some((Stream::Out, Ability::Full));

/// All that waits, for stdout and for stderr.
fn taken(output: &mut Output) -> [String; 2] {
    let mut texts = [const { Vec::new() }; 2];
    while let Some((stream, bytes)) = output.unprinted() {
        let count = bytes.len().min(7);
        texts[stream as usize].extend_from_slice(&bytes[..count]);
        output.printed(count);
    }
    assert!(output.is_empty() && output.chunks.waiting() == 0);
    texts.map(|text| String::from_utf8(text).unwrap())
}

#[test]
fn replies_and_refusals_are_whole_lines_on_their_streams() {
    let mut output = Output::new(PIPES, Format::Text);
    output.say("Thread a created");
    output.warn("Connection lost");
    assert!(!output.has_failed());
    output.refuse("Incorrect syntax for CRT\nUsage: CRT title");
    assert!(output.has_failed());
    output.say("a\x1b[2Jb");
    output.echo("> ", "nobody sees this in a pipe");
    let [out, err] = taken(&mut output);
    assert_eq!(out, "Thread a created\na\\u{1b}[2Jb\n");
    assert_eq!(err, "Connection lost\nIncorrect syntax for CRT\nUsage: CRT title\n");
}

#[test]
fn what_is_said_on_both_streams_is_taken_in_order() {
    let mut output = Output::new(PIPES, Format::Text);
    output.say("one");
    output.refuse("two");
    output.say("three");
    let mut streams = Vec::new();
    while let Some((stream, bytes)) = output.unprinted() {
        let count = bytes.len();
        streams.push(stream);
        output.printed(count);
    }
    assert_eq!(streams, [Stream::Out, Stream::Err, Stream::Out]);
}

#[test]
fn only_stdout_is_missed_and_a_closed_stderr_shows_in_the_status() {
    let mut output = Output::new(PIPES, Format::Text);
    output.refuse("nobody listens");
    output.say("somebody reads");
    output.failed = false;
    assert!(!output.fail(Stream::Err));
    assert!(output.has_failed());
    assert_eq!(taken(&mut output), ["somebody reads\n".to_owned(), String::new()]);
    assert!(output.fail(Stream::Out));
}

#[test]
fn what_waits_is_bounded_by_asking_for_no_more() {
    let mut output = Output::new(PIPES, Format::Text);
    let line = "x".repeat(999_999);
    let mut said = 0;
    while !output.is_full() {
        output.say(&line);
        said += 1;
    }
    assert_eq!(said, 17);
    output.printed(1_000_000);
    assert!(!output.is_full());
}

const VIEW: View<'_> = View { status: Vec::new(), prompt: "> ", text: "LS", cursor: 2 };

#[test]
fn a_notice_is_printed_above_what_is_being_typed() {
    let mut output = Output::new(SCREEN, Format::Text);
    output.draw(Some(&VIEW));
    output.draw(Some(&VIEW));
    output.say("yoda logged in");
    output.draw(Some(&VIEW));
    output.draw(None);
    let (draw, erase) = ("> LS", "\r\x1b[K");
    assert_eq!(taken(&mut output)[0], format!("{draw}{erase}yoda logged in\n{draw}{erase}"));
}

#[test]
fn many_notices_at_once_are_drawn_over_once() {
    let mut output = Output::new(SCREEN, Format::Text);
    output.draw(Some(&VIEW));
    (0..500).for_each(|n| output.say(format_args!("notice {n}")));
    output.draw(Some(&VIEW));
    let notices: String = (0..500).map(|n| format!("notice {n}\n")).collect();
    assert_eq!(taken(&mut output)[0], format!("> LS\r\x1b[K{notices}> LS"));
}

#[test]
fn a_terminal_without_escape_sequences_gets_plain_prompts_on_lines_of_their_own() {
    let mut output = Output::new(Some((Stream::Out, Ability::Plain)), Format::Text);
    let view = |text| View { status: vec!["Uploading f".into()], prompt: "> ", text, cursor: 0 };
    output.draw(Some(&view("")));
    output.draw(Some(&view("")));
    output.say("yoda logged in");
    output.draw(Some(&view("")));
    // The kernel shows LST, and the end of its line.
    output.echo("> ", "LST");
    output.say("No threads to list");
    output.draw(Some(&view("")));
    assert_eq!(taken(&mut output)[0], "> \nyoda logged in\n> No threads to list\n> ");
}
