//! What the trace of one user hears of requests: see `Trace`.

use forum_common::wire::{Frame, Request, Tag, Transfer};

use crate::core::Core;
use crate::journal::Journal;
use crate::session::ConnectionId;

impl<J: Journal> Core<J> {
    /// A frame of a connection was taken.
    pub(crate) fn trace_frame(&mut self, id: ConnectionId, frame: &Frame<'_>) {
        if self.outbox.trace.is_none() {
            return;
        }
        if let Ok(request) = Request::decode(frame) {
            self.trace_request(id, frame.tag, &request);
        } else if let (Ok(transfer), Some(trace)) = (Transfer::decode(frame), &mut self.outbox.trace) {
            trace.hear_transfer(id, frame.tag, &transfer);
        }
    }

    /// A request of a connection was taken, which a frame or a line has made.
    pub(crate) fn trace_request(&mut self, id: ConnectionId, tag: Tag, request: &Request<'_>) {
        if self.outbox.trace.is_none() {
            return;
        }
        let label = self.sessions.get(id).map(|session| format!("#{} {}", id.generation, session.address));
        if let (Some(trace), Some(label)) = (&mut self.outbox.trace, label) {
            trace.hear(id, &label, tag, request);
        }
    }
}
