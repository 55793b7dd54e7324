//! The command line of `forum-load`, and what of it fits together.

mod options;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use forum_common::limits::TEXT_BYTES_MAX;

use crate::dialect::Protocol;
use crate::find::FIRST_RATE;
use crate::pacing::Pace;
use crate::quantity::{parse_bytes, parse_duration};
use crate::sources::{Sources, parse_sources};
use crate::stages::{RATE_MAX, Stages};
use crate::target::TlsArguments;
use crate::threshold::Threshold;
use crate::{mixed, work};

/// Connections from one source address to one server: what Linux has of ephemeral ports by default
/// (`net.ipv4.ip_local_port_range`).
pub const CONNECTIONS_PER_SOURCE_MAX: u32 = 28_000;

/// Bytes of a file, unless told otherwise: long enough to measure, and no surprise on the disk of the server.
pub const FILE_BYTES: u64 = 16 << 20;

/// Bytes of a message, unless told otherwise.
const MESSAGE_BYTES: u64 = 100;

/// Load generator for forumd, Redis, NATS and MQTT: sends requests at a rate or as fast as they are answered, and reports
/// how long the answers took.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "forum-load",
    version,
    max_term_width = 100,
    after_help = "forum-load compare A.json B.json sets two results side by side."
)]
pub struct Arguments {
    /// What to do
    pub scenario: Scenario,
    /// Server address
    #[arg(value_name = "HOST:PORT", default_value = "127.0.0.1:12345")]
    pub server: String,
    /// Protocol to speak
    #[arg(long, value_enum, default_value = "forum")]
    pub protocol: Protocol,

    /// Connections that send requests; of fanout, those that listen
    #[arg(short, long, value_name = "N", default_value_t = 50, help_heading = "How much",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub connections: u32,
    /// Additional idle connections, logged in
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "How much",
          value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub idle: u32,
    /// Open loop: operations a second, over all connections (of fanout: bursts; of connect: log-ins)
    #[arg(long, value_name = "R", conflicts_with = "pipeline", value_parser = parse_rate, help_heading = "How much")]
    pub rate: Option<f64>,
    /// Open loop whose rate goes evenly to each R in its TIME, from 0 on, without a warm-up: `10s:1000,30s:5000,10s:0`
    #[arg(long, value_name = "TIME:R,…", conflicts_with_all = ["rate", "pipeline", "duration", "count"],
          help_heading = "How much")]
    pub stages: Option<Stages>,
    /// Closed loop: requests in flight on each connection
    #[arg(short, long, value_name = "D", default_value_t = 1, help_heading = "How much",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub pipeline: u32,
    /// How long to measure; of connect: how long to stay; of transfer: the longest that files are moved
    #[arg(short, long, value_name = "TIME", default_value = "10s", alias = "hold", value_parser = parse_duration,
          help_heading = "How much")]
    pub duration: Duration,
    /// Stop after N operations rather than after a time
    #[arg(short = 'n', long, value_name = "N", conflicts_with = "duration", help_heading = "How much",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// How long to run before measuring (not connect, transfer)
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_duration, help_heading = "How much")]
    pub warm_up: Duration,
    /// Count a request as failed if it is unanswered TIME after it was due
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = "How much")]
    pub timeout: Option<Duration>,
    /// Connections that log in at once while they are made
    #[arg(long, value_name = "N", default_value_t = 256, alias = "ramp", help_heading = "How much",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub at_once: u32,
    /// Spread the connections over P processes
    #[arg(long, value_name = "P", default_value_t = 1, help_heading = "How much",
          value_parser = clap::value_parser!(u32).range(1..=64))]
    pub processes: u32,
    /// Connect from these addresses in turn: `A-B`, or so many from 127.0.0.2 on
    #[arg(long, value_name = "ADDRESSES", value_parser = parse_sources, help_heading = "How much")]
    pub source_ips: Option<Sources>,

    /// Bytes of a message, or of a file [default: 100 of a message, 16MiB of a file]
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes, help_heading = "What")]
    pub size: Option<u64>,
    /// Threads (lists, subjects, topics) that posts go to
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "What",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub threads: u32,
    /// Post to or read from this thread, which is there, instead of making some
    #[arg(long, value_name = "TITLE", help_heading = "What")]
    pub thread: Option<String>,
    /// Messages that are read at once: the first N, or `FROM-TO`
    #[arg(long, value_name = "N", default_value = "20", value_parser = parse_page, help_heading = "What")]
    pub page: (u32, u32),
    /// How often mixed asks for what: ping, post, read, edit, delete, message
    #[arg(
        long,
        value_name = "KIND=N,…",
        default_value = "ping=10,post=5,read=80,edit=3,delete=2",
        help_heading = "What"
    )]
    pub weights: String,
    /// Messages that the speaker of fanout sends together
    #[arg(long, value_name = "B", default_value_t = 1, help_heading = "What",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub burst: u32,
    /// Members of a room of chat
    #[arg(long, value_name = "N", default_value_t = 5, help_heading = "What",
          value_parser = clap::value_parser!(u32).range(2..=100))]
    pub room_size: u32,
    /// Which way files go
    #[arg(long, value_enum, default_value = "down", help_heading = "What")]
    pub direction: Direction,
    /// Files that each connection of transfer moves, one after the other
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "What",
          value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub files: u32,
    /// Beside a transfer, send R pings a second on one more connection, and report those
    #[arg(long, value_name = "R", value_parser = parse_rate, help_heading = "What")]
    pub ping_beside: Option<f64>,
    /// Give each change a key, as a client does to repeat it safely
    #[arg(long, help_heading = "What")]
    pub keys: bool,
    /// Random seed
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "What")]
    pub seed: u64,

    /// Keep the threads and files that the run made; without this, they are removed at its end
    #[arg(long, help_heading = "What")]
    pub keep: bool,

    /// Names of users: this and a number; unknown ones are signed up
    #[arg(long, value_name = "NAME", default_value = "load", help_heading = "Who")]
    pub user_prefix: String,
    /// The password of all of them
    #[arg(long, value_name = "PASSWORD", default_value = "load", help_heading = "Who")]
    pub password: String,
    /// Ask forumd to tell every connection who comes and goes
    #[arg(long, help_heading = "Who")]
    pub presence: bool,
    /// The server's processes, such as a proxy and what is after it, whose CPU and memory are looked at and added up; that
    /// of a local server is found automatically, but a forumd's only by root, or if it runs with --dumpable
    #[arg(long, value_name = "PID", value_delimiter = ',', help_heading = "Who")]
    pub server_pid: Vec<u32>,

    /// Measure rate after rate, each for --duration, and find the highest for which this is true, such as `p99<5ms`;
    /// --rate is the first
    #[arg(long, value_name = "EXPRESSION", conflicts_with_all = ["stages", "pipeline", "count"],
          help_heading = "How much")]
    pub find: Option<Threshold>,

    /// Write the results as JSON; `-` is standard output, instead of the table
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub json: Option<PathBuf>,
    /// Write the percentiles in HdrHistogram's own format
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub histogram: Option<PathBuf>,
    /// Write a page with charts
    #[arg(long, value_name = "FILE.html", help_heading = "Output")]
    pub report: Option<PathBuf>,
    /// End with status 1 if this is true, for instance `p99>5ms`; may be given several times
    #[arg(long, value_name = "EXPRESSION", help_heading = "Output")]
    pub fail_if: Vec<Threshold>,
    /// Report progress every second, even when standard error is no terminal (not with --processes)
    #[arg(long, conflicts_with = "quiet", help_heading = "Output")]
    pub live: bool,
    /// Print errors only
    #[arg(short, long, help_heading = "Output")]
    pub quiet: bool,

    /// TLS.
    #[command(flatten)]
    pub tls: TlsArguments,

    /// Which part of the processes this is: set by the program itself
    #[arg(long, hide = true)]
    pub part: Option<u32>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Log in on all connections, and stay; the latency is that of the log-in
    Connect,
    /// The least that has an answer
    Ping,
    /// Short messages that are kept
    Post,
    /// A page of messages
    Read,
    /// Some of everything
    Mixed,
    /// One speaks, all others hear it; an operation is a delivery
    Fanout,
    /// Rooms whose members talk, to the room and to each other
    Chat,
    /// Files
    Transfer,
}

impl Scenario {
    /// Its name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Ping => "ping",
            Self::Post => "post",
            Self::Read => "read",
            Self::Mixed => "mixed",
            Self::Fanout => "fanout",
            Self::Chat => "chat",
            Self::Transfer => "transfer",
        }
    }

    /// The kinds of its requests, where there are several.
    pub fn kinds(self) -> &'static [&'static str] {
        match self {
            Self::Mixed => mixed::KINDS,
            Self::Chat => work::CHAT_KINDS,
            _ => &[],
        }
    }

    fn is_of_the_forum_alone(self) -> bool {
        matches!(self, Self::Read | Self::Mixed | Self::Chat | Self::Transfer)
    }

    fn makes_changes(self) -> bool {
        matches!(self, Self::Post | Self::Mixed | Self::Chat)
    }
}

/// Which way files go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Direction {
    /// From the client to the server
    Up,
    /// From the server to the client
    Down,
    /// No files, only pings
    None,
}

impl Arguments {
    /// Connections in all.
    pub fn total(&self) -> u32 {
        self.connections + self.idle + u32::from(self.scenario == Scenario::Fanout)
    }

    /// The pace of an open loop; nothing: it is a closed one.
    pub fn pace(&self) -> Option<Pace> {
        let rate = self.rate.or(self.find.map(|_| FIRST_RATE));
        self.stages.clone().map(Pace::Staged).or(rate.map(Pace::Constant))
    }

    /// How long is measured, unless that is until so many operations are done.
    pub fn measured_time(&self) -> Duration {
        self.stages.as_ref().map_or(self.duration, Stages::duration)
    }

    /// How long is asked before that: stages rise from nothing by themselves.
    pub fn warm_up_time(&self) -> Duration {
        if self.stages.is_some() { Duration::ZERO } else { self.warm_up }
    }

    /// Bytes of a message.
    pub fn text_bytes(&self) -> usize {
        usize::try_from(self.size.unwrap_or(MESSAGE_BYTES)).unwrap_or(usize::MAX)
    }

    /// Whether it fits together.
    ///
    /// # Errors
    /// A sentence that says what does not.
    pub fn check(&self) -> Result<(), String> {
        if self.protocol != Protocol::Forum && self.scenario.is_of_the_forum_alone() {
            let (scenario, protocol) = (self.scenario.name(), self.protocol.name());
            return Err(format!(
                "{scenario} is for --protocol forum: {protocol} has connect, ping, post and fanout"
            ));
        }
        if self.keys && !(self.protocol == Protocol::Forum && self.scenario.makes_changes()) {
            return Err("--keys is for post, mixed and chat of --protocol forum".to_owned());
        }
        if self.timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err("--timeout: more than 0".to_owned());
        }
        if self.timeout.is_some()
            && matches!(self.scenario, Scenario::Connect | Scenario::Fanout | Scenario::Transfer)
        {
            return Err(format!("{} has no --timeout", self.scenario.name()));
        }
        if self.measured_time().is_zero() && self.scenario != Scenario::Connect {
            return Err("--duration: more than 0".to_owned());
        }
        if self.stages.is_some() && matches!(self.scenario, Scenario::Connect | Scenario::Transfer) {
            return Err(format!("{} has no --stages", self.scenario.name()));
        }
        self.check_find()?;
        if self.presence && self.protocol != Protocol::Forum {
            return Err("--presence is for --protocol forum".to_owned());
        }
        if self.scenario != Scenario::Transfer && self.text_bytes() > TEXT_BYTES_MAX {
            return Err(format!("--size: a message has at most {TEXT_BYTES_MAX} bytes"));
        }
        if self.text_bytes() == 0 && self.scenario != Scenario::Transfer {
            return Err("--size: a message has at least 1 byte".to_owned());
        }
        let sources = self.source_ips.map_or(1, |sources| sources.count);
        if self.total().div_ceil(sources) > CONNECTIONS_PER_SOURCE_MAX {
            return Err(format!(
                "{} connections from {sources} address(es) are more than {CONNECTIONS_PER_SOURCE_MAX} from each, \
                 which is about what Linux has ports for: name more with --source-ips",
                self.total()
            ));
        }
        self.check_chat()?;
        self.check_processes()
    }

    fn check_find(&self) -> Result<(), String> {
        let has_rate = !matches!(self.scenario, Scenario::Connect | Scenario::Fanout | Scenario::Transfer);
        if self.find.is_some() && !has_rate {
            return Err(format!("{} has no --find", self.scenario.name()));
        }
        if self.find.is_some() && self.processes > 1 {
            return Err("--find is for a single process".to_owned());
        }
        Ok(())
    }

    fn check_chat(&self) -> Result<(), String> {
        let members = self.room_size * self.processes;
        if self.scenario == Scenario::Chat && !self.connections.is_multiple_of(members) {
            return Err(format!(
                "--connections of chat is a multiple of --room-size times --processes, here {members}"
            ));
        }
        Ok(())
    }

    fn check_processes(&self) -> Result<(), String> {
        let divisible = self.scenario != Scenario::Fanout && self.scenario != Scenario::Transfer;
        if self.processes > 1 && !divisible {
            return Err(format!("{} can't be shared among --processes", self.scenario.name()));
        }
        if self.processes > self.connections {
            return Err("--processes: each needs a connection".to_owned());
        }
        Ok(())
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "expected a number a second")?;
    if rate > 0.0 && rate <= RATE_MAX {
        Ok(rate)
    } else {
        Err("expected a number a second, over 0".to_owned())
    }
}

fn parse_page(text: &str) -> Result<(u32, u32), String> {
    let (from, to) = text.split_once('-').unwrap_or(("1", text));
    let page = from.parse().ok().zip(to.parse().ok()).filter(|&(from, to)| 1 <= from && from <= to);
    page.ok_or_else(|| "expected a number of messages, or FROM-TO".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn check(words: &str) -> Result<(), String> {
        let words = ["forum-load"].into_iter().chain(words.split(' '));
        Arguments::try_parse_from(words).map_err(|error| error.to_string())?.check()
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_help_says_how_large_messages_and_files_are() {
        let help = Arguments::command().render_long_help().to_string();
        let said = format!("[default: {MESSAGE_BYTES} of a message, {}MiB of a file]", FILE_BYTES >> 20);
        assert!(help.split_whitespace().collect::<Vec<_>>().join(" ").contains(&said), "{help}");
    }

    #[test]
    fn a_scenario_that_a_protocol_lacks_is_named() {
        let text = check("read --protocol resp").unwrap_err();
        assert_eq!(text, "read is for --protocol forum: resp has connect, ping, post and fanout");
    }

    #[test]
    fn more_connections_than_ports_need_more_addresses() {
        assert!(check("ping -c 30000").unwrap_err().contains("--source-ips"));
        assert_eq!(check("ping -c 30000 --source-ips 2"), Ok(()));
        assert_eq!(check("ping -c 30000 --source-ips 127.0.0.5-127.0.0.6"), Ok(()));
    }

    #[test]
    fn keys_and_presence_are_for_what_has_them() {
        assert_eq!(check("post --keys --presence"), Ok(()));
        assert!(check("read --keys").unwrap_err().contains("post, mixed and chat"));
        assert!(check("post --keys --protocol resp").is_err());
        assert!(check("ping --presence --protocol nats").is_err());
    }

    #[test]
    fn open_and_closed_loop_exclude_each_other() {
        assert!(check("ping --rate 10 --pipeline 2").is_err());
        assert!(check("ping --count 10 --duration 2").is_err());
        assert!(check("ping --stages 1s:10 --duration 2").is_err());
        assert!(check("connect --stages 1s:10").is_err());
        assert!(check("fanout --find p99<1s").unwrap_err().contains("fanout has no --find"));
        assert!(check("ping --find p99<1s --processes 2").is_err());
        assert!(check("ping --find p99<1s --stages 1s:1").is_err());
        assert_eq!(check("ping --stages 1s:10,2s:0"), Ok(()));
        assert!(check("ping --duration 0").is_err() && check("connect --duration 0").is_ok());
    }
}
