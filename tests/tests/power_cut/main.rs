//! What was acknowledged or shown survives power cuts, as far as `--durability` promises it.
//!
//! Here are what all tests of it share: a server on a volume whose power can be cut, and how many cuts there are
//! to be. `scenarios` has the cuts that once lost something, each at its moment; `load` has cuts at any moment
//! under a load that `model` keeps the books of. A run of the suite makes 30 cuts; `tests/scripts/power-cuts`
//! makes as many as one likes.
#![forbid(unsafe_code)]

mod load;
mod model;
mod scenarios;

use std::io::Write;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;

use forum_tests::{Forumd, Server, Volume};

/// Cuts that one run of all scenarios makes.
const SCENARIOS: usize = 6;
/// Cuts of a run of the suite.
const CUTS: usize = 30;

/// How many cuts the tests here make altogether.
fn cuts() -> usize {
    let wanted = std::env::var("FORUM_POWER_CUTS").ok();
    wanted.map_or(CUTS, |wanted| wanted.parse().expect("FORUM_POWER_CUTS is a number of cuts"))
}

/// How often each scenario is played.
fn rounds() -> usize {
    (cuts() / CUTS).max(1)
}

/// A server on a volume.
struct Site {
    server: Server,
    volume: Volume,
}

impl Site {
    /// A new forum; none where no volume can be had, which standard error is told: what `eprintln` says is shown
    /// only when a test fails.
    fn new(arguments: &[&str], prepare: impl FnOnce(Forumd) -> Forumd) -> Option<Self> {
        let launch = Forumd::new().args(arguments);
        match Volume::below(&launch) {
            Ok(volume) => Some(Self { server: volume.under(prepare(launch)).start(), volume }),
            Err(reason) => {
                let skipped = format!("no power was cut, this test was skipped: {reason}\n");
                std::io::stderr().write_all(skipped.as_bytes()).expect("there is a standard error");
                None
            }
        }
    }

    /// The power is cut under the running server, which then ends and is started again.
    fn cut(&mut self) {
        self.volume.cut();
        self.server.kill();
        self.volume.come_back();
        self.server.start_again();
    }

    /// The server is killed and started again, with the power on.
    fn kill(&mut self) {
        self.server.kill();
        self.server.start_again();
    }

    /// From its next start on, the server runs with these arguments.
    fn change_arguments(&mut self, arguments: &[&str]) {
        let launch = Forumd::new().args(arguments).on_data_of(self.server.launch());
        self.server.relaunch_as(self.volume.under(launch));
    }

    /// Insists that `forumd check` finds nothing wrong.
    fn check(&self) {
        let check = Forumd::bare().on_data_of(self.server.launch()).args(&["check"]);
        self.volume.under(check).run("").expect_success();
    }

    /// The write-ahead log of the forum.
    fn wal(&self) -> PathBuf {
        self.server.launch().data().join("journal.sqlite3-wal")
    }

    /// How many whole files there are.
    fn stored_files(&self) -> usize {
        let files = self.volume.seen(&self.server.launch().data().join("files"));
        std::fs::read_dir(files).expect("it can be read").count()
    }
}

impl Deref for Site {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl DerefMut for Site {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.server
    }
}
