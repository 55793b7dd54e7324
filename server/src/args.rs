//! The command line of `forumd`, and the limits it sets.

pub mod assignments;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use forum_common::limits::{BODY_BYTES_MAX, USER_NAME_BYTES_MAX};
use forum_common::names::UserName;

use crate::core::VisitorLimits;
use crate::journal::Durability;

/// Where forumd listens unless told otherwise.
const DEFAULT_LISTEN: &str = "127.0.0.1:12345";

/// See [`AddressLimits::visitor_limits`].
const ALL_GUESTS: usize = 4_096;

/// The longest time that an option may name: 31 years. Deadlines so far away can still be computed.
const SECONDS_MAX: u64 = 1_000_000_000;

/// The longest `--stall-timeout`, a day: with what comes on top, the kernel can count it in milliseconds.
const STALL_TIMEOUT_MAX_SECONDS: u64 = 24 * 60 * 60;

/// A forum, messenger and rooms server: one event loop, every change durable.
#[derive(Debug, Parser)]
#[command(name = "forumd", version, max_term_width = 100, subcommand_precedence_over_arg = true)]
pub struct Arguments {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub admin: Option<AdminCommand>,
    // Before what is flattened in, whose headings would go on.
    /// Where everything is kept.
    #[arg(long, value_name = "DIR", default_value = "./forum-data", global = true)]
    pub data: PathBuf,
    /// Let core files, and debuggers and other programs of the same user, see the memory of forumd, passwords included.
    #[arg(long, global = true)]
    pub dumpable: bool,
    /// How to serve.
    #[command(flatten)]
    pub serve: ServeArguments,
}

/// What forumd does with its data besides serving it.
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Write everything into an empty directory, as text files and as JSON lines; works beside a running server
    Export {
        /// An empty or new directory
        dir: PathBuf,
        /// If the forum is damaged, save whatever still verifies, and say where the log stops
        #[arg(long)]
        salvage: bool,
    },
    /// Read what export wrote into an empty data directory
    Import {
        /// The directory that export wrote
        dir: PathBuf,
    },
    /// Read and verify everything, and say what was found; changes nothing
    Check,
    /// Give a user a new password, read from standard input; the server must not be running
    ResetPassword {
        /// The user's name
        name: String,
    },
    /// Make a certificate for TLS
    Tls {
        /// What to do.
        #[command(subcommand)]
        command: TlsCommand,
    },
}

/// What forumd does about certificates.
#[derive(Debug, Subcommand)]
pub enum TlsCommand {
    /// Make a P-256 key and a certificate signed by it (key.pem, cert.pem), and print the SHA-256 fingerprint
    Init {
        /// Where to put them
        #[arg(default_value = "./forum-tls")]
        dir: PathBuf,
        /// A name or an IP address of this machine, besides localhost and its host name; may be repeated
        #[arg(long = "name", value_name = "NAME", value_parser = crate::tls::certificate_name)]
        names: Vec<String>,
    },
}

/// How to serve.
#[derive(Debug, Clone, Args)]
pub struct ServeArguments {
    /// Port on 127.0.0.1 to listen on (or use --listen)
    #[arg(value_name = "PORT", conflicts_with = "listen")]
    pub port: Option<u16>,
    /// Password for SHT; shows in `ps`, so prefer the file or FORUM_ADMIN_PASSWORD. Without any, SHT is refused
    #[arg(value_name = "ADMIN_PASSWORD", conflicts_with = "admin_password_file", value_parser = assignments::parse_admin_password)]
    pub admin_password: Option<String>,
    /// Address and port to listen on; port 0 = any free one [default: 127.0.0.1:12345]
    #[arg(long, value_name = "ADDR:PORT", value_parser = crate::net::address::parse)]
    pub listen: Option<SocketAddr>,
    /// Serve TLS with this certificate: PEM, the server's own first, then those that lead to its root
    #[arg(long, value_name = "FILE", requires = "tls_key", help_heading = "TLS")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = "TLS")]
    pub tls_key: Option<PathBuf>,
    /// Also accept plain text from other machines; without this, only from this one
    #[arg(long, help_heading = "TLS")]
    pub insecure_plaintext: bool,
    /// Threads for TLS handshakes
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "TLS",
          value_parser = clap::value_parser!(u16).range(1..=256))]
    pub tls_threads: u16,
    /// File whose first line is the password for SHT
    #[arg(long, value_name = "FILE")]
    pub admin_password_file: Option<PathBuf>,
    /// Import `username password` lines for names not known yet, before listening
    #[arg(long, value_name = "FILE")]
    pub credentials: Option<PathBuf>,
    /// When a change may be acknowledged
    #[arg(long, value_enum, default_value = "always")]
    pub durability: DurabilityArgument,
    /// Start even if journal.anchor is missing or damaged, or the log is empty though there are uploads
    #[arg(long)]
    pub accept_log: bool,
    /// An accepted SHT (and only SHT) deletes what forumd stored
    #[arg(long)]
    pub wipe_on_shutdown: bool,
    /// Log more; given twice, everything
    #[arg(short, long, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Log only warnings and errors; given twice, only errors
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub quiet: u8,
    /// Log to this file instead of standard error
    #[arg(long, value_name = "FILE")]
    pub log_file: Option<PathBuf>,
    /// Log each frame, in and out, of every connection that names this user; passwords are not shown
    #[arg(long, value_name = "NAME", value_parser = parse_user)]
    pub trace_user: Option<UserName>,
    /// How long a client may take nothing of what waits for it before it is cut off as too slow
    #[arg(long, value_name = "SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u64).range(1..=STALL_TIMEOUT_MAX_SECONDS))]
    pub stall_timeout: u64,
    /// Failed log-ins of one name in a row before it is blocked, 1 to 5
    #[arg(long, value_name = "N", default_value = "3", help_heading = "Log-in", allow_hyphen_values = true)]
    pub max_attempts: String,
    /// How long a blocked name stays blocked
    #[arg(long, value_name = "SECONDS", default_value_t = 10, help_heading = "Log-in",
          value_parser = parse_seconds)]
    pub block_duration: u64,
    /// Log out users who do nothing for this long; 0 = never
    #[arg(long, value_name = "SECONDS", default_value_t = 0, help_heading = "Log-in",
          value_parser = parse_seconds)]
    pub timeout: u64,
    /// Total time a client may take to answer the log-in prompts
    #[arg(long, value_name = "SECONDS", default_value_t = 60, help_heading = "Log-in",
          value_parser = parse_positive_seconds)]
    pub login_timeout: u64,
    /// Whether new accounts can be made; if not: `Sign-up is closed`
    #[arg(long, value_enum, default_value = "open", help_heading = "Log-in")]
    pub sign_up: SignUpArgument,
    /// What one address may have.
    #[command(flatten)]
    pub address_limits: AddressLimits,
    /// How long an upload that sends nothing, or a download that takes nothing, is kept
    #[arg(long, value_name = "SECONDS", default_value_t = 60, help_heading = "Transfers",
          value_parser = parse_positive_seconds)]
    pub transfer_timeout: u64,
    /// Argon2id memory for new passwords
    #[arg(long, value_name = "KIB", default_value_t = 19_456, help_heading = "Password hashes")]
    pub hash_memory_kib: u32,
    /// Argon2id iterations for new passwords
    #[arg(long, value_name = "N", default_value_t = 2, help_heading = "Password hashes")]
    pub hash_iterations: u32,
    /// Argon2id lanes for new passwords
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Password hashes")]
    pub hash_lanes: u32,
    /// Threads that hash
    #[arg(long, value_name = "N", default_value_t = 2, help_heading = "Password hashes",
          value_parser = clap::value_parser!(u16).range(1..=256))]
    pub hash_threads: u16,
    /// Passwords that may wait to be hashed; beyond this: `Server busy`
    #[arg(long, value_name = "N", default_value_t = 1_000, help_heading = "Password hashes",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub hash_queue: u32,
    /// What the forum may grow to.
    #[command(flatten)]
    pub limits: Limits,
}

/// The values of `--sign-up`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SignUpArgument {
    /// Everybody may sign up
    Open,
    /// Accounts come from --credentials alone
    Closed,
}

/// What one address may have: an IPv4 address, or the /64 of an IPv6 address.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits of one address (IPv6: of a /64); 0 = any number")]
pub struct AddressLimits {
    /// Connections; beyond this, one is closed
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub max_address_connections: u32,
    /// Connections that are not logged in; beyond this, one is closed
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub max_address_logins: u32,
    /// Wrong passwords; beyond this the next log-in has to wait, twice as long each time: `Slow down`
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub max_address_failures: u32,
    /// New accounts an hour; beyond this: `Slow down`
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub max_address_sign_ups: u32,
    /// Log-ins a minute with names that don't exist; beyond this: `Slow down`
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub max_address_unknown_names: u32,
    /// Limit this machine's own addresses as well
    #[arg(long)]
    pub limit_loopback: bool,
}

impl AddressLimits {
    /// The same for a server of so many connections. Those that are not logged in may be a tenth of them, or
    /// 4,096 if that is more, but never more than half.
    pub fn visitor_limits(&self, connections_max: usize) -> VisitorLimits {
        let all_guests = (connections_max / 10).max(ALL_GUESTS).min(connections_max / 2).max(1);
        VisitorLimits {
            connections: self.max_address_connections,
            guests: self.max_address_logins,
            all_guests: u32::try_from(all_guests).unwrap_or(u32::MAX),
            failures: self.max_address_failures,
            sign_ups: self.max_address_sign_ups,
            unknown_names: self.max_address_unknown_names,
            is_loopback_limited: self.limit_loopback,
        }
    }
}

/// The limits of the forum and of its connections: each an option, each with what happens past it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits (a request beyond one is refused, and the answer says so)")]
pub struct Limits {
    /// Accounts in all
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub max_accounts: usize,
    /// Threads in all
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub max_threads: usize,
    /// Messages of one thread
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = parse_count)]
    pub max_posts: usize,
    /// Files of one thread
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub max_files: usize,
    /// Bytes of one file
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30)]
    pub max_file_bytes: u64,
    /// Bytes of all files of one user
    #[arg(long, value_name = "BYTES", default_value_t = 4 << 30)]
    pub max_user_file_bytes: u64,
    /// Uploads of one user at once
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub max_uploads: usize,
    /// Uploads at once, of all users; each may hold 1 MiB of memory
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub max_total_uploads: usize,
    /// Downloads at once on one connection; each may hold 256 KiB of memory
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub max_downloads: usize,
    /// Messages that wait for one user; beyond this: `U's mailbox is full`
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub max_mailbox_messages: usize,
    /// Bytes of messages that wait for one user; likewise
    #[arg(long, value_name = "BYTES", default_value_t = 8 << 20)]
    pub max_mailbox_bytes: usize,
    /// Rooms in all
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub max_rooms: usize,
    /// Members of one room, 2 to 1,000: the list of their names has to fit one frame
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = parse_room_members)]
    pub max_room_members: usize,
    /// Users that one user has blocked
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub max_blocks: usize,
    /// Bytes of notices a connection may leave unread before it is cut off as too slow
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    pub max_notice_bytes: usize,
    /// The same for all connections together; beyond this, the one with most unread is cut off
    #[arg(long, value_name = "BYTES", default_value_t = 256 << 20)]
    pub max_total_notice_bytes: usize,
    /// Memory for the lists that are being read; beyond this, the next list waits
    #[arg(long, value_name = "BYTES", default_value_t = 256 << 20)]
    pub max_listing_bytes: usize,
    /// Requests a second on one connection; 0 = any number
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub max_requests_per_second: u32,
    /// Take a new snapshot once the log since the last one is this long (and at least as long as that snapshot)
    #[arg(long, value_name = "BYTES", default_value_t = 1024 * 1024 * 1024)]
    pub snapshot_log_bytes: u64,
    /// Connections; 0 = the descriptor limit less a reserve. Beyond this: `Server is full`
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub max_connections: usize,
}

fn parse_user(raw: &str) -> Result<UserName, String> {
    UserName::parse(raw).map_err(|_| "not a user name".to_owned())
}

/// A time from which a deadline can be computed.
fn parse_seconds(raw: &str) -> Result<u64, String> {
    match raw.parse() {
        Ok(seconds @ ..=SECONDS_MAX) => Ok(seconds),
        _ => Err(format!("not a whole number from 0 to {SECONDS_MAX}")),
    }
}

/// The same for what can't be done without any time for it.
fn parse_positive_seconds(raw: &str) -> Result<u64, String> {
    match parse_seconds(raw) {
        Ok(seconds @ 1..) => Ok(seconds),
        _ => Err(format!("not a whole number from 1 to {SECONDS_MAX}")),
    }
}

/// Numbers of messages travel as `u32`, and 0 and the largest are no number.
fn parse_count(raw: &str) -> Result<usize, String> {
    match raw.parse::<u32>() {
        Ok(count) if count < u32::MAX => Ok(count as usize),
        _ => Err(format!("at most {}", u32::MAX - 1)),
    }
}

/// The names of a room's members travel in one frame.
fn parse_room_members(raw: &str) -> Result<usize, String> {
    const MEMBERS_MAX: usize = 1_000;
    const _: () = assert!(MEMBERS_MAX * (USER_NAME_BYTES_MAX + 2) + 256 <= BODY_BYTES_MAX);
    match raw.parse() {
        Ok(count @ 2..=MEMBERS_MAX) => Ok(count),
        _ => Err(format!("2 to {MEMBERS_MAX}")),
    }
}

/// The values of `--durability`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DurabilityArgument {
    /// Fsynced before the answer
    Always,
    /// Handed to the operating system before the answer, fsynced each second
    Interval,
    /// Handed to the operating system before the answer, never fsynced
    None,
}

impl From<DurabilityArgument> for Durability {
    fn from(argument: DurabilityArgument) -> Self {
        match argument {
            DurabilityArgument::Always => Self::Always,
            DurabilityArgument::Interval => Self::Interval,
            DurabilityArgument::None => Self::None,
        }
    }
}

impl ServeArguments {
    /// Where to listen: `--listen`, or PORT on the loopback address, or the default.
    pub fn address(&self) -> SocketAddr {
        let default: SocketAddr = DEFAULT_LISTEN.parse().expect("a constant");
        match (self.listen, self.port) {
            (Some(address), _) => address,
            (None, Some(port)) => SocketAddr::new(default.ip(), port),
            (None, None) => default,
        }
    }

    /// `--max-attempts` as a number.
    ///
    /// # Errors
    /// It is none from 1 to 5; the text is that of the assignments.
    pub fn attempts_max(&self) -> Result<u8, String> {
        match self.max_attempts.parse() {
            Ok(count @ 1..=5) => Ok(count),
            _ => Err(format!(
                "Invalid number of allowed failed consecutive attempt: {}. The valid value of argument number \
                 is an integer between 1 and 5",
                self.max_attempts
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &[&str]) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from([&["forumd"], line].concat())
    }

    #[test]
    fn the_positionals_are_those_of_the_assignments() {
        let arguments = parse(&["4000", "s3cret"]).unwrap();
        assert_eq!(arguments.serve.address().to_string(), "127.0.0.1:4000");
        assert_eq!(arguments.serve.admin_password.as_deref(), Some("s3cret"));
        assert_eq!(parse(&[]).unwrap().serve.address().to_string(), DEFAULT_LISTEN);
    }

    #[test]
    fn listen_and_port_together_are_a_usage_error() {
        assert!(parse(&["--listen", "127.0.0.1:0", "4000"]).is_err());
        assert_eq!(parse(&["--listen", "[::1]:0"]).unwrap().serve.address().to_string(), "[::1]:0");
    }

    #[test]
    fn allowed_attempts_are_1_to_5() {
        for good in 1..=5 {
            let arguments = parse(&["--max-attempts", &good.to_string()]).unwrap();
            assert_eq!(arguments.serve.attempts_max(), Ok(good));
        }
        for bad in ["0", "6", "-1", "three", "2.5", ""] {
            let text = parse(&["--max-attempts", bad]).unwrap().serve.attempts_max().unwrap_err();
            assert!(text.starts_with(&format!(
                "Invalid number of allowed failed consecutive attempt: {bad}. The valid value"
            )));
        }
    }

    #[test]
    fn times_that_no_deadline_can_have_are_usage_errors() {
        assert!(parse(&["--login-timeout", "0"]).is_err() && parse(&["--timeout", "0"]).is_ok());
        assert!(parse(&["--transfer-timeout", "0"]).is_err());
        for option in ["--timeout", "--block-duration", "--login-timeout", "--transfer-timeout"] {
            let longest = parse(&[option, &SECONDS_MAX.to_string()]).unwrap().serve;
            let times =
                [longest.timeout, longest.block_duration, longest.login_timeout, longest.transfer_timeout];
            for seconds in times {
                let deadline = std::time::Instant::now().checked_add(std::time::Duration::from_secs(seconds));
                assert!(deadline.is_some(), "{option}");
            }
            for bad in ["1000000001", "18446744073709551615", "18446744073709551616", "soon"] {
                let error = parse(&[option, bad]).unwrap_err().to_string();
                assert!(error.contains(option) && error.contains("1000000000"), "{error}");
            }
        }
    }

    #[test]
    fn help_lists_each_option_where_it_belongs() {
        let heading_of = |line: &[&str], option: &str| {
            let help = parse(line).unwrap_err().to_string();
            assert_eq!(help.matches("\nOptions:\n").count(), 1, "{help}");
            let (before, _) = help.split_once(option).expect("the option");
            before.lines().rfind(|line| line.ends_with(':') && !line.starts_with(' ')).map(str::to_owned)
        };
        for (line, option) in [
            (&["--help"][..], "--data <DIR>"),
            (&["--help"], "--stall-timeout <SECONDS>"),
            (&["export", "--help"], "--data <DIR>"),
            (&["check", "--help"], "--data <DIR>"),
        ] {
            assert_eq!(heading_of(line, option).as_deref(), Some("Options:"), "{line:?} {option}");
        }
        assert_ne!(heading_of(&["--help"], "--max-rooms <N>").as_deref(), Some("Options:"));
    }

    #[test]
    fn admin_commands_take_the_data_directory() {
        for line in [["export", "out", "--data", "d"], ["--data", "d", "export", "out"]] {
            let arguments = parse(&line).unwrap();
            assert!(matches!(arguments.admin, Some(AdminCommand::Export { .. })));
            assert_eq!(arguments.data.to_str(), Some("d"));
        }
    }
}
