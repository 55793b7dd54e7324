//! Files that go up and come down.

use forum_common::limits::FRAME_BYTES_MAX;
use forum_common::wire::frame;

use super::*;

#[test]
fn a_file_goes_up_and_comes_down_within_its_credit() {
    let (mut stage, mut yoda) = stage_with_thread();
    let bytes: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
    let size = bytes.len() as u64;
    let start = stage.ask(&mut yoda, 5, &Request::Upload { title: "t", file: "f", size, key: None });
    assert_eq!(start, ["5 UploadStarts { credit: 200000 }"]);
    for piece in bytes.chunks(60_000) {
        yoda.send_transfer(5, &Transfer::Data { piece });
    }
    yoda.send_transfer(5, &Transfer::DataEnd { digest: Some(*blake3::hash(&bytes).as_bytes()) });
    stage.settle(&yoda);
    assert_eq!(yoda.answers(), [done(5, "f uploaded to t thread")]);

    assert_eq!(
        stage.ask(&mut yoda, 6, &Request::Download { title: "t", file: "f", offset: None, digest: None }),
        [format!(
            "6 DownloadStarts {{ size: 200000, digest: {:?}, offset: 0 }}",
            blake3::hash(&bytes).as_bytes()
        )]
    );
    yoda.send_transfer(6, &Transfer::Credit { bytes: 1_000 });
    stage.settle(&yoda);
    assert_eq!(yoda.link.borrow().to_client.len(), 1_009, "no more than the credit");
    yoda.send_transfer(6, &Transfer::Credit { bytes: 1 << 20 });
    stage.settle(&yoda);
    assert_eq!(downloaded(&yoda), (bytes.clone(), Some(*blake3::hash(&bytes).as_bytes())));
}

#[test]
fn a_client_that_has_the_beginning_of_a_file_gets_the_rest_and_of_another_file_all() {
    let (mut stage, mut yoda) = stage_with_thread();
    let bytes: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
    let digest = *blake3::hash(&bytes).as_bytes();
    stage.ask(&mut yoda, 5, &Request::Upload { title: "t", file: "f", size: 200_000, key: None });
    for piece in bytes.chunks(60_000) {
        yoda.send_transfer(5, &Transfer::Data { piece });
    }
    yoda.send_transfer(5, &Transfer::DataEnd { digest: None });
    stage.settle(&yoda);
    yoda.answers();
    let has = [
        (Some(150_000), Some(digest), 150_000),
        (Some(200_000), Some(digest), 200_000),
        (Some(200_001), Some(digest), 0),
        (Some(150_000), Some([7; 32]), 0),
        (Some(150_000), None, 0),
        (None, Some(digest), 0),
    ];
    for (tag, (offset, of, begins)) in (6..).zip(has) {
        let request = Request::Download { title: "t", file: "f", offset, digest: of };
        let starts = format!("{tag} DownloadStarts {{ size: 200000, digest: {digest:?}, offset: {begins} }}");
        assert_eq!(stage.ask(&mut yoda, tag, &request), [starts]);
        yoda.send_transfer(tag, &Transfer::Credit { bytes: 1 << 20 });
        stage.settle(&yoda);
        let (arrived, end) = downloaded(&yoda);
        assert!(arrived == bytes[begins as usize..], "{offset:?}: {} bytes", arrived.len());
        assert_eq!(end, Some(digest));
    }
}

/// The data of a download that has come, and the digest at its end.
fn downloaded(client: &Client) -> (Vec<u8>, Option<[u8; 32]>) {
    let received = std::mem::take(&mut client.link.borrow_mut().to_client);
    let (mut arrived, mut digest, mut rest) = (Vec::new(), None, &received[..]);
    while let Some((frame, used)) = frame::split(rest, FRAME_BYTES_MAX).unwrap() {
        rest = &rest[used..];
        match Transfer::decode(&frame).unwrap() {
            Transfer::Data { piece } => arrived.extend_from_slice(piece),
            Transfer::DataEnd { digest: Some(end) } => digest = Some(end),
            other => panic!("{other:?}"),
        }
    }
    (arrived, digest)
}

#[test]
fn an_upload_that_breaks_off_leaves_no_trace() {
    let (mut stage, mut yoda) = stage_with_thread();
    stage.ask(&mut yoda, 5, &Request::Upload { title: "t", file: "f", size: 100, key: None });
    yoda.send_transfer(5, &Transfer::Data { piece: b"half" });
    stage.close(&yoda);
    assert_eq!(stage.stored_files(), 0);
    assert!(stage.server.core.transfers.uploads() == 0);
}

#[test]
fn data_without_credit_ends_the_connection() {
    let (mut stage, mut yoda) = stage_with_thread();
    stage.ask(&mut yoda, 5, &Request::Upload { title: "t", file: "f", size: 3, key: None });
    yoda.send_transfer(5, &Transfer::Data { piece: b"four" });
    stage.settle(&yoda);
    assert!(yoda.answers().concat().contains("4 bytes of data with a credit of 3"));
    assert_eq!(stage.stored_files(), 0);
}

#[test]
fn a_thread_removed_during_a_download_ends_it_and_deletes_the_file() {
    let (mut stage, mut yoda) = stage_with_thread();
    let mut hans = stage.sign_up("hans");
    stage.ask(&mut yoda, 5, &Request::Upload { title: "t", file: "f", size: 9, key: None });
    yoda.send_transfer(5, &Transfer::Data { piece: b"nine byte" });
    yoda.send_transfer(5, &Transfer::DataEnd { digest: Some(*blake3::hash(b"nine byte").as_bytes()) });
    stage.settle(&yoda);
    stage.ask(&mut hans, 4, &Request::Download { title: "t", file: "f", offset: None, digest: None });
    stage.ask(&mut yoda, 6, &Request::RemoveThread { title: "t", key: None });
    let text = "Thread t was removed during the download";
    assert_eq!(hans.answers(), [refused(4, Refusal::RemovedDuringDownload, text)]);
    assert_eq!(stage.stored_files(), 0);
}

/// A stage on which yoda has put a file of nine bytes into thread t.
fn stage_with_file() -> (Stage, Client) {
    let (mut stage, mut yoda) = stage_with_thread();
    stage.ask(&mut yoda, 5, &Request::Upload { title: "t", file: "f", size: 9, key: None });
    yoda.send_transfer(5, &Transfer::Data { piece: b"nine byte" });
    yoda.send_transfer(5, &Transfer::DataEnd { digest: Some(*blake3::hash(b"nine byte").as_bytes()) });
    stage.settle(&yoda);
    assert_eq!(yoda.answers(), [done(5, "f uploaded to t thread")]);
    (stage, yoda)
}

#[test]
fn a_file_is_unlinked_only_when_no_power_cut_can_bring_its_thread_back() {
    let (mut stage, mut yoda) = stage_with_file();
    stage.server.core.pipeline.journal_mut().hold_sync();
    assert_eq!(
        stage.ask(&mut yoda, 6, &Request::RemoveThread { title: "t", key: None }),
        [done(6, "Thread t removed")]
    );
    assert_eq!(stage.stored_files(), 1);
    assert_eq!(stage.server.core.forum.removed_files().count(), 1, "a crash does not forget it");
    stage.server.core.pipeline.journal_mut().sync();
    stage.settle(&yoda);
    assert_eq!(stage.stored_files(), 0);
    stage.ask(&mut yoda, 7, &Request::CreateThread { title: "u", key: None });
    assert_eq!(stage.server.core.forum.removed_files().count(), 0, "the next change takes the news along");
}

#[test]
fn a_start_unlinks_what_the_last_run_could_not() {
    let (mut stage, mut yoda) = stage_with_file();
    stage.server.core.pipeline.journal_mut().hold_sync();
    stage.ask(&mut yoda, 6, &Request::RemoveThread { title: "t", key: None });
    let id = stage.server.core.forum.removed_files().next().unwrap();
    let forum = (*stage.server.core.forum).clone().into();
    let mut next = stage_on(&[], forum, MemoryJournal::default());
    std::fs::write(id.path_in(next.files.path()), "nine byte").unwrap();
    next.server.core.resume_unlinking();
    assert_eq!(next.stored_files(), 0);
    let _hans = next.sign_up("hans");
    assert_eq!(next.server.core.forum.removed_files().count(), 0);
}

#[test]
fn a_full_disk_forgets_no_file_that_was_unlinked() {
    let (mut stage, mut yoda) = stage_with_file();
    stage.ask(&mut yoda, 6, &Request::RemoveThread { title: "t", key: None });
    stage.server.core.pipeline.journal_mut().no_space(1);
    stage.ask(&mut yoda, 7, &Request::CreateThread { title: "u", key: None });
    assert_eq!(stage.server.core.forum.removed_files().count(), 1);
    stage.ask(&mut yoda, 8, &Request::CreateThread { title: "u", key: None });
    assert_eq!(stage.server.core.forum.removed_files().count(), 0);
}

#[test]
fn a_thread_removed_during_an_upload_refuses_it_even_if_its_title_is_back() {
    let (mut stage, mut yoda) = stage_with_thread();
    stage.ask(&mut yoda, 5, &Request::Upload { title: "t", file: "f", size: 0, key: None });
    stage.ask(&mut yoda, 6, &Request::RemoveThread { title: "t", key: None });
    stage.ask(&mut yoda, 7, &Request::CreateThread { title: "t", key: None });
    yoda.send_transfer(5, &Transfer::DataEnd { digest: Some(*blake3::hash(b"").as_bytes()) });
    stage.settle(&yoda);
    assert_eq!(yoda.answers(), [refused(5, Refusal::NoSuchThread, "Thread t does not exist")]);
    assert_eq!(stage.stored_files(), 0);
}
