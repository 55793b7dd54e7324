//! A disk that does what a test says: it holds fsyncs back, counts them, fails them, finds a quota used up, and
//! kills the program at any change that it makes. It is a
//! library that is loaded under the real program; the machine's own disk notices nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::{Forumd, binaries};

/// The disk under one server.
#[derive(Debug)]
pub struct Disk {
    orders: TempDir,
}

/// An fsync that a program has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sync {
    /// The thread that made it; the first of a process has the number of the process.
    pub thread: u32,
    /// The file.
    pub path: PathBuf,
    /// Whether it is over.
    pub is_over: bool,
}

impl Disk {
    /// A disk that does what disks do.
    pub fn new() -> Self {
        Self { orders: TempDir::new().expect("there is room for a directory") }
    }

    /// The same server, on this disk.
    #[must_use]
    pub fn under(&self, server: Forumd) -> Forumd {
        self.environment().into_iter().fold(server, |server, (name, value)| server.env(name, value))
    }

    /// What has to stand in the environment of a program that is to run on this disk.
    pub fn environment(&self) -> [(&str, &str); 2] {
        let [shim, orders] = [shim(), self.orders.path()].map(|path| path.to_str().expect("an ASCII path"));
        [("LD_PRELOAD", shim), ("FORUM_DISK", orders)]
    }

    /// From now on fsyncs of files whose path contains `part` wait for [`Disk::release`].
    pub fn hold(&self, part: &str) {
        self.give("hold", part);
    }

    /// From now on each fsync takes so many milliseconds longer.
    pub fn slow(&self, ms: u32) {
        self.give("slow", &ms.to_string());
    }

    /// Holds nothing back any longer.
    pub fn release(&self) {
        fs::remove_file(self.order("hold")).expect("something was held");
    }

    /// From now on there is no quota left for files whose path contains `part`.
    pub fn use_up_quota(&self, part: &str) {
        self.give("quota", part);
    }

    /// There is room again.
    pub fn free_quota(&self) {
        fs::remove_file(self.order("quota")).expect("it was used up");
    }

    /// The next fsync of a file whose path contains `part` fails.
    pub fn fail_once(&self, part: &str) {
        self.give("fail", part);
    }

    /// All fsyncs so far of files whose path contains `part`, in the order in which they began.
    pub fn syncs(&self, part: &str) -> Vec<Sync> {
        let lines = fs::read_to_string(self.order("syncs")).unwrap_or_default();
        let mut syncs: Vec<Sync> = Vec::new();
        for line in lines.lines() {
            let mut words = line.splitn(3, ' ');
            let mut word = || words.next().expect("three words");
            let (what, thread, path) = (word(), word().parse().expect("a number"), PathBuf::from(word()));
            if what == "begin" {
                syncs.push(Sync { thread, path, is_over: false });
            } else {
                let of_thread = syncs.iter_mut().rev().find(|sync| sync.thread == thread);
                of_thread.expect("it has begun").is_over = true;
            }
        }
        syncs.retain(|sync| sync.path.to_str().is_some_and(|path| path.contains(part)));
        syncs
    }

    /// The names of the threads whose end the program has waited for, or waits for.
    pub fn joins(&self) -> Vec<String> {
        let lines = fs::read_to_string(self.order("joins")).unwrap_or_default();
        lines.lines().map(str::to_owned).collect()
    }

    /// An order appears at once with all that is in it.
    fn give(&self, name: &str, part: &str) {
        let draft = self.order("draft");
        fs::write(&draft, part).expect("there is room for an order");
        fs::rename(draft, self.order(name)).expect("there is room for an order");
    }

    fn order(&self, name: &str) -> PathBuf {
        self.orders.path().join(name)
    }
}

impl Default for Disk {
    fn default() -> Self {
        Self::new()
    }
}

/// The same server, with a time of day that is so many seconds ahead.
#[must_use]
pub fn with_clock_ahead(server: Forumd, seconds: i64) -> Forumd {
    on_shim(server).env("FORUM_CLOCK_AHEAD", &seconds.to_string())
}

/// The same program, killed just before its `nth` change of a file or directory, from 1.
#[must_use]
pub fn killed_at_change(server: Forumd, nth: usize) -> Forumd {
    on_shim(server).env("FORUM_DIE_AT", &nth.to_string())
}

fn on_shim(server: Forumd) -> Forumd {
    server.env("LD_PRELOAD", shim().to_str().expect("an ASCII path"))
}

/// The library, compiled once in each test process, beside the tests.
fn shim() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| compiled("disk.c", "forum-tests-disk.so", &["-shared", "-fPIC"]))
}

/// A C source of `tests/shims`, compiled beside the tests.
pub(crate) fn compiled(source: &str, target: &str, options: &[&str]) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("shims").join(source);
    let target = binaries::profile_directory().join(target);
    // Another test may be using it, or making it, in this process or another.
    let draft = tempfile::NamedTempFile::new_in(binaries::profile_directory()).expect("it can be written");
    let draft = draft.into_temp_path();
    let compiled = Command::new("cc")
        .args(options)
        .args(["-O1", "-o"])
        .args([&draft, source.as_path()])
        .status()
        .expect("these tests need a C compiler: cc");
    assert!(compiled.success(), "{} does not compile", source.display());
    draft.persist(&target).expect("the directory can be written");
    target
}
