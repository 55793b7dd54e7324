//! What the end-to-end tests of `forum-load` share: a server, the program, and the sum that has to come out.

use std::process::Command;

use forum_tests::{Finished, Forumd, Process, Server};
use serde_json::Value;

/// A server whose syncs cost nothing: what is tested is the generator.
pub(crate) fn server() -> Server {
    Forumd::new().args(&["--durability", "none"]).start()
}

/// The program with these words, asked for its JSON; without a warm-up, unless they name one.
pub(crate) fn command(server: &str, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forum-load"));
    command.args(words.split(' ')).arg(server).args(["--json", "-"]);
    if !words.contains("--warm-up") {
        command.args(["--warm-up", "0s"]);
    }
    command
}

/// Starts it against `server`.
pub(crate) fn start(server: &Server, words: &str) -> Process {
    Process::start(&mut command(&server.address().to_string(), words))
}

/// The JSON of a run that was measured, whether or not the generator was on time: that depends on what else this
/// machine does.
pub(crate) fn measured(finished: &Finished) -> Value {
    assert!(matches!(finished.code, Some(0 | 3)), "{finished:#?}");
    let json = json(finished);
    assert_eq!(json["valid"], finished.code == Some(0), "{finished:#?}");
    json
}

/// The JSON of a run that has ended, in which each offered request must have met exactly one fate.
pub(crate) fn json(finished: &Finished) -> Value {
    let json: Value = serde_json::from_str(&finished.stdout.join("\n"))
        .unwrap_or_else(|error| panic!("no JSON: {error}\n{finished:#?}"));
    let fates = ["operations", "late", "missed", "unanswered"].map(|fate| count(&json[fate]));
    let sum = fates.iter().sum::<u64>() + count(&json["errors"]["total"]);
    assert_eq!(count(&json["offered"]), sum, "{json:#}");
    json
}

/// A number that must be there.
pub(crate) fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no count"))
}
