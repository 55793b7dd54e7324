//! Where the programs under test are: built once per test process by cargo itself, in the profile and the
//! target directory of the running test, so that a fresh clone needs no second command and no test ever runs
//! yesterday's binary.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The path of `forumd`.
pub(crate) fn forumd() -> PathBuf {
    built().join("forumd")
}

/// The path of `forum`.
pub(crate) fn forum() -> PathBuf {
    built().join("forum")
}

/// The directory with both programs, which are built first.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let directory = profile_directory();
        build(&directory, &["--bins", "-p", "forumd", "-p", "forum"]);
        directory
    })
}

/// `target/debug`, seen from the running test `target/debug/deps/login-0123456789abcdef`.
pub(crate) fn profile_directory() -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let deps = test.parent().expect("a program lies in a directory");
    deps.parent().expect("cargo puts tests two directories deep").to_owned()
}

/// Lets cargo build what these arguments choose, in the profile of this directory.
///
/// # Panics
/// It doesn't build.
pub(crate) fn build(directory: &Path, what: &[&str]) {
    let profile = match directory.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let target = directory.parent().expect("a profile lies in a target directory");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--profile", profile])
        .args(what)
        .arg("--target-dir")
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo can be started");
    assert!(
        output.status.success(),
        "the programs under test do not build:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
