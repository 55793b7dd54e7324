//! A volume whose power can be cut: ext4 on a loop device, in a mount namespace of its own.
//!
//! A cut stops the file system under the running server (`shims/powercut.c`); then the volume is unmounted and
//! mounted again, and has what a machine would find after a power cut: what was fsynced, and of the rest what
//! the kernel happened to have written.
//!
//! A write that fails is simulated where the kernel leaves it: after a failed fsync the page cache has the new
//! bytes and takes them for written, while the disk has the old ones. [`Volume::forget_written`] puts the old
//! bytes into the blocks of the image, below the mounted file system, whose page cache goes on showing the new
//! ones. Writing them again gets them to the disk; an fsync alone does nothing.
//!
//! The namespace is held by a process that ends when its standard input does, and servers in it die with the
//! thread that started them. So nothing stays mounted, however the test ends.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::disk::compiled;
use crate::{Forumd, Process};

/// Sparse: only what is written takes room.
const VOLUME_BYTES: u64 = 512 * 1024 * 1024;
/// Bytes of a block of the file system.
const BLOCK_BYTES: usize = 4_096;

/// A volume, mounted where the files of a [`Forumd`] lie.
pub struct Volume {
    at: PathBuf,
    /// Holds the namespace. With it goes the mount, and with that the loop device.
    keeper: Process,
    /// Where the image is.
    disk: TempDir,
}

impl Volume {
    /// A volume for the data of this server; without the rights to mount one, why it can't be had.
    ///
    /// # Errors
    /// This is not root, or the machine has no loop devices.
    pub fn below(server: &Forumd) -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("only root can mount a volume".into());
        }
        let disk = TempDir::new().expect("there is room for a directory");
        let image = disk.path().join("image");
        File::create(&image).and_then(|file| file.set_len(VOLUME_BYTES)).expect("there is room for a file");
        let made =
            Command::new("mkfs.ext4").args(["-q", "-F", "-b", &BLOCK_BYTES.to_string()]).arg(&image).output();
        expect_success("mkfs.ext4", &made.map_err(|error| format!("mkfs.ext4: {error}"))?)?;
        let mut namespace = Command::new("unshare");
        namespace.args(["--mount", "sh", "-c", "echo here; read _"]);
        let mut keeper = Process::start(&mut namespace);
        if keeper.stdout.next_line().as_deref() != Some("here") {
            return Err(format!("no mount namespace can be had:\n{keeper}"));
        }
        let volume = Self { at: server.directory().to_owned(), keeper, disk };
        volume.mount()?;
        Ok(volume)
    }

    /// The same server, on this volume.
    #[must_use]
    pub fn under(&self, server: Forumd) -> Forumd {
        let namespace = self.namespace();
        server.under(&["setpriv", "--pdeathsig", "KILL", "nsenter", &namespace, "--"])
    }

    /// The path by which everybody sees what is on the volume.
    pub fn seen(&self, path: &Path) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{}", self.keeper.pid(), path.display()))
    }

    /// Cuts the power. Every write fails from now on.
    pub fn cut(&self) {
        static TOOL: OnceLock<PathBuf> = OnceLock::new();
        let tool = TOOL.get_or_init(|| compiled("powercut.c", "forum-tests-powercut", &[]));
        let cut = Command::new(tool).arg(self.seen(&self.at)).output().expect("it was compiled");
        expect_success("powercut", &cut).unwrap();
    }

    /// Power is back. No process may use the volume.
    pub fn come_back(&self) {
        self.run(&["umount".as_ref(), self.at.as_os_str()]).unwrap();
        self.mount().unwrap();
    }

    /// Everything of the file that differs from `old` was never written to the disk, though the kernel thinks
    /// so. No process may write to it meanwhile.
    pub fn forget_written(&self, path: &Path, old: &[u8]) {
        let seen = self.seen(path);
        // What is written now is not dirty afterwards, so the kernel won't write it again by itself.
        File::open(&seen).and_then(|file| file.sync_all()).expect("the volume has power");
        let new = fs::read(&seen).expect("it can be read");
        let image = OpenOptions::new().write(true).open(self.image()).expect("the image is ours");
        let blocks = self.blocks(path);
        for (number, block) in new.chunks(BLOCK_BYTES).enumerate() {
            let start = number * BLOCK_BYTES;
            let mut before = old.get(start..).unwrap_or_default().to_vec();
            before.resize(block.len(), 0);
            if before != block {
                let place = blocks.iter().find(|run| run.first <= number && number < run.first + run.count);
                let place = place.expect("a synced block has its place");
                let offset = (place.physical + number - place.first) * BLOCK_BYTES;
                image.write_all_at(&before, offset as u64).expect("the image is ours");
            }
        }
        assert_eq!(fs::read(&seen).expect("it can be read"), new, "the page cache knows nothing of it");
    }

    /// Where on the volume the blocks of a file are.
    fn blocks(&self, path: &Path) -> Vec<Run> {
        let listed = self.run(&["filefrag".as_ref(), "-v".as_ref(), path.as_os_str()]).unwrap();
        let numbers = |line: &str| -> Vec<usize> {
            line.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect()
        };
        // ` ext:  logical_offset:  physical_offset: length:`, each offset as `first..last`.
        let extents =
            listed.lines().map(str::trim_start).filter(|line| line.starts_with(|c: char| c.is_ascii_digit()));
        let run = |line: &str| match numbers(line)[..] {
            [_, first, _, physical, _, count, ..] => Run { first, physical, count },
            _ => panic!("filefrag says {line}"),
        };
        extents.map(run).collect()
    }

    fn image(&self) -> PathBuf {
        self.disk.path().join("image")
    }

    fn namespace(&self) -> String {
        format!("--mount=/proc/{}/ns/mnt", self.keeper.pid())
    }

    fn mount(&self) -> Result<(), String> {
        let image = self.image();
        self.run(&["mount".as_ref(), "-o".as_ref(), "loop".as_ref(), image.as_os_str(), self.at.as_os_str()])
            .map(drop)
    }

    /// Runs a program in the namespace; what it says on standard output.
    fn run(&self, words: &[&std::ffi::OsStr]) -> Result<String, String> {
        let output = Command::new("nsenter").arg(self.namespace()).arg("--").args(words).output();
        let output = output.map_err(|error| format!("nsenter: {error}"))?;
        expect_success(&format!("{words:?}"), &output)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// Blocks of a file that lie one after the other.
struct Run {
    first: usize,
    physical: usize,
    count: usize,
}

fn expect_success(what: &str, output: &Output) -> Result<(), String> {
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{what}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr)))
}
