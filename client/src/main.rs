//! `forum`: the options, the standard streams, and what the exit status is.
#![forbid(unsafe_code)]
// They panic where a stream takes nothing.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod password;
mod streams;

use std::env;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::net::ToSocketAddrs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use forum_client::history::{self, HistoryFile};
use forum_client::input::Input;
use forum_client::login::Known;
use forum_client::output::{Output, Stream, Streams};
use forum_client::peer::links::Accept;
use forum_client::session::{Ending, Options, Session};
use forum_client::signals::{self, Signals};
use forum_client::terminal::RawMode;
use forum_client::transfer::Folder;
use forum_client::wording::cause;
use forum_common::process::{self, Standard};

/// Some command was refused or invalid, or a standard stream is closed or can't be used.
const REFUSED: u8 = 1;
/// The command line is wrong.
const USAGE: u8 = 2;
/// No connection, or lost without a goodbye; `EX_UNAVAILABLE` of sysexits(3).
const NO_CONNECTION: u8 = 69;
/// Not logged in; `EX_NOPERM` of sysexits(3).
const NOT_LOGGED_IN: u8 = 77;

/// Talk to a forumd server: on a terminal with prompts, in pipes a command a line.
///
/// Exit status: 0 all went well, 1 in pipes some command was refused or invalid (or a standard stream is closed or
/// can't be used), 2 usage, 69 no connection or lost without a goodbye, 77 not logged in or put out.
#[derive(Debug, Parser)]
#[command(name = "forum", version)]
struct Args {
    /// The server's host
    host: String,

    /// The server's TCP port
    port: u16,

    /// The UDP port for files of other users [default: any free one]
    udp_port: Option<u16>,

    /// Log in (or sign up) as NAME without questions; any failure then exits 77.
    /// The password must be given, by --password-file or by the environment variable FORUM_PASSWORD
    #[arg(long, value_name = "NAME")]
    user: Option<String>,

    /// The file whose first line is the password
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,

    /// Where downloads and files of other users go
    #[arg(long, value_name = "DIR", default_value = ".")]
    download_dir: PathBuf,

    /// Let what arrives overwrite a local file
    #[arg(long)]
    force: bool,

    /// What to answer when other users want to talk privately or send a file
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Accept::Ask)]
    accept: Accept,

    /// Don't show who logs in and out
    #[arg(long)]
    no_presence: bool,

    /// If the user is logged in elsewhere, end that session
    #[arg(long)]
    take_over: bool,

    /// Give the server up when it has given no sign of life for so many seconds. It is asked for one after 25 of them,
    /// or after half if that is less; its answer, which a slow disk of the server may hold up, has the rest
    #[arg(long, value_name = "SECS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(2..=86_400))]
    server_timeout: u32,
}

/// Why a session could not begin: what to say, and the exit status.
struct Failure {
    text: String,
    status: u8,
}

impl Failure {
    fn new(status: u8, what: &str, why: &io::Error) -> Self {
        Self { text: format!("{what}: {}", cause(why)), status }
    }
}

fn main() -> ExitCode {
    process::survive_file_size_limit();
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return explain(&error),
    };
    match run(args) {
        Ok((Ending::Goodbye, false)) => ExitCode::SUCCESS,
        Ok((Ending::Goodbye, true) | (Ending::OutputClosed, _)) => REFUSED.into(),
        Ok((Ending::NotLoggedIn, _)) => NOT_LOGGED_IN.into(),
        Ok((Ending::Lost, _)) => NO_CONNECTION.into(),
        Ok((Ending::Killed(signal), _)) => {
            // Returns only if it fails.
            let _ = signals::die(signal);
            NO_CONNECTION.into()
        }
        Err(failure) => {
            complain(&failure.text);
            failure.status.into()
        }
    }
}

/// Says what is wrong with the command line, or the help or the version that it asks for.
fn explain(error: &clap::Error) -> ExitCode {
    if !error.use_stderr()
        && let Err(text) = Standard::Output.expect_open()
    {
        complain(&text);
        return REFUSED.into();
    }
    match error.print() {
        Err(unwritable) if !error.use_stderr() => {
            complain(&format!("Cannot write to standard output: {}", cause(&unwritable)));
            REFUSED.into()
        }
        _ if error.use_stderr() => USAGE.into(),
        _ => ExitCode::SUCCESS,
    }
}

/// Says something on standard error, if that takes it.
fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

fn run(args: Args) -> Result<(Ending, bool), Failure> {
    streams::check().map_err(|text| Failure { text, status: REFUSED })?;
    let screen = screen();
    let options = options(args)?;
    let unusable = |error| Failure::new(REFUSED, "Cannot use the standard streams", &error);
    let signals = Signals::catch(screen.is_some()).map_err(unusable)?;
    let streams = Streams {
        out: File::from(io::stdout().as_fd().try_clone_to_owned().map_err(unusable)?),
        err: File::from(io::stderr().as_fd().try_clone_to_owned().map_err(unusable)?),
        screen,
        interrupts: signals.watch().map_err(unusable)?,
    };
    let stdin = io::stdin().as_fd().try_clone_to_owned().map_err(unusable)?;
    let raw_mode = screen.map(|_| RawMode::enter()).transpose().map_err(unusable)?;
    let mut output = Output::new(streams);
    let input = if raw_mode.is_some() { terminal(stdin, &mut output) } else { Input::pipe(stdin) };
    Ok(Session::run(options, input, output, signals, raw_mode))
}

/// A terminal with the lines of earlier runs, if there is a place for them.
fn terminal(stdin: OwnedFd, output: &mut Output) -> Input {
    let place = |variable| env::var_os(variable).map(PathBuf::from);
    let Some(path) = HistoryFile::usual_path(place("XDG_STATE_HOME"), place("HOME")) else {
        return Input::terminal(stdin, None, &[]);
    };
    let history = HistoryFile::at(path);
    match history.lines() {
        Ok(earlier) => Input::terminal(stdin, Some(history), &earlier),
        Err(error) => {
            output.warn(history::not_kept(&error));
            Input::terminal(stdin, None, &[])
        }
    }
}

/// The stream that shows what is typed, if somebody sits there and types. With stdout elsewhere that is
/// stderr, as a shell does it.
fn screen() -> Option<Stream> {
    if !io::stdin().is_terminal() {
        return None;
    }
    if io::stdout().is_terminal() {
        return Some(Stream::Out);
    }
    io::stderr().is_terminal().then_some(Stream::Err)
}

fn options(args: Args) -> Result<Options, Failure> {
    let known = match args.user {
        Some(name) => {
            let password = password::given(args.password_file.as_deref(), env::var_os(password::VARIABLE));
            Known::User { name, password: password.map_err(no_password)? }
        }
        None => Known::Nothing,
    };
    let addresses = (args.host.as_str(), args.port)
        .to_socket_addrs()
        .map_err(|error| Failure::new(NO_CONNECTION, &format!("Cannot find the host {}", args.host), &error))?
        .collect();
    Ok(Options {
        server: format!("{}:{}", args.host, args.port),
        addresses,
        udp_port: args.udp_port.unwrap_or(0),
        accept: args.accept,
        known,
        folder: Folder { path: args.download_dir, overwrites: args.force },
        presence: !args.no_presence,
        takes_over: args.take_over,
        server_timeout: Duration::from_secs(args.server_timeout.into()),
    })
}

/// Without any password the command line is incomplete; one that can't be used keeps the user out.
fn no_password(problem: password::Problem) -> Failure {
    match problem {
        password::Problem::Missing(why) => {
            let usage = Args::command().error(ErrorKind::MissingRequiredArgument, why);
            Failure { text: usage.to_string().trim_end().to_owned(), status: USAGE }
        }
        password::Problem::Unusable(text) => Failure { text, status: NOT_LOGGED_IN },
    }
}
