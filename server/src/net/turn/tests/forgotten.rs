//! What is looked at after each turn of a test: whatever makes a connection wait has to wake it.

use forum_common::limits::FRAME_BYTES_MAX;
use forum_common::wire::frame;

use super::*;

impl<S: Stream, J: Journal, C: Clock> Server<S, J, C> {
    /// Asserts that everybody who has something to do is to have a turn, or will be woken for it.
    pub(in crate::net::turn) fn assert_nobody_is_forgotten(&self) {
        for id in self.core.sessions.ids() {
            let (Some(session), Some(connection)) = (self.core.sessions.get(id), self.connections.get(id))
            else {
                continue;
            };
            if self.core.sessions.is_awaiting_turn(id) {
                continue;
            }
            if let Some(wait) = session.waits_for {
                assert!(self.core.still_waits(id, wait), "{id:?} waits for {wait:?}, which has ended");
                continue;
            }
            let frame = frame::split(&connection.received, FRAME_BYTES_MAX);
            assert!(!matches!(frame, Ok(Some(_))), "{id:?} has a frame that nobody takes");
            assert!(!connection.is_readable(), "{id:?} has bytes that nobody reads");
            // When the server ends, all that is under way ends with it.
            let is_heard = self.core.is_accepting() && !session.is_draining();
            assert_eq!(self.core.busy(id).filter(|_| is_heard), None, "{id:?} waits for nothing");
            assert!(!is_heard || !connection.input_ended(), "{id:?} has said all, and is not closed");
            let has_room = self.core.outbox.queued(id) < crate::core::outbox::QUEUED_BYTES_LOW;
            assert!(!(has_room && self.core.has_mail(id)), "{id:?} has messages that nobody sends");
        }
    }
}
