//! How a client logs in.

use forum_common::names::Password;
use forum_common::wire::{OwnedReply, OwnedRequest, Refusal, TakeOver};

use super::{Asked, Client, LastWord, Note, Phase};
use crate::machine::hash;
use crate::stage::Stage;

pub(super) fn hash_of(password: &str) -> forumd::workers::passwords::PasswordHash {
    hash(&Password::parse(password).expect("a password that can be one"))
}

impl Client {
    /// Gives a name.
    pub(super) fn give_name(&mut self, stage: &mut Stage) {
        let name = stage.name(self.name);
        if let Some(connection) = &mut self.connection {
            (connection.name, connection.phase) = (self.name, Phase::Naming);
        }
        let take_over = match self.rng.chance(stage.plan.take_over) {
            true => *self.rng.pick(&[TakeOver::Always, TakeOver::Ask, TakeOver::OwnSession]),
            false => TakeOver::Never,
        };
        // In the end everybody gets in without that: who is gone is found out.
        let take_over = if stage.is_calm { TakeOver::Never } else { take_over };
        let session = self.last_session.filter(|_| take_over == TakeOver::OwnSession);
        let udp_port = if self.rng.chance(500) { 0 } else { 4_000 + self.number as u16 };
        let request = OwnedRequest::LogIn { name, udp_port, take_over: Some(take_over), session };
        self.ask(stage, &request, Asked::Name);
    }

    fn give_password(&mut self, stage: &mut Stage, known: bool) {
        let name = stage.name(self.name);
        let right = self.right_password(stage);
        let is_wrong = known && !stage.is_calm && self.rng.chance(60);
        let password = match right {
            Some(right) if !is_wrong => right,
            _ if known => "wrong".to_owned(),
            _ => format!("secret of {name}"),
        };
        stage.is_suspect[self.name] |= is_wrong;
        if !known {
            stage.passwords[self.name].push(password.clone());
        }
        let Some(connection) = &mut self.connection else { return };
        connection.phase = Phase::Proving;
        stage.oracle.borrow_mut().conn(connection.socket).claim = Some((name, password.clone()));
        let request = match known {
            true => OwnedRequest::Password { password: password.clone() },
            false => OwnedRequest::SignUp { password: password.clone(), confirmation: password.clone() },
        };
        self.ask(stage, &request, Asked::Password(password));
        if self.rng.chance(300) {
            // Without waiting for the decision.
            let ping = OwnedRequest::Ping { payload: vec![1] };
            self.ask(stage, &ping.clone(), Asked::Member(ping));
        }
    }

    /// The password that the account has now, if there is one.
    fn right_password(&self, stage: &Stage) -> Option<String> {
        let user = stage.user(self.name)?;
        let hash = stage.oracle.borrow().state().accounts[user as usize].hash;
        stage.passwords[self.name].iter().find(|password| hash_of(password) == hash).cloned()
    }

    /// Takes an answer that has to do with the log-in.
    pub(super) fn take_login_answer(&mut self, stage: &mut Stage, note: &Note, reply: &OwnedReply) {
        let Some(connection) = &mut self.connection else { return };
        let socket = connection.socket;
        match (&note.asked, reply) {
            (Asked::Hello, OwnedReply::ServerHello { .. }) => {
                if connection.phase == Phase::Greeting {
                    connection.phase = Phase::Nameless;
                    if self.rng.chance(700) {
                        self.give_name(stage);
                    }
                }
            }
            (Asked::Name, OwnedReply::PasswordWanted { known }) => {
                let name = stage.name(connection.name);
                let held =
                    stage.oracle.borrow().held(note.from, |state| state.user(&name).is_some() == *known);
                if !held {
                    stage.fail(format!("{name} is known: {known}"));
                }
                self.give_password(stage, *known);
            }
            (Asked::Password(password), OwnedReply::Welcome { session, since_ms, .. }) => {
                self.expect_right(stage, note, password);
                self.enter(stage, *session, *since_ms);
            }
            (Asked::TakeOver(true), OwnedReply::Welcome { session, since_ms, .. }) => {
                self.enter(stage, *session, *since_ms);
            }
            (Asked::Password(password), OwnedReply::TakeOverWanted { .. }) => {
                self.expect_right(stage, note, password);
                let yes = stage.is_calm || self.rng.chance(600);
                self.ask(stage, &OwnedRequest::EndOtherSession { yes }, Asked::TakeOver(yes));
            }
            (_, OwnedReply::Refused { code, .. }) => self.take_login_refusal(stage, note, *code),
            _ => stage.fail(format!("socket {socket}: {:?} was answered with {reply:?}", note.asked)),
        }
    }

    fn expect_right(&self, stage: &Stage, note: &Note, password: &str) {
        let (name, hash) = (stage.name(self.name), hash_of(password));
        let held = stage.oracle.borrow().held(note.from, |state| {
            state.user(&name).is_some_and(|user| state.accounts[user as usize].hash == hash)
        });
        if !held {
            stage.fail(format!("{password} was never the password of {name}, and is taken for it"));
        }
    }

    fn enter(&mut self, stage: &mut Stage, session: u64, since_ms: u64) {
        let Some(connection) = &mut self.connection else { return };
        connection.phase = Phase::Member;
        self.last_session = Some(session);
        stage.oracle.borrow_mut().welcomed(connection.socket, session, since_ms);
        let name = connection.name;
        let (again, rest) = std::mem::take(&mut self.unsure).into_iter().partition(|(own, _)| *own == name);
        // What was asked under another name is given up: its keys are that account's.
        drop::<Vec<_>>(rest);
        for (_, request) in again {
            self.ask(stage, &request.clone(), Asked::Member(request));
        }
    }

    fn take_login_refusal(&mut self, stage: &mut Stage, note: &Note, code: Refusal) {
        let Some(connection) = &mut self.connection else { return };
        connection.phase = Phase::Nameless;
        let name = stage.name(connection.name);
        let holds = match code {
            Refusal::AlreadyLoggedIn if matches!(note.asked, Asked::TakeOver(false)) => true,
            Refusal::AlreadyLoggedIn => stage
                .oracle
                .borrow()
                .held(note.from, |state| state.user(&name).is_some_and(|user| state.session(user).is_some())),
            Refusal::NameTaken => stage.oracle.borrow().held(note.from, |state| state.user(&name).is_some()),
            Refusal::InvalidPassword => {
                let claim = stage.oracle.borrow_mut().conn(connection.socket).claim.clone();
                let hash = claim.map(|(_, password)| hash_of(&password));
                stage.oracle.borrow().held(note.from, |state| {
                    state.user(&name).is_none_or(|user| Some(state.accounts[user as usize].hash) != hash)
                })
            }
            Refusal::BlockedNow | Refusal::Blocked => {
                connection.last_word = Some(LastWord::Otherwise);
                stage.is_suspect[connection.name]
            }
            Refusal::Busy | Refusal::NoSpace | Refusal::LimitReached => true,
            _ => false,
        };
        if !holds {
            stage.fail(format!("{:?} as {name} was refused with {code:?}", note.asked));
        }
    }
}
