//! What users do to each other, by a bare client: write, block, leave.

use forum_common::request::Request;

use super::Wire;

impl Wire {
    /// Sends a message that must be taken, to which the server has nothing to say.
    pub fn tell(&mut self, user: &str, text: &str) {
        assert_eq!(self.done(&Request::Message { user, text }), "");
    }

    /// Blocks a user who is not blocked.
    pub fn block(&mut self, user: &str) {
        assert_eq!(self.done(&Request::Block { user }), format!("{user} is blocked"));
    }

    /// Lifts the block of a user.
    pub fn unblock(&mut self, user: &str) {
        assert_eq!(self.done(&Request::Unblock { user }), format!("{user} is unblocked"));
    }

    /// Logs out, and waits until the server has ended the connection.
    pub fn log_out(mut self) {
        assert_eq!(self.done(&Request::LogOut), "Goodbye");
        self.expect_closed();
    }
}
