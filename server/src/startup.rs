//! From the command line to a running server, and back: opens everything in an order that changes nothing
//! when something is wrong, replays the log, serves, and closes in order.

use std::env::VarError;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use forum_common::limits::PASSWORD_BYTES_MAX;
use forum_common::names::Password;
use forum_common::process;
use log::{LevelFilter, info, warn};

use crate::args::{Limits, ServeArguments, SignUpArgument};
use crate::clock::{Clock, SystemClock};
use crate::console;
use crate::credentials;
use crate::descriptors::Budget;
use crate::directory::Directory;
use crate::failed::Failed;
use crate::forum::Forum;
use crate::journal::{Durability, DurableLog, LogReader, SqliteJournal};
use crate::net::turn::{ENTRY_BYTES_MAX, Helpers, Server, Settings, TlsService};
use crate::net::{self, EventLoop, Wake, signals};
use crate::random::Random;
use crate::replay;
use crate::store::Store;
use crate::tls::Tls;
use crate::workers::files::{self, FileSync, FileWorkers};
use crate::workers::handshakes::Handshakes;
use crate::workers::logging;
use crate::workers::passwords::{self, HashParameters, PasswordHash, PasswordHasher};
use forum_common::text::Zone;

/// Serves until it is told to end.
///
/// # Errors
/// The command line is wrong, or something needed can't be had: then nothing was changed.
pub fn serve(arguments: &ServeArguments, data: &Path) -> Result<(), Failed> {
    // A log rotation in the middle of a long start must not end it.
    let signals = signals::take_harmless().map_err(Failed::because)?;
    let hash_parameters = hash_parameters(arguments)?;
    let mut warnings = risks(arguments, hash_parameters);
    let settings = settings(arguments, hash_parameters, &mut warnings)?;
    refuse_open_plaintext(arguments)?;
    let tls = load_tls(arguments, &mut warnings)?;
    let socket = net::bind(arguments.address(), Duration::from_secs(arguments.stall_timeout))
        .map_err(|error| Failed::because(format_args!("can't listen on {}: {error}", arguments.address())))?;
    let store = Store::open(data).map_err(Failed::because)?;
    let log = logging::init(log_level(arguments), arguments.log_file.as_deref())
        .map_err(|error| Failed::because(format_args!("can't open the log file: {error}")))?;
    warnings.iter().for_each(|warning| warn!("{warning}"));

    let (forum, journal) = replay(&store, arguments.accept_log)?;
    tidy_files(&forum, store.files())?;
    let (mut event_loop, wake) = EventLoop::new(signals, log.reopener()).map_err(Failed::because)?;
    let helpers = start_helpers(arguments, hash_parameters, journal, &store, &wake)?;
    let mut server = Server::new(settings, SystemClock, forum, helpers);
    if let Some(tls) = tls {
        server.serve_tls(tls_service(arguments, tls, &wake)?);
    }
    let is_whole = match &arguments.credentials {
        Some(file) => credentials::import(file, hash_parameters, &mut server, &mut event_loop)?,
        None => true,
    };
    // A signal that has come meanwhile ends it in order, before anybody is let in.
    if is_whole {
        let address = event_loop.listen(socket).map_err(|error| {
            Failed::because(format_args!("can't listen on {}: {error}", arguments.address()))
        })?;
        console::say(format_args!("listening on {address}"));
    }
    let ended = event_loop.run(&mut server).map_err(Failed::because);
    let wipe = arguments.wipe_on_shutdown && server.was_told_to_end();
    let closed = server.into_journal().map_err(|reason| {
        Failed::because(format_args!("the log can't be written, so nothing more is: {reason}"))
    });
    ended?;
    closed?.close().map_err(Failed::because)?;
    if wipe {
        store.wipe().map_err(Failed::because)?;
        info!("everything that forumd stored is deleted");
    }
    drop(log);
    Ok(())
}

/// What the server is told, and in `warnings` what the log is to say of it.
fn settings(
    arguments: &ServeArguments,
    hash_parameters: HashParameters,
    warnings: &mut Vec<String>,
) -> Result<Settings, Failed> {
    let attempts_max = arguments.attempts_max().map_err(Failed::Usage)?;
    let descriptors = usize::try_from(raise_descriptor_limit()).unwrap_or(usize::MAX);
    let budget = Budget::of(descriptors, &arguments.limits).map_err(Failed::because)?;
    warnings.extend(budget.warning(&arguments.limits));
    let zone = Zone::of_system().unwrap_or_else(|unknown| {
        warnings.push(unknown.to_string());
        Zone::utc()
    });
    Ok(Settings {
        limits: Limits { max_total_uploads: budget.uploads, ..arguments.limits.clone() },
        connections_max: budget.connections,
        visitors: arguments.address_limits.visitor_limits(budget.connections),
        is_sign_up_open: arguments.sign_up == SignUpArgument::Open,
        entry_bytes_max: ENTRY_BYTES_MAX,
        attempts_max,
        block_duration: Duration::from_secs(arguments.block_duration),
        login_timeout: Duration::from_secs(arguments.login_timeout),
        transfer_timeout: Duration::from_secs(arguments.transfer_timeout),
        stall_timeout: Duration::from_secs(arguments.stall_timeout),
        idle_timeout: (arguments.timeout > 0).then(|| Duration::from_secs(arguments.timeout)),
        zone,
        trace_user: arguments.trace_user.clone(),
        admin_password: admin_password(arguments, hash_parameters)?,
    })
}

/// Allows this process as many descriptors as it may have; says how many that are.
fn raise_descriptor_limit() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum.unwrap_or(u64::MAX),
        Err(_) => limit.current.unwrap_or(u64::MAX),
    }
}

/// The hash of the admin password, which is kept in memory only.
fn admin_password(
    arguments: &ServeArguments,
    parameters: HashParameters,
) -> Result<Option<PasswordHash>, Failed> {
    let Some(raw) = raw_admin_password(arguments)? else { return Ok(None) };
    let password = Password::parse(&raw).map_err(|_| {
        Failed::Usage(format!(
            "the admin password must have 1 to {PASSWORD_BYTES_MAX} bytes and no control characters"
        ))
    })?;
    Ok(passwords::hash_all(&[password], parameters).pop())
}

fn raw_admin_password(arguments: &ServeArguments) -> Result<Option<String>, Failed> {
    if let Some(password) = &arguments.admin_password {
        return Ok(Some(password.clone()));
    }
    if let Some(file) = &arguments.admin_password_file {
        let line = process::first_line(file);
        let line = line.map_err(|error| {
            Failed::because(format_args!("can't read the admin password in {}: {error}", file.display()))
        })?;
        return Ok(Some(line.to_string()));
    }
    match std::env::var("FORUM_ADMIN_PASSWORD") {
        Ok(password) => Ok(Some(password).filter(|password| !password.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => {
            Err(Failed::Usage("the admin password in FORUM_ADMIN_PASSWORD is not UTF-8".into()))
        }
    }
}

fn hash_parameters(arguments: &ServeArguments) -> Result<HashParameters, Failed> {
    let lanes = u8::try_from(arguments.hash_lanes).unwrap_or(u8::MAX);
    HashParameters::new(arguments.hash_memory_kib, arguments.hash_iterations, lanes)
        .map_err(|error| Failed::Usage(error.to_string()))
}

fn log_level(arguments: &ServeArguments) -> LevelFilter {
    match (arguments.verbose, arguments.quiet) {
        (0, 0) => LevelFilter::Info,
        (1, _) => LevelFilter::Debug,
        (_, 1) => LevelFilter::Warn,
        (0, _) => LevelFilter::Error,
        _ => LevelFilter::Trace,
    }
}

/// Passwords don't travel in the clear unless that is asked for.
fn refuse_open_plaintext(arguments: &ServeArguments) -> Result<(), Failed> {
    let address = arguments.address();
    if address.ip().is_loopback() || arguments.tls_cert.is_some() || arguments.insecure_plaintext {
        return Ok(());
    }
    Err(Failed::Usage(format!(
        "{address} is no loopback address, and without TLS passwords would travel in the clear: give --tls-cert and \
         --tls-key (`forumd tls init` makes them), or --insecure-plaintext"
    )))
}

/// Certificate and key, where TLS is asked for.
fn load_tls(arguments: &ServeArguments, warnings: &mut Vec<String>) -> Result<Option<Tls>, Failed> {
    let (Some(certificate), Some(key)) = (&arguments.tls_cert, &arguments.tls_key) else { return Ok(None) };
    if std::env::var_os("SSLKEYLOGFILE").is_some() {
        let text =
            "THE KEYS OF ALL CONNECTIONS ARE WRITTEN TO THE FILE IN SSLKEYLOGFILE: who reads it reads all.";
        warnings.push(text.to_owned());
    }
    let tls = Tls::load(certificate, key);
    tls.map(Some).map_err(|reason| Failed::because(format_args!("can't use the certificate: {reason}")))
}

/// Starts what TLS needs, and logs which certificate is shown.
fn tls_service(arguments: &ServeArguments, tls: Tls, wake: &Wake) -> Result<TlsService, Failed> {
    let threads = arguments.tls_threads.into();
    let handshakes = Handshakes::start(threads, wake)
        .map_err(|error| Failed::because(format_args!("no threads for TLS: {error}")))?;
    tls.announce();
    Ok(TlsService::new(tls, handshakes, arguments.insecure_plaintext))
}

/// What the administrator should know that has been asked for.
fn risks(arguments: &ServeArguments, hash_parameters: HashParameters) -> Vec<String> {
    let mut risks = Vec::new();
    if !arguments.address().ip().is_loopback() && arguments.insecure_plaintext {
        risks.push(format!(
            "{} IS NOT A LOOPBACK ADDRESS, AND PLAINTEXT IS SERVED: passwords and messages of those who don't use \
             TLS travel in the clear.",
            arguments.address()
        ));
    }
    if hash_parameters.is_weak() {
        risks.push(format!("WEAK PASSWORD HASHES ({hash_parameters}): fit for load tests only."));
    }
    risks
}

/// Makes the forum that the log tells of. All of that log is durable when this returns.
fn replay(store: &Store, accept_log: bool) -> Result<(Forum, DurableLog), Failed> {
    let began = SystemClock.now();
    let log = LogReader::open_or_create(&store.journal()).map_err(Failed::because)?;
    let log = match accept_log {
        true => log.accept_without_anchor(),
        false => log.expecting_entries(files::has_whole(store.files())),
    };
    let (forum, replayed) = replay::replay(log).map_err(Failed::because)?;
    if let Some(tail) = replayed.dropped_tail() {
        warn!("{tail}");
    }
    let contents = replayed.contents();
    let log = replayed.make_durable().map_err(Failed::because)?;
    info!(
        "{} accounts and {} threads, from {} log entries after a snapshot of {} chunks, in {} ms",
        forum.accounts.len(),
        forum.threads.len(),
        contents.last.0 - contents.covered.0,
        contents.chunks,
        SystemClock.now().duration_since(began).as_millis()
    );
    Ok((forum, log))
}

fn start_helpers(
    arguments: &ServeArguments,
    hash_parameters: HashParameters,
    log: DurableLog,
    store: &Store,
    wake: &Wake,
) -> Result<Helpers<SqliteJournal>, Failed> {
    let durability = Durability::from(arguments.durability);
    let journal_wake = Arc::clone(wake);
    let sync = match durability {
        Durability::Always | Durability::Interval => FileSync::BeforeStored,
        Durability::None => FileSync::Never,
    };
    let (threads, queue) = (arguments.hash_threads.into(), arguments.hash_queue as usize);
    Ok(Helpers {
        journal: log.start(durability, move || journal_wake()).map_err(Failed::because)?,
        passwords: PasswordHasher::start(threads, queue, hash_parameters, Arc::clone(wake))
            .map_err(Failed::because)?,
        files: FileWorkers::start(store.files().clone(), files::THREADS, sync, Arc::clone(wake))
            .map_err(Failed::because)?,
        random: Random::system(),
        watch: None,
    })
}

/// Looks after the files that no entry names. What an upload left that a crash cut short was never
/// acknowledged and goes; the files of removed threads are unlinked by the server. Whole files that nothing
/// names may be missed by somebody: they are moved aside, and back should a thread have them after all. Nothing
/// of this stops a start.
fn tidy_files(forum: &Forum, dir: &Directory) -> Result<(), Failed> {
    let path = dir.path();
    let found = files::scan(dir, forum.files().map(|(_, upload)| upload.id))
        .map_err(|error| Failed::because(format_args!("can't read {}: {error}", path.display())))?;
    let mut moved = 0;
    for &id in &found.missing {
        // With another log nobody had it, an older one that was put there for a while for instance.
        match found.orphaned.binary_search(&id).map(|_| files::bring_back(dir, id)) {
            Ok(Ok(())) => {
                warn!("file {id} was in {}: moved back", files::orphaned(path).display());
                moved += 1;
            }
            Ok(Err(error)) => warn!("file {id} can't be moved back: {error}"),
            Err(_) => warn!("file {id} is missing from {}; downloads of it will fail", path.display()),
        }
    }
    for id in &found.parts {
        let part = id.part_in(path);
        match dir.remove_if_there(&id.part()) {
            Ok(()) => info!("deleted {}, the beginning of an upload that broke off", part.display()),
            Err(error) => warn!("can't delete {}: {error}", part.display()),
        }
    }
    for &id in found.unreferenced.iter().filter(|id| !forum.is_removed_file(**id)) {
        match files::move_aside(dir, id) {
            Ok(aside) => {
                warn!("no thread has file {id}: moved to {}", aside.display());
                moved += 1;
            }
            Err(error) => warn!("no thread has file {id}, and it can't be moved aside: {error}"),
        }
    }
    if moved > 0
        && let Err(error) = files::sync_orphaned(dir)
    {
        warn!("can't fsync {}: {error}", files::orphaned(path).display());
    }
    Ok(())
}
