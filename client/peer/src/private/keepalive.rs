//! How a private session notices that the other end has vanished: the kernel asks.

use std::io;
use std::net::TcpStream;
use std::time::Duration;

use rustix::net::sockopt;

/// Silence after which the kernel asks whether the other end is still there.
const IDLE: Duration = Duration::from_secs(30);
/// How often it asks again.
const INTERVAL: Duration = Duration::from_secs(10);
/// How many questions stay unanswered before the connection is dead.
const PROBES: u32 = 3;
/// Milliseconds that sent data may stay unacknowledged; the same 60 s as above.
const USER_TIMEOUT_MS: u32 = 60_000;

/// Makes a connection one for small frames that somebody waits for, and one that notices when the other end
/// has vanished: within a minute, whether or not something was sent to it.
///
/// # Errors
/// The kernel refuses an option.
pub(super) fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    sockopt::set_tcp_nodelay(stream, true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, IDLE)?;
    sockopt::set_tcp_keepintvl(stream, INTERVAL)?;
    sockopt::set_tcp_keepcnt(stream, PROBES)?;
    sockopt::set_tcp_user_timeout(stream, USER_TIMEOUT_MS)?;
    Ok(())
}
