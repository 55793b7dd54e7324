//! Single promises of the core, each without a process.

use forum_common::wire::{Closing, Digest, Transfer};

use super::*;

const LOG_OUT: &str = "LogOut";

fn frame(transfer: &Transfer<'_>, tag: Tag) -> Vec<u8> {
    let mut bytes = Vec::new();
    transfer.encode(tag, &mut bytes);
    bytes
}

#[test]
fn in_pipes_a_command_waits_for_the_answer_before_it() {
    let mut world = World::logged_in(false);
    world.types("CRT a\nCRT b\n");
    let tag = world.hears("CreateThread { title: \"a\", key: None }");
    assert!(world.heard.is_empty());
    world.reply(tag, &created("Thread a created"));
    world.hears("CreateThread { title: \"b\", key: None }");
    assert_eq!(world.seen(), "Welcome to the forum\nThread a created\n");
}

#[test]
fn a_welcome_is_no_answer_to_a_command() {
    let mut world = World::logged_in(false);
    world.types("CRT a\n");
    let tag = world.hears("CreateThread { title: \"a\", key: None }");
    world.reply(tag, &Reply::Welcome { session: 1, since_ms: 0, text: "Welcome to the forum" });
    assert_eq!(world.ending, Some(Ending::Lost));
    assert!(world.seen().contains("Unexpected reply"), "{}", world.seen());
}

#[test]
fn the_end_of_the_input_logs_out_and_a_goodbye_ends_it() {
    let mut world = World::logged_in(false);
    world.give(Event::InputEnded(None));
    let tag = world.hears(LOG_OUT);
    world.reply(tag, &Reply::Done { at_ms: 0, text: "Goodbye" });
    assert_eq!(world.seen(), "Welcome to the forum\nGoodbye\n");
    assert_eq!(world.ending, Some(Ending::Goodbye));
    assert!(!world.core.has_failed());
}

#[test]
fn every_last_word_of_the_server_ends_it_as_the_table_says() {
    for (code, ending) in [
        (Closing::EndOfInput, Ending::Goodbye),
        (Closing::ShuttingDown, Ending::Goodbye),
        (Closing::Idle, Ending::Goodbye),
        (Closing::LoginTimedOut, Ending::Lost),
        (Closing::ServerFull, Ending::Lost),
        (Closing::TooSlow, Ending::Lost),
        (Closing::ProtocolError, Ending::Lost),
        (Closing::LoggedInElsewhere, Ending::NotLoggedIn),
        (Closing::Disconnected, Ending::NotLoggedIn),
        (Closing::Other(999), Ending::Lost),
    ] {
        let mut world = World::logged_in(false);
        world.notice(&Notice::Closing { code, text: "because" });
        assert_eq!(world.ending, Some(ending), "{code:?}");
        assert!(world.seen().ends_with("because\n"));
    }
}

#[test]
fn an_output_that_nobody_reads_stops_neither_the_server_nor_the_clock_until_16_mib_wait() {
    let mut world = World::logged_in(false);
    world.is_stuck = true;
    let text = "x".repeat(8_000);
    let mut bytes = Vec::new();
    for _ in 0..100 {
        Notice::Broadcast { at_ms: 0, from: "hans", text: &text }.encode(NO_TAG, &mut bytes);
    }
    world.notice(&message(1, "hi"));
    let mut megabytes = 0.0;
    while world.core.interest().receive {
        world.receive(&bytes);
        megabytes += 0.8;
        assert!(megabytes < 20.0, "without a bound");
    }
    assert!(megabytes > 15.0, "only {megabytes} MB");
    // No message that was not printed counts as arrived.
    assert!(world.heard.is_empty());
    // A server that is not listened to is not taken for dead.
    (0..10).for_each(|_| world.passes(Duration::from_secs(60)));
    assert_eq!(world.ending, None);
    world.is_stuck = false;
    world.settle();
    assert!(world.core.interest().receive);
    assert!(world.heard.iter().any(|(_, request)| matches!(request, OwnedRequest::AckMessages { .. })));
}

#[test]
fn an_output_that_nobody_reads_takes_no_further_command_of_a_pipe() {
    let mut world = World::new(false);
    world.is_stuck = true;
    world.connect();
    world.types("CRT a\nCRT b\n");
    assert!(world.heard.is_empty(), "the welcome is not read yet");
    world.is_stuck = false;
    world.settle();
    world.hears("CreateThread { title: \"a\", key: None }");
}

#[test]
fn a_silent_server_is_pinged_and_then_given_up() {
    let mut world = World::logged_in(false);
    world.passes(Duration::from_secs(25));
    world.hears("Ping { payload: [] }");
    world.passes(Duration::from_secs(64));
    assert_eq!(world.ending, None);
    world.passes(Duration::from_secs(1));
    assert_eq!(world.ending, Some(Ending::Lost));
    assert!(world.seen().ends_with("Connection lost: the server has said nothing for 90 seconds\n"));
}

#[test]
fn what_somebody_said_privately_comes_before_the_word_that_they_have_logged_out() {
    let mut world = World::logged_in(false);
    world.core.input(Event::Tick, world.now);
    let mut bytes = Vec::new();
    Notice::LoggedOut { name: "hans" }.encode(NO_TAG, &mut bytes);
    world.core.input(Event::Received(&bytes), world.now);
    let action = world.core.poll_output();
    assert_eq!(action, Some(Action::Peer(PeerAction::LoggedOut { user: "hans".into() })));
    world.core.input(Event::Report(Report::Say("hans(private): last".into())), world.now);
    world.settle();
    assert!(world.seen().ends_with("hans(private): last\nhans logged out\n"));
}

#[test]
fn a_yes_in_a_pipe_overtakes_the_command_that_holds_the_line_but_no_other_line() {
    let mut world = World::logged_in(false);
    world.types("LST\ny\n");
    world.hears("ListThreads { after: None, at_most: None, unread: None }");
    assert!(world.peer.is_empty(), "no question is open");
    world.give(Event::Peers(State { questions: 1, ..State::default() }));
    assert_eq!(world.peer, [PeerAction::Answer { yes: true }]);
    world.types("CRT a\nn\n");
    assert_eq!(world.peer.len(), 1, "it waits for the line before it");
}

#[test]
fn an_upload_reads_as_the_server_gives_credit_and_says_what_came_of_it() {
    let mut world = World::logged_in(false);
    world.file = Some(vec![7; 100_000]);
    world.types("UPD a f\n");
    let tag = world.hears("Upload { title: \"a\", file: \"f\", size: 100000, key: None }");
    world.reply(tag, &Reply::UploadStarts { credit: 60_000 });
    assert_eq!(world.core.due(), Some(world.now + Duration::from_secs(25)));
    world.receive(&frame(&Transfer::Credit { bytes: 40_000 }, tag));
    world.reply(tag, &Reply::Uploaded { id: 1, at_ms: 0, digest: [0; 32], text: "f uploaded to a thread" });
    assert!(world.seen().ends_with("f uploaded to a thread\n"));
    world.file = None;
    world.types("UPD a g\n");
    assert!(world.seen().ends_with("File g does not exist\n"));
    assert!(world.core.has_failed());
}

#[test]
fn a_download_is_stored_as_it_comes_and_named_at_its_end() {
    let mut world = World::logged_in(false);
    world.types("DWN a f\n");
    let tag = world.hears("Download { title: \"a\", file: \"f\", offset: None, digest: None }");
    let digest: Digest = *blake3::hash(b"abc").as_bytes();
    let mut bytes = Vec::new();
    Reply::DownloadStarts { size: 3, digest, offset: 0 }.encode(tag, &mut bytes);
    bytes.extend(frame(&Transfer::Data { piece: b"ab" }, tag));
    bytes.extend(frame(&Transfer::Data { piece: b"c" }, tag));
    bytes.extend(frame(&Transfer::DataEnd { digest: Some(digest) }, tag));
    // All in one read: each step still waits for its file.
    world.receive(&bytes);
    assert_eq!(world.stored, b"abc");
    assert!(world.seen().ends_with("f successfully downloaded\n"));
}

#[test]
fn a_lost_connection_ends_it_in_pipes_and_is_made_anew_on_a_terminal() {
    let mut world = World::logged_in(false);
    world.types("CRT a\n");
    world.give(Event::Disconnected("gone".into()));
    assert_eq!(world.ending, Some(Ending::Lost));
    assert!(world.seen().ends_with("Connection lost: gone\nNot answered: CRT a\n"));

    let mut world = World::logged_in(true);
    world.give(Event::Disconnected("gone".into()));
    assert_eq!((world.ending, world.dials), (None, false));
    world.passes(Duration::from_secs(1));
    assert!(world.dials);
    world.give(Event::NotConnected("Cannot connect to there:1: nobody".into()));
    world.dials = false;
    world.passes(Duration::from_secs(2));
    world.connect();
    assert!(world.seen().contains("Next attempt in"));
}

#[test]
fn the_end_waits_for_other_users_but_not_for_ever() {
    let mut world = World::logged_in(false);
    world.give(Event::Peers(State { is_busy: true, ..State::default() }));
    world.give(Event::InputEnded(None));
    let tag = world.hears(LOG_OUT);
    world.reply(tag, &Reply::Done { at_ms: 0, text: "Goodbye" });
    assert_eq!(world.ending, None);
    assert!(world.core.due().is_some());
    world.passes(Duration::from_secs(3));
    assert_eq!(world.ending, Some(Ending::Goodbye));
}

#[test]
fn a_closed_stdout_ends_it_and_a_closed_stderr_shows_in_the_status() {
    let mut world = World::logged_in(false);
    world.give(Event::CannotPrint(Stream::Err, "its reader has gone".into()));
    assert_eq!((world.ending, world.core.has_failed()), (None, true));
    world.give(Event::CannotPrint(Stream::Out, "its reader has gone".into()));
    assert_eq!(world.ending, Some(Ending::OutputClosed));
}

#[test]
fn lines_of_a_pipe_go_ahead_as_far_as_allowed_and_others_wait_for_them() {
    let mut world = World::pipelining(false, 3);
    world.connect();
    world.types("CRT a\nMSG a hi\nCRT b\nCRT c\nwhoelse\nCRT d\nnonsense\nCRT e\n");
    let first = world.hears("CreateThread { title: \"a\", key: None }");
    let second = world.hears("Post { title: \"a\", text: \"hi\", key: None }");
    let third = world.hears("CreateThread { title: \"b\", key: None }");
    assert!(world.heard.is_empty(), "three are in flight");
    world.reply(first, &created("Thread a created"));
    let fourth = world.hears("CreateThread { title: \"c\", key: None }");
    world.reply(second, &Reply::Posted { number: 1, id: 1, at_ms: 0, text: "Message posted to a thread" });
    world.reply(third, &created("Thread b created"));
    assert!(world.heard.is_empty(), "whoelse waits for what is before it");
    world.reply(fourth, &created("Thread c created"));
    let list = world.hears("WhoElse { after: None, at_most: None }");
    assert!(world.heard.is_empty(), "and holds what follows");
    world.reply(list, &Reply::EndOfList { next: None });
    let last = world.hears("CreateThread { title: \"d\", key: None }");
    assert!(world.heard.is_empty(), "what is wrong is said in its turn");
    world.reply(last, &created("Thread d created"));
    world.hears("CreateThread { title: \"e\", key: None }");
    assert_eq!(
        world.seen(),
        "Welcome to the forum\nThread a created\nMessage posted to a thread\nThread b created\n\
        Thread c created\nNo one else is online\nThread d created\nError. Invalid command\n"
    );
}

#[test]
fn a_yes_waits_for_pipelined_lines_before_it() {
    let mut world = World::pipelining(false, 8);
    world.connect();
    world.give(Event::Peers(State { questions: 1, ..State::default() }));
    world.types("CRT a\ny\n");
    let tag = world.hears("CreateThread { title: \"a\", key: None }");
    assert!(world.peer.is_empty());
    world.reply(tag, &created("Thread a created"));
    assert_eq!(world.peer, [PeerAction::Answer { yes: true }]);
}

/// In pipes, with three commands unanswered on a connection that was lost and may be made anew.
fn retrying() -> World {
    let mut world = World::pipelining(false, 8);
    world.core.options.retry = Some(Duration::from_secs(60));
    world.connect();
    world.types("CRT a\nLST\nCRT b\n");
    world.give(Event::Disconnected("gone".into()));
    assert_eq!(world.ending, None);
    world
}

#[test]
fn with_retry_what_has_a_key_is_sent_again_in_a_pipe_and_of_the_rest_nobody_can_say() {
    let mut world = retrying();
    world.passes(Duration::from_secs(1));
    world.connect();
    let first = world.hears("CreateThread { title: \"a\", key: None }");
    let second = world.hears("CreateThread { title: \"b\", key: None }");
    world.reply(first, &created("Thread a created"));
    world.reply(second, &created("Thread b created"));
    assert_eq!(
        world.seen(),
        "Welcome to the forum\nConnection lost: gone\nNobody can say whether this was done\n\
        Thread a created\nThread b created\n"
    );
    world.give(Event::InputEnded(None));
    world.hears(LOG_OUT);
    assert!(world.core.has_failed());
}

#[test]
fn with_retry_a_connection_that_can_not_be_made_anew_in_time_ends_it() {
    let mut world = retrying();
    for _ in 0..100 {
        if world.ending.is_some() {
            break;
        }
        world.passes(Duration::from_secs(5));
        if std::mem::take(&mut world.dials) {
            world.give(Event::NotConnected("Cannot connect to there:1: nobody".into()));
        }
    }
    assert_eq!(world.ending, Some(Ending::Lost));
    let said = "Cannot connect to there:1: nobody\nNot answered: CRT a\nNot answered: CRT b\n";
    assert!(world.seen().ends_with(said));
}

#[test]
fn a_certificate_is_trusted_when_its_user_says_yes_and_in_no_other_case() {
    let certificate = "1".repeat(64).parse().unwrap();
    let doubt = |certificate| event::Doubt { said: "Cannot trust there:1".into(), certificate };
    for (on_terminal, offered, typed, trusted) in [
        (true, true, "y\r", true),
        (true, true, "n\r", false),
        (true, true, "\r", false),
        (true, true, "yes of course\r", false),
        (true, true, "\x03", false),
        (true, false, "y\r", false),
        (false, true, "y\n", false),
    ] {
        let mut world = World::new(on_terminal);
        world.dials = false;
        world.give(Event::NotTrusted(doubt(offered.then_some(certificate))));
        let is_asked = on_terminal && offered;
        assert_eq!(world.ending.is_none(), is_asked, "{typed:?}");
        assert!(world.seen().contains("Cannot trust there:1"));
        if is_asked {
            world.types(typed);
        }
        assert_eq!(world.trusted, trusted.then_some(certificate), "{typed:?}");
        assert_eq!(world.dials, trusted, "{typed:?}");
        assert_eq!(world.ending, (!trusted).then_some(Ending::NotLoggedIn), "{typed:?}");
    }
}
