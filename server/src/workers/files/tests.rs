//! Uploads and downloads as the loop sees them, with threads and without.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::{self, Receiver};

use forum_common::limits::FRAME_BYTES_MAX;
use forum_common::wire::{Transfer as Wire, frame};
use tempfile::TempDir;

use super::*;
use crate::TEST_DEADLINE;

const KEY: u32 = 7;
const ID: FileId = FileId(0xF00D);

/// Workers on an empty directory.
struct Desk {
    files: FileWorkers<u32>,
    bell: Receiver<()>,
    dir: TempDir,
}

impl Desk {
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
            let mut desk = Desk::new(threads);
            let bytes = noise(length);
            assert_eq!(desk.upload(&bytes), stored(&bytes));
            let path = ID.path_in(desk.dir.path());
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
            let mut desk = Desk::new(threads);
            desk.files.create(KEY, ID);
            desk.files.write(KEY, b"bytes");
            desk.files.finish(KEY, announced(promised));
            assert_eq!(desk.verdict(), Report::Failed(failure));
            assert!(names(&desk.dir).is_empty());
        }
    }
}

#[test]
fn a_full_disk_ends_the_upload_and_what_was_under_way_is_ignored() {
    let mut desk = Desk::new(0);
    desk.files.fill_up_after(1);
    desk.files.create(KEY, ID);
    desk.files.write(KEY, b"first");
    assert_eq!(desk.report(), Report::Written { bytes: 5 });
    desk.files.write(KEY, b"second");
    desk.files.write(KEY, b"third");
    assert_eq!(desk.report(), Report::Failed(Failure::NoSpace));
    assert!(names(&desk.dir).is_empty());
    desk.files.write(KEY, b"fourth");
    desk.files.finish(KEY, announced(b""));
    assert_eq!(desk.files.next_report(), None);
    assert_eq!(desk.upload(b"there is room again"), stored(b"there is room again"));
}

/// A real full disk can't be had without mounting one, but /dev/full says the same.
#[test]
fn what_the_kernel_says_of_a_full_disk_is_understood() {
    let error = fs::write("/dev/full", "x").unwrap_err();
    assert_eq!(Failure::from(error), Failure::NoSpace);
}

#[test]
fn bytes_that_come_during_a_write_are_written_together() {
    let mut desk = Desk::new(0);
    desk.files.create(KEY, ID);
    for _ in 0..1_000 {
        desk.files.write(KEY, b"x");
    }
    assert_eq!(desk.report(), Report::Written { bytes: 1 });
    assert_eq!(desk.report(), Report::Written { bytes: 999 });
    assert_eq!(desk.files.next_report(), None);
    desk.files.finish(KEY, announced(&[b'x'; 1_000]));
    assert_eq!(desk.report(), stored(&[b'x'; 1_000]));
}

#[test]
fn an_upload_that_is_ended_leaves_no_trace_at_any_moment() {
    for threads in [0, 1] {
        for moment in ["created", "writing", "finishing", "stored, but nobody knows yet"] {
            let mut desk = Desk::new(threads);
            desk.files.create(KEY, FileId(1));
            if moment != "created" {
                desk.files.write(KEY, b"some");
                desk.files.write(KEY, b" bytes");
            }
            if moment != "created" && moment != "writing" {
                desk.files.finish(KEY, announced(b"some bytes"));
            }
            if moment.starts_with("stored") {
                for _two_writes_and_the_verdict in 0..3 {
                    desk.bell.recv_timeout(TEST_DEADLINE).unwrap();
                }
            }
            desk.files.end(KEY);
            let next = desk.upload(b"the next with this key");
            assert_eq!(next, stored(b"the next with this key"), "{threads} threads, {moment}");
            assert_eq!(desk.files.next_report(), None);
            let Desk { files, dir, .. } = desk;
            drop(files);
            assert_eq!(names(&dir), [ID.to_string()], "{threads} threads, {moment}");
        }
    }
}

#[test]
fn an_id_that_is_taken_is_refused_and_its_file_untouched() {
    let mut desk = Desk::new(0);
    desk.upload(b"the first");
    desk.files.create(KEY, ID);
    assert!(matches!(desk.report(), Report::Failed(Failure::Io(_))));
    assert_eq!(fs::read(ID.path_in(desk.dir.path())).unwrap(), b"the first");
}

#[test]
fn workers_that_end_take_unfinished_uploads_along() {
    for threads in [0, 2] {
        let mut desk = Desk::new(threads);
        assert_eq!(desk.upload(b"finished"), stored(b"finished"));
        desk.files.create(KEY, FileId(1));
        desk.files.write(KEY, b"unfinished");
        let Desk { files, dir, .. } = desk;
        drop(files);
        assert_eq!(names(&dir), [ID.to_string()]);
    }
}

/// Reads the file, in which `content` is expected, to its end in chunks of at most `bytes_max`.
fn download(desk: &mut Desk, bytes_max: u64, content: &[u8]) -> Vec<u8> {
    const TAG: Tag = 0xDA7A;
    desk.files.open(KEY, ID, TAG, expected(content));
    let Report::Opened { size } = desk.report() else { panic!("not opened") };
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < size {
        desk.files.read(KEY, bytes_max);
        let Report::Chunk { frames, bytes: in_chunk } = desk.report() else { panic!("no chunk") };
        let before = bytes.len() as u64;
        assert_eq!(in_chunk, bytes_max.min(CHUNK_BYTES_MAX).min(size - before));
        let mut rest = &frames[..];
        while let Some((frame, used)) = frame::split(rest, FRAME_BYTES_MAX).unwrap() {
            rest = &rest[used..];
            assert_eq!(frame.tag, TAG);
            let Ok(Wire::Data { piece }) = Wire::decode(&frame) else { panic!("{frame:?}") };
            bytes.extend_from_slice(piece);
        }
        assert_eq!(bytes.len() as u64, before + in_chunk, "whole frames");
        desk.files.recycle(frames);
    }
    bytes
}

#[test]
fn a_download_is_whole_data_frames_with_the_bytes_of_the_file() {
    for threads in [0, 2] {
        for length in [0, 1, DATA_BYTES_MAX, DATA_BYTES_MAX + 1, 5 * DATA_BYTES_MAX] {
            let mut desk = Desk::new(threads);
            let bytes = noise(length);
            fs::write(ID.path_in(desk.dir.path()), &bytes).unwrap();
            assert!(download(&mut desk, u64::MAX, &bytes) == bytes, "{length}");
            assert!(download(&mut desk, 100_000, &bytes) == bytes, "{length}");
            assert!(desk.files.transfers.is_empty());
        }
    }
}

#[test]
fn a_full_chunk_is_full_frames() {
    let mut desk = Desk::new(0);
    fs::write(ID.path_in(desk.dir.path()), noise(1_000_000)).unwrap();
    desk.files.open(KEY, ID, 1, expected(&noise(1_000_000)));
    desk.files.read(KEY, u64::MAX);
    assert_eq!(desk.report(), Report::Opened { size: 1_000_000 });
    let Report::Chunk { frames, bytes } = desk.report() else { panic!("no chunk") };
    assert_eq!((frames.len(), bytes), (4 * FRAME_BYTES_MAX, CHUNK_BYTES_MAX));
}

#[test]
fn a_file_that_is_not_there_cannot_be_opened() {
    let mut desk = Desk::new(0);
    desk.files.open(KEY, ID, 1, expected(b""));
    assert_eq!(desk.report(), Report::Failed(Failure::Missing));
}

/// Descriptors of this process for files of a directory.
fn open_files(dir: &TempDir) -> usize {
    let descriptors = fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path());
    let files = descriptors.filter_map(|link| fs::read_link(link).ok());
    files.filter(|file| file.parent() == Some(dir.path())).count()
}

#[test]
fn a_download_that_waits_holds_no_descriptor() {
    for threads in [0, 2] {
        let mut desk = Desk::new(threads);
        let bytes = noise(100_000);
        desk.upload(&bytes);
        for read in [0, 1, 60_000] {
            desk.files.open(KEY, ID, 1, expected(&bytes));
            assert_eq!(desk.report(), Report::Opened { size: 100_000 });
            if read > 0 {
                desk.files.read(KEY, read);
                let Report::Chunk { bytes, .. } = desk.report() else { panic!("no chunk") };
                assert_eq!(bytes, read);
            }
            assert_eq!(open_files(&desk.dir), 0, "{threads} threads, {read} bytes read");
        }
        // An upload does, as long as it lasts.
        desk.files.create(KEY, FileId(1));
        desk.files.write(KEY, b"some");
        assert_eq!(desk.report(), Report::Written { bytes: 4 });
        assert_eq!(open_files(&desk.dir), 1);
    }
}

#[test]
fn a_download_of_a_file_that_is_deleted_meanwhile_fails() {
    let mut desk = Desk::new(0);
    desk.upload(b"going, going");
    desk.files.open(KEY, ID, 1, expected(b"going, going"));
    assert_eq!(desk.report(), Report::Opened { size: 12 });
    desk.files.unlink(vec![ID]);
    desk.files.unlink(vec![ID]);
    assert!(names(&desk.dir).is_empty());
    desk.files.read(KEY, u64::MAX);
    assert_eq!(desk.report(), Report::Failed(Failure::Missing));
    assert!(desk.files.transfers.is_empty());
}

#[test]
fn what_is_unlinked_is_told_once_whether_it_was_there_or_not() {
    for threads in [0, 2] {
        let mut desk = Desk::new(threads);
        desk.upload(b"going");
        desk.files.unlink(vec![ID, FileId(1)]);
        desk.files.unlink(Vec::new());
        // The worker does one after the other, so the second is told last.
        desk.files.unlink(vec![ID]);
        let mut told = Vec::new();
        while told.len() < 3 {
            desk.bell.recv_timeout(TEST_DEADLINE).unwrap();
            assert_eq!(desk.files.next_report(), None);
            told.append(&mut desk.files.take_unlinked());
        }
        assert_eq!(told, [ID, FileId(1), ID]);
        assert!(names(&desk.dir).is_empty());
    }
}

#[test]
fn a_file_is_a_part_until_it_is_whole() {
    let mut desk = Desk::new(0);
    desk.files.create(KEY, ID);
    desk.files.write(KEY, b"some");
    assert_eq!(desk.report(), Report::Written { bytes: 4 });
    assert_eq!(names(&desk.dir), [format!("{ID}.part")]);
    desk.files.finish(KEY, announced(b"some"));
    assert_eq!(desk.report(), stored(b"some"));
    assert_eq!(names(&desk.dir), [ID.to_string()]);
}

#[test]
fn a_file_that_lost_bytes_meanwhile_fails_instead_of_ending_early() {
    let mut desk = Desk::new(0);
    desk.upload(b"0123456789");
    desk.files.open(KEY, ID, 1, expected(b"0123456789"));
    assert_eq!(desk.report(), Report::Opened { size: 10 });
    fs::write(ID.path_in(desk.dir.path()), "01234").unwrap();
    desk.files.read(KEY, u64::MAX);
    assert_eq!(desk.report(), Report::Failed(Failure::Damaged));
}

#[test]
fn a_download_that_is_ended_is_not_heard_of_again() {
    let mut desk = Desk::new(0);
    desk.upload(b"0123456789");
    desk.files.open(KEY, ID, 1, expected(b"0123456789"));
    desk.files.read(KEY, 5);
    desk.files.end(KEY);
    desk.files.end(KEY);
    assert_eq!(desk.files.next_report(), None);
    assert!(desk.files.transfers.is_empty());
}

#[test]
fn a_file_that_is_not_what_was_stored_is_never_read_to_its_end() {
    for threads in [0, 2] {
        for length in [1, 100_000, 1_000_000] {
            let (mut desk, bytes) = (Desk::new(threads), noise(length));
            desk.upload(&bytes);
            let mut damaged = bytes.clone();
            damaged[length / 2] ^= 1;
            fs::write(ID.path_in(desk.dir.path()), &damaged).unwrap();
            desk.files.open(KEY, ID, 1, expected(&bytes));
            assert_eq!(desk.report(), Report::Opened { size: length as u64 });
            let mut read = 0;
            let end = loop {
                desk.files.read(KEY, u64::MAX);
                match desk.report() {
                    Report::Chunk { bytes, .. } => read += bytes,
                    end => break end,
                }
            };
            assert_eq!(end, Report::Failed(Failure::Damaged));
            assert!(read < length as u64);
            assert!(desk.files.transfers.is_empty());
        }
    }
}

#[test]
fn a_file_of_another_length_than_was_stored_is_not_opened() {
    let mut desk = Desk::new(0);
    for (stored, wanted) in [(&b"long"[..], &b"longer"[..]), (b"long", b""), (b"", b"long")] {
        fs::write(ID.path_in(desk.dir.path()), stored).unwrap();
        desk.files.open(KEY, ID, 1, expected(wanted));
        assert_eq!(desk.report(), Report::Failed(Failure::Damaged));
    }
}

#[test]
fn workers_go_on_in_the_directory_that_was_opened_whatever_has_its_name() {
    for threads in [0, 2] {
        let mut desk = Desk::new(threads);
        assert_eq!(desk.upload(b"own"), stored(b"own"));
        let place = desk.dir.path().to_owned();
        let moved = place.with_extension("moved");
        fs::rename(&place, &moved).unwrap();
        fs::create_dir(&place).unwrap();
        fs::write(ID.path_in(&place), "ano").unwrap();

        assert_eq!(download(&mut desk, u64::MAX, b"own"), b"own");
        desk.files.create(KEY, FileId(1));
        desk.files.finish(KEY, announced(b""));
        assert!(matches!(desk.verdict(), Report::Stored { id: FileId(1), .. }));
        desk.files.unlink(vec![ID]);
        while desk.files.take_unlinked().is_empty() {
            desk.bell.recv_timeout(TEST_DEADLINE).unwrap();
            assert_eq!(desk.files.next_report(), None);
        }
        desk.files.create(KEY, FileId(2));
        desk.files.write(KEY, b"unfinished");
        let Desk { files, dir, .. } = desk;
        drop(files);
        assert_eq!(names(&dir), [ID.to_string()], "the other forum's");
        assert_eq!(fs::read(ID.path_in(&place)).unwrap(), b"ano");
        let own: Vec<_> = fs::read_dir(&moved).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(own, [&*FileId(1).to_string()]);
        fs::remove_dir_all(&moved).unwrap();
    }
}
