//! Receivers that do not read: what they are owed stays bounded, they are cut off with the reason, nobody else
//! waits for them, and what is stored is there when they come back.
#![forbid(unsafe_code)]

use forum_common::wire::{Closing, OwnedFromServer, OwnedNotice, OwnedReply, Request};
use forum_tests::outcome::Outcome;
use forum_tests::{PASSWORD, Server, Wire, hello, notice, outcome, raise_descriptor_limit, until};

const TOO_SLOW: &str = "You have been disconnected: too slow";

/// A user whose connection has little room outside the server for what it does not read.
fn narrow_user(server: &Server, name: &str) -> Wire {
    let mut wire = Wire::connect_with_little_room(server.address());
    wire.hello();
    wire.become_user(name);
    wire
}

/// Why a connection ends, if that was said.
type Reason = Option<(Closing, String)>;

/// What is left to be read on a connection: notices, and why it ends.
fn read_to_the_end(wire: &mut Wire) -> std::io::Result<(Vec<OwnedNotice>, Reason)> {
    let mut notices = Vec::new();
    loop {
        match wire.next_heard_or_reset()? {
            Some(OwnedFromServer::Notice(OwnedNotice::Closing { code, text })) => {
                wire.expect_closed();
                return Ok((notices, Some((code, text))));
            }
            Some(OwnedFromServer::Notice(notice)) => notices.push(notice::timeless(notice)),
            None => return Ok((notices, None)),
            other => panic!("wanted a notice or the end, not {other:?}"),
        }
    }
}

#[test]
fn who_does_not_read_is_cut_off_with_the_reason_at_a_frame_s_end() {
    let server = Server::start(&["--max-notice-bytes", "65536"]);
    let mut yoda = server.user("yoda");
    let mut hans = narrow_user(&server, "hans");
    yoda.expect_notices(&[notice::logged_in("hans")]);
    let text = "x".repeat(4_000);
    let mut broadcasts = 0;
    until("hans is cut off", || {
        broadcasts += 1;
        let numbered = format!("{broadcasts} {text}");
        assert_eq!(yoda.done(&Request::SendBroadcast { text: &numbered }), "");
        match &yoda.notices_so_far()[..] {
            [] => None,
            [OwnedNotice::LoggedOut { name }] if name == "hans" => Some(()),
            other => panic!("{other:?}"),
        }
    });
    assert!(broadcasts > 65_536 / 4_100, "{broadcasts} are not too many");
    let (notices, closing) = read_to_the_end(&mut hans).expect("an orderly end");
    assert_eq!(closing, Some((Closing::TooSlow, TOO_SLOW.into())));
    // What was read is what was sent first, without a gap.
    for (number, notice) in (1..).zip(&notices) {
        assert_eq!(*notice, notice::broadcast("yoda", &format!("{number} {text}")));
    }
    assert!(notices.len() < broadcasts);
    // The name is free at once.
    server.user("hans").ping();
}

#[test]
fn who_reads_late_but_in_time_loses_nothing() {
    let server = Server::start(&["--max-notice-bytes", "1048576"]);
    let mut yoda = server.user("yoda");
    let mut hans = narrow_user(&server, "hans");
    let texts: Vec<String> = (0..100).map(|number| format!("{number} {}", "x".repeat(8_000))).collect();
    for text in &texts {
        assert_eq!(yoda.done(&Request::SendBroadcast { text }), "");
    }
    let wanted: Vec<OwnedNotice> = texts.iter().map(|text| notice::broadcast("yoda", text)).collect();
    hans.expect_notices(&wanted);
}

#[test]
fn a_mailbox_is_no_pile_of_notices() {
    const MESSAGES: usize = 4_000;
    let server = Server::start(&["--durability", "none", "--max-notice-bytes", "65536"]);
    let mut yoda = server.user("yoda");
    let mut hans = narrow_user(&server, "hans");
    let before = server.rss_bytes();
    let texts: Vec<String> = (0..MESSAGES).map(|number| format!("{number:01000}")).collect();
    for texts in texts.chunks(500) {
        let tags =
            yoda.send_all(texts.iter().map(|text| Request::SendMessage { user: "hans", text, key: None }));
        let answers = yoda.outcomes(tags);
        assert!(answers.iter().all(Outcome::is_ok));
    }
    // What is stored once is not queued a second time.
    let grown = server.peak_rss_bytes().saturating_sub(before);
    assert!(grown < 8 * MESSAGES * 1_000, "{MESSAGES} messages cost {grown} bytes");
    // Cut off or not, all of it is there at the next log-in, for nothing was acknowledged.
    if let Some(closing) = read_messages(&mut hans, MESSAGES as u64) {
        assert_eq!(closing, (Closing::TooSlow, TOO_SLOW.to_owned()));
    }
    drop(hans);
    until("hans is gone", || {
        yoda.list(&Request::WhoElse { after: None, at_most: None }).is_empty().then_some(())
    });
    let mut hans = server.user("hans");
    let wanted: Vec<OwnedNotice> =
        (1..).zip(&texts).map(|(number, text)| notice::late_message(number, "yoda", text)).collect();
    hans.expect_notices(&wanted);
}

/// Reads messages 1 to `newest`, in order; or why the connection ended before.
fn read_messages(wire: &mut Wire, newest: u64) -> Reason {
    for wanted in 1..=newest {
        match wire.next_heard_or_reset() {
            Ok(Some(OwnedFromServer::Notice(OwnedNotice::Message { number, .. }))) => {
                assert_eq!(number, wanted)
            }
            Ok(Some(OwnedFromServer::Notice(OwnedNotice::Closing { code, text }))) => {
                return Some((code, text));
            }
            other => panic!("wanted a message, not {other:?}"),
        }
    }
    None
}

/// Clients that never read.
const DEAF: usize = 2_000;

/// Broadcasts of 8,000 bytes in a row: more than one may have unread.
const BROADCASTS: usize = 120;

/// `--max-notice-bytes` of the large test.
const NOTICE_BYTES: usize = 512 << 10;

/// What a connection may cost the server besides its notices: the peer, the session, its places in lists, and
/// what a rush of log-ins leaves with the allocator. The kernel's buffers are not counted.
const CONNECTION_BYTES: usize = 16 << 10;

/// What the rest may grow by: buffers of the journal and the log, and what the allocator keeps.
const SLACK_BYTES: usize = 16 << 20;

/// Logs in users that will never read again. All at once, as after an outage: else each log-in would be
/// told to all others one by one.
fn deaf_users(server: &Server) -> Vec<Wire> {
    let connect = |_| Wire::connect_with_little_room(server.address());
    let mut wires: Vec<Wire> = (0..DEAF).map(connect).collect();
    for (number, wire) in wires.iter_mut().enumerate() {
        wire.send_all([
            hello(),
            Request::LogIn { name: &format!("deaf{number}"), udp_port: 0, take_over: None, session: None },
            Request::SignUp { password: PASSWORD, confirmation: PASSWORD },
        ]);
    }
    for wire in &mut wires {
        let mut next = || match wire.next_frame() {
            Some(OwnedFromServer::Reply(_, reply)) => reply,
            other => panic!("{other:?}"),
        };
        next();
        assert_eq!(next(), OwnedReply::PasswordWanted { known: false });
        assert_eq!(outcome::of(next()), outcome::welcome());
    }
    wires
}

#[test]
fn thousands_who_never_read_cost_bounded_memory_and_nobody_else_waits_for_them() {
    raise_descriptor_limit();
    let limit = NOTICE_BYTES.to_string();
    let server =
        Server::start(&["--durability", "none", "--hash-queue", "4000", "--max-notice-bytes", &limit, "-q"]);
    let before = server.rss_bytes();
    let deaf = deaf_users(&server);
    let mut yoda = server.user("yoda");
    let mut luke = server.user("luke");
    for number in (0..DEAF).step_by(10) {
        let user = format!("deaf{number}");
        assert_eq!(yoda.done(&Request::SendMessage { user: &user, text: "stored", key: None }), "");
    }
    let (mut texts, mut heard, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    luke.notices_so_far();
    for number in 0..BROADCASTS {
        texts.push(format!("{number} {}", "x".repeat(8_000)));
        let request = Request::SendBroadcast { text: &texts[number] };
        // A server that waits for one of the deaf never answers.
        assert_eq!(yoda.done(&request), "");
        for notice in luke.notices_so_far() {
            match notice {
                OwnedNotice::Broadcast { from, text, .. } => heard.push((from, text)),
                OwnedNotice::LoggedOut { name } => gone.push(name),
                other => panic!("{other:?}"),
            }
        }
        yoda.notices_so_far();
    }
    let wanted: Vec<_> = texts.into_iter().map(|text| ("yoda".to_owned(), text)).collect();
    assert!(heard == wanted, "who reads gets all {BROADCASTS} broadcasts, not {}", heard.len());
    let bound = before + 2 * NOTICE_BYTES + DEAF * CONNECTION_BYTES + SLACK_BYTES;
    let peak = server.peak_rss_bytes();
    assert!(peak <= bound, "{peak} bytes at the peak, {before} before; {bound} are the bound");
    assert!(!gone.is_empty(), "more is unread than may be, and nobody is cut off");
    expect_cut_off(&server, deaf, &gone);
}

#[test]
fn nobody_who_reads_is_cut_off_when_all_others_leave_at_once() {
    raise_descriptor_limit();
    let server =
        Server::start(&["--durability", "none", "--hash-queue", "4000", "--max-notice-bytes", "65536", "-q"]);
    // Listeners with little room, who read all the time, and two thousand who leave.
    let mut readers: Vec<Wire> = (0..5).map(|n| narrow_user(&server, &format!("reader{n}"))).collect();
    let leaving = deaf_users(&server);
    for reader in &mut readers {
        reader.notices_so_far();
    }
    drop(leaving);
    for reader in &mut readers {
        let mut gone = 0;
        until("all have gone", || {
            gone += reader.notices_so_far().iter().filter(|told| is_going(told)).count();
            (gone == DEAF).then_some(())
        });
    }
}

fn is_going(notice: &OwnedNotice) -> bool {
    matches!(notice, OwnedNotice::LoggedOut { name } if name.starts_with("deaf"))
}

/// Insists that those who still hear why they were cut off hear the right reason, and that what was stored
/// for them is there when they come back.
fn expect_cut_off(server: &Server, mut deaf: Vec<Wire>, gone: &[String]) {
    let number_of = |name: &String| name.strip_prefix("deaf").and_then(|word| word.parse::<usize>().ok());
    let numbers: Vec<usize> = gone.iter().map(|name| number_of(name).expect("only the deaf")).collect();
    let mut reasons = 0;
    for number in numbers.iter().rev().take(20) {
        // Who reads too late even for that finds the connection reset.
        if let Ok((_, Some(closing))) = read_to_the_end(&mut deaf[*number]) {
            assert_eq!(closing, (Closing::TooSlow, TOO_SLOW.to_owned()));
            reasons += 1;
        }
    }
    assert!(reasons > 0, "none of the last was told why");
    drop(deaf);
    for number in numbers.iter().filter(|number| *number % 10 == 0).take(20) {
        let mut wire = server.user(&format!("deaf{number}"));
        assert_eq!(notice::timeless(wire.notice()), notice::late_message(1, "yoda", "stored"));
    }
}
