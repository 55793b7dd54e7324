//! A log-in whose server is the test.

use forum_common::wire::{Input, LimitListBuf, OwnedReply};

use super::*;

struct Scene {
    login: Login,
    server: Server,
}

fn hello(version: u16, zone: &str) -> OwnedReply {
    hello_with("", version, zone)
}

fn hello_with(features: &str, version: u16, zone: &str) -> OwnedReply {
    OwnedReply::ServerHello {
        version,
        server: "script".into(),
        features: features.into(),
        limits: LimitListBuf::default(),
        zone: zone.into(),
        now_ms: 1_654_063_201_000,
        servers: None,
    }
}

impl Scene {
    fn new(known: Known) -> Self {
        Self::greeted(known, TakeOver::Ask, "")
    }

    /// In front of a person.
    fn asking_again(known: Known) -> Self {
        Self::with(known, TakeOver::Ask, true, "")
    }

    /// With a server that has these features.
    fn greeted(known: Known, take_over: TakeOver, features: &str) -> Self {
        Self::with(known, take_over, false, features)
    }

    fn with(known: Known, take_over: TakeOver, asks_again: bool, features: &str) -> Self {
        let mut server = Server::default();
        let login = Login::start(
            Wishes { known, udp_port: 8_001, presence: true, take_over, asks_again },
            &mut server,
        );
        let mut scene = Self { login, server };
        scene.sent(&format!("ClientHello {{ version: 3, client: \"{CLIENT}\", presence: true }}"));
        let hello = hello_with(features, VERSION, "UTC");
        assert!(matches!(scene.reply(&hello.as_ref()), Step::Greeted(_, None)));
        scene
    }

    /// The next log-in's wish for a take-over.
    fn sent_wish(&mut self, take_over: &str, session: &str) {
        self.sent(&format!(
            "LogIn {{ name: \"yoda\", udp_port: 8001, take_over: {take_over}, session: {session} }}"
        ));
    }

    fn reply(&mut self, reply: &Reply<'_>) -> Step {
        self.login.replied(reply, Instant::now(), &mut self.server)
    }

    fn refuse(&mut self, code: Refusal) -> Step {
        self.reply(&Reply::Refused { code, limit: None, value: None, name: None, text: "no" })
    }

    fn want(&mut self, known: bool) {
        let step = self.reply(&Reply::PasswordWanted { known });
        assert!(matches!(step, Step::Going | Step::New(_)), "{step:?}");
    }

    fn answer(&mut self, prompt: &str, line: &str) {
        assert_eq!(self.login.question().expect("a question").prompt, prompt);
        self.login.answer(line, &mut self.server);
    }

    /// What was sent since the last look, as requests.
    fn sent(&mut self, wanted: &str) {
        let mut input = Input::default();
        assert_eq!(input.feed(self.server.unsent()), self.server.unsent().len());
        let frame = input.take().unwrap().expect("a request");
        assert_eq!(format!("{:?}", Request::decode(&frame).unwrap()), wanted);
        assert_eq!(input.take().unwrap(), None);
        self.server.sent(self.server.unsent().len());
    }

    /// A new name, and a password that is confirmed differently.
    fn confirm_differently(&mut self) {
        self.answer("Enter username: ", "yoda");
        self.sent("LogIn { name: \"yoda\", udp_port: 8001, take_over: None, session: None }");
        self.want(false);
        self.answer("Enter new password for yoda: ", "jedi");
        self.answer("Confirm password: ", "jedo");
        self.sent("SignUp { password: \"jedi\", confirmation: \"jedo\" }");
    }

    fn welcome(&mut self) -> Identity {
        match self.reply(&welcome("Welcome to the forum")) {
            Step::In { identity, greeting, .. } => {
                assert_eq!(greeting, "Welcome to the forum");
                identity
            }
            other => panic!("{other:?}"),
        }
    }
}

fn welcome(text: &str) -> Reply<'_> {
    Reply::Welcome { session: 1, since_ms: 2, text }
}

fn nobody() -> Wishes {
    Wishes { known: Known::Nothing, udp_port: 0, presence: true, take_over: TakeOver::Ask, asks_again: false }
}

fn user() -> Known {
    Known::User { name: "yoda".into(), password: Secret::new("jedi".into()) }
}

fn again() -> Known {
    Known::Again(Identity {
        name: "yoda".into(),
        password: Secret::new("jedi".into()),
        session: 7,
        since_ms: 2,
    })
}

#[test]
fn a_known_name_is_asked_for_its_password() {
    let mut scene = Scene::new(Known::Nothing);
    scene.answer("Enter username: ", " yoda ");
    scene.sent("LogIn { name: \"yoda\", udp_port: 8001, take_over: None, session: None }");
    assert_eq!(scene.login.question(), None);
    scene.want(true);
    scene.answer("Enter password: ", " jedi ");
    scene.sent("Password { password: \" jedi \" }");
    let identity = scene.welcome();
    assert_eq!((identity.name.as_str(), identity.password.as_str()), ("yoda", " jedi "));
}

#[test]
fn a_new_name_chooses_and_confirms_a_password() {
    let mut scene = Scene::new(Known::Nothing);
    scene.confirm_differently();
    assert!(matches!(scene.refuse(Refusal::PasswordsDiffer), Step::Again(_)));
    assert_eq!(scene.login.question().unwrap().prompt, "Enter username: ");
}

#[test]
fn a_person_is_asked_for_the_password_of_the_same_name_again() {
    let mut scene = Scene::asking_again(Known::Nothing);
    scene.answer("Enter username: ", "yoda");
    scene.sent("LogIn { name: \"yoda\", udp_port: 8001, take_over: None, session: None }");
    scene.want(true);
    scene.answer("Enter password: ", "sith");
    scene.sent("Password { password: \"sith\" }");
    assert!(matches!(scene.refuse(Refusal::InvalidPassword), Step::Again(_)));
    scene.sent("LogIn { name: \"yoda\", udp_port: 8001, take_over: None, session: None }");
    assert_eq!(scene.login.question(), None);
    scene.want(true);
    scene.answer("Enter password: ", "jedi");
    scene.sent("Password { password: \"jedi\" }");
    scene.welcome();
}

#[test]
fn a_person_who_confirms_a_new_password_differently_is_asked_for_it_again_and_never_in_the_open() {
    for code in [Refusal::PasswordsDiffer, Refusal::InvalidPasswordFormat] {
        let mut scene = Scene::asking_again(Known::Nothing);
        scene.confirm_differently();
        assert!(matches!(scene.refuse(code), Step::Again(_)));
        scene.sent("LogIn { name: \"yoda\", udp_port: 8001, take_over: None, session: None }");
        scene.want(false);
        let question = scene.login.question().unwrap();
        assert_eq!((&*question.prompt, question.purpose), ("Enter new password for yoda: ", Purpose::Secret));
    }
}

#[test]
fn a_name_that_is_new_is_said_to_be() {
    let mut scene = Scene::new(Known::Nothing);
    scene.login.answer("yodo", &mut scene.server);
    let step = scene.reply(&Reply::PasswordWanted { known: false });
    assert!(matches!(step, Step::New(name) if name == "yodo"));
}

#[test]
fn every_refusal_leads_back_to_the_name_unless_the_server_closes() {
    for code in Refusal::ALL {
        let mut scene = Scene::new(Known::Nothing);
        scene.login.answer("yoda", &mut scene.server);
        scene.want(true);
        scene.login.answer("jedi", &mut scene.server);
        let step = scene.refuse(*code);
        if code.closes() {
            assert!(matches!(step, Step::Failed(_)), "{code:?}");
        } else {
            assert!(matches!(step, Step::Again(_)), "{code:?}");
            assert_eq!(scene.login.question().unwrap().prompt, "Enter username: ");
        }
    }
}

#[test]
fn an_empty_name_is_no_answer_but_an_empty_password_is_one() {
    let mut scene = Scene::new(Known::Nothing);
    scene.answer("Enter username: ", "");
    scene.answer("Enter username: ", "   ");
    assert!(scene.server.unsent().is_empty());
    scene.answer("Enter username: ", "yoda");
    scene.sent("LogIn { name: \"yoda\", udp_port: 8001, take_over: None, session: None }");
    scene.want(true);
    scene.answer("Enter password: ", "");
    scene.sent("Password { password: \"\" }");
}

#[test]
fn options_log_in_or_sign_up_without_a_question() {
    for (known, request) in [
        (true, "Password { password: \"jedi\" }"),
        (false, "SignUp { password: \"jedi\", confirmation: \"jedi\" }"),
    ] {
        let mut scene = Scene::new(user());
        scene.sent("LogIn { name: \"yoda\", udp_port: 8001, take_over: None, session: None }");
        scene.want(known);
        assert_eq!(scene.login.question(), None);
        scene.sent(request);
        scene.welcome();
    }
}

#[test]
fn with_options_any_refusal_is_final() {
    for code in Refusal::ALL {
        let mut scene = Scene::new(user());
        assert!(matches!(scene.refuse(*code), Step::Failed(_)), "{code:?}");
    }
}

#[test]
fn after_a_lost_connection_the_old_session_is_waited_out() {
    let mut scene = Scene::new(again());
    scene.sent("LogIn { name: \"yoda\", udp_port: 8001, take_over: None, session: None }");
    assert!(matches!(scene.refuse(Refusal::AlreadyLoggedIn), Step::Later(_)));
}

#[test]
fn a_take_over_is_asked_for_only_of_a_server_that_has_it() {
    for (features, wish) in [
        ("", "None"),
        ("take-overs resume", "None"),
        ("resume take-over", "Some(Always)"),
        ("take-over", "Some(Always)"),
    ] {
        let mut scene = Scene::greeted(user(), TakeOver::Always, features);
        scene.sent_wish(wish, "None");
    }
}

#[test]
fn a_session_that_goes_on_takes_over_itself_only() {
    let mut scene = Scene::greeted(again(), TakeOver::Always, "take-over");
    scene.sent_wish("Some(OwnSession)", "Some(7)");
}

/// A user who has given the right password and is online elsewhere.
fn elsewhere(known: Known) -> Scene {
    let mut scene = Scene::greeted(known, TakeOver::Ask, "take-over");
    scene.login.answer("yoda", &mut scene.server);
    scene.sent_wish("Some(Ask)", "None");
    scene.want(true);
    scene.login.answer("jedi", &mut scene.server);
    scene.sent("Password { password: \"jedi\" }");
    let wanted = Reply::TakeOverWanted { since_ms: 1, address: "10.0.0.1" };
    assert!(matches!(scene.reply(&wanted), Step::Going));
    scene
}

const ELSEWHERE: &str = "yoda is logged in elsewhere. End that session? y or n: ";

#[test]
fn after_the_right_password_the_user_decides_about_the_session_elsewhere() {
    let mut scene = elsewhere(Known::Nothing);
    scene.answer(ELSEWHERE, "what?");
    assert!(scene.server.unsent().is_empty());
    scene.answer(ELSEWHERE, "y");
    scene.sent("EndOtherSession { yes: true }");
    let identity = scene.welcome();
    assert_eq!((identity.name.as_str(), identity.password.as_str(), identity.session), ("yoda", "jedi", 1));
}

#[test]
fn a_no_leads_back_to_the_name_or_with_options_ends_the_log_in() {
    for (known, is_final) in [(Known::Nothing, false), (user(), true)] {
        let mut scene = elsewhere(known);
        scene.answer(ELSEWHERE, "n");
        scene.sent("EndOtherSession { yes: false }");
        let step = scene.refuse(Refusal::AlreadyLoggedIn);
        assert_eq!(matches!(step, Step::Failed(_)), is_final, "{step:?}");
        assert_eq!(scene.login.question().unwrap().prompt, "Enter username: ");
    }
}

#[test]
fn a_server_asks_about_the_session_elsewhere_only_if_it_was_told_to() {
    let mut scene = Scene::greeted(user(), TakeOver::Always, "take-over");
    scene.want(true);
    let wanted = Reply::TakeOverWanted { since_ms: 1, address: "10.0.0.1" };
    assert!(matches!(scene.reply(&wanted), Step::Unexpected));
}

#[test]
fn after_a_lost_connection_a_password_that_is_wrong_now_is_asked_for() {
    let mut scene = Scene::asking_again(again());
    scene.sent("LogIn { name: \"yoda\", udp_port: 8001, take_over: None, session: None }");
    scene.want(true);
    scene.sent("Password { password: \"jedi\" }");
    assert!(matches!(scene.refuse(Refusal::InvalidPassword), Step::Again(_)));
    scene.answer("Enter username: ", "yoda");
}

#[test]
fn after_a_lost_connection_no_account_is_made_unasked() {
    let mut scene = Scene::asking_again(again());
    scene.sent("LogIn { name: \"yoda\", udp_port: 8001, take_over: None, session: None }");
    scene.want(false);
    assert!(scene.server.unsent().is_empty());
    assert_eq!(scene.login.question().unwrap().prompt, "Enter new password for yoda: ");
}

#[test]
fn another_version_is_foreign_and_a_misplaced_reply_unexpected() {
    let (mut server, now) = (Server::default(), Instant::now());
    for version in [2, 4] {
        let mut login = Login::start(nobody(), &mut server);
        let step = login.replied(&hello(version, "UTC").as_ref(), now, &mut server);
        assert!(matches!(step, Step::Foreign(it) if it == version));
    }
    let mut scene = Scene::new(Known::Nothing);
    assert!(matches!(scene.reply(&welcome("")), Step::Unexpected));
}

#[test]
fn times_are_those_of_the_servers_zone_or_of_utc_if_that_is_not_known() {
    for (name, unknown, shown) in [
        ("Australia/Sydney", None, "1 Jun 2022 16:00:01"),
        ("Nowhere/At_all", Some("Nowhere/At_all"), "1 Jun 2022 06:00:01"),
    ] {
        let (mut server, now) = (Server::default(), Instant::now());
        let mut login = Login::start(nobody(), &mut server);
        match login.replied(&hello(VERSION, name).as_ref(), now, &mut server) {
            Step::Greeted(clock, zone) => {
                assert_eq!((zone.as_deref(), clock.now(now).ms), (unknown, 1_654_063_201_000));
                assert_eq!(clock.zone().shown(1_654_063_201_000), shown);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn after_a_lost_connection_nobody_is_asked_in_pipes() {
    let mut scene = Scene::new(again());
    let step = scene.reply(&Reply::PasswordWanted { known: false });
    assert!(matches!(step, Step::Failed(text) if text == "There is no user yoda any more"));
    let mut scene = Scene::new(again());
    scene.want(true);
    assert!(matches!(scene.refuse(Refusal::InvalidPassword), Step::Failed(_)));
}
