//! Files and other users: what was done with local files, and what the part for other users has to report.

use forum_common::text::decoration::Origin;
use forum_common::text::{Answer, lines};
use forum_common::wire::{Request, Tag};
use forum_peer::Report;
use serde::Serialize;
use serde_json::json;

use super::event::{Ending, FileEvent, FileId, FileProblem};
use super::{Core, Phase};
use crate::asked::{self, Awaits};
use crate::commands;
use crate::commands::answers::{end, go_on};

/// A private message as a program is told of it.
#[derive(Serialize)]
struct PrivateText<'a> {
    kind: &'a str,
    from: &'a str,
    text: &'a str,
}

impl Core {
    /// Something was done with a local file, or could not be.
    pub(super) fn filed(&mut self, file: FileId, event: &FileEvent) -> Result<(), Ending> {
        let outcome = self.with_commands(|commands, context| {
            match event {
                FileEvent::Opened { name, size } => {
                    commands.opened(file, name, *size, context);
                    return None;
                }
                FileEvent::Found(has) => {
                    commands.found(file, *has, context);
                    return None;
                }
                FileEvent::Failed(FileProblem::Other(why)) if commands.not_opened(file, why, context) => {
                    return None;
                }
                _ => {}
            }
            if let Some(mut finishing) = commands.take_finishing(file) {
                let step = finishing.filed(event, |_| {});
                return Some(end(step, file, context));
            }
            let mut frames = Vec::new();
            let of_file = context.server.unanswered_mut().find(|(_, asked)| asked.file() == Some(file));
            let (tag, asked) = of_file?;
            let step = asked.filed(event, |transfer| frames.push(transfer.owned()));
            frames.iter().for_each(|frame| context.server.transfer(tag, &frame.as_ref()));
            Some(go_on(step, tag, file, context))
        });
        match outcome.flatten() {
            Some(outcome) => self.act_on(outcome),
            None => Ok(()),
        }
    }

    /// Lets an upload read its next bytes. Returns whether one does.
    pub(super) fn pump(&mut self) -> bool {
        let Phase::LoggedIn { connection, .. } = &mut self.phase else { return false };
        let read: Option<Tag> =
            commands::files::pump(self.last_read, &mut connection.server, &mut self.queue);
        self.last_read = read.unwrap_or(self.last_read);
        read.is_some()
    }

    /// Something came from other users, or is to be said because of them.
    pub(super) fn reported(&mut self, report: Report) {
        match report {
            Report::Say(text) => self.output.say(text),
            Report::PrivateText { from, text } => {
                let message = PrivateText { kind: "PrivateText", from: &from, text: &text };
                self.say_private(&message);
            }
            Report::Refuse(text) => self.output.refuse(text),
            Report::Warn(text) => self.output.warn(text),
            Report::Show(text) => self.output.show(&text),
            Report::Tell(request) => self.with(|context| {
                context.server.tell(&request.as_ref());
            }),
            Report::AskPrivate { user, enabled } => {
                let typed = format!("startprivate {user}");
                let request = Request::AskPrivate { user: &user, enabled };
                self.ask(request, &typed, Awaits::PrivateQuestion(user.clone()));
            }
            Report::RelaySealed { link, user, text, ciphertext } => {
                let typed = format!("private {user} {text}");
                let request = Request::RelaySealed { link, ciphertext: &ciphertext };
                self.ask(request, &typed, Awaits::Relayed(user.clone()));
            }
            Report::Compare { user, words } => {
                let text = Answer::Compare { user: &user, words: &words.join(" ") }.to_string();
                let message = json!({ "kind": "Compare", "user": user, "words": words, "text": text });
                self.output.print_message(&message, None);
                self.output.say(text);
                self.output.unmute();
            }
        }
    }

    /// Shows what another user has said past the server; also while there is none.
    fn say_private(&mut self, message: &PrivateText<'_>) {
        let (from, text) = (message.from, message.text);
        let line = lines::private(from, text);
        let origin = Origin { author: from, at_ms: self.clock.now(self.now).ms, text };
        let now = self.now;
        let Self { phase, output, .. } = self;
        output.notify(message, None, |output| match phase {
            Phase::LoggedIn { commands, .. } => commands.say(&line, Some(origin), now, output, true),
            _ => output.say(line),
        });
    }

    /// Asks the server, if there is one.
    fn ask(&mut self, request: Request<'_>, typed: &str, awaits: Awaits) {
        match self.phase {
            Phase::LoggedIn { .. } => self.with(|context| asked::ask(context, request, typed, awaits)),
            _ => self.output.refuse(super::offline::NOT_SENT),
        }
    }
}
