//! What a bare client says and hears of links between two users.

use forum_common::frame::{NO_TAG, Tag};
use forum_common::link::{LinkId, LinkRequest};
use forum_common::refusal::Refusal;
use forum_common::request::Request;

use super::Wire;
use crate::{Heard, LinkNotice, PASSWORD, Reply};

impl Wire {
    /// Signs up as `name`, who takes files of other users at this port.
    pub fn sign_up_at_port(&mut self, name: &str, udp_port: u16) {
        assert_eq!(
            self.request(&Request::LogIn { name, udp_port }),
            Reply::PasswordWanted { known: false },
            "{name}"
        );
        let sign_up = Request::SignUp { password: PASSWORD, confirmation: PASSWORD };
        assert_eq!(self.request(&sign_up), Reply::welcome(), "{name}");
    }

    /// Sends a request about a link with a fresh tag and does not wait.
    pub fn send_link(&mut self, request: &LinkRequest<'_>) -> Tag {
        self.last_tag += 1;
        let mut bytes = Vec::new();
        request.encode(self.last_tag, &mut bytes);
        self.send_bytes(&bytes);
        self.last_tag
    }

    /// Asks another user something; the link that there will be, and what the server says of it.
    pub fn ask(&mut self, request: &LinkRequest<'_>) -> (LinkId, String) {
        let tag = self.send_link(request);
        match self.next_frame() {
            Some(Heard::Link(its_tag, LinkNotice::Asked { link, text })) if its_tag == tag => (link, text),
            other => panic!("{request:?} was answered by {other:?}"),
        }
    }

    /// Asks another user something that must be refused; why it was.
    pub fn ask_refused(&mut self, request: &LinkRequest<'_>) -> (Refusal, String) {
        let tag = self.send_link(request);
        match self.answer(tag) {
            Reply::Refused(code, text) => (code, text),
            other => panic!("{request:?} was answered by {other:?}"),
        }
    }

    /// The next that the server says of a link; other notices that come before it are kept.
    ///
    /// # Panics
    /// An answer comes first, or nothing within [`crate::DEADLINE`].
    pub fn link_notice(&mut self) -> LinkNotice {
        if let Some(notice) = self.link_notices.pop_front() {
            return notice;
        }
        loop {
            match self.receive() {
                Ok(Some(Heard::Link(NO_TAG, notice))) => return notice,
                Ok(Some(Heard::Notice(notice))) => self.notices.push_back(notice),
                other => panic!("wanted news of a link, not {other:?}"),
            }
        }
    }

    /// What the server had said of links when this was called, since the last that was asked for.
    pub fn link_notices_so_far(&mut self) -> Vec<LinkNotice> {
        self.ping();
        self.link_notices.drain(..).collect()
    }
}
