//! Whether the user wants to end what goes on now: an import, a question. A signal that ends the program on the
//! spot would leave half an import behind, or a terminal that shows nothing of what is typed. So it is only
//! noticed, and asked for now and then. This module doesn't know what there is to clean up.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::SigId;
use signal_hook::low_level::{pipe, unregister};

use crate::failed::Failed;

/// What signals do.
pub(crate) enum Interrupts {
    /// They end the process at once: for what leaves nothing behind.
    Deadly,
    /// They make this readable, for ever: for what must clean up.
    Noticed { signals: UnixStream, _registered: Registered },
}

/// A signal came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interrupted;

/// What there is to read.
pub(crate) enum Ready {
    Input,
    Interrupt,
}

/// What is done when signals come, as long as this is not dropped.
#[derive(Default)]
pub(crate) struct Registered(Vec<SigId>);

impl Drop for Registered {
    fn drop(&mut self) {
        for id in self.0.drain(..) {
            unregister(id);
        }
    }
}

const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

impl Interrupts {
    /// From now on these signals are noticed. What else was to be done about them is done, too.
    pub(crate) fn noticed(numbers: impl IntoIterator<Item = i32>) -> io::Result<Self> {
        let (signals, sender) = UnixStream::pair()?;
        let mut registered = Registered::default();
        for signal in numbers {
            registered.0.push(pipe::register(signal, sender.try_clone()?)?);
        }
        Ok(Self::Noticed { signals, _registered: registered })
    }

    /// Did one come?
    pub(crate) fn check(&self) -> Result<(), Interrupted> {
        match self {
            Self::Deadly => Ok(()),
            Self::Noticed { signals, .. } => {
                let mut watched = [PollFd::new(signals, PollFlags::IN)];
                match poll(&mut watched, Some(&AT_ONCE)) {
                    Ok(0) => Ok(()),
                    // Interrupted by a signal, most likely by one of these.
                    Ok(_) | Err(_) => Err(Interrupted),
                }
            }
        }
    }

    /// Waits until `input` has something to read, its end included, or a signal comes.
    pub(crate) fn wait(&self, input: BorrowedFd<'_>) -> io::Result<Ready> {
        let Self::Noticed { signals, .. } = self else { return Ok(Ready::Input) };
        let mut watched =
            [PollFd::from_borrowed_fd(input, PollFlags::IN), PollFd::new(signals, PollFlags::IN)];
        loop {
            match poll(&mut watched, None) {
                Ok(_) if !watched[1].revents().is_empty() => return Ok(Ready::Interrupt),
                Ok(_) => return Ok(Ready::Input),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A signal that came already.
    #[cfg(test)]
    pub(crate) fn fired() -> Self {
        use std::io::Write;
        let (signals, mut sender) = UnixStream::pair().unwrap();
        sender.write_all(b"!").unwrap();
        Self::Noticed { signals, _registered: Registered::default() }
    }
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

impl From<Interrupted> for Failed {
    fn from(interrupted: Interrupted) -> Self {
        Self::because(interrupted)
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn an_interrupt_is_noticed_for_ever_and_comes_before_input() {
        let (input, mut other_end) = UnixStream::pair().unwrap();
        std::io::Write::write_all(&mut other_end, b"line\n").unwrap();
        let interrupts = Interrupts::fired();
        assert_eq!((interrupts.check(), interrupts.check()), (Err(Interrupted), Err(Interrupted)));
        assert!(matches!(interrupts.wait(input.as_fd()), Ok(Ready::Interrupt)));
    }

    #[test]
    fn without_an_interrupt_input_is_what_there_is() {
        let (input, other_end) = UnixStream::pair().unwrap();
        let (signals, _sender) = UnixStream::pair().unwrap();
        let interrupts = Interrupts::Noticed { signals, _registered: Registered::default() };
        assert_eq!(interrupts.check(), Ok(()));
        drop(other_end);
        assert!(matches!(interrupts.wait(input.as_fd()), Ok(Ready::Input)), "its end counts");
    }
}
