//! The log-in: which question comes next, and what the server is asked.
//!
//! Pure: answers and replies come in, requests go into an [`Outbox`]. It refuses to know who answers, a
//! person, a pipe or an option.

use forum_common::escape;
use forum_common::refusal::Refusal;
use forum_common::reply::Reply;
use forum_common::request::{LINKS_SINCE, Request, VERSION};
use zeroize::Zeroizing;

use crate::connection::Outbox;
use crate::editor::Purpose;

/// A password, wiped when dropped.
pub type Secret = Zeroizing<String>;

/// Something the user is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What is shown in front of the answer, on a terminal.
    pub prompt: String,
    /// What the answer is for.
    pub purpose: Purpose,
}

impl Question {
    /// A question for a password.
    pub fn secret(prompt: impl Into<String>) -> Self {
        Self { prompt: prompt.into(), purpose: Purpose::Secret }
    }
}

/// Who logged in.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The name.
    pub name: String,
    /// The password that proved right.
    pub password: Secret,
}

/// What is known without asking, and what a refusal leads to.
#[derive(Debug, Clone)]
pub enum Known {
    /// Nothing: everything is asked, and after a refusal asked again.
    Nothing,
    /// The options name the user; any refusal is final.
    User {
        /// The name.
        name: String,
        /// The password, which is its own confirmation.
        password: Secret,
    },
    /// Logged in once already, on a connection that was lost. The server may not have noticed yet.
    Again(Identity),
}

/// One log-in, on one connection.
#[derive(Debug)]
pub struct Login {
    known: Known,
    udp_port: u16,
    /// The version of the protocol that both ends speak.
    version: u16,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The hello is sent.
    Greeting,
    /// The user is asked for a name.
    Name,
    /// The name is sent.
    NameSent { name: String },
    /// The user is asked for the password, or for a new one.
    Password { name: String, is_new: bool },
    /// The user is asked to type the new password again.
    Confirmation { name: String, password: Secret },
    /// The password is sent.
    PasswordSent { name: String, password: Secret, is_new: bool },
}

/// What came of a reply.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// It goes on.
    Going,
    /// Logged in.
    In {
        /// Who.
        identity: Identity,
        /// Whether the account was made just now.
        is_new: bool,
        /// What to greet the user with.
        greeting: String,
    },
    /// Refused, for this reason; it begins again with the name.
    Again(String),
    /// Refused, for this reason, and that is final.
    Failed(String),
    /// Not now, but maybe later, on another connection.
    Later(String),
    /// The server speaks another version of the protocol.
    Foreign(u16),
    /// The server sent what has no place here.
    Unexpected,
}

impl Login {
    /// Says hello to the server.
    pub fn start(known: Known, udp_port: u16, outbox: &mut Outbox) -> Self {
        outbox.ask(&Request::Hello { version: VERSION });
        Self { known, udp_port, version: VERSION, stage: Stage::Greeting }
    }

    /// Whether the server has not even said hello.
    pub fn is_greeting(&self) -> bool {
        matches!(self.stage, Stage::Greeting)
    }

    /// Whether the server can bring this user together with others.
    pub fn has_links(&self) -> bool {
        self.version >= LINKS_SINCE
    }

    /// Whether this user was logged in before the connection was lost.
    pub fn is_again(&self) -> bool {
        matches!(self.known, Known::Again(_))
    }

    /// What to ask the user; `None` while the server is being asked.
    pub fn question(&self) -> Option<Question> {
        match &self.stage {
            Stage::Name => Some(Question { prompt: "Enter username: ".to_owned(), purpose: Purpose::Answer }),
            Stage::Password { is_new: false, .. } => Some(Question::secret("Enter password: ")),
            Stage::Password { name, is_new: true } => {
                let name = escape::for_terminal(name);
                Some(Question::secret(format!("Enter new password for {name}: ")))
            }
            Stage::Confirmation { .. } => Some(Question::secret("Confirm password: ")),
            Stage::Greeting | Stage::NameSent { .. } | Stage::PasswordSent { .. } => None,
        }
    }

    /// Takes the answer to the question. A name is a word, so spaces around it don't count, and an empty
    /// line is no answer; a password is the line as it is.
    pub fn answer(&mut self, line: &str, outbox: &mut Outbox) {
        match std::mem::replace(&mut self.stage, Stage::Greeting) {
            Stage::Name => match line.trim_matches(' ') {
                "" => self.stage = Stage::Name,
                name => self.send_name(name.to_owned(), outbox),
            },
            Stage::Password { name, is_new } => {
                let password = Secret::new(line.to_owned());
                if is_new {
                    self.stage = Stage::Confirmation { name, password };
                } else {
                    self.send_password(name, password, None, outbox);
                }
            }
            Stage::Confirmation { name, password } => {
                self.send_password(name, password, Some(line), outbox);
            }
            // Nothing was asked.
            stage => self.stage = stage,
        }
    }

    /// Takes in a reply.
    pub fn replied(&mut self, reply: &Reply<'_>, outbox: &mut Outbox) -> Step {
        match (std::mem::replace(&mut self.stage, Stage::Name), reply) {
            (Stage::Greeting, Reply::Hello { version: version @ 1..=VERSION }) => {
                self.version = *version;
                self.greeted(outbox)
            }
            (Stage::Greeting, Reply::Hello { version }) => Step::Foreign(*version),
            (Stage::NameSent { name }, Reply::PasswordWanted { known }) => self.wanted(name, !known, outbox),
            (Stage::PasswordSent { name, password, is_new }, Reply::Welcome { text }) => {
                Step::In { identity: Identity { name, password }, is_new, greeting: (*text).to_owned() }
            }
            (Stage::NameSent { .. } | Stage::PasswordSent { .. }, Reply::Refused { code, text }) => {
                self.refused(*code, (*text).to_owned())
            }
            (stage, Reply::Pong(_)) => {
                self.stage = stage;
                Step::Going
            }
            _ => Step::Unexpected,
        }
    }

    fn greeted(&mut self, outbox: &mut Outbox) -> Step {
        match &self.known {
            Known::Nothing => self.stage = Stage::Name,
            Known::User { name, .. } | Known::Again(Identity { name, .. }) => {
                self.send_name(name.clone(), outbox);
            }
        }
        Step::Going
    }

    fn wanted(&mut self, name: String, is_new: bool, outbox: &mut Outbox) -> Step {
        match &self.known {
            Known::User { password, .. } => {
                let password = password.clone();
                let confirmation = password.clone();
                self.send_password(name, password, is_new.then_some(&confirmation), outbox);
            }
            // A server that has forgotten this user is not told to make an account behind the user's back.
            Known::Again(identity) if !is_new => {
                self.send_password(name, identity.password.clone(), None, outbox);
            }
            Known::Nothing | Known::Again(_) => {
                self.stage = Stage::Password { name, is_new };
            }
        }
        Step::Going
    }

    fn refused(&mut self, code: Refusal, text: String) -> Step {
        if code.closes() {
            return Step::Failed(text);
        }
        match (&self.known, code) {
            (Known::User { .. }, _) => Step::Failed(text),
            (
                Known::Again(_),
                Refusal::AlreadyLoggedIn
                | Refusal::Busy
                | Refusal::SlowDown
                | Refusal::NoSpace
                | Refusal::LimitReached,
            ) => Step::Later(text),
            (Known::Again(_), _) => {
                self.known = Known::Nothing;
                Step::Again(text)
            }
            (Known::Nothing, _) => Step::Again(text),
        }
    }

    fn send_name(&mut self, name: String, outbox: &mut Outbox) {
        outbox.ask(&Request::LogIn { name: &name, udp_port: self.udp_port });
        self.stage = Stage::NameSent { name };
    }

    /// Sends the password; with a confirmation, as that of a new name.
    fn send_password(
        &mut self,
        name: String,
        password: Secret,
        confirmation: Option<&str>,
        outbox: &mut Outbox,
    ) {
        let password_text: &str = &password;
        outbox.ask(&match confirmation {
            Some(confirmation) => Request::SignUp { password: password_text, confirmation },
            None => Request::Password(password_text),
        });
        self.stage = Stage::PasswordSent { name, password, is_new: confirmation.is_some() };
    }
}

#[cfg(test)]
mod tests {
    use forum_common::frame::Decoder;

    use super::*;

    struct Scene {
        login: Login,
        outbox: Outbox,
    }

    impl Scene {
        fn new(known: Known) -> Self {
            let mut outbox = Outbox::default();
            let login = Login::start(known, 8_001, &mut outbox);
            let mut scene = Self { login, outbox };
            scene.sent("Hello { version: 2 }");
            assert!(matches!(scene.reply(&Reply::Hello { version: 2 }), Step::Going));
            scene
        }

        fn reply(&mut self, reply: &Reply<'_>) -> Step {
            self.login.replied(reply, &mut self.outbox)
        }

        fn refuse(&mut self, code: Refusal) -> Step {
            self.reply(&Reply::Refused { code, text: "no" })
        }

        fn want(&mut self, known: bool) {
            assert!(matches!(self.reply(&Reply::PasswordWanted { known }), Step::Going));
        }

        fn answer(&mut self, prompt: &str, line: &str) {
            assert_eq!(self.login.question().expect("a question").prompt, prompt);
            self.login.answer(line, &mut self.outbox);
        }

        /// What was sent since the last look, as requests.
        fn sent(&mut self, wanted: &str) {
            let mut decoder = Decoder::default();
            decoder.feed(self.outbox.unsent());
            let frame = decoder.next_frame().unwrap().expect("a request");
            assert_eq!(format!("{:?}", Request::decode(&frame).unwrap()), wanted);
            assert_eq!(decoder.next_frame().unwrap(), None);
            self.outbox.sent(self.outbox.unsent().len());
        }

        fn welcome(&mut self) -> Identity {
            match self.reply(&Reply::Welcome { text: "Welcome to the forum" }) {
                Step::In { identity, greeting, .. } => {
                    assert_eq!(greeting, "Welcome to the forum");
                    identity
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn user() -> Known {
        Known::User { name: "yoda".into(), password: Secret::new("jedi".into()) }
    }

    fn again() -> Known {
        Known::Again(Identity { name: "yoda".into(), password: Secret::new("jedi".into()) })
    }

    #[test]
    fn a_known_name_is_asked_for_its_password() {
        let mut scene = Scene::new(Known::Nothing);
        scene.answer("Enter username: ", " yoda ");
        scene.sent("LogIn { name: \"yoda\", udp_port: 8001 }");
        assert_eq!(scene.login.question(), None);
        scene.want(true);
        scene.answer("Enter password: ", " jedi ");
        scene.sent("Password(\" jedi \")");
        let identity = scene.welcome();
        assert_eq!((identity.name.as_str(), identity.password.as_str()), ("yoda", " jedi "));
    }

    #[test]
    fn a_new_name_chooses_and_confirms_a_password() {
        let mut scene = Scene::new(Known::Nothing);
        scene.answer("Enter username: ", "yoda");
        scene.sent("LogIn { name: \"yoda\", udp_port: 8001 }");
        scene.want(false);
        scene.answer("Enter new password for yoda: ", "jedi");
        scene.answer("Confirm password: ", "jedo");
        scene.sent("SignUp { password: \"jedi\", confirmation: \"jedo\" }");
        assert!(matches!(scene.refuse(Refusal::PasswordsDiffer), Step::Again(_)));
        assert_eq!(scene.login.question().unwrap().prompt, "Enter username: ");
    }

    #[test]
    fn every_refusal_leads_back_to_the_name_unless_the_server_closes() {
        for code in Refusal::ALL {
            let mut scene = Scene::new(Known::Nothing);
            scene.login.answer("yoda", &mut scene.outbox);
            scene.want(true);
            scene.login.answer("jedi", &mut scene.outbox);
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
        assert!(scene.outbox.unsent().is_empty());
        scene.answer("Enter username: ", "yoda");
        scene.sent("LogIn { name: \"yoda\", udp_port: 8001 }");
        scene.want(true);
        scene.answer("Enter password: ", "");
        scene.sent("Password(\"\")");
    }

    #[test]
    fn options_log_in_or_sign_up_without_a_question() {
        for (known, request) in
            [(true, "Password(\"jedi\")"), (false, "SignUp { password: \"jedi\", confirmation: \"jedi\" }")]
        {
            let mut scene = Scene::new(user());
            scene.sent("LogIn { name: \"yoda\", udp_port: 8001 }");
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
        scene.sent("LogIn { name: \"yoda\", udp_port: 8001 }");
        assert!(matches!(scene.refuse(Refusal::AlreadyLoggedIn), Step::Later(_)));
    }

    #[test]
    fn after_a_lost_connection_a_password_that_is_wrong_now_is_asked_for() {
        let mut scene = Scene::new(again());
        scene.sent("LogIn { name: \"yoda\", udp_port: 8001 }");
        scene.want(true);
        scene.sent("Password(\"jedi\")");
        assert!(matches!(scene.refuse(Refusal::InvalidPassword), Step::Again(_)));
        scene.answer("Enter username: ", "yoda");
    }

    #[test]
    fn after_a_lost_connection_no_account_is_made_unasked() {
        let mut scene = Scene::new(again());
        scene.sent("LogIn { name: \"yoda\", udp_port: 8001 }");
        scene.want(false);
        assert!(scene.outbox.unsent().is_empty());
        assert_eq!(scene.login.question().unwrap().prompt, "Enter new password for yoda: ");
    }

    #[test]
    fn another_version_is_foreign_and_a_misplaced_reply_unexpected() {
        let mut outbox = Outbox::default();
        let mut login = Login::start(Known::Nothing, 0, &mut outbox);
        assert!(matches!(login.replied(&Reply::Hello { version: 3 }, &mut outbox), Step::Foreign(3)));
        let mut scene = Scene::new(Known::Nothing);
        assert!(matches!(scene.reply(&Reply::Welcome { text: "" }), Step::Unexpected));
    }
}
