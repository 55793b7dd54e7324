//! Downloads: the bytes that were stored, or an error, never others.

use super::*;

/// Reads the file, in which `content` is expected, to its end in chunks of at most `bytes_max`.
pub(super) fn download(fixture: &mut Fixture, bytes_max: u64, content: &[u8]) -> Vec<u8> {
    const TAG: Tag = 0xDA7A;
    fixture.files.open(KEY, ID, TAG, expected(content), 0);
    let Report::Opened { size } = fixture.report() else { panic!("not opened") };
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < size {
        fixture.files.read(KEY, bytes_max);
        let Report::Chunk { frames, bytes: in_chunk } = fixture.report() else { panic!("no chunk") };
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
        fixture.files.recycle(frames);
    }
    bytes
}

#[test]
fn a_download_is_whole_data_frames_with_the_bytes_of_the_file() {
    for threads in [0, 2] {
        for length in [0, 1, DATA_BYTES_MAX, DATA_BYTES_MAX + 1, 5 * DATA_BYTES_MAX] {
            let mut fixture = Fixture::new(threads);
            let bytes = noise(length);
            fs::write(ID.path_in(fixture.dir.path()), &bytes).unwrap();
            assert!(download(&mut fixture, u64::MAX, &bytes) == bytes, "{length}");
            assert!(download(&mut fixture, 100_000, &bytes) == bytes, "{length}");
            assert!(fixture.files.transfers.is_empty());
        }
    }
}

#[test]
fn a_full_chunk_is_full_frames() {
    let mut fixture = Fixture::new(0);
    fs::write(ID.path_in(fixture.dir.path()), noise(1_000_000)).unwrap();
    fixture.files.open(KEY, ID, 1, expected(&noise(1_000_000)), 0);
    fixture.files.read(KEY, u64::MAX);
    assert_eq!(fixture.report(), Report::Opened { size: 1_000_000 });
    let Report::Chunk { frames, bytes } = fixture.report() else { panic!("no chunk") };
    assert_eq!((frames.len(), bytes), (4 * FRAME_BYTES_MAX, CHUNK_BYTES_MAX));
}

#[test]
fn a_file_that_is_not_there_cannot_be_opened() {
    let mut fixture = Fixture::new(0);
    fixture.files.open(KEY, ID, 1, expected(b""), 0);
    assert_eq!(fixture.report(), Report::Failed(Failure::Missing));
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
        let mut fixture = Fixture::new(threads);
        let bytes = noise(100_000);
        fixture.upload(&bytes);
        for read in [0, 1, 60_000] {
            fixture.files.open(KEY, ID, 1, expected(&bytes), 0);
            assert_eq!(fixture.report(), Report::Opened { size: 100_000 });
            if read > 0 {
                fixture.files.read(KEY, read);
                let Report::Chunk { bytes, .. } = fixture.report() else { panic!("no chunk") };
                assert_eq!(bytes, read);
            }
            assert_eq!(open_files(&fixture.dir), 0, "{threads} threads, {read} bytes read");
        }
        // An upload does, as long as it lasts.
        fixture.files.create(KEY, FileId(1));
        fixture.files.write(KEY, b"some");
        assert_eq!(fixture.report(), Report::Written { bytes: 4 });
        assert_eq!(open_files(&fixture.dir), 1);
    }
}

#[test]
fn a_download_of_a_file_that_is_deleted_meanwhile_fails() {
    let mut fixture = Fixture::new(0);
    fixture.upload(b"going, going");
    fixture.files.open(KEY, ID, 1, expected(b"going, going"), 0);
    assert_eq!(fixture.report(), Report::Opened { size: 12 });
    fixture.files.unlink(vec![ID]);
    fixture.files.unlink(vec![ID]);
    assert!(names(&fixture.dir).is_empty());
    fixture.files.read(KEY, u64::MAX);
    assert_eq!(fixture.report(), Report::Failed(Failure::Missing));
    assert!(fixture.files.transfers.is_empty());
}

#[test]
fn a_file_that_lost_bytes_meanwhile_fails_instead_of_ending_early() {
    let mut fixture = Fixture::new(0);
    fixture.upload(b"0123456789");
    fixture.files.open(KEY, ID, 1, expected(b"0123456789"), 0);
    assert_eq!(fixture.report(), Report::Opened { size: 10 });
    fs::write(ID.path_in(fixture.dir.path()), "01234").unwrap();
    fixture.files.read(KEY, u64::MAX);
    assert_eq!(fixture.report(), Report::Failed(Failure::Damaged));
}

#[test]
fn a_download_that_is_ended_is_not_heard_of_again() {
    let mut fixture = Fixture::new(0);
    fixture.upload(b"0123456789");
    fixture.files.open(KEY, ID, 1, expected(b"0123456789"), 0);
    fixture.files.read(KEY, 5);
    fixture.files.end(KEY);
    fixture.files.end(KEY);
    assert_eq!(fixture.files.next_report(), None);
    assert!(fixture.files.transfers.is_empty());
}

#[test]
fn a_file_that_is_not_what_was_stored_is_never_read_to_its_end() {
    for threads in [0, 2] {
        for length in [1, 100_000, 1_000_000] {
            let (mut fixture, bytes) = (Fixture::new(threads), noise(length));
            fixture.upload(&bytes);
            let mut damaged = bytes.clone();
            damaged[length / 2] ^= 1;
            fs::write(ID.path_in(fixture.dir.path()), &damaged).unwrap();
            fixture.files.open(KEY, ID, 1, expected(&bytes), 0);
            assert_eq!(fixture.report(), Report::Opened { size: length as u64 });
            let mut read = 0;
            let end = loop {
                fixture.files.read(KEY, u64::MAX);
                match fixture.report() {
                    Report::Chunk { bytes, .. } => read += bytes,
                    end => break end,
                }
            };
            assert_eq!(end, Report::Failed(Failure::Damaged));
            assert!(read < length as u64);
            assert!(fixture.files.transfers.is_empty());
        }
    }
}

#[test]
fn a_file_of_another_length_than_was_stored_is_not_opened() {
    let mut fixture = Fixture::new(0);
    for (stored, wanted) in [(&b"long"[..], &b"longer"[..]), (b"long", b""), (b"", b"long")] {
        fs::write(ID.path_in(fixture.dir.path()), stored).unwrap();
        fixture.files.open(KEY, ID, 1, expected(wanted), 0);
        assert_eq!(fixture.report(), Report::Failed(Failure::Damaged));
    }
}
