//! Uploads and downloads as the loop sees them, with threads and without.

mod downloads;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::{self, Receiver};

use forum_common::limits::FRAME_BYTES_MAX;
use forum_common::wire::{Transfer as Wire, frame};
use tempfile::TempDir;

use self::downloads::download;
use super::*;
use crate::TEST_DEADLINE;

const KEY: u32 = 7;
const ID: FileId = FileId(0xF00D);

/// Workers on an empty directory.
struct Fixture {
    files: FileWorkers<u32>,
    bell: Receiver<()>,
    dir: TempDir,
}

impl Fixture {
    fn new(threads: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (ring, bell) = mpsc::channel();
        let wake = Arc::new(move || {
            let _ = ring.send(());
        });
        let files =
            FileWorkers::start(Directory::open(dir.path()).unwrap(), threads, FileSync::BeforeStored, wake)
                .unwrap();
        Self { files, bell, dir }
    }

    /// The next report, which must be about [`KEY`].
    fn report(&mut self) -> Report {
        loop {
            if let Some((key, report)) = self.files.next_report() {
                assert_eq!(key, KEY);
                return report;
            }
            self.bell.recv_timeout(TEST_DEADLINE).expect("a report within the deadline");
        }
    }

    /// The next report that is not about credit.
    fn verdict(&mut self) -> Report {
        loop {
            let report = self.report();
            if !matches!(report, Report::Written { .. }) {
                return report;
            }
        }
    }

    fn upload(&mut self, bytes: &[u8]) -> Report {
        self.files.create(KEY, ID);
        for piece in bytes.chunks(10_000) {
            self.files.write(KEY, piece);
            let _ = self.report();
        }
        self.files.finish(KEY, announced(bytes));
        self.verdict()
    }
}

/// What lies in the directory of the files.
fn names(dir: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(dir.path()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn stored(bytes: &[u8]) -> Report {
    Report::Stored { id: ID, digest: blake3::hash(bytes).into() }
}

fn expected(bytes: &[u8]) -> Expected {
    Expected { size: bytes.len() as u64, digest: blake3::hash(bytes).into() }
}

fn announced(bytes: &[u8]) -> Announced {
    Announced { size: bytes.len() as u64, digest: Some(blake3::hash(bytes).into()) }
}

/// Bytes that don't repeat with the size of anything.
fn noise(length: usize) -> Vec<u8> {
    (0..length as u64).map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect()
}

#[test]
fn an_upload_is_stored_whole_and_only_for_the_owner() {
    for threads in [0, 1, 3] {
        for length in [0, 1, 10_000, 123_456] {
            let mut fixture = Fixture::new(threads);
            let bytes = noise(length);
            assert_eq!(fixture.upload(&bytes), stored(&bytes));
            let path = ID.path_in(fixture.dir.path());
            assert_eq!(fs::read(&path).unwrap(), bytes);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}

#[test]
fn bytes_that_are_not_the_promised_ones_leave_no_trace() {
    for threads in [0, 2] {
        for (promised, failure) in [
            (&b"other"[..], Failure::DigestDiffers),
            (b"longer", Failure::SizeDiffers),
            (b"less", Failure::SizeDiffers),
        ] {
            let mut fixture = Fixture::new(threads);
            fixture.files.create(KEY, ID);
            fixture.files.write(KEY, b"bytes");
            fixture.files.finish(KEY, announced(promised));
            assert_eq!(fixture.verdict(), Report::Failed(failure));
            assert!(names(&fixture.dir).is_empty());
        }
    }
}

#[test]
fn a_full_disk_ends_the_upload_and_what_was_under_way_is_ignored() {
    let mut fixture = Fixture::new(0);
    fixture.files.fill_up_after(1);
    fixture.files.create(KEY, ID);
    fixture.files.write(KEY, b"first");
    assert_eq!(fixture.report(), Report::Written { bytes: 5 });
    fixture.files.write(KEY, b"second");
    fixture.files.write(KEY, b"third");
    assert_eq!(fixture.report(), Report::Failed(Failure::NoSpace));
    assert!(names(&fixture.dir).is_empty());
    fixture.files.write(KEY, b"fourth");
    fixture.files.finish(KEY, announced(b""));
    assert_eq!(fixture.files.next_report(), None);
    assert_eq!(fixture.upload(b"there is room again"), stored(b"there is room again"));
}

/// A real full disk can't be had without mounting one, but /dev/full says the same.
#[test]
fn what_the_kernel_says_of_a_full_disk_is_understood() {
    let error = fs::write("/dev/full", "x").unwrap_err();
    assert_eq!(Failure::from(error), Failure::NoSpace);
}

#[test]
fn bytes_that_come_during_a_write_are_written_together() {
    let mut fixture = Fixture::new(0);
    fixture.files.create(KEY, ID);
    for _ in 0..1_000 {
        fixture.files.write(KEY, b"x");
    }
    assert_eq!(fixture.report(), Report::Written { bytes: 1 });
    assert_eq!(fixture.report(), Report::Written { bytes: 999 });
    assert_eq!(fixture.files.next_report(), None);
    fixture.files.finish(KEY, announced(&[b'x'; 1_000]));
    assert_eq!(fixture.report(), stored(&[b'x'; 1_000]));
}

#[test]
fn an_upload_that_is_ended_leaves_no_trace_at_any_moment() {
    for threads in [0, 1] {
        for moment in ["created", "writing", "finishing", "stored, but nobody knows yet"] {
            let mut fixture = Fixture::new(threads);
            fixture.files.create(KEY, FileId(1));
            if moment != "created" {
                fixture.files.write(KEY, b"some");
                fixture.files.write(KEY, b" bytes");
            }
            if moment != "created" && moment != "writing" {
                fixture.files.finish(KEY, announced(b"some bytes"));
            }
            if moment.starts_with("stored") {
                for _two_writes_and_the_verdict in 0..3 {
                    fixture.bell.recv_timeout(TEST_DEADLINE).unwrap();
                }
            }
            fixture.files.end(KEY);
            let next = fixture.upload(b"the next with this key");
            assert_eq!(next, stored(b"the next with this key"), "{threads} threads, {moment}");
            assert_eq!(fixture.files.next_report(), None);
            let Fixture { files, dir, .. } = fixture;
            drop(files);
            assert_eq!(names(&dir), [ID.to_string()], "{threads} threads, {moment}");
        }
    }
}

#[test]
fn an_id_that_is_taken_is_refused_and_its_file_untouched() {
    let mut fixture = Fixture::new(0);
    fixture.upload(b"the first");
    fixture.files.create(KEY, ID);
    assert!(matches!(fixture.report(), Report::Failed(Failure::Io(_))));
    assert_eq!(fs::read(ID.path_in(fixture.dir.path())).unwrap(), b"the first");
}

#[test]
fn workers_that_end_take_unfinished_uploads_along() {
    for threads in [0, 2] {
        let mut fixture = Fixture::new(threads);
        assert_eq!(fixture.upload(b"finished"), stored(b"finished"));
        fixture.files.create(KEY, FileId(1));
        fixture.files.write(KEY, b"unfinished");
        let Fixture { files, dir, .. } = fixture;
        drop(files);
        assert_eq!(names(&dir), [ID.to_string()]);
    }
}

#[test]
fn what_is_unlinked_is_told_once_whether_it_was_there_or_not() {
    for threads in [0, 2] {
        let mut fixture = Fixture::new(threads);
        fixture.upload(b"going");
        fixture.files.unlink(vec![ID, FileId(1)]);
        fixture.files.unlink(Vec::new());
        // The worker does one after the other, so the second is told last.
        fixture.files.unlink(vec![ID]);
        let mut told = Vec::new();
        while told.len() < 3 {
            fixture.bell.recv_timeout(TEST_DEADLINE).unwrap();
            assert_eq!(fixture.files.next_report(), None);
            told.append(&mut fixture.files.take_unlinked());
        }
        assert_eq!(told, [ID, FileId(1), ID]);
        assert!(names(&fixture.dir).is_empty());
    }
}

#[test]
fn a_file_is_a_part_until_it_is_whole() {
    let mut fixture = Fixture::new(0);
    fixture.files.create(KEY, ID);
    fixture.files.write(KEY, b"some");
    assert_eq!(fixture.report(), Report::Written { bytes: 4 });
    assert_eq!(names(&fixture.dir), [format!("{ID}.part")]);
    fixture.files.finish(KEY, announced(b"some"));
    assert_eq!(fixture.report(), stored(b"some"));
    assert_eq!(names(&fixture.dir), [ID.to_string()]);
}

#[test]
fn workers_go_on_in_the_directory_that_was_opened_whatever_has_its_name() {
    for threads in [0, 2] {
        let mut fixture = Fixture::new(threads);
        assert_eq!(fixture.upload(b"own"), stored(b"own"));
        let place = fixture.dir.path().to_owned();
        let moved = place.with_extension("moved");
        fs::rename(&place, &moved).unwrap();
        fs::create_dir(&place).unwrap();
        fs::write(ID.path_in(&place), "ano").unwrap();

        assert_eq!(download(&mut fixture, u64::MAX, b"own"), b"own");
        fixture.files.create(KEY, FileId(1));
        fixture.files.finish(KEY, announced(b""));
        assert!(matches!(fixture.verdict(), Report::Stored { id: FileId(1), .. }));
        fixture.files.unlink(vec![ID]);
        while fixture.files.take_unlinked().is_empty() {
            fixture.bell.recv_timeout(TEST_DEADLINE).unwrap();
            assert_eq!(fixture.files.next_report(), None);
        }
        fixture.files.create(KEY, FileId(2));
        fixture.files.write(KEY, b"unfinished");
        let Fixture { files, dir, .. } = fixture;
        drop(files);
        assert_eq!(names(&dir), [ID.to_string()], "the other forum's");
        assert_eq!(fs::read(ID.path_in(&place)).unwrap(), b"ano");
        let own: Vec<_> = fs::read_dir(&moved).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(own, [&*FileId(1).to_string()]);
        fs::remove_dir_all(&moved).unwrap();
    }
}
