//! What a request is besides what it asks for: activity, one of this second, and a line of the log.

use forum_common::text::Rejection;
use forum_common::text::commands::word_of;
use forum_common::wire::{Request, Tag};
use log::info;

use crate::core::Core;
use crate::journal::Journal;
use crate::session::ConnectionId;

impl<J: Journal> Core<J> {
    /// Whether one request more would be too many in this second.
    pub(crate) fn too_fast(&self, id: ConnectionId) -> bool {
        let limit = self.settings.limits.max_requests_per_second;
        limit > 0
            && self.sessions.get(id).is_some_and(|session| session.rate.is_reached(limit, self.time.now))
    }

    /// Counts a request of which the forum is asked nothing, and refuses it if it is one too many.
    pub(crate) fn may_ask(&mut self, id: ConnectionId, tag: Tag) -> bool {
        let may = !self.too_fast(id);
        self.count_request(id);
        if !may {
            self.refuse(id, tag, &Rejection::SlowDown);
        }
        may
    }

    /// Notes what a request is to the limit of requests a second, to idleness and to the log.
    pub(super) fn note(&mut self, id: ConnectionId, request: &Request<'_>) {
        match request {
            Request::Active => self.note_activity(id),
            _ => self.note_command(id, word_of(request)),
        }
    }

    /// Notes that a user gave a command, and says so in the log.
    pub(crate) fn note_command(&mut self, id: ConnectionId, word: Option<&str>) {
        self.count_request(id);
        self.note_activity(id);
        if log::log_enabled!(log::Level::Info)
            && let Some(word) = word
        {
            info!("{} issued {word} command", self.label(id));
        }
    }

    /// Notes that a user is there.
    pub(crate) fn note_activity(&mut self, id: ConnectionId) {
        let now = self.time.moment();
        if let Some(session) = self.sessions.get_mut(id) {
            session.active_at = Some(now);
        }
    }

    /// Counts a request among those of this second.
    fn count_request(&mut self, id: ConnectionId) {
        let (now, is_limited) = (self.time.now, self.settings.limits.max_requests_per_second > 0);
        if is_limited && let Some(session) = self.sessions.get_mut(id) {
            session.rate.count(now);
        }
    }
}
