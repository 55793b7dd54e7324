//! What a user can do while the connection to the server is lost: talk to users who are reached past it, and
//! leave.

use forum_common::text::{Command, parse, prompts};
use forum_common::wire::Request;

use super::Core;
use super::event::{Ending, PeerAction};
use crate::line_editor::input::Entered;

/// What needs the server.
pub(super) const NOT_SENT: &str = "Not connected. The command was not sent";

impl Core {
    /// Takes what was entered while there is no server to send it to.
    pub(super) fn enter_offline(&mut self, entered: &Entered) -> Result<(), Ending> {
        match entered {
            Entered::Line(line) => match parse(line, self.clock.now(self.now)) {
                Ok(None) => {}
                Ok(Some(Command::Ask(Request::LogOut))) => return Err(Ending::Lost),
                Ok(Some(Command::Private { user, text })) => {
                    let (user, text) = (user.to_owned(), text.to_owned());
                    self.queue.peer(PeerAction::Say { user, text });
                }
                Ok(Some(Command::StopPrivate { user })) => {
                    self.queue.peer(PeerAction::Stop { user: user.to_owned() });
                }
                Ok(Some(Command::Verify { user })) => {
                    self.queue.peer(PeerAction::Verify { user: user.to_owned() });
                }
                Ok(Some(Command::Cancel(file))) => {
                    self.queue.peer(PeerAction::Cancel { file: file.map(str::to_owned), found: false });
                }
                Ok(Some(_)) | Err(_) => self.output.refuse(NOT_SENT),
            },
            Entered::End | Entered::Interrupt => {
                self.output.echo(prompts::NOT_CONNECTED, "");
                return Err(Ending::Lost);
            }
            Entered::Unreadable(why) => self.output.refuse(why),
            Entered::ClearScreen | Entered::Complete => {}
        }
        Ok(())
    }
}
