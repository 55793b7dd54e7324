//! What a member is answered.

use forum_common::wire::{OwnedReply, OwnedRequest, Refusal, Tag};

use super::{Asked, Client, LastWord, Note, Phase};
use crate::stage::Stage;

impl Client {
    /// Takes the last word on a request.
    pub(super) fn take_answer(&mut self, stage: &mut Stage, tag: Tag, mut note: Note, reply: OwnedReply) {
        let Asked::Member(request) = &note.asked else {
            return self.take_login_answer(stage, &note, &reply);
        };
        let request = request.clone();
        let Some(connection) = &mut self.connection else { return };
        let socket = connection.socket;
        if let OwnedReply::EndOfList { next } = &reply {
            note.listed.next = *next;
            stage.oracle.borrow_mut().answered(socket, tag, note.from, &request, Some(&note.listed), &reply);
            if let (Some(next), true) = (*next, self.rng.chance(700)) {
                self.turn_page(stage, &request, next);
            }
            return;
        }
        match &request {
            OwnedRequest::Ping { payload } => {
                let is_same = match &reply {
                    OwnedReply::Pong { payload: back } => back == payload,
                    OwnedReply::Refused { code, .. } => *code == Refusal::SlowDown,
                    _ => false,
                };
                if !is_same {
                    stage.fail(format!("{payload:?} came back as {reply:?}"));
                }
            }
            OwnedRequest::LogOut => {
                connection.last_word = Some(LastWord::InOrder);
                stage.oracle.borrow_mut().over(socket);
                // Its last acknowledgement may come after the goodbye.
                self.acknowledge(stage);
                self.flush(stage);
            }
            OwnedRequest::SetPresence { on } => {
                let on = matches!(reply, OwnedReply::Done { .. }).then_some(*on);
                stage.oracle.borrow_mut().conn(socket).end_presence(on);
                stage.oracle.borrow_mut().answered(socket, tag, note.from, &request, None, &reply);
            }
            OwnedRequest::ChangePassword { old, new, .. } => {
                self.password_changed(stage, tag, &note, (old, new), &reply);
            }
            OwnedRequest::Upload { .. } | OwnedRequest::Download { .. } => {
                self.transfer_answered(stage, tag, &note, &request, &reply);
            }
            _ => stage.oracle.borrow_mut().answered(socket, tag, note.from, &request, None, &reply),
        }
    }

    /// Asks for the next page of a list.
    fn turn_page(&mut self, stage: &mut Stage, request: &OwnedRequest, next: u64) {
        if self.connection.as_ref().is_none_or(|connection| connection.is_finished) {
            return;
        }
        let mut request = request.clone();
        match &mut request {
            OwnedRequest::ListThreads { after, .. }
            | OwnedRequest::ListUnread { after, .. }
            | OwnedRequest::ReadThread { after, .. }
            | OwnedRequest::WhoElse { after, .. }
            | OwnedRequest::WhoElseSince { after, .. }
            | OwnedRequest::ListActive { after, .. }
            | OwnedRequest::ReadBoard { after, .. }
            | OwnedRequest::ReadRooms { after, .. }
            | OwnedRequest::ListRooms { after, .. }
            | OwnedRequest::Search { after, .. } => *after = Some(next),
            _ => return,
        }
        if self.connection.as_ref().is_some_and(|connection| connection.phase == Phase::Member) {
            self.ask(stage, &request.clone(), Asked::Member(request));
        }
    }

    fn password_changed(
        &mut self,
        stage: &mut Stage,
        tag: Tag,
        note: &Note,
        (old, new): (&str, &str),
        reply: &OwnedReply,
    ) {
        let Some(connection) = &self.connection else { return };
        let (socket, name) = (connection.socket, connection.name);
        match reply {
            OwnedReply::Refused { code: Refusal::InvalidPassword, .. } => {
                stage.oracle.borrow_mut().conn(socket).forget(tag);
                let hash = super::login::hash_of(old);
                let user = stage.user(name);
                let was_wrong = stage.oracle.borrow().held(note.from, |state| {
                    user.is_none_or(|user| {
                        state.accounts.get(user as usize).is_none_or(|own| own.hash != hash)
                    })
                });
                if !was_wrong {
                    stage.fail(format!("{old} is the password of u{name}, and is refused"));
                }
            }
            OwnedReply::Refused {
                code: Refusal::TooManyAttempts | Refusal::Busy | Refusal::SlowDown,
                ..
            } => {
                stage.oracle.borrow_mut().conn(socket).forget(tag);
            }
            _ => {
                let (old, new) = (old.to_owned(), new.to_owned());
                let request = OwnedRequest::ChangePassword { old, confirmation: new.clone(), new };
                stage.oracle.borrow_mut().answered(socket, tag, note.from, &request, None, reply);
            }
        }
    }
}
