//! Transfers that make no progress, and what they may hold meanwhile.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

/// The largest file here: less than the first credit of an upload.
const BYTES: usize = 900_000;

fn given_up(tag: Tag, file: &str) -> String {
    refused(tag, Refusal::TransferAborted, &format!("{file} was given up: no progress for 60 seconds"))
}

fn upload(file: &str, size: u64) -> Request<'_> {
    Request::Upload { title: "t", file, size, key: None }
}

fn download(file: &str) -> Request<'_> {
    Request::Download { title: "t", file, offset: None, digest: None }
}

/// A stage on which yoda has uploaded `bytes` to thread t as `f`.
fn stage_with(bytes: &[u8]) -> (Stage, Client) {
    let (mut stage, mut yoda) = stage_with_thread();
    stage.ask(&mut yoda, 5, &upload("f", bytes.len() as u64));
    for piece in bytes.chunks(60_000) {
        yoda.send_transfer(5, &Transfer::Data { piece });
    }
    yoda.send_transfer(5, &Transfer::DataEnd { digest: None });
    stage.settle(&yoda);
    assert_eq!(yoda.answers(), [done(5, "f uploaded to t thread")]);
    (stage, yoda)
}

/// Begins a download of `f` and gives it some credit.
fn begin_download(stage: &mut Stage, client: &mut Client, tag: Tag, credit: u32) {
    client.send(tag, &download("f"));
    client.send_transfer(tag, &Transfer::Credit { bytes: credit });
    stage.settle(client);
}

#[test]
fn an_upload_that_sends_nothing_for_a_minute_is_given_up() {
    let (mut stage, mut yoda) = stage_with_thread();
    stage.ask(&mut yoda, 5, &upload("silent", 100));
    stage.ask(&mut yoda, 6, &upload("halting", 100));
    yoda.send_transfer(6, &Transfer::Data { piece: b"half" });
    stage.settle(&yoda);
    stage.pass(MINUTE - SECOND);
    assert_eq!(yoda.answers(), [""; 0]);
    stage.pass(SECOND);
    assert_eq!(yoda.answers(), [given_up(5, "silent"), given_up(6, "halting")]);
    assert_eq!((stage.server.core.transfers.uploads(), stage.stored_files()), (0, 0));
    assert!(stage.is_only_to_probe(), "nothing is left to look at");
    // What was on its way is ignored, and the connection goes on.
    yoda.send_transfer(6, &Transfer::Data { piece: b"and half" });
    assert_eq!(stage.ask(&mut yoda, 7, &upload("silent", 1)), ["7 UploadStarts { credit: 1 }"]);
}

#[test]
fn an_upload_that_goes_on_is_not_given_up_however_long_it_takes() {
    let (mut stage, mut yoda) = stage_with_thread();
    stage.ask(&mut yoda, 5, &upload("f", 5));
    for piece in b"bytes".chunks(1) {
        stage.pass(MINUTE - SECOND);
        yoda.send_transfer(5, &Transfer::Data { piece });
        stage.settle(&yoda);
    }
    yoda.send_transfer(5, &Transfer::DataEnd { digest: None });
    stage.settle(&yoda);
    assert_eq!(yoda.answers(), [done(5, "f uploaded to t thread")]);
}

#[test]
fn data_without_bytes_is_no_progress() {
    let (mut stage, mut yoda) = stage_with_thread();
    stage.ask(&mut yoda, 5, &upload("f", 5));
    for _ in 0..2 {
        stage.pass(MINUTE / 2);
        yoda.send_transfer(5, &Transfer::Data { piece: b"" });
        stage.settle(&yoda);
    }
    assert_eq!(yoda.answers(), [given_up(5, "f")]);
}

#[test]
fn an_upload_whose_end_does_not_come_is_given_up() {
    let (mut stage, mut yoda) = stage_with_thread();
    stage.ask(&mut yoda, 5, &upload("f", 5));
    yoda.send_transfer(5, &Transfer::Data { piece: b"bytes" });
    stage.settle(&yoda);
    stage.pass(MINUTE);
    assert_eq!(yoda.answers(), [given_up(5, "f")]);
    assert_eq!(stage.stored_files(), 0);
}

#[test]
fn an_upload_that_waits_for_the_server_is_not_given_up() {
    let (mut stage, mut yoda) = stage_with_thread();
    stage.server.core.pipeline.journal_mut().hold();
    stage.ask(&mut yoda, 5, &upload("f", 5));
    yoda.send_transfer(5, &Transfer::Data { piece: b"bytes" });
    yoda.send_transfer(5, &Transfer::DataEnd { digest: None });
    stage.settle(&yoda);
    stage.pass(5 * MINUTE);
    stage.release();
    assert_eq!(yoda.answers(), [done(5, "f uploaded to t thread")]);
}

#[test]
fn an_upload_has_its_minute_from_the_moment_when_the_disk_has_taken_what_came() {
    let (mut stage, mut yoda) = stage_with_thread();
    stage.ask(&mut yoda, 5, &upload("f", 2 << 20));
    stage.server.core.files.hold(true);
    for _ in 0..32 {
        yoda.send_transfer(5, &Transfer::Data { piece: &[7; 32_768] });
    }
    stage.settle(&yoda);
    stage.pass(5 * MINUTE);
    assert_eq!(yoda.answers(), [""; 0], "it has no credit left");
    stage.server.core.files.hold(false);
    stage.pass(MINUTE - SECOND);
    stage.pass(MINUTE - SECOND);
    let answers = yoda.answers();
    assert!(answers.iter().all(|answer| answer.contains("Credit")), "{answers:?}");
    stage.pass(SECOND);
    assert_eq!(yoda.answers(), [given_up(5, "f")]);
}

#[test]
fn silent_uploads_give_their_slots_back() {
    let mut stage = stage(&["--max-total-uploads", "2"]);
    let (mut yoda, mut mallory) = (stage.sign_up("yoda"), stage.sign_up("mallory"));
    stage.ask(&mut yoda, 4, &Request::CreateThread { title: "t", key: None });
    for tag in 5..7 {
        stage.ask(&mut mallory, tag, &upload(&format!("m{tag}"), 1_000_000));
    }
    let full = refused(5, Refusal::LimitReached, "Limit reached: at most 2 uploads at once");
    assert_eq!(stage.ask(&mut yoda, 5, &upload("f", 1)), [full]);
    stage.pass(MINUTE);
    assert_eq!(stage.ask(&mut yoda, 6, &upload("f", 1)), ["6 UploadStarts { credit: 1 }"]);
}

#[test]
fn a_download_without_credit_for_a_minute_is_given_up() {
    let (mut stage, mut yoda) = stage_with(&[7; BYTES]);
    stage.ask(&mut yoda, 6, &download("f"));
    begin_download(&mut stage, &mut yoda, 7, 1_000);
    yoda.answers();
    stage.pass(MINUTE / 2);
    // Neither of these takes anything of the file.
    yoda.send_transfer(6, &Transfer::Credit { bytes: 0 });
    assert_eq!(stage.ask(&mut yoda, 8, &Request::Ping { payload: b"?" }), ["8 Pong { payload: [63] }"]);
    stage.pass(MINUTE / 2);
    assert_eq!(yoda.answers(), [given_up(6, "f"), given_up(7, "f")]);
    assert!(stage.server.core.transfers.no_downloads());
}

#[test]
fn a_download_that_is_not_read_for_a_minute_is_given_up_though_it_has_credit() {
    let (mut stage, mut yoda) = stage_with(&[7; BYTES]);
    yoda.link.borrow_mut().room = 1_000;
    begin_download(&mut stage, &mut yoda, 6, 1 << 20);
    stage.pass(MINUTE / 2);
    // More credit is no progress while what it allows is left unread.
    yoda.send_transfer(6, &Transfer::Credit { bytes: 1 });
    stage.settle(&yoda);
    stage.pass(MINUTE / 2);
    assert!(stage.server.core.transfers.no_downloads());
}

#[test]
fn a_download_that_is_read_slowly_is_not_given_up() {
    let (mut stage, mut yoda) = stage_with(&[7; BYTES]);
    for credit in [BYTES as u32, 100_000] {
        yoda.link.borrow_mut().room = 0;
        begin_download(&mut stage, &mut yoda, 6, credit);
        let mut last = 0;
        while last < credit as usize {
            stage.pass(MINUTE - SECOND);
            yoda.link.borrow_mut().room = 40_000;
            stage.settle(&yoda);
            last = yoda.link.borrow().to_client.len();
        }
        let answers = yoda.answers();
        assert!(!answers.concat().contains("given up"), "{answers:?}");
        // Of the second there is more to come.
        yoda.link.borrow_mut().room = 1 << 30;
        yoda.send_transfer(6, &Transfer::Abort);
        stage.settle(&yoda);
        yoda.answers();
    }
}

#[test]
fn a_download_has_its_minute_from_the_moment_when_the_disk_has_given_what_was_asked_for() {
    let (mut stage, mut yoda) = stage_with(&[7; BYTES]);
    stage.server.core.files.hold(true);
    begin_download(&mut stage, &mut yoda, 6, 1_000);
    stage.pass(5 * MINUTE);
    yoda.link.borrow_mut().room = 0;
    stage.server.core.files.hold(false);
    stage.pass(SECOND);
    stage.pass(MINUTE - SECOND);
    assert_eq!(stage.server.core.transfers.count().1, 1);
    stage.pass(SECOND);
    assert!(stage.server.core.transfers.no_downloads());
}

#[test]
fn a_download_that_waits_until_other_output_has_left_is_not_given_up() {
    let (mut stage, mut yoda) = stage_with(b"nine byte");
    let mut hans = stage.sign_up("hans");
    yoda.link.borrow_mut().room = 0;
    let text = "x".repeat(8_000);
    for tag in 4..24 {
        stage.ask(&mut hans, tag, &Request::SendBroadcast { text: &text });
    }
    begin_download(&mut stage, &mut yoda, 6, 9);
    for _ in 0..3 {
        stage.pass(MINUTE - SECOND);
        yoda.link.borrow_mut().room = 10_000;
        stage.settle(&yoda);
    }
    yoda.link.borrow_mut().room = 1 << 30;
    stage.settle(&yoda);
    let last = yoda.answers().pop().unwrap();
    assert!(last.starts_with("6 DataEnd"), "{last}");
}

#[test]
fn how_long_a_transfer_may_stand_still_is_an_option() {
    let mut stage = stage(&["--transfer-timeout", "5"]);
    let mut yoda = stage.sign_up("yoda");
    stage.ask(&mut yoda, 4, &Request::CreateThread { title: "t", key: None });
    stage.ask(&mut yoda, 5, &upload("f", 1));
    stage.pass(5 * SECOND);
    let text = "f was given up: no progress for 5 seconds";
    assert_eq!(yoda.answers(), [refused(5, Refusal::TransferAborted, text)]);
}

#[test]
fn each_transfer_has_its_own_minute_and_a_tag_that_is_used_again_a_new_one() {
    let (mut stage, mut yoda) = stage_with_thread();
    stage.ask(&mut yoda, 5, &upload("a", 1));
    stage.pass(MINUTE / 2);
    stage.ask(&mut yoda, 6, &upload("b", 1));
    yoda.send_transfer(5, &Transfer::Abort);
    stage.ask(&mut yoda, 5, &upload("a", 1));
    stage.pass(MINUTE / 2 + SECOND);
    assert_eq!(yoda.answers(), [""; 0]);
    stage.pass(MINUTE / 2);
    assert_eq!(yoda.answers(), [given_up(5, "a"), given_up(6, "b")]);
}
