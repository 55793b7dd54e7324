//! Other users: what the core has for them, and what comes from them.

use super::EventLoop;
use crate::core::event::{Event, PeerAction};

impl EventLoop {
    pub(super) fn tell_peers(&mut self, action: PeerAction) {
        let (peers, now) = (&mut self.peers, self.now);
        match action {
            PeerAction::Noticed(notice) => peers.noticed(now, &notice.as_ref()),
            PeerAction::LoggedOut { user } => peers.logged_out(now, &user),
            PeerAction::Answer { yes } => peers.answer(now, yes),
            PeerAction::AskPrivate { user } => peers.ask_private(now, &user),
            PeerAction::AskedPrivate { link, user } => peers.asked_private(link, &user),
            PeerAction::Say { user, text } => peers.say(now, &user, &text),
            PeerAction::Stop { user } => peers.stop(now, &user),
            PeerAction::Verify { user } => peers.verify(now, &user),
            PeerAction::AskedFile { link, user, file } => {
                if let Some(source) = self.files.take_source(file) {
                    peers.asked_file(now, link, &user, source);
                }
            }
            PeerAction::Cancel { file, found } => peers.cancel(now, file.as_deref(), found),
            PeerAction::Disconnected => peers.disconnected(now),
            PeerAction::HangUp => peers.hang_up(now),
        }
        self.hear_peers();
    }

    pub(super) fn attend_to_peers(&mut self) {
        self.peers.set_relay_room(self.core.relay_room());
        self.peers.on_ready(self.now);
        self.hear_peers();
    }

    /// Hands on what there is from other users.
    fn hear_peers(&mut self) {
        while let Some(report) = self.peers.poll_report() {
            self.core.input(Event::Report(report), self.now);
        }
        let state = self.peers.state();
        if state != self.known {
            self.known = state;
            self.core.input(Event::Peers(state), self.now);
        }
    }
}
