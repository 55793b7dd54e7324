//! `forum`: the options, the standard streams, and what the exit status is.
#![forbid(unsafe_code)]
// They panic where a stream takes nothing.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod password;

use std::env;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::error::ErrorKind;
use clap::{ColorChoice, CommandFactory, Parser};
use forum_client::core::context::Surroundings;
use forum_client::core::event::Ending;
use forum_client::core::{Core, Options};
use forum_client::event_loop::{End, EventLoop, Server, Streams, Target};
use forum_client::line_editor::history_file::{self, HistoryFile};
use forum_client::line_editor::input::Input;
use forum_client::line_editor::terminal::{Ability, Modes};
use forum_client::login::Known;
use forum_client::output::{Format, Stream};
use forum_client::security::SecurityArgs;
use forum_client::signals::{self, Signals};
use forum_common::process::{self, Standard, streams};
use forum_common::wire::Key;
use forum_common::wire::field::KEY_BYTES;
use forum_peer::folder::OnClash;
use forum_peer::local_files::LocalFiles;
use forum_peer::paths;
use forum_peer::wording::cause;
use forum_peer::{Accept, Folder, Peers, State};

/// Some command was refused or invalid, or a standard stream is closed or can't be used.
const REFUSED: u8 = 1;
/// The command line is wrong.
const USAGE: u8 = 2;
/// No connection, or lost without a goodbye; `EX_UNAVAILABLE` of sysexits(3).
const NO_CONNECTION: u8 = 69;
/// Not logged in; `EX_NOPERM` of sysexits(3).
const NOT_LOGGED_IN: u8 = 77;

/// Talk to a forumd server: on a terminal with prompts, in pipes with one command per line.
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

    /// Log in (or sign up) as NAME without questions; if that fails, forum exits with 77.
    /// The password must be given, by --password-file or by the environment variable FORUM_PASSWORD
    #[arg(long, value_name = "NAME")]
    user: Option<String>,

    /// The file whose first line is the password
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,

    /// Where downloads and files of other users go
    #[arg(long, value_name = "DIR", default_value = ".")]
    download_dir: PathBuf,

    /// Overwrite existing local files
    #[arg(long)]
    force: bool,

    /// If a file of that name exists, store what arrives as notes-2.txt
    #[arg(long, conflicts_with = "force")]
    rename: bool,

    /// What to answer when other users want to talk privately or send a file [default: ask]
    #[arg(long, value_name = "WHEN", value_enum)]
    accept: Option<Accept>,

    /// Don't show who logs in and out
    #[arg(long)]
    no_presence: bool,

    /// Show only answers to commands: messages stay in the mailbox, and users who ask are declined (but see --accept)
    #[arg(long)]
    quiet: bool,

    /// Print one JSON object per line, all on standard output: for programs (docs/SCRIPTING.md)
    #[arg(long)]
    json: bool,

    /// In pipes, prefix each refusal with its line: `line 12: MSG nosuch hi: Thread nosuch does not exist`
    #[arg(long, conflicts_with = "json")]
    numbered: bool,

    /// On a terminal, show names and times in colours: `auto` heeds NO_COLOR and CLICOLOR_FORCE
    #[arg(long, value_name = "WHEN", default_value_t)]
    color: ColorChoice,

    /// If the user is logged in elsewhere, end that session
    #[arg(long)]
    take_over: bool,

    /// In pipes, have up to N lines unanswered; answers stay in order [default: 32, or 1 if output is a terminal]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pipeline: Option<u8>,

    /// In pipes, reconnect for up to SECS seconds, then resend unanswered changes; each is done only once
    #[arg(long, value_name = "SECS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    retry: Option<u32>,

    /// In pipes, log out at the first command that is refused; implies --pipeline 1
    #[arg(long, conflicts_with = "pipeline")]
    stop_on_error: bool,

    /// Give up on a silent server after SECS seconds. It is pinged after 25, or after half of SECS if that is less
    #[arg(long, value_name = "SECS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(2..=86_400))]
    server_timeout: u32,

    #[command(flatten)]
    security: SecurityArgs,
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
    process::hide_memory();
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            if let Some(meant) =
                meant(error.kind(), env::args_os().skip(1).filter_map(|word| word.into_string().ok()))
            {
                complain(&meant);
                return USAGE.into();
            }
            return explain(&error);
        }
    };
    match run(args) {
        Ok((End::Over(Ending::Goodbye), false)) => ExitCode::SUCCESS,
        Ok((End::Over(Ending::Goodbye), true) | (End::Over(Ending::OutputClosed), _)) => REFUSED.into(),
        Ok((End::Over(Ending::NotLoggedIn), _)) => NOT_LOGGED_IN.into(),
        Ok((End::Over(Ending::Lost), _)) => NO_CONNECTION.into(),
        Ok((End::Killed(signal), _)) => {
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

/// What is meant by a command line that is not understood, if an assignment has it: the port alone.
fn meant(error: ErrorKind, mut words: impl Iterator<Item = String>) -> Option<String> {
    let port = words.find(|word| word.parse::<u16>().is_ok())?;
    (error == ErrorKind::MissingRequiredArgument)
        .then(|| format!("forum: the server's host comes before its port: forum 127.0.0.1 {port}"))
}

/// Says something on standard error, if that takes it.
fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

fn run(args: Args) -> Result<(End, bool), Failure> {
    streams::check().map_err(|text| Failure { text, status: REFUSED })?;
    let screen = screen();
    let folder = Folder { path: args.download_dir.clone(), on_clash: OnClash::of(args.force, args.rename) };
    let accept = args.accept.unwrap_or(if args.quiet { Accept::Never } else { Accept::Ask });
    let peers = Peers::new(accept, folder.clone());
    let (options, target) = options(args)?;
    folder.remove_expired();
    let unusable = |error| Failure::new(REFUSED, "Cannot use the standard streams", &error);
    let signals = Signals::catch(screen.is_some()).map_err(unusable)?;
    let streams = Streams {
        input: io::stdin().as_fd().try_clone_to_owned().map_err(unusable)?,
        out: File::from(io::stdout().as_fd().try_clone_to_owned().map_err(unusable)?),
        err: File::from(io::stderr().as_fd().try_clone_to_owned().map_err(unusable)?),
        screen,
    };
    // What another program prints shares the rows of a terminal: no line is edited there.
    let ability = Ability::of(env::var("TERM").ok().filter(|_| screen == Some(Stream::Out)).as_deref());
    let place = screen.map(|screen| (screen, ability));
    let modes = screen.map(|_| Modes::enter(ability)).transpose().map_err(unusable)?;
    let now = Instant::now();
    let edits = place.is_some_and(|(_, ability)| ability == Ability::Full);
    let (history, earlier) = if edits { earlier_lines() } else { (None, Ok(Vec::new())) };
    let input = match (screen, edits) {
        (None, _) => Input::pipe(),
        (Some(_), false) => Input::plain(),
        (Some(_), true) => Input::terminal(earlier.as_deref().unwrap_or_default()),
    };
    let mut core =
        Core::new(options, input, place, Surroundings { new_key, paths: paths::beginning_with }, now);
    if let Err(error) = earlier {
        core.warn(history_file::not_kept(&error));
    }
    let (server, known, files, dying) = (Server::None, State::default(), LocalFiles::new(folder), None);
    let event_loop =
        EventLoop { core, peers, streams, signals, modes, history, target, files, server, known, dying, now };
    Ok(event_loop.run())
}

/// The lines of earlier runs, and the file for those of this one, if there is a place for them.
fn earlier_lines() -> (Option<HistoryFile>, io::Result<Vec<String>>) {
    let Some(path) = history_path() else { return (None, Ok(Vec::new())) };
    let history = HistoryFile::at(path);
    match history.lines() {
        Ok(earlier) => (Some(history), Ok(earlier)),
        Err(error) => (None, Err(error)),
    }
}

/// Where the lines of earlier runs are, if there is a place for them.
fn history_path() -> Option<PathBuf> {
    let place = |variable| env::var_os(variable).map(PathBuf::from);
    HistoryFile::usual_path(place("XDG_STATE_HOME"), place("HOME"))
}

/// Where the servers are that the user has said to trust.
fn known_servers() -> Option<PathBuf> {
    history_path().map(|history| history.with_file_name("servers"))
}

/// A new key. Without chance there is none, and the change can't be asked for again.
fn new_key() -> Option<Key> {
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).ok().map(|()| key)
}

/// The stream that shows what is typed, if somebody sits there and types. With stdout elsewhere that is
/// stderr, as a shell does it.
fn screen() -> Option<Stream> {
    match io::stdin().is_terminal() {
        true if io::stdout().is_terminal() => Some(Stream::Out),
        true => io::stderr().is_terminal().then_some(Stream::Err),
        false => None,
    }
}

fn options(args: Args) -> Result<(Options, Target), Failure> {
    let known = match args.user {
        Some(name) => {
            let password = password::given(args.password_file.as_deref(), env::var_os(password::VARIABLE));
            Known::User { name, password: password.map_err(no_password)? }
        }
        None => Known::Nothing,
    };
    let server = format!("{}:{}", args.host, args.port);
    let silence_max = Duration::from_secs(args.server_timeout.into());
    let udp_port = args.udp_port.unwrap_or(0);
    let security = args
        .security
        .security(&args.host, args.port, known_servers())
        .map_err(|text| Failure { text, status: USAGE })?;
    let target = Target { host: args.host, port: args.port, security, udp_port, silence_max };
    let options = Options {
        server,
        udp_port,
        known,
        presence: !(args.no_presence || args.quiet),
        is_quiet: args.quiet,
        format: match (args.json, args.numbered) {
            (true, _) => Format::Json,
            (false, true) => Format::Numbered,
            (false, false) => Format::Text,
        },
        has_colours: has_colours(args.color),
        takes_over: args.take_over,
        pipeline: if args.stop_on_error {
            1
        } else {
            args.pipeline.map_or_else(default_pipeline, usize::from)
        },
        retry: args.retry.map(|seconds| Duration::from_secs(seconds.into())),
        stops_on_error: args.stop_on_error,
        server_timeout: silence_max,
    };
    Ok((options, target))
}

/// Whether names and times have colours (no-color.org, bixense.com/clicolors). Lines of a pipe are compared with texts, and
/// have none.
fn has_colours(wish: ColorChoice) -> bool {
    let wants = match wish {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto if anstyle_query::no_color() => false,
        ColorChoice::Auto => {
            let knows_them = screen() == Some(Stream::Out) && anstyle_query::term_supports_color();
            let force = env::var_os("CLICOLOR_FORCE").unwrap_or_default();
            knows_them || (!force.is_empty() && force != "0")
        }
    };
    wants && screen().is_some()
}

/// Lines of a pipe that may be unanswered at once: as many as make a script fast, but one if somebody reads the answers
/// as they come.
fn default_pipeline() -> usize {
    if io::stdout().is_terminal() { 1 } else { 32 }
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
