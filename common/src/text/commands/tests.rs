//! What every line becomes, and which lines are none.

use super::*;
use crate::text::Zone;

/// Milliseconds of 1 Jun 2022 06:00:01 UTC.
const NOW_MS: u64 = 1_654_063_201_000;

fn parse(line: &str) -> Result<Option<Command<'_>>, LineError> {
    super::parse(line, Now { zone: &Zone::utc(), ms: NOW_MS })
}

fn asked(line: &str) -> Request<'_> {
    match parse(line) {
        Ok(Some(Command::Ask(request))) => request,
        other => panic!("{line:?} became {other:?}"),
    }
}

fn read(title: &str, range: Option<(u32, u32)>) -> Request<'_> {
    Request::ReadThread { title, range, after: None, at_most: None, last: None, unread: None }
}

fn refused(line: &str) -> String {
    parse(line).expect_err(line).to_string()
}

#[test]
fn every_word_becomes_its_command() {
    assert_eq!(asked("CRT 3331"), Request::CreateThread { title: "3331", key: None });
    assert_eq!(
        asked("MSG 3331 hello there"),
        Request::Post { title: "3331", text: "hello there", key: None }
    );
    assert_eq!(asked("DLT 3331 7"), Request::DeletePost { title: "3331", number: 7, id: None, key: None });
    assert_eq!(
        asked("EDT 3331 7 new"),
        Request::EditPost { title: "3331", number: 7, text: "new", id: None, key: None }
    );
    assert_eq!(asked("LST"), Request::ListThreads { after: None, at_most: None, unread: None });
    assert_eq!(asked("RDT 3331"), read("3331", None));
    assert_eq!(parse("UPD 3331 a/b.exe").unwrap(), Some(Command::Upload { title: "3331", path: "a/b.exe" }));
    assert_eq!(parse("DWN 3331 b.exe").unwrap(), Some(Command::Download { title: "3331", file: "b.exe" }));
    assert_eq!(asked("RMV 3331"), Request::RemoveThread { title: "3331", key: None });
    for word in ["XIT", "OUT", "logout"] {
        assert_eq!(asked(word), Request::LogOut);
    }
    assert_eq!(asked("message hans  hi "), Request::SendMessage { user: "hans", text: " hi ", key: None });
    assert_eq!(asked("broadcast hi  all"), Request::SendBroadcast { text: "hi  all" });
    assert_eq!(asked("whoelse"), Request::WhoElse { after: None, at_most: None });
    assert_eq!(asked("whoelsesince 90"), Request::WhoElseSince { seconds: 90, after: None, at_most: None });
    assert_eq!(asked("block hans"), Request::Block { user: "hans", key: None });
    assert_eq!(asked("unblock hans"), Request::Unblock { user: "hans", key: None });
    assert_eq!(asked("BCM  hi"), Request::PostToBoard { text: " hi", key: None });
    assert_eq!(asked("ATU"), Request::ListActive { after: None, at_most: None });
    for (line, users) in [("SRB hans luke", "hans luke"), ("SRB  hans  luke ", " hans  luke ")] {
        assert_eq!(asked(line), Request::CreateRoom { users, key: None });
    }
    assert_eq!(asked("SRM 1 hi  all"), Request::PostToRoom { room: 1, text: "hi  all", key: None });
    assert_eq!(asked("SRM one hi"), Request::PostToRoom { room: 0, text: "hi", key: None });
    for time in ["1 Jun 2022 05:50:01", " 2022-06-01T05:50:01Z  ", "10m"] {
        let later_than_ms = Some(NOW_MS - 600_000);
        let board = Request::ReadBoard { later_than_ms, after: None, at_most: None, from: None };
        assert_eq!(asked(&format!("RDM b {time}")), board);
        let rooms = Request::ReadRooms { later_than_ms, after: None, at_most: None, room: None, from: None };
        assert_eq!(asked(&format!("RDM s {time}")), rooms);
    }
    let search = |words, title| Request::Search { words, title, after: None, at_most: None };
    assert_eq!(asked("search the  force "), search("the  force", None));
    assert_eq!(asked("search the force in 3331"), search("the force", Some("3331")));
    assert_eq!(asked("search force  in  3331  "), search("force", Some("3331")));
    assert_eq!(asked("search come in"), search("come in", None));
    assert_eq!(asked("search in 3331"), search("", Some("3331")));
    let last = |last, range| Request::ReadThread {
        title: "t",
        range,
        after: None,
        at_most: None,
        last,
        unread: None,
    };
    assert_eq!(asked("RDT t -20"), last(Some(20), None));
    for none in ["-0", "-", "--1", "-x"] {
        assert_eq!(asked(&format!("RDT t {none}")), last(None, Some((0, 0))), "{none}");
    }
    assert_eq!(asked("SHT s3cret"), Request::ShutDown { password: "s3cret" });
    assert_eq!(asked("SHT  order 66 "), Request::ShutDown { password: " order 66 " });
    assert_eq!(parse("passwd").unwrap(), Some(Command::ChangePassword));
    assert_eq!(parse("help").unwrap(), Some(Command::Help(None)));
    assert_eq!(parse("help CRT").unwrap(), Some(Command::Help(Some("CRT"))));
}

#[test]
fn a_wrong_number_of_words_shows_the_usage_on_the_next_line() {
    for (line, word, usage) in [
        ("CRT", "CRT", "CRT title"),
        ("CRT a b", "CRT", "CRT title"),
        ("MSG", "MSG", "MSG title text"),
        ("MSG a", "MSG", "MSG title text"),
        ("MSG a    ", "MSG", "MSG title text"),
        ("DLT a", "DLT", "DLT title n"),
        ("DLT a 1 2", "DLT", "DLT title n"),
        ("EDT a", "EDT", "EDT title n text"),
        ("EDT a 1", "EDT", "EDT title n text"),
        ("EDT a 1  ", "EDT", "EDT title n text"),
        ("LST a", "LST", "LST"),
        ("RDT", "RDT", "RDT title [n[-m]|new|-k]"),
        ("RDT a 1 2", "RDT", "RDT title [n[-m]|new|-k]"),
        ("UPD a", "UPD", "UPD title file ..."),
        ("DWN", "DWN", "DWN title file ..."),
        ("RMV", "RMV", "RMV title"),
        ("RMV a b", "RMV", "RMV title"),
        ("XIT now", "XIT", "XIT"),
        ("OUT now", "OUT", "OUT"),
        ("logout now", "logout", "logout"),
        ("SHT", "SHT", "SHT password"),
        ("SHT  ", "SHT", "SHT password"),
        ("passwd a", "passwd", "passwd"),
        ("message", "message", "message user text"),
        ("message hans", "message", "message user text"),
        ("message hans  ", "message", "message user text"),
        ("broadcast", "broadcast", "broadcast text"),
        ("broadcast  ", "broadcast", "broadcast text"),
        ("whoelse hans", "whoelse", "whoelse"),
        ("whoelsesince", "whoelsesince", "whoelsesince seconds"),
        ("whoelsesince 1 2", "whoelsesince", "whoelsesince seconds"),
        ("block", "block", "block user"),
        ("block a b", "block", "block user"),
        ("unblock", "unblock", "unblock user"),
        ("BCM", "BCM", "BCM text"),
        ("ATU now", "ATU", "ATU"),
        ("SRB", "SRB", "SRB user [user ...]"),
        ("SRB  ", "SRB", "SRB user [user ...]"),
        ("SRM 1", "SRM", "SRM room text"),
        ("SRM 1  ", "SRM", "SRM room text"),
        ("RDM", "RDM", "RDM b|s timestamp"),
        ("RDM b", "RDM", "RDM b|s timestamp"),
        ("RDM s  ", "RDM", "RDM b|s timestamp"),
        ("RDM x 1 Jun 2022 16:01:20", "RDM", "RDM b|s timestamp"),
        ("RDM B 1 Jun 2022 16:01:20", "RDM", "RDM b|s timestamp"),
        ("RDM 1 Jun 2022 16:01:20", "RDM", "RDM b|s timestamp"),
        ("presence", "presence", "presence on|off"),
        ("presence maybe", "presence", "presence on|off"),
        ("presence on off", "presence", "presence on|off"),
        ("rooms 1", "rooms", "rooms"),
        ("watch", "watch", "watch title"),
        ("watch a b", "watch", "watch title"),
        ("unwatch", "unwatch", "unwatch title"),
        ("help a b", "help", "help [command]"),
    ] {
        assert_eq!(refused(line), format!("Incorrect syntax for {word}\nUsage: {usage}"), "{line:?}");
    }
}

#[test]
fn every_row_refuses_too_few_or_too_many_words() {
    for row in COMMANDS {
        let line = row.wrong_line();
        assert_eq!(
            refused(&line),
            format!("Incorrect syntax for {}\nUsage: {}", row.word, row.usage()),
            "{line:?}"
        );
    }
}

#[test]
fn unknown_words_are_told_apart_by_case() {
    assert_eq!(refused("whatever it is"), "Error. Invalid command");
    for line in ["crt1 a", "Lst", "XYZ", "1", "/help", "über"] {
        assert_eq!(refused(line), "Invalid command", "{line:?}");
    }
    assert_eq!(refused("crt a"), "Error. Invalid command");
}

#[test]
fn a_line_without_a_word_asks_for_nothing() {
    assert_eq!(parse("").unwrap(), None);
    assert_eq!(parse("   ").unwrap(), None);
}

#[test]
fn spaces_around_words_do_not_matter() {
    assert_eq!(asked("  CRT   a  "), Request::CreateThread { title: "a", key: None });
    assert_eq!(asked(" DLT  a   3 "), Request::DeletePost { title: "a", number: 3, id: None, key: None });
    assert_eq!(asked("LST  "), Request::ListThreads { after: None, at_most: None, unread: None });
}

#[test]
fn a_text_is_verbatim_behind_the_one_space() {
    assert_eq!(
        asked("MSG  a   two  spaces "),
        Request::Post { title: "a", text: "  two  spaces ", key: None }
    );
    assert_eq!(asked("MSG a \t"), Request::Post { title: "a", text: "\t", key: None });
    assert_eq!(
        asked("EDT a 1  x "),
        Request::EditPost { title: "a", number: 1, text: " x ", id: None, key: None }
    );
}

#[test]
fn a_word_that_is_no_number_is_sent_as_zero() {
    for word in ["x", "+5", "-1", "1.0", "4294967296", "٣"] {
        let line = format!("DLT a {word}");
        assert_eq!(
            asked(&line),
            Request::DeletePost { title: "a", number: 0, id: None, key: None },
            "{word}"
        );
    }
    assert_eq!(
        asked("DLT a 4294967295"),
        Request::DeletePost { title: "a", number: u32::MAX, id: None, key: None }
    );
    assert_eq!(
        asked("EDT a 1x y"),
        Request::EditPost { title: "a", number: 0, text: "y", id: None, key: None }
    );
}

#[test]
fn ranges_are_one_message_or_both_ends() {
    for (word, wanted) in [
        ("5", (5, 5)),
        ("5-9", (5, 9)),
        ("9-5", (9, 5)),
        ("5-", (0, 0)),
        ("-", (0, 0)),
        ("5-9-11", (0, 0)),
        ("a-b", (0, 0)),
        ("4-99999999999", (4, u32::MAX)),
        ("99999999999", (u32::MAX, u32::MAX)),
        ("+1", (0, 0)),
    ] {
        let line = format!("RDT a {word}");
        assert_eq!(asked(&line), read("a", Some(wanted)), "{word}");
    }
}

#[test]
fn lines_with_a_secret_are_not_kept() {
    for line in ["SHT s3cret", "  SHT s3cret", "sht s3cret", "SHT"] {
        assert!(!may_be_kept(line), "{line:?}");
    }
    assert!(may_be_kept("MSG SHT s3cret"));
    assert!(may_be_kept("passwd"));
}

#[test]
fn answers_to_questions_are_not_kept() {
    assert!(!may_be_kept("y") && !may_be_kept("n"));
    assert!(may_be_kept("yes"));
}

#[test]
fn what_is_said_privately_is_everything_after_the_one_space() {
    let parsed = |line| parse(line).unwrap().unwrap();
    assert_eq!(parsed("private hans  a  b "), Command::Private { user: "hans", text: " a  b " });
    assert_eq!(parsed("startprivate hans"), Command::StartPrivate { user: "hans" });
    assert_eq!(parsed("stopprivate hans "), Command::StopPrivate { user: "hans" });
    assert_eq!(parsed("UDP hans a/b.txt"), Command::SendFile { user: "hans", path: "a/b.txt" });
    for line in
        ["private hans", "private hans ", "startprivate", "startprivate a b", "UDP hans", "UDP hans  "]
    {
        assert!(parse(line).is_err(), "{line:?}");
    }
}

#[test]
fn help_explains_every_command() {
    let all = help(None).unwrap();
    assert!(all.len() < 24, "higher than a terminal: {all:#?}");
    for line in &all {
        assert!(line.len() < 80, "wider than a terminal: {line}");
    }
    for row in COMMANDS {
        assert!(all.iter().any(|line| line.contains(&format!("  {}", row.usage()))), "{row:?}");
        let usage = format!("Usage: {}", row.usage());
        assert_eq!(help(Some(row.word)).unwrap(), [usage, format!("{}: {}", row.word, row.help)]);
    }
    assert_eq!(help(Some("CRT")).unwrap(), ["Usage: CRT title", "CRT: open a thread"]);
    assert_eq!(help(Some("CRY")).unwrap_err().to_string(), "Invalid command");
}

#[test]
fn a_word_that_is_nearly_one_is_recognised() {
    for (word, meant) in [
        ("rdt", Some("RDT")),
        ("exit", Some("XIT")),
        ("quit", Some("XIT")),
        ("/msg", Some("MSG")),
        ("Message", Some("message")),
        ("mesage", Some("message")),
        ("brodcast", Some("broadcast")),
        ("unblok", Some("unblock")),
        ("xyzzy", None),
        ("RDX", None),
        ("/", None),
        ("grüße", None),
    ] {
        assert_eq!(near(word), meant, "{word}");
    }
}

#[test]
fn the_full_prompt_names_known_words_only() {
    let list = prompts::FULL.split_once(": ").unwrap().1.trim_end_matches(": ");
    for word in list.split(", ") {
        assert!(row(word).is_ok(), "{word}");
    }
}

#[test]
fn what_has_no_place_on_the_wire_is_refused_here() {
    for (line, rejection) in [
        ("whoelsesince 1.5", Rejection::InvalidNumber),
        ("whoelsesince -1", Rejection::InvalidNumber),
        ("whoelsesince ten", Rejection::InvalidNumber),
        ("RDM b yesterday", Rejection::InvalidTimestamp),
        ("RDM s 31 Jun 2022 16:00:01", Rejection::InvalidTimestamp),
        ("RDM  s  x y ", Rejection::InvalidTimestamp),
        ("RDM b #", Rejection::InvalidTimestamp),
        ("RDM b 1 #1", Rejection::InvalidTimestamp),
        ("RDM s #1", Rejection::InvalidTimestamp),
        ("RDM s 1 #1 2", Rejection::InvalidTimestamp),
    ] {
        assert_eq!(parse(line), Err(LineError::Rejected(rejection)), "{line}");
    }
    let seconds = u64::MAX;
    let since = Request::WhoElseSince { seconds, after: None, at_most: None };
    assert_eq!(asked("whoelsesince 99999999999999999999999"), since);
}

#[test]
fn every_request_that_people_make_has_its_word() {
    let word = |line| word_of(&asked(line));
    assert_eq!(word("CRT a"), Some("CRT"));
    assert_eq!((word("OUT"), word("logout")), (Some("XIT"), Some("XIT")));
    assert_eq!((word("RDM b 1m"), word("RDM s 1m")), (Some("RDM"), Some("RDM")));
    assert_eq!(word_of(&Request::Active), None);
    let offer = Request::OfferFile { user: "hans", size: 1, file: "a" };
    assert_eq!(word_of(&offer), Some("UDP"));
}

#[test]
fn several_files_are_one_command_for_each() {
    let parsed = |line| parse(line).unwrap().unwrap();
    assert_eq!(parsed("UPD t a  b "), Command::Each { word: "UPD", to: "t", files: "a  b " });
    assert_eq!(parsed("DWN t a b"), Command::Each { word: "DWN", to: "t", files: "a b" });
    assert_eq!(parsed("UDP hans a b"), Command::Each { word: "UDP", to: "hans", files: "a b" });
    assert_eq!(parsed("DWN t  a "), Command::Download { title: "t", file: "a" });
}
