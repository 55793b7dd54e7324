//! What users do, by a bare client: come, write, block, ask each other, leave.

use forum_common::text::Zone;
use forum_common::wire::{LinkId, OwnedReply, Request, VERSION};

use super::Wire;
use crate::PASSWORD;
use crate::outcome::{self, Outcome, Refused};

impl Wire {
    /// Does a round trip: what was sent on any connection before this has reached the server.
    pub fn ping(&mut self) {
        let pong = self.request(&Request::Ping { payload: b"?" });
        assert_eq!(pong, OwnedReply::Pong { payload: b"?".to_vec() });
    }

    /// Opens the conversation.
    pub fn hello(&mut self) {
        match self.request(&hello()) {
            OwnedReply::ServerHello { version: VERSION, zone, .. } => {
                self.zone = Zone::named(&zone).expect("a zone that has a name");
            }
            other => panic!("wanted a hello, not {other:?}"),
        }
    }

    /// Says a name: whether it is known, or why it can't log in.
    ///
    /// # Errors
    /// It is refused.
    pub fn name(&mut self, name: &str) -> Result<bool, Refused> {
        self.name_at_port(name, 0)
    }

    fn name_at_port(&mut self, name: &str, udp_port: u16) -> Result<bool, Refused> {
        match self.request(&Request::LogIn { name, udp_port, take_over: None, session: None }) {
            OwnedReply::PasswordWanted { known } => Ok(known),
            other => Err(outcome::of(other).expect_err("a refusal")),
        }
    }

    /// Signs up: the name, which must be new, then the password twice.
    ///
    /// # Errors
    /// It is refused.
    pub fn sign_up(&mut self, name: &str, password: &str) -> Outcome {
        assert!(!self.name(name)?, "{name} is known");
        self.outcome(&Request::SignUp { password, confirmation: password })
    }

    /// Logs in: the name, which must be known, then the password.
    ///
    /// # Errors
    /// It is refused.
    pub fn log_in(&mut self, name: &str, password: &str) -> Outcome {
        assert!(self.name(name)?, "{name} is new");
        self.outcome(&Request::Password { password })
    }

    /// Becomes `name`, new or not, with the harness's own [`PASSWORD`].
    pub fn become_user(&mut self, name: &str) {
        self.become_user_at_port(name, 0);
    }

    /// The same, of a user who takes files of others at this port.
    pub fn become_user_at_port(&mut self, name: &str, udp_port: u16) {
        let outcome = self.name_at_port(name, udp_port).and_then(|known| {
            self.outcome(&match known {
                true => Request::Password { password: PASSWORD },
                false => Request::SignUp { password: PASSWORD, confirmation: PASSWORD },
            })
        });
        assert_eq!(outcome, outcome::welcome(), "for {name}");
    }

    /// Logs out, and waits until the server has ended the connection.
    pub fn log_out(mut self) {
        assert_eq!(self.done(&Request::LogOut), "Goodbye");
        self.expect_closed();
    }

    /// A thread's lines as `RDT` shows them.
    pub fn read_thread(&mut self, title: &str) -> Vec<String> {
        self.lines(&read(title, None))
    }

    /// All titles.
    pub fn titles(&mut self) -> Vec<String> {
        self.lines(&Request::ListThreads { after: None, at_most: None, unread: None })
    }

    /// Sends a message that must be taken, to which the server has nothing to say.
    pub fn tell(&mut self, user: &str, text: &str) {
        assert_eq!(self.done(&Request::SendMessage { user, text, key: None }), "");
    }

    /// Says that all messages up to this number have arrived; there is no answer.
    pub fn taken(&mut self, up_to: u64) {
        self.send(&Request::AckMessages { up_to });
    }

    /// Blocks a user who is not blocked.
    pub fn block(&mut self, user: &str) {
        assert_eq!(self.done(&Request::Block { user, key: None }), format!("{user} is blocked"));
    }

    /// Lifts the block of a user.
    pub fn unblock(&mut self, user: &str) {
        assert_eq!(self.done(&Request::Unblock { user, key: None }), format!("{user} is unblocked"));
    }

    /// Asks another user something; the link that there will be, and what the server says of it.
    pub fn ask(&mut self, request: &Request<'_>) -> (LinkId, String) {
        match self.request(request) {
            OwnedReply::Asked { link, text } => (link, text),
            other => panic!("{request:?} was answered by {other:?}"),
        }
    }
}

/// Asks for all of a thread, or for this range of it.
pub fn read(title: &str, range: Option<(u32, u32)>) -> Request<'_> {
    Request::ReadThread { title, range, after: None, at_most: None, last: None, unread: None }
}

/// What a client of this harness says first: it wants to know who comes and goes.
pub fn hello() -> Request<'static> {
    Request::ClientHello { version: VERSION, client: "forum-tests", presence: true }
}
