//! `forum-simulator`: runs seeds on all cores and says what they came to. With `SEED` in the environment it replays that
//! one, line by line. A seed that fails is made smaller first.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use clap::Parser;
use forum_simulator::{Figures, Limits, Run, run, shrink};
use mimalloc::MiMalloc;
use signal_hook::consts::{SIGINT, SIGTERM};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Attacks the whole server with clients, a network and a disk that are played from one seed each.
#[derive(Debug, Parser)]
#[command(args_override_self = true)]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// Threads; 0 = one for each core.
    #[arg(long, default_value_t = 0)]
    jobs: usize,
    /// Replays this seed.
    #[arg(long, env = "SEED")]
    seed: Option<u64>,
    /// With at most so many clients.
    #[arg(long, env = "CLIENTS")]
    clients: Option<usize>,
    /// With at most so many steps.
    #[arg(long, env = "STEPS")]
    steps: Option<usize>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let failed = match arguments.seed {
        Some(seed) => replay(seed, Limits { clients: arguments.clients, steps: arguments.steps }),
        None => attack(&arguments),
    };
    match failed {
        Ok(false) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Runs one seed and prints all that happens; says whether it failed.
fn replay(seed: u64, limits: Limits) -> io::Result<bool> {
    let run = run(seed, limits, true);
    let mut out = io::stdout().lock();
    for line in &run.lines {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "{:?}, hash {:016x}", run.figures, run.hash)?;
    tell(&run)?;
    Ok(run.failure.is_some())
}

/// Says what was wrong, and how to see it again.
fn tell(run: &Run) -> io::Result<()> {
    let Some(failure) = &run.failure else { return Ok(()) };
    let mut out = io::stdout().lock();
    let word =
        |name: &str, value: Option<usize>| value.map_or(String::new(), |value| format!("{name}={value} "));
    let limits = word("CLIENTS", run.limits.clients) + &word("STEPS", run.limits.steps);
    writeln!(out, "FAILED after {} events: {failure}", run.figures.events)?;
    writeln!(out, "replay with: SEED={} {limits}cargo run --profile sim -p forum-simulator", run.seed)
}

/// Runs many seeds, until ^C at most; says whether one failed.
fn attack(arguments: &Arguments) -> io::Result<bool> {
    let jobs = match arguments.jobs {
        0 => thread::available_parallelism().map_or(1, usize::from),
        jobs => jobs,
    };
    let (next, has_failed) = (AtomicU64::new(arguments.first), AtomicBool::new(false));
    let is_told_to_stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&is_told_to_stop))?;
    }
    let must_stop = || has_failed.load(Ordering::Relaxed) || is_told_to_stop.load(Ordering::Relaxed);
    let end = arguments.first.saturating_add(arguments.seeds);
    let (total, failed) = (Mutex::new(Figures::default()), Mutex::new(None));
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                let mut own = Figures::default();
                while !must_stop() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        break;
                    }
                    let run = run(seed, Limits::default(), false);
                    own.add(&run.figures);
                    if run.failure.is_some() && !has_failed.swap(true, Ordering::Relaxed) {
                        *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(run);
                    }
                }
                total.lock().unwrap_or_else(PoisonError::into_inner).add(&own);
            });
        }
    });
    let seconds = begun.elapsed().as_secs_f64();
    let total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    report(&total, seconds, jobs)?;
    if total.seeds < arguments.seeds {
        writeln!(io::stdout(), "stopped; go on with: --first {}", arguments.first + total.seeds)?;
    }
    let failed: Option<Run> = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(run) = failed {
        tell(&run)?;
        tell(&shrink(run))?;
        return Ok(true);
    }
    Ok(false)
}

fn report(total: &Figures, seconds: f64, jobs: usize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let a_seed = |count: u64| count as f64 / total.seeds.max(1) as f64;
    writeln!(
        out,
        "{} seeds in {seconds:.1} s: {:.0} a second and core; {} events ({:.0} a seed), {} entries, {} connections, \
         {} crashes, {} faults, {:.0} virtual hours",
        total.seeds,
        total.seeds as f64 / seconds / jobs as f64,
        total.events,
        a_seed(total.events),
        total.entries,
        total.connections,
        total.crashes,
        total.faults,
        total.virtual_ms as f64 / 3_600_000.0,
    )
}
