//! What a server's process has used, read from `/proc`, and which process serves an address.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use crate::outcome::ServerUse;

/// What the kernel's clock ticks count a second in `/proc/PID/stat`: 100 on every Linux there is (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// What some processes together had used at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Snapshot {
    taken: Instant,
    pub(crate) cpu_seconds: f64,
    user_seconds: f64,
    system_seconds: f64,
    pub(crate) memory_bytes: u64,
}

impl Snapshot {
    /// Looks at processes `pids`; nothing if there are none, or one does not exist or may not be looked at.
    pub fn of(pids: &[u32]) -> Option<Self> {
        let (first, rest) = pids.split_first()?;
        rest.iter().try_fold(Self::of_one(*first)?, |sum, pid| Some(sum.plus(&Self::of_one(*pid)?)))
    }

    /// The time is the sum over its threads of what the scheduler counted in nanoseconds. A thread that has
    /// ended has taken its part along, so a server should not start threads while it is measured.
    fn of_one(pid: u32) -> Option<Self> {
        let root = Path::new("/proc").join(pid.to_string());
        let mut cpu_ns = 0;
        for task in fs::read_dir(root.join("task")).ok()?.flatten() {
            let Ok(schedstat) = fs::read_to_string(task.path().join("schedstat")) else { continue };
            cpu_ns += schedstat.split(' ').next()?.parse::<u64>().ok()?;
        }
        let (user, system) = ticks(&fs::read_to_string(root.join("stat")).ok()?)?;
        Some(Self {
            taken: Instant::now(),
            cpu_seconds: cpu_ns as f64 / 1e9,
            user_seconds: user as f64 / TICKS_PER_SECOND,
            system_seconds: system as f64 / TICKS_PER_SECOND,
            memory_bytes: anonymous_bytes(&fs::read_to_string(root.join("status")).ok()?)?,
        })
    }

    fn plus(&self, other: &Self) -> Self {
        Self {
            taken: self.taken,
            cpu_seconds: self.cpu_seconds + other.cpu_seconds,
            user_seconds: self.user_seconds + other.user_seconds,
            system_seconds: self.system_seconds + other.system_seconds,
            memory_bytes: self.memory_bytes + other.memory_bytes,
        }
    }

    /// What was used from here to `end`; the caller adds by whom. How much of it was outside the kernel is known to a
    /// clock tick only, so the precise sum is shared out in that proportion.
    pub fn until(&self, end: &Self) -> ServerUse {
        let cpu = (end.cpu_seconds - self.cpu_seconds).max(0.0);
        let user = end.user_seconds - self.user_seconds;
        let ticks = user + end.system_seconds - self.system_seconds;
        let user_share = if ticks > 0.0 { (user / ticks).clamp(0.0, 1.0) } else { 0.5 };
        ServerUse {
            pids: Vec::new(),
            seconds: (end.taken - self.taken).as_secs_f64(),
            user_seconds: cpu * user_share,
            system_seconds: cpu * (1.0 - user_share),
            memory_bytes_before: self.memory_bytes,
            memory_bytes_after: end.memory_bytes,
            series: Vec::new(),
        }
    }
}

/// `utime` and `stime` of a `stat` line: the 12th and 13th field after the name, which is in parentheses
/// and may hold anything.
fn ticks(stat: &str) -> Option<(u64, u64)> {
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn anonymous_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

/// The processes of the server at `address`: those that were named, or the one that listens there.
pub fn server_processes(named: &[u32], address: SocketAddr) -> Vec<u32> {
    match named {
        [] => listening_process(address).into_iter().collect(),
        named => named.to_vec(),
    }
}

/// The process that listens at `address`, if it is one of this machine that we may look at.
fn listening_process(address: SocketAddr) -> Option<u32> {
    if !address.ip().is_loopback() {
        return None;
    }
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .find_map(|table| listening_inode(&fs::read_to_string(table).ok()?, address.port()))?;
    let wanted = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(|pid| holds(*pid, &wanted))
}

/// The inode of the socket that listens at `port`: state 0A, in the tenth column.
fn listening_inode(table: &str, port: u16) -> Option<u64> {
    table.lines().skip(1).find_map(|line| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let (_, hexadecimal) = columns.get(1)?.rsplit_once(':')?;
        let listens = columns.get(3) == Some(&"0A") && u16::from_str_radix(hexadecimal, 16) == Ok(port);
        listens.then(|| columns.get(9)?.parse().ok())?
    })
}

fn holds(pid: u32, link: &str) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    descriptors
        .flatten()
        .any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target.as_os_str() == link))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_listener_of_this_process_is_found_to_be_its() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(server_processes(&[], listener.local_addr().unwrap()), [std::process::id()]);
    }

    #[test]
    fn what_this_process_uses_can_be_read() {
        let before = Snapshot::of(&[std::process::id()]).unwrap();
        let after = Snapshot::of(&[std::process::id()]).unwrap();
        let used = before.until(&after);
        assert!(used.memory_bytes_after > 0 && used.cpu_seconds() >= 0.0, "{used:?}");
    }

    #[test]
    fn what_several_processes_use_is_added_up_and_nothing_is_said_if_one_is_missing() {
        let mut other = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let [one, two] = [std::process::id(), other.id()];
        let [of_two, both] = [&[two] as &[u32], &[one, two]].map(|pids| Snapshot::of(pids).unwrap());
        let with_a_stranger = Snapshot::of(&[one, u32::MAX]);
        other.kill().and_then(|()| other.wait()).unwrap();
        assert!(both.memory_bytes > of_two.memory_bytes && both.cpu_seconds > of_two.cpu_seconds, "{both:?}");
        assert!(with_a_stranger.is_none());
    }

    #[test]
    fn a_process_may_be_called_anything() {
        let stat = "7 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14";
        assert_eq!(ticks(stat), Some((11, 12)));
    }
}
