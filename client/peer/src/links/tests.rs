//! Two users and no server: what the server would say is said by the test. The sockets between the two are
//! real.

mod files;
mod relayed;

use std::fs::{self, File};
use std::net::IpAddr;
use std::time::Duration;

use forum_common::text::lines;
use forum_common::wire::{Key, OwnedRequest};
use rustix::event::{Timespec, poll};
use tempfile::TempDir;

use super::*;
use crate::Report;
use crate::folder::OnClash;
use crate::noise::{Purpose, Secret};
use crate::original::Source;
use crate::private::Way;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const TOKEN: Key = [9; 16];
const LINK: LinkId = 7;
const RELAY_ROOM: usize = 256 << 10;

/// A user with a client, of which all is there but the loop.
struct Party {
    links: Links,
    reports: VecDeque<Report>,
    directory: TempDir,
    now: Instant,
}

impl Party {
    fn new(accept: Accept) -> Self {
        let directory = TempDir::new().unwrap();
        let folder = Folder { path: directory.path().to_owned(), on_clash: OnClash::Refuse };
        let mut links = Links::new(accept, folder);
        assert_ne!(links.settle_at(HERE, 0).unwrap(), 0);
        Self { links, reports: VecDeque::new(), directory, now: Instant::now() }
    }

    fn with<R>(&mut self, act: impl FnOnce(&mut Links, &mut Context<'_>) -> R) -> R {
        act(&mut self.links, &mut Context::new(self.now, RELAY_ROOM, &mut self.reports))
    }

    /// Takes those reports out for which `pick` has something; the others stay.
    fn picked<T>(&mut self, mut pick: impl FnMut(&Report) -> Option<T>) -> Vec<T> {
        let mut picked = Vec::new();
        self.reports.retain(|report| match pick(report) {
            Some(it) => {
                picked.push(it);
                false
            }
            None => true,
        });
        picked
    }

    fn hear(&mut self, notice: &Notice<'_>) {
        self.with(|links, context| links.noticed(notice, context));
    }

    /// What was said to the user since the last look.
    fn printed(&mut self) -> Vec<String> {
        self.picked(|report| match report {
            Report::Say(line) => Some(line.clone()),
            Report::PrivateText { from, text } => Some(lines::private(from, text)),
            _ => None,
        })
    }

    /// What was sent to the server since the last look.
    fn sent(&mut self) -> Vec<String> {
        let said = said(self);
        said.iter().map(|request| format!("{:?}", request.as_ref())).collect()
    }

    fn say(&mut self, user: &str, text: &str) -> Way {
        self.links.privates.say(user, text)
    }

    fn refuses_to_say(&mut self, user: &str) {
        let text = format!("Error. Private messaging to {user} not enabled");
        match self.say(user, "x") {
            Way::Refused(rejection) => assert_eq!(rejection.to_string(), text),
            other => panic!("{other:?}"),
        }
    }

    /// Attends to the sockets until the condition holds.
    fn attend_until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        let give_up = Instant::now() + Duration::from_secs(60);
        while !holds(self) {
            assert!(Instant::now() < give_up, "waited in vain for {what}");
            let mut fds = Vec::new();
            self.links.poll_fds(&mut fds);
            let _ = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 10_000_000 }));
            self.with(|links, context| links.attend(context));
        }
    }

    fn hears(&mut self, line: &str) {
        self.attend_until(line, |party| {
            let printed = party.printed();
            assert!(printed.iter().all(|heard| heard == line), "{printed:?} instead of {line}");
            !printed.is_empty()
        });
    }
}

/// What a user has said to the server since the last look.
fn said(party: &mut Party) -> Vec<OwnedRequest> {
    party.picked(|report| match report {
        Report::Tell(request) => Some(request.clone()),
        _ => None,
    })
}

/// yoda has asked hans, and a session stands between the two, directly.
fn couple() -> (Party, Party) {
    let (mut yoda, mut hans) = (Party::new(Accept::Ask), Party::new(Accept::Ask));
    yoda.links.privates.asked(LINK, "hans");
    hans.hear(&Notice::PrivateQuestion { link: LINK, from: "yoda" });
    assert_eq!(hans.printed(), ["yoda would like to private message, enter y or n: "]);
    hans.with(|links, context| links.answer(true, context));
    assert_eq!(hans.sent(), ["AnswerQuestion { link: 7, yes: true }"]);
    hans.hear(&Notice::PrepareLink { link: LINK, token: TOKEN });
    let [listening] = &hans.sent()[..] else { panic!("no port") };
    let port = listening.split("port: ").nth(1).unwrap().trim_end_matches(" }").parse().unwrap();
    yoda.hear(&Notice::LinkIntroduction { link: LINK, token: TOKEN, address: "127.0.0.1", port });
    let (mut yoda_is_up, mut hans_is_up) = (false, false);
    let up = ["LinkReached { link: 7 }".to_owned()];
    yoda.attend_until("both to be up", |yoda| {
        hans.with(|links, context| links.attend(context));
        yoda_is_up |= yoda.sent() == up;
        hans_is_up |= hans.sent() == up;
        yoda_is_up && hans_is_up
    });
    yoda.refuses_to_say("hans");
    for party in [&mut hans, &mut yoda] {
        party.hear(&Notice::LinkEstablished { link: LINK, relayed: false });
    }
    assert_eq!(yoda.printed(), ["hans accepts private messaging"]);
    assert_eq!(hans.printed(), [""; 0]);
    (yoda, hans)
}

#[test]
fn both_talk_once_it_stands_and_a_stop_ends_it_for_both() {
    let (mut yoda, mut hans) = couple();
    assert_eq!(yoda.say("hans", "hello  there"), Way::Gone);
    hans.hears("yoda(private): hello  there");
    assert_eq!(hans.say("yoda", "hi"), Way::Gone);
    yoda.hears("hans(private): hi");
    yoda.with(|links, context| links.privates.stop("hans", context)).unwrap();
    assert_eq!(yoda.sent(), ["EndLink { link: 7, stopped: true }"]);
    yoda.refuses_to_say("hans");
    hans.hears("yoda stopped private messaging");
    // So hans may ask for another session at once, wherever yoda's word to the server is.
    assert_eq!(hans.sent(), ["EndLink { link: 7, stopped: false }"]);
    hans.refuses_to_say("yoda");
}

#[test]
fn what_was_said_last_comes_before_the_end_whatever_the_server_says_first() {
    let (mut yoda, mut hans) = couple();
    assert_eq!(yoda.say("hans", "last words"), Way::Gone);
    yoda.with(|links, context| links.hang_up(context));
    hans.hear(&Notice::LinkEnded { link: LINK, stopped: false });
    hans.with(|links, context| links.logged_out("yoda", context));
    assert_eq!(hans.printed(), ["yoda(private): last words"]);
    hans.refuses_to_say("yoda");
    hans.attend_until("the end", |hans| !hans.links.is_busy());
    assert_eq!(hans.printed(), [""; 0]);
}

#[test]
fn a_stop_right_before_the_log_out_is_told_before_it() {
    let (mut yoda, mut hans) = couple();
    assert_eq!(yoda.say("hans", "that is all"), Way::Gone);
    yoda.with(|links, context| links.privates.stop("hans", context)).unwrap();
    hans.with(|links, context| links.logged_out("yoda", context));
    assert_eq!(hans.printed(), ["yoda(private): that is all", "yoda stopped private messaging"]);
    hans.refuses_to_say("yoda");
}

#[test]
fn a_line_that_ends_without_a_word_is_told_unless_the_user_has_logged_out() {
    for logs_out in [true, false] {
        let (yoda, mut hans) = couple();
        drop(yoda);
        hans.attend_until("the end of the line", |hans| !hans.links.privates.is_enabled("yoda"));
        assert_eq!(hans.sent(), ["EndLink { link: 7, stopped: false }"]);
        assert_eq!(hans.printed(), [""; 0]);
        if logs_out {
            hans.with(|links, context| links.logged_out("yoda", context));
        }
        hans.now += Duration::from_secs(3);
        hans.with(|links, context| links.attend(context));
        let told: &[&str] = match logs_out {
            true => &[],
            false => &["Private messaging with yoda has ended: the connection is gone"],
        };
        assert_eq!(hans.printed(), told);
    }
}

#[test]
fn what_stands_directly_outlives_the_server_and_what_does_not_is_told() {
    let (mut yoda, mut hans) = couple();
    hans.links.privates.asked(8, "luke");
    hans.links.privates.asked(9, "leia");
    hans.hear(&Notice::PrepareLink { link: 9, token: TOKEN });
    hans.hear(&Notice::LinkEstablished { link: 9, relayed: true });
    let first = Secret::new(&TOKEN, 9, Purpose::Relayed).begin().unwrap().write(&[]).unwrap();
    hans.hear(&Notice::RelayedDatagram { link: 9, datagram: &first });
    hans.hear(&Notice::PrivateQuestion { link: 10, from: "obi" });
    assert_eq!(hans.printed().len(), 3);
    hans.with(|links, context| links.disconnected(context));
    let told = [
        "Private messaging to luke could not be set up",
        "Private messaging with leia has ended: the connection is gone",
    ];
    assert_eq!(hans.printed(), told);
    assert!(hans.links.questions() == 0);
    assert_eq!(hans.say("yoda", "still here"), Way::Gone);
    yoda.hears("hans(private): still here");
    // The next server counts its links from the beginning.
    hans.hear(&Notice::LinkEnded { link: LINK, stopped: true });
    assert_eq!(yoda.say("hans", "me too"), Way::Gone);
    hans.hears("yoda(private): me too");
}

#[test]
fn a_yes_that_comes_to_nothing_is_told_to_who_has_asked_and_to_nobody_else() {
    for has_asked in [true, false] {
        let mut yoda = Party::new(Accept::Ask);
        match has_asked {
            true => yoda.links.privates.asked(LINK, "hans"),
            false => yoda.links.privates.agreed(LINK, "hans"),
        }
        yoda.hear(&Notice::PrepareLink { link: LINK, token: TOKEN });
        yoda.hear(&Notice::LinkEnded { link: LINK, stopped: false });
        let told: &[&str] = if has_asked { &["Private messaging to hans could not be set up"] } else { &[] };
        assert_eq!(yoda.printed(), told);
        yoda.refuses_to_say("hans");
    }
}

#[test]
fn questions_are_answered_oldest_first_and_withdrawn_ones_not_at_all() {
    let mut hans = Party::new(Accept::Ask);
    for (link, from) in [(1, "yoda"), (2, "luke"), (3, "leia")] {
        hans.hear(&Notice::PrivateQuestion { link, from });
    }
    hans.hear(&Notice::QuestionWithdrawn { link: 1 });
    hans.hear(&Notice::QuestionWithdrawn { link: 99 });
    hans.with(|links, context| links.answer(false, context));
    hans.with(|links, context| links.answer(true, context));
    assert_eq!(
        hans.sent(),
        ["AnswerQuestion { link: 2, yes: false }", "AnswerQuestion { link: 3, yes: true }"]
    );
    assert!(hans.links.questions() == 0);
    hans.with(|links, context| links.answer(true, context));
    assert_eq!(hans.sent(), [""; 0]);
}

#[test]
fn one_question_too_many_is_a_no() {
    let mut hans = Party::new(Accept::Ask);
    for link in 1..=QUESTIONS_MAX as LinkId + 1 {
        hans.hear(&Notice::PrivateQuestion { link, from: "yoda" });
    }
    assert_eq!(hans.printed().len(), QUESTIONS_MAX);
    assert_eq!(hans.sent(), [format!("AnswerQuestion {{ link: {}, yes: false }}", QUESTIONS_MAX + 1)]);
}

#[test]
fn who_has_decided_beforehand_is_not_asked() {
    for (accept, yes) in [(Accept::Always, true), (Accept::Never, false)] {
        let mut hans = Party::new(accept);
        hans.hear(&Notice::PrivateQuestion { link: 1, from: "yoda" });
        hans.hear(&Notice::FileQuestion { link: 2, from: "yoda", size: 3, file: "f" });
        assert_eq!(hans.printed(), [""; 0]);
        let answers = [1, 2].map(|link| format!("AnswerQuestion {{ link: {link}, yes: {yes} }}"));
        assert_eq!(hans.sent(), answers);
    }
}

#[test]
fn what_the_server_says_of_links_that_nobody_knows_has_no_effect() {
    let mut hans = Party::new(Accept::Ask);
    for notice in [
        Notice::LoggedIn { name: "yoda" },
        Notice::QuestionWithdrawn { link: 1 },
        Notice::QuestionDeclined { link: 1 },
        Notice::PrepareLink { link: 1, token: TOKEN },
        Notice::LinkIntroduction { link: 1, token: TOKEN, address: "127.0.0.1", port: 1 },
        Notice::LinkIntroduction { link: 1, token: TOKEN, address: "nonsense", port: 1 },
        Notice::LinkEstablished { link: 1, relayed: true },
        Notice::LinkEstablished { link: 1, relayed: false },
        Notice::LinkEnded { link: 1, stopped: true },
        Notice::RelayedSealed { link: 1, ciphertext: b"x" },
        Notice::RelayedDatagram { link: 1, datagram: &[0; 100] },
    ] {
        hans.hear(&notice);
    }
    assert_eq!((hans.printed(), hans.sent()), (vec![], vec![]));
}

#[test]
fn a_door_that_is_not_needed_any_more_is_closed() {
    let mut hans = Party::new(Accept::Always);
    hans.hear(&Notice::PrivateQuestion { link: LINK, from: "yoda" });
    hans.hear(&Notice::PrepareLink { link: LINK, token: TOKEN });
    let port: u16 = hans.sent()[1].split("port: ").nth(1).unwrap().trim_end_matches(" }").parse().unwrap();
    drop(std::net::TcpStream::connect((HERE, port)).expect("it is open"));
    hans.hear(&Notice::LinkEstablished { link: LINK, relayed: true });
    let refused = std::net::TcpStream::connect((HERE, port)).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}
