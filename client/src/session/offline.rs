//! What a user can do while the connection to the server is lost: talk to those who are reached past it, and
//! leave.

use std::time::Instant;

use forum_common::request::Request;

use super::Ending;
use super::entering::reason;
use crate::connection::Outbox;
use crate::input::Entered;
use crate::output::Output;
use crate::peer::Desk;
use crate::peer::links::Links;
use crate::peer::private::Way;
use crate::prompt::{self, Command};

/// What needs the server.
const NOT_SENT: &str = "Not connected. The command was not sent";

/// Takes what was entered while there is no server to send it to.
pub(super) fn enter(
    entered: &Entered,
    links: &mut Links,
    now: Instant,
    output: &mut Output,
) -> Result<(), Ending> {
    match entered {
        Entered::Line(line) => match prompt::parse(line) {
            Ok(None) => {}
            Ok(Some(Command::Ask(Request::LogOut))) => return Err(Ending::Lost),
            Ok(Some(command)) => {
                if let Err(refusal) = begin(&command, links, now, output) {
                    output.refuse(&refusal);
                }
            }
            Err(_) => output.refuse(NOT_SENT),
        },
        Entered::End | Entered::Interrupt => return Err(Ending::Lost),
        unreadable => output.refuse(&reason(unreadable)),
    }
    Ok(())
}

fn begin(command: &Command<'_>, links: &mut Links, now: Instant, output: &mut Output) -> Result<(), String> {
    match *command {
        Command::Private { user, text } => match links.privates.say(user, text) {
            Way::Gone => Ok(()),
            Way::Relay(_) => Err(NOT_SENT.to_owned()),
            Way::Refused(refusal) => Err(refusal),
        },
        Command::StopPrivate { user } => {
            let mut nowhere = Outbox::default();
            links.privates.stop(user, &mut Desk { now, outbox: &mut nowhere, output })
        }
        _ => Err(NOT_SENT.to_owned()),
    }
}
