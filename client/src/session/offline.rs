//! What a user can do while the connection to the server is lost: talk to those who are reached past it, and
//! leave.

use std::time::Instant;

use forum_common::text::{Command, parse};
use forum_common::wire::Request;

use super::Ending;
use super::entering::reason;
use crate::clock::Clock;
use crate::connection::Server;
use crate::input::Entered;
use crate::output::Output;
use crate::peer::Desk;
use crate::peer::links::Links;
use crate::peer::private::Way;

/// What needs the server.
const NOT_SENT: &str = "Not connected. The command was not sent";

/// Takes what was entered while there is no server to send it to.
pub(super) fn enter(
    entered: &Entered,
    clock: &Clock,
    links: &mut Links,
    now: Instant,
    output: &mut Output,
) -> Result<(), Ending> {
    match entered {
        Entered::Line(line) => match parse(line, clock.now(now)) {
            Ok(None) => {}
            Ok(Some(Command::Ask(Request::LogOut))) => return Err(Ending::Lost),
            Ok(Some(command)) => {
                if let Err(refusal) = begin(&command, links, now, output) {
                    output.refuse(refusal);
                }
            }
            Err(_) => output.refuse(NOT_SENT),
        },
        Entered::End | Entered::Interrupt => return Err(Ending::Lost),
        unreadable => output.refuse(reason(unreadable)),
    }
    Ok(())
}

fn begin(command: &Command<'_>, links: &mut Links, now: Instant, output: &mut Output) -> Result<(), String> {
    match *command {
        Command::Private { user, text } => match links.privates.say(user, text) {
            Way::Gone => Ok(()),
            Way::Relay(_) => Err(NOT_SENT.to_owned()),
            Way::Refused(rejection) => Err(rejection.to_string()),
        },
        Command::StopPrivate { user } => {
            let mut nobody = Server::default();
            let stopped = links.privates.stop(user, &mut Desk { now, server: &mut nobody, output });
            stopped.map_err(|rejection| rejection.to_string())
        }
        _ => Err(NOT_SENT.to_owned()),
    }
}
