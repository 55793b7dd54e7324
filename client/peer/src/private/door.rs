//! The door where the other end of a private session is awaited: who calls there has to prove that the server has
//! introduced it.
//!
//! A caller says the first message of the handshake, which nobody can make who has not the token, and gets the
//! second. It is the right one once it seals something: a copy of the first message gets no further.

use std::io::{self, Read};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use forum_common::limits::HEADER_BYTES;
use forum_common::wire::{Direct, Input};
use rustix::event::{PollFd, PollFlags};

use super::line::{Heard, Line};
use crate::is_passing;
use crate::noise::{HANDSHAKE_BYTES, Secret};

/// How long a caller at the door has for the handshake, and so has the end that calls.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Callers that may stand at the door at once. One is expected, and it has much to say for itself; for one
/// more, the one that has stood there longest is sent away.
pub(super) const CALLERS_MAX: usize = 8;

/// Bytes of the frame with the first message. A stranger's are never more than these in memory.
const FIRST_FRAME_BYTES: usize = HEADER_BYTES + 2 + HANDSHAKE_BYTES;

/// Where one peer is awaited.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) listener: TcpListener,
    secret: Secret,
    pub(super) callers: Vec<Caller>,
}

/// Somebody who has not proved anything yet.
#[derive(Debug)]
pub(super) struct Caller {
    stage: Stage,
    until: Instant,
}

#[derive(Debug)]
enum Stage {
    /// It has yet to say the first message.
    Silent(TcpStream, Input),
    /// It has been answered, and has yet to show that it understood the answer.
    Answered(Box<Line>),
}

/// What is known of a caller.
#[derive(Debug)]
enum Verdict {
    /// It has not said enough.
    Unknown(Stage),
    /// It has the token, and the keys.
    Proved(Box<Line>),
    /// It has not, or is gone.
    Stranger,
}

impl Door {
    /// Opens a door at any free port of this address, for the end that has the secret.
    ///
    /// # Errors
    /// Those of the kernel.
    pub(super) fn open(address: IpAddr, secret: Secret) -> io::Result<Self> {
        let listener = TcpListener::bind((address, 0))?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, secret, callers: Vec::new() })
    }

    /// Its port.
    ///
    /// # Errors
    /// Those of the kernel.
    pub(super) fn port(&self) -> io::Result<u16> {
        self.listener.local_addr().map(|address| address.port())
    }

    /// What to poll for.
    pub(super) fn poll_fds<'a>(&'a self, fds: &mut Vec<PollFd<'a>>) {
        fds.push(PollFd::new(&self.listener, PollFlags::IN));
        fds.extend(self.callers.iter().map(|caller| match &caller.stage {
            Stage::Silent(stream, _) => PollFd::new(stream, PollFlags::IN),
            Stage::Answered(line) => line.poll_fd(),
        }));
    }

    /// When somebody at the door has to be sent away.
    pub(super) fn due(&self) -> Option<Instant> {
        self.callers.iter().map(|caller| caller.until).min()
    }

    /// Lets in who proves to be the one. A caller that says anything else, or nothing for too long, is sent away
    /// without a word.
    pub(super) fn attend(&mut self, now: Instant) -> Option<Line> {
        for _ in 0..CALLERS_MAX {
            let Ok((stream, _)) = self.listener.accept() else { break };
            if stream.set_nonblocking(true).is_ok() {
                let stage = Stage::Silent(stream, Input::new(FIRST_FRAME_BYTES));
                self.callers.push(Caller { stage, until: now + HANDSHAKE_TIMEOUT });
            }
        }
        let mut proved = None;
        for Caller { stage, until } in std::mem::take(&mut self.callers) {
            match stage.listen(&self.secret) {
                Verdict::Unknown(stage) if now < until => self.callers.push(Caller { stage, until }),
                Verdict::Proved(line) if proved.is_none() => proved = Some(*line),
                Verdict::Unknown(_) | Verdict::Proved(_) | Verdict::Stranger => {}
            }
        }
        let surplus = self.callers.len().saturating_sub(CALLERS_MAX);
        self.callers.drain(..surplus);
        proved
    }
}

impl Stage {
    fn listen(self, secret: &Secret) -> Verdict {
        match self {
            Self::Silent(mut stream, mut said) => {
                match stream.read(said.space()) {
                    Ok(0) => return Verdict::Stranger,
                    Ok(count) => said.filled(count),
                    Err(error) if is_passing(&error) => {}
                    Err(_) => return Verdict::Stranger,
                }
                let first = match said.take().map(|frame| frame.map(|frame| Direct::decode(&frame))) {
                    Ok(None) => return Verdict::Unknown(Self::Silent(stream, said)),
                    Ok(Some(Ok(Direct::Handshake { message }))) => message,
                    _ => return Verdict::Stranger,
                };
                Line::answering(stream, secret, first)
                    .map_or(Verdict::Stranger, |line| Verdict::Unknown(Self::Answered(Box::new(line))))
            }
            Self::Answered(mut line) => match line.attend() {
                (heard, true) if heard.is_empty() => Verdict::Unknown(Self::Answered(line)),
                // What may come right after it, its end included, is found when it stands.
                (heard, _) if heard == [Heard::Ready] => Verdict::Proved(line),
                _ => Verdict::Stranger,
            },
        }
    }
}
