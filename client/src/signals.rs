//! Signals as something to poll.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use signal_hook::consts::{
    SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGPROF, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2, SIGVTALRM,
    SIGWINCH, SIGXCPU,
};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;
use signal_hook::low_level;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// The terminal has another size.
    Resized,
    /// The shell wants its terminal back for a while.
    Suspend,
    /// We have the terminal again.
    Continued,
    /// It is over; the number of the signal.
    Die(i32),
}

/// Signals that end a program, other than SIGHUP and those that tell of a fault in it.
const DEADLY: [i32; 9] = [SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGXCPU];

/// Signals that arrived.
#[derive(Debug)]
pub struct Signals {
    delivery: SignalDelivery<UnixStream, SignalOnly>,
}

impl Signals {
    /// Catches signals from now on: those that would leave something behind, an unfinished file or a
    /// terminal in raw mode. In pipes SIGHUP keeps its meaning, so that nohup works.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn catch(on_terminal: bool) -> io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        let there = [SIGHUP, SIGTSTP, SIGCONT, SIGWINCH];
        let caught = DEADLY.iter().chain(if on_terminal { &there[..] } else { &[] });
        Ok(Self { delivery: SignalDelivery::with_pipe(read, write, SignalOnly, caught)? })
    }

    /// Takes what has arrived.
    pub fn take(&mut self) -> Vec<Call> {
        let call = |signal| match signal {
            SIGWINCH => Call::Resized,
            SIGTSTP => Call::Suspend,
            SIGCONT => Call::Continued,
            signal => Call::Die(signal),
        };
        self.delivery.pending().map(call).collect()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.delivery.get_read().as_fd()
    }
}

/// Stops this process until somebody continues it.
///
/// # Errors
/// The kernel refuses.
pub fn stop() -> io::Result<()> {
    low_level::emulate_default_handler(SIGTSTP)
}

/// Dies of `signal`, so that the parent sees that we did.
///
/// # Errors
/// It did not kill us.
pub fn die(signal: i32) -> io::Result<()> {
    low_level::emulate_default_handler(signal)
}
