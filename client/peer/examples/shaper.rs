//! A path between two network interfaces in user space: latency, rate, queue length and loss, the same from the same
//! seed. For kernels that can't do this themselves (`netem`).
//!
//! `shaper NAME NAME --round-trip-ms 40 --mbit 100 --queue-kib 256 --loss-per-mille 10 --seed 1` makes two TUN devices,
//! says `ready`, and carries each IP packet that one is given to the other, until its standard input ends. Then it
//! says how many packets there were, and how many of them it dropped. `lossy.sh` puts the devices into two network
//! namespaces. Needs `CAP_NET_ADMIN` and `/dev/net/tun`.
//!
//! What happens to a packet is decided by the network that the tests of the transport run in, in virtual time there.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "it is told and asked by a script")]

#[expect(dead_code, reason = "tests ask more of it")]
#[path = "../src/transport/tests/network.rs"]
mod network;

use std::io::{self, ErrorKind, Read};
use std::time::{Duration, Instant};

use clap::Parser;
use network::{Conditions, Direction};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tappers::Interface;
use tappers::linux::Tun;

/// Bytes of the longest IP packet.
const PACKET_BYTES_MAX: usize = 65_535;
/// Packets taken from one device before the other is looked at.
const PACKETS_A_TURN: usize = 64;

/// A path with latency, a rate, a queue and losses between two new TUN devices.
#[derive(Debug, Parser)]
struct Options {
    /// The names of the devices, at most 15 bytes
    #[arg(num_args = 2, value_names = ["ONE", "OTHER"])]
    devices: Vec<String>,
    /// Latency of the way there and back, without the time in queues
    #[arg(long, value_name = "MS", default_value_t = 0.0)]
    round_trip_ms: f64,
    /// Rate of each direction, in 10^6 bits of IP packets a second [default: no limit]
    #[arg(long, value_name = "N")]
    mbit: Option<f64>,
    /// Bytes that wait for that rate in each direction before more are dropped
    #[arg(long, value_name = "KIB", default_value_t = 256)]
    queue_kib: u64,
    /// Packets of a thousand that are lost, each by itself, in each direction
    #[arg(long, value_name = "N", default_value_t = 0.0)]
    loss_per_mille: f64,
    /// What the losses follow from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl Options {
    fn conditions(&self) -> Conditions {
        let rate = self.mbit.map(|mbit| (mbit * 1e6 / 8.0) as u64);
        Conditions {
            loss: self.loss_per_mille / 1e3,
            delay: Duration::from_secs_f64(self.round_trip_ms / 2e3),
            bottleneck: rate.map(|bytes_a_second| (bytes_a_second, self.queue_kib << 10)),
            ..Conditions::default()
        }
    }
}

/// One way: what one device is given comes out of the other.
struct Way {
    direction: Direction,
    passed: u64,
}

impl Way {
    /// Takes what the device is given, up to a share. Returns whether there may be more.
    fn take(&mut self, from: &Tun, buffer: &mut [u8]) -> io::Result<bool> {
        for _ in 0..PACKETS_A_TURN {
            match from.recv(buffer) {
                Ok(bytes) => self.direction.send(Instant::now(), &buffer[..bytes]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Hands out what has arrived.
    fn pass(&mut self, to: &Tun) {
        while let Some(packet) = self.direction.receive(Instant::now()) {
            // A device that is not up yet, or is full, loses packets like any other.
            self.passed += u64::from(to.send(&packet).is_ok());
        }
    }
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    let (conditions, now) = (options.conditions(), Instant::now());
    let tuns = [open(&options.devices[0])?, open(&options.devices[1])?];
    let mut ways = [options.seed, !options.seed]
        .map(|seed| Way { direction: Direction::new(now, seed, conditions.clone()), passed: 0 });
    println!("ready");
    let mut buffer = vec![0; PACKET_BYTES_MAX];
    let mut has_more = false;
    while has_more || wait(&tuns, &ways)? {
        has_more = false;
        for (way, (from, to)) in ways.iter_mut().zip([(&tuns[0], &tuns[1]), (&tuns[1], &tuns[0])]) {
            has_more |= way.take(from, &mut buffer)?;
            way.pass(to);
        }
    }
    let [there, back] = ways.map(|way| (way.direction.sent(), way.direction.sent() - way.passed));
    println!("{} of {} dropped there, {} of {} back", there.1, there.0, back.1, back.0);
    Ok(())
}

fn open(name: &str) -> io::Result<Tun> {
    let tun = Tun::new_named(Interface::new(name)?)?;
    tun.set_nonblocking(true)?;
    Ok(tun)
}

/// Waits for a packet, or until one has arrived. Returns whether to go on: not after the end of the input.
fn wait(tuns: &[Tun; 2], ways: &[Way; 2]) -> io::Result<bool> {
    let next = ways.iter().filter_map(|way| way.direction.next_arrival()).min();
    let timeout = next.map(|at| at.saturating_duration_since(Instant::now()));
    let timeout = timeout.map(|timeout| Timespec::try_from(timeout).unwrap_or_default());
    let input = io::stdin();
    let mut interest = [
        PollFd::new(&tuns[0], PollFlags::IN),
        PollFd::new(&tuns[1], PollFlags::IN),
        PollFd::new(&input, PollFlags::IN),
    ];
    poll(&mut interest, timeout.as_ref())?;
    let has_input = !interest[2].revents().is_empty();
    Ok(!has_input || io::stdin().read(&mut [0])? > 0)
}
