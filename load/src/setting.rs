//! When, where and by what command a run was made: what one wants to know of a result later.

use std::ffi::OsString;
use std::fs;
use std::thread;

use jiff::Zoned;
use rustix::system::uname;
use serde::Serialize;

/// Options whose value is not for others to read.
const SECRET: &str = "--password";

/// All of it, in words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// When the run was begun, by this machine's clock and time zone.
    pub date: String,
    /// The machine on which forum-load ran.
    pub host: String,
    /// Its processor, memory and kernel.
    pub machine: String,
    /// The version of forum-load.
    pub version: String,
    /// The command line, without the password.
    pub command: String,
}

impl Setting {
    /// Now, and here.
    pub fn now() -> Self {
        let system = uname();
        let release = system.release().to_string_lossy();
        Self {
            date: Zoned::now().strftime("%Y-%m-%d %H:%M:%S %Z").to_string(),
            host: system.nodename().to_string_lossy().into_owned(),
            machine: format!("{}, Linux {release}", hardware()),
            version: format!("forum-load {}", env!("CARGO_PKG_VERSION")),
            command: command(std::env::args_os()),
        }
    }
}

fn hardware() -> String {
    let read = |file| fs::read_to_string(file).unwrap_or_default();
    let (processor, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let after = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let model = after(&processor, "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let kib = after(&memory, "MemTotal").and_then(|value| value.strip_suffix(" kB")?.parse::<u64>().ok());
    let memory = kib.map_or(String::new(), |kib| format!(", {:.1} GiB", kib as f64 / f64::from(1 << 20)));
    format!("{cores} × {model}{memory}")
}

/// The words as a shell would take them. The first one is where the program lies, and only its name is told.
fn command(words: impl Iterator<Item = OsString>) -> String {
    let mut line = vec!["forum-load".to_owned()];
    let mut is_secret = false;
    for word in words.skip(1).map(|word| word.to_string_lossy().into_owned()) {
        let hidden = is_secret || word.starts_with("--password=");
        line.push(if hidden { "…".to_owned() } else { quoted(&word) });
        is_secret = word == SECRET;
    }
    line.join(" ")
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_=./:,%+@".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_can_be_given_again_and_tells_no_password() {
        let words =
            ["/opt/forum-load", "ping", "--find", "p99<5ms", "--password", "p w", "--user-prefix", "it's"];
        let line = command(words.into_iter().map(OsString::from));
        assert_eq!(line, r"forum-load ping --find 'p99<5ms' --password … --user-prefix 'it'\''s'");
        let line = command(["load", "--password=x", "ping"].into_iter().map(OsString::from));
        assert_eq!(line, "forum-load … ping");
    }

    #[test]
    fn everything_is_known_of_this_machine() {
        let Setting { date, host, machine, version, command } = Setting::now();
        assert!([&date, &host, &machine, &version, &command].iter().all(|text| !text.is_empty()));
        assert!(machine.contains("GiB, Linux "), "{machine}");
    }
}
