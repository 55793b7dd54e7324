//! Links: who may ask whom, and what becomes of a question. What comes of a yes is in the modules below.

mod limits;
mod meeting;
mod relay;

use super::*;
use crate::forum::{MEETING_MAX_MS, QUESTION_OPEN_MS};

const MEETING_MAX: Duration = Duration::from_millis(MEETING_MAX_MS);
const QUESTION_OPEN: Duration = Duration::from_millis(QUESTION_OPEN_MS);

const NOTHING: [&str; 0] = [];
const PORT: u16 = 7_000;

impl Stage {
    /// A user who takes files at [`PORT`] of this address.
    fn user_at(&mut self, name: &str, address: &str) -> Client {
        let client = self.connect_from(address);
        self.sign_up_on(client, name, PORT)
    }

    fn user(&mut self, name: &str) -> Client {
        self.user_at(name, "127.0.0.1:1")
    }

    /// Sends a request about a link, with tag 9, and returns everything that is answered.
    fn link(&mut self, client: &mut Client, request: &Request<'_>) -> Vec<String> {
        client.send(9, request);
        self.settle(client);
        client.answers()
    }
}

impl Client {
    fn expect(&mut self, notices: &[Notice<'_>]) {
        assert_eq!(self.answers(), shown(notices));
    }

    /// The end that waited is given the token, and told that the link goes through the server.
    fn expect_relayed(&mut self, link: forum_common::wire::LinkId) {
        let heard = self.answers();
        let introduction = format!("LinkIntroduction {{ link: {link}, token: [");
        assert!(
            heard[0].starts_with(&introduction) && heard[0].ends_with(", address: \"\", port: 0 }"),
            "{heard:?}"
        );
        assert_eq!(heard[1..], shown(&[Notice::LinkEstablished { link, relayed: true }]));
    }
}

fn shown(notices: &[Notice<'_>]) -> Vec<String> {
    notices.iter().map(|notice| short(&format!("{notice:?}"))).collect()
}

fn private(user: &str) -> Request<'_> {
    Request::AskPrivate { user, enabled: false }
}

fn file(user: &str) -> Request<'_> {
    Request::OfferFile { user, size: 1_234, file: "a.txt" }
}

fn yes(link: u64) -> Request<'static> {
    Request::AnswerQuestion { link, yes: true }
}

fn no(link: u64) -> Request<'static> {
    Request::AnswerQuestion { link, yes: false }
}

fn asked(link: u64, text: &str) -> String {
    format!("9 Asked {{ link: {link}, text: {text:?} }}")
}

fn asked_privately(link: u64, user: &str) -> String {
    asked(link, &format!("Start private messaging with {user}"))
}

fn refused_link(code: Refusal, text: &str) -> [String; 1] {
    [refused(9, code, text)]
}

#[test]
fn a_question_reaches_the_one_who_is_asked_and_nobody_else() {
    let mut stage = stage(&[]);
    let (mut yoda, mut hans, mut leia) = (stage.user("yoda"), stage.user("hans"), stage.user("leia"));
    assert_eq!(stage.link(&mut yoda, &private("hans")), [asked_privately(1, "hans")]);
    assert_eq!(stage.link(&mut yoda, &file("hans")), [asked(2, "")]);
    hans.expect(&[
        Notice::PrivateQuestion { link: 1, from: "yoda" },
        Notice::FileQuestion { link: 2, from: "yoda", size: 1_234, file: "a.txt" },
    ]);
    leia.expect(&[]);
}

#[test]
fn only_the_one_who_was_asked_answers_and_a_no_is_a_no() {
    let mut stage = stage(&[]);
    let (mut yoda, mut hans, mut leia) = (stage.user("yoda"), stage.user("hans"), stage.user("leia"));
    stage.link(&mut yoda, &private("hans"));
    hans.answers();
    for link in [0, 1, 2, u64::MAX] {
        assert_eq!(stage.link(&mut leia, &yes(link)), NOTHING);
        assert_eq!(stage.link(&mut yoda, &yes(link)), NOTHING);
    }
    assert_eq!(stage.link(&mut hans, &no(1)), NOTHING);
    yoda.expect(&[Notice::QuestionDeclined { link: 1 }]);
    assert_eq!(stage.link(&mut hans, &yes(1)), NOTHING, "it has said no");
    yoda.expect(&[]);
    // A no is no block: the next question gets through, under a number of its own.
    assert_eq!(stage.link(&mut yoda, &private("hans")), [asked_privately(2, "hans")]);
}

#[test]
fn what_cant_be_asked_is_refused_for_the_first_reason_that_applies() {
    let mut stage = stage(&[]);
    let (mut yoda, mut foe, gone) = (stage.user("yoda"), stage.user("foe"), stage.user("gone"));
    stage.ask(&mut foe, 4, &Request::Block { user: "yoda", key: None });
    stage.cut(&gone);
    let blocked = "Your message could not be delivered as the recipient has blocked you";
    for (user, code, text) in [
        ("bad name", Refusal::InvalidName, "Invalid name"),
        ("yoda", Refusal::NotToSelf, "Error. Cannot message self"),
        ("nobody", Refusal::InvalidUser, "Error. Invalid user"),
        ("foe", Refusal::BlockedByUser, blocked),
        ("gone", Refusal::Offline, "Error. gone is offline"),
    ] {
        let request = Request::AskPrivate { user, enabled: true };
        assert_eq!(stage.link(&mut yoda, &request), refused_link(code, text), "{user}");
    }
    // A block is told before an absence.
    stage.cut(&foe);
    assert_eq!(stage.link(&mut yoda, &private("foe")), refused_link(Refusal::BlockedByUser, blocked));
    for (user, file, code, text) in [
        ("bad name", "-bad", Refusal::InvalidName, "Invalid name"),
        ("yoda", "-bad", Refusal::InvalidName, "Invalid name"),
        ("yoda", "a/b", Refusal::InvalidName, "Invalid name"),
        ("yoda", "f", Refusal::NotToSelf, "Error. Cannot send to self"),
        ("nobody", "f", Refusal::InvalidUser, "Error. Invalid user"),
        ("foe", "f", Refusal::BlockedByUser, blocked),
        ("gone", "f", Refusal::Offline, "gone is offline"),
    ] {
        let request = Request::OfferFile { user, size: 0, file };
        assert_eq!(stage.link(&mut yoda, &request), refused_link(code, text), "{user} {file}");
    }
    assert!(stage.server.core.forum.links.is_empty());
}

#[test]
fn a_private_link_that_is_there_is_not_asked_for_again() {
    let mut stage = stage(&[]);
    let (mut yoda, mut hans) = (stage.user("yoda"), stage.user("hans"));
    let already = refused_link(Refusal::AlreadyPrivate, "Error. Private messaging to hans already enabled");
    let enabled = Request::AskPrivate { user: "hans", enabled: true };
    assert_eq!(stage.link(&mut yoda, &enabled), already, "the client knows of one that the server doesn't");
    stage.link(&mut yoda, &private("hans"));
    stage.link(&mut hans, &yes(1));
    assert_eq!(stage.link(&mut yoda, &private("hans")), already, "while it is being made");
    let already = refused_link(Refusal::AlreadyPrivate, "Error. Private messaging to yoda already enabled");
    assert_eq!(stage.link(&mut hans, &private("yoda")), already, "from either side");
    stage.pass(MEETING_MAX);
    hans.answers();
    assert_eq!(stage.link(&mut hans, &private("yoda")), already, "and when it stands");
}

#[test]
fn asking_again_is_answered_alike_and_asks_nobody_twice() {
    let mut stage = stage(&[]);
    let (mut yoda, mut hans) = (stage.user("yoda"), stage.user("hans"));
    for _ in 0..3 {
        assert_eq!(stage.link(&mut yoda, &private("hans")), [asked_privately(1, "hans")]);
    }
    hans.expect(&[Notice::PrivateQuestion { link: 1, from: "yoda" }]);
    // Files are different: each is a question of its own.
    assert_eq!(stage.link(&mut yoda, &file("hans")), [asked(2, "")]);
    assert_eq!(stage.link(&mut yoda, &file("hans")), [asked(3, "")]);
}

#[test]
fn two_who_ask_each_other_have_both_said_yes() {
    let mut stage = stage(&[]);
    let (mut yoda, mut hans) = (stage.user("yoda"), stage.user("hans"));
    stage.link(&mut yoda, &private("hans"));
    hans.answers();
    let heard = stage.link(&mut hans, &private("yoda"));
    assert_eq!(heard[..2], [asked_privately(1, "yoda"), "QuestionWithdrawn { link: 1 }".into()]);
    assert!(heard.len() == 3 && heard[2].starts_with("PrepareLink { link: 1"), "{heard:?}");
    yoda.expect(&[]);
    assert_eq!(stage.link(&mut hans, &no(1)), NOTHING, "nothing is open any more");
    stage.link(&mut hans, &Request::LinkListening { link: 1, port: 0 });
    hans.expect(&[]);
    yoda.expect_relayed(1);
}

#[test]
fn an_offer_of_a_file_is_no_yes_to_another() {
    let mut stage = stage(&[]);
    let (mut yoda, mut hans) = (stage.user("yoda"), stage.user("hans"));
    stage.link(&mut yoda, &file("hans"));
    hans.answers();
    assert_eq!(stage.link(&mut hans, &file("yoda")), [asked(2, "")]);
    assert_eq!(stage.link(&mut hans, &private("yoda")), [asked_privately(3, "yoda")]);
}

#[test]
fn a_question_without_an_answer_is_a_no_after_a_minute() {
    let mut stage = stage(&[]);
    let (mut yoda, mut hans) = (stage.user("yoda"), stage.user("hans"));
    stage.link(&mut yoda, &private("hans"));
    hans.answers();
    stage.pass(QUESTION_OPEN - Duration::from_secs(1));
    yoda.expect(&[]);
    assert!(stage.server.idle_for().is_some_and(|idle| idle <= Duration::from_secs(1)));
    stage.pass(Duration::from_secs(1));
    yoda.expect(&[Notice::QuestionDeclined { link: 1 }]);
    hans.expect(&[Notice::QuestionWithdrawn { link: 1 }]);
    assert_eq!(stage.link(&mut hans, &yes(1)), NOTHING, "too late");
    yoda.expect(&[]);
}

#[test]
fn a_question_may_be_taken_back_and_ending_it_is_a_no() {
    let mut stage = stage(&[]);
    let (mut yoda, mut hans) = (stage.user("yoda"), stage.user("hans"));
    for (link, request) in [(1, private("hans")), (2, file("hans"))] {
        stage.link(&mut yoda, &request);
        hans.answers();
        stage.link(&mut yoda, &Request::EndLink { link, stopped: false });
        hans.expect(&[Notice::QuestionWithdrawn { link }]);
    }
    for (link, request) in [(3, private("hans")), (4, file("hans"))] {
        stage.link(&mut yoda, &request);
        stage.link(&mut hans, &Request::EndLink { link, stopped: true });
        yoda.expect(&[Notice::QuestionDeclined { link }]);
    }
    assert!(stage.server.core.forum.links.is_empty());
}

#[test]
fn questions_of_who_leaves_are_withdrawn_and_those_to_it_answered() {
    let mut stage = stage(&[]);
    let (mut yoda, mut hans) = (stage.user("yoda"), stage.user("hans"));
    stage.link(&mut yoda, &private("hans"));
    stage.link(&mut yoda, &file("hans"));
    stage.link(&mut hans, &file("yoda"));
    yoda.answers();
    hans.answers();
    stage.ask(&mut yoda, 4, &Request::LogOut);
    let mut heard = shown(&[
        Notice::QuestionWithdrawn { link: 1 },
        Notice::QuestionWithdrawn { link: 2 },
        Notice::LinkEnded { link: 3, stopped: false },
    ]);
    heard.push("LoggedOut { name: \"yoda\" }".into());
    assert_eq!(hans.heard(), heard, "and only then that it has gone");

    let mut leia = stage.user("leia");
    stage.link(&mut hans, &private("leia"));
    leia.answers();
    stage.cut(&leia);
    hans.expect(&[Notice::QuestionDeclined { link: 4 }]);
    assert!(stage.server.core.forum.links.is_empty());
}

#[test]
fn nobody_is_asked_by_a_user_whose_coming_it_has_not_heard_of() {
    let mut stage = stage(&[]);
    let mut hans = stage.user("hans");
    // So many that the next who comes is told with a delay.
    let _others: Vec<_> = (0..20).map(|n| stage.user(&format!("u{n}"))).collect();
    hans.heard();
    let mut yoda = stage.connect();
    yoda.send_sign_up("yoda", NO_PORT);
    yoda.send(4, &private("hans"));
    stage.settle(&yoda);
    let heard = hans.heard();
    let last = ["LoggedIn { name: \"yoda\" }", "PrivateQuestion { link: 1, from: \"yoda\" }"];
    assert_eq!(heard[heard.len().saturating_sub(2)..], last);
}

#[test]
fn before_the_welcome_there_are_no_links() {
    let mut stage = stage(&[]);
    let mut guest = stage.connect();
    let heard = stage.link(&mut guest, &Request::LinkReached { link: 1 }).concat();
    assert!(heard.contains("Wrong phase: log in first"), "{heard}");
}

#[test]
fn a_block_that_comes_later_changes_nothing() {
    let mut stage = stage(&[]);
    let (mut yoda, mut hans) = (stage.user("yoda"), stage.user("hans"));
    stage.link(&mut yoda, &private("hans"));
    hans.answers();
    stage.ask(&mut hans, 4, &Request::Block { user: "yoda", key: None });
    stage.link(&mut hans, &yes(1));
    stage.link(&mut hans, &Request::LinkListening { link: 1, port: 0 });
    yoda.expect_relayed(1);
    hans.answers();
    let text = Request::RelaySealed { link: 1, ciphertext: b"hello" };
    assert_eq!(stage.link(&mut yoda, &text), [done(9, "")]);
    hans.expect(&[Notice::RelayedSealed { link: 1, ciphertext: b"hello" }]);
    stage.link(&mut hans, &Request::EndLink { link: 1, stopped: true });
    yoda.expect(&[Notice::LinkEnded { link: 1, stopped: true }]);
    let blocked = "Your message could not be delivered as the recipient has blocked you";
    assert_eq!(stage.link(&mut yoda, &private("hans")), refused_link(Refusal::BlockedByUser, blocked));
}

#[test]
fn a_server_that_ends_says_goodbye_and_nothing_of_links() {
    let mut stage = stage(&[]);
    let (mut yoda, mut hans) = (stage.user("yoda"), stage.user("hans"));
    stage.link(&mut yoda, &private("hans"));
    stage.link(&mut hans, &file("yoda"));
    yoda.answers();
    hans.answers();
    stage.server.shut_down();
    stage.pass(QUESTION_OPEN);
    let goodbye = "Closing { code: ShuttingDown, text: \"Goodbye. Server shutting down\" }";
    assert_eq!(yoda.answers(), [goodbye]);
    assert_eq!(hans.answers(), [goodbye]);
}
