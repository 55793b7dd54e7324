//! A loop around one transfer, for tests and measurements, and as an example for a loop around many.

use std::io;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::socket::{Link, PeerSocket};
use super::{Endpoint, Event};

/// How long a socket that can't be written to is waited for when a timer of the transfer is due as well.
const BLOCKED_MIN: Duration = Duration::from_millis(1);

/// Runs a transfer until it is closed or `on_event` breaks off. `on_event` sees each event, with the end it is
/// from.
///
/// # Errors
/// The socket fails.
pub fn run<E: Endpoint>(
    socket: &mut PeerSocket,
    link: &mut Link<E>,
    mut on_event: impl FnMut(&mut E, Instant, Event) -> ControlFlow<()>,
) -> io::Result<()> {
    while !link.endpoint.is_closed() {
        let now = Instant::now();
        let has_heard = socket.receive(|from, datagram| {
            link.on_datagram(now, from, datagram);
        })?;
        link.endpoint.on_timeout(now);
        let has_more = socket.transmit(now, link);
        link.endpoint.settle(now);
        while let Some(event) = link.endpoint.poll_event() {
            if on_event(&mut link.endpoint, now, event).is_break() {
                return Ok(());
            }
        }
        if !has_heard && !has_more {
            wait(socket, link.endpoint.poll_timeout())?;
        }
    }
    Ok(())
}

/// Waits for the socket, or until this time.
fn wait(socket: &PeerSocket, until: Option<Instant>) -> io::Result<()> {
    let mut interest = PollFlags::IN;
    let mut timeout = until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
    if socket.wants_to_write() {
        interest |= PollFlags::OUT;
        timeout = timeout.max(BLOCKED_MIN);
    }
    let timeout = Timespec::try_from(timeout).unwrap_or_default();
    match poll(&mut [PollFd::new(socket, interest)], Some(&timeout)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
