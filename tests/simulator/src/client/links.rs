//! What a client does about private conversations and files of other users.

use forum_common::wire::{LinkId, OwnedNotice, OwnedRequest};

use super::{Asked, Client};
use crate::stage::Stage;

/// Links that a client knows to stand, through the server.
#[derive(Debug, Default)]
pub(super) struct Links {
    relayed: Vec<LinkId>,
}

impl Client {
    /// Asks another user for a link, or says something over one, or ends it.
    pub(super) fn ask_for_link(&mut self, stage: &mut Stage) {
        let Some(connection) = &mut self.connection else { return };
        if !connection.links.relayed.is_empty() && self.rng.chance(600) {
            let at = self.rng.index(connection.links.relayed.len());
            let link = connection.links.relayed[at];
            if self.rng.chance(300) {
                connection.links.relayed.remove(at);
                return self.tell(&OwnedRequest::EndLink { link, stopped: true });
            }
            self.made_up += 1;
            let ciphertext = format!("{} of {}", self.made_up, self.number).into_bytes();
            let request = OwnedRequest::RelaySealed { link, ciphertext };
            self.ask(stage, &request.clone(), Asked::Member(request));
            return;
        }
        let user = self.other(stage);
        let request = match self.rng.chance(700) {
            true => OwnedRequest::AskPrivate { user, enabled: false },
            false => OwnedRequest::OfferFile { user, size: 100, file: self.file() },
        };
        self.ask(stage, &request.clone(), Asked::Member(request));
    }

    /// Takes what is said of a link.
    pub(super) fn take_link_notice(&mut self, notice: &OwnedNotice) {
        let Some(connection) = &mut self.connection else { return };
        let port = if self.rng.chance(500) { 0 } else { 7_000 };
        match *notice {
            OwnedNotice::PrivateQuestion { link, .. } | OwnedNotice::FileQuestion { link, .. }
                if self.rng.chance(800) =>
            {
                let yes = self.rng.chance(700);
                self.tell(&OwnedRequest::AnswerQuestion { link, yes });
            }
            OwnedNotice::PrepareLink { link, .. } => self.tell(&OwnedRequest::LinkListening { link, port }),
            OwnedNotice::LinkIntroduction { link, .. } if self.rng.chance(500) => {
                self.tell(&OwnedRequest::LinkReached { link });
            }
            OwnedNotice::LinkEstablished { link, relayed: true } => connection.links.relayed.push(link),
            OwnedNotice::LinkEnded { link, .. } => connection.links.relayed.retain(|own| *own != link),
            _ => {}
        }
    }
}
