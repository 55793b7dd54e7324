//! What each signal means to a server. One that nobody takes ends a process without a word, and the goodbye to
//! everybody with it; so all that may be sent on purpose are taken. SIGQUIT and SIGABRT still end it at once,
//! with a core dump, and SIGPIPE is ignored as in every Rust program.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{
    SIGALRM, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU,
};
use signal_hook::flag;
use signal_hook_mio::v1_0::Signals;

/// What a signal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// The server is to end, in order.
    End,
    /// The log file was moved away and is to be opened anew, and the certificate is to be read anew.
    Reload,
    /// Nothing, as yet.
    Nothing,
}

/// Every signal that is taken, with its meaning. SIGXCPU says that SIGKILL is near.
const MEANINGS: [(i32, Meaning); 10] = [
    (SIGTERM, Meaning::End),
    (SIGINT, Meaning::End),
    (SIGXCPU, Meaning::End),
    (SIGHUP, Meaning::Reload),
    (SIGUSR1, Meaning::Nothing),
    (SIGUSR2, Meaning::Nothing),
    (SIGALRM, Meaning::Nothing),
    (SIGVTALRM, Meaning::Nothing),
    (SIGPROF, Meaning::Nothing),
    (SIGIO, Meaning::Nothing),
];

/// What a signal means that was taken.
pub fn meaning(signal: i32) -> Meaning {
    MEANINGS.iter().find(|(number, _)| *number == signal).map_or(Meaning::Nothing, |(_, meaning)| *meaning)
}

/// Takes the signals that do not end the server; they wait until somebody looks. For the start, which may
/// take long and which SIGTERM still ends at once.
///
/// # Errors
/// Those of the operating system.
pub fn take_harmless() -> io::Result<Signals> {
    Signals::new(MEANINGS.iter().filter(|(_, meaning)| *meaning != Meaning::End).map(|(signal, _)| signal))
}

/// The signals that end the server.
pub fn ending() -> impl Iterator<Item = i32> {
    MEANINGS.iter().filter(|(_, meaning)| *meaning == Meaning::End).map(|(signal, _)| *signal)
}

/// Takes those that end it as well: the first one waits until somebody looks, and the second, whichever of them,
/// ends the process at once, though nobody does look.
///
/// # Errors
/// Those of the operating system.
pub fn take_ending(signals: &Signals) -> io::Result<()> {
    let has_come = Arc::new(AtomicBool::new(false));
    for signal in ending() {
        // In this order: only the next one finds the flag set.
        flag::register_conditional_default(signal, Arc::clone(&has_come))?;
        flag::register(signal, Arc::clone(&has_come))?;
        signals.add_signal(signal)?;
    }
    Ok(())
}
