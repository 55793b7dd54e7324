//! Files: they arrive whole or not at all, nobody waits for them but who asked, and what breaks off leaves no
//! trace.
#![forbid(unsafe_code)]

use std::fs::File;
use std::time::{Duration, SystemTime};

use forum_common::wire::{
    Closing, OwnedFromServer, OwnedNotice, OwnedReply, OwnedTransfer, Refusal, Request, Transfer,
};
use forum_tests::{Forum, Gate, Server, Wire, outcome, until};
use rustix::process::Signal;

/// Bytes that repeat nowhere near any size of a buffer.
fn bytes_of(length: usize) -> Vec<u8> {
    (0..length as u64).map(|index| (index.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect()
}

/// Yoda, logged in on the wire, and an empty thread `t` of yoda's.
fn yoda_with_thread(server: &Server) -> Wire {
    let mut yoda = server.user("yoda");
    assert_eq!(yoda.done(&Request::CreateThread { title: "t", key: None }), "Thread t created");
    yoda
}

/// Waits until the server stores exactly so many files, with round trips on `wire` meanwhile.
fn until_stored(server: &Server, wire: &mut Wire, count: usize) {
    until(&format!("{count} stored files"), || {
        wire.ping();
        (server.stored_files() == count).then_some(())
    });
}

#[test]
fn people_send_and_take_files() {
    let server = Server::start(&[]);
    let mut yoda = server.sign_up("yoda");
    let mut hans = server.sign_up("hans");
    yoda.hears("hans logged in");
    let bytes = bytes_of(1_000_003);
    yoda.put_file("test.exe", &bytes);
    yoda.put_file("empty", b"");
    yoda.does("CRT 3331", "Thread 3331 created");
    yoda.fails("UPD 3331 nothing", "File nothing does not exist");
    yoda.fails("UPD 9331 test.exe", "Thread 9331 does not exist");
    yoda.does("UPD 3331 test.exe", "test.exe uploaded to 3331 thread");
    yoda.fails("UPD 3331 test.exe", "File test.exe already exists in Thread 3331");
    yoda.does("UPD 3331 empty", "empty uploaded to 3331 thread");
    hans.fails("DWN 9331 test.exe", "Thread 9331 does not exist");
    hans.fails("DWN 3331 test", "File does not exist in Thread 3331");
    hans.does("DWN 3331 test.exe", "test.exe successfully downloaded");
    hans.does("DWN 3331 empty", "empty successfully downloaded");
    assert!(hans.file("test.exe") == bytes, "the bytes are those of yoda");
    assert_eq!(hans.file("empty"), b"");
    hans.fails("DWN 3331 test.exe", "File test.exe exists here. Use --force to overwrite");
    hans.does("RDT 3331", "yoda uploaded test.exe");
    hans.hears("yoda uploaded empty");
}

#[test]
fn a_name_of_two_hundred_bytes_is_kept_whole_and_a_longer_one_is_refused() {
    let mut server = Server::start(&[]);
    let mut yoda = server.sign_up("yoda");
    let name = "é".repeat(98) + ".txt";
    assert_eq!(name.len(), 200);
    yoda.put_file(&name, b"long");
    let longer = format!("x{name}");
    yoda.put_file(&longer, b"longer");
    yoda.does("CRT t", "Thread t created");
    yoda.does(&format!("UPD t {name}"), &format!("{name} uploaded to t thread"));
    yoda.fails(&format!("UPD t {longer}"), "Invalid name");
    server.kill();
    server.start_again();
    let mut hans = server.sign_up("hans");
    hans.does(&format!("DWN t {name}"), &format!("{name} successfully downloaded"));
    assert_eq!(hans.file(&name), b"long");
    hans.does("RDT t", &format!("yoda uploaded {name}"));
}

#[test]
fn a_missing_local_file_is_noticed_before_a_missing_thread() {
    let server = Server::start(&[]);
    server.sign_up("yoda").fails("UPD 9331 nothing", "File nothing does not exist");
}

#[test]
fn an_upload_takes_a_path_and_its_last_part_is_the_name() {
    let server = Server::start(&[]);
    let mut yoda = server.sign_up("yoda");
    std::fs::create_dir(yoda.path("sub")).unwrap();
    yoda.put_file("sub/f", b"below");
    yoda.does("CRT t", "Thread t created");
    yoda.does("UPD t sub/f", "f uploaded to t thread");
    yoda.fails("UPD t sub", "File sub cannot be read: it is a directory");
    yoda.does("DWN t f", "f successfully downloaded");
    assert_eq!(yoda.file("f"), b"below");
}

#[test]
fn downloads_go_where_they_are_told_and_overwrite_by_force_alone() {
    let server = Server::start(&[]);
    let mut wire = yoda_with_thread(&server);
    assert_eq!(wire.upload("t", "f", b"new"), outcome::done("f uploaded to t thread"));
    let forum = server.forum().args(&["--download-dir", "down", "--force"]);
    std::fs::create_dir(forum.directory().join("down")).unwrap();
    let mut hans = forum.sign_up("hans");
    hans.put_file("down/f", b"something old and longer");
    hans.does("DWN t f", "f successfully downloaded");
    assert_eq!(hans.file("down/f"), b"new");
    assert!(!hans.path("f").exists());
}

#[test]
fn a_client_that_starts_removes_what_transfers_left_there_for_more_than_a_week() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let server = Server::start(&[]);
    let forum = server.forum();
    let leave = |name: &str, days: u32| {
        let file = File::create(forum.directory().join(name)).expect("there is room");
        file.set_modified(SystemTime::now() - days * DAY).expect("it is ours");
    };
    let partial = |name: &str| format!(".forum-{name}.9.{}.part", "a".repeat(64));
    leave(&partial("old"), 8);
    leave(&partial("new"), 6);
    leave("old", 8);
    let mut client = forum.start();
    client.finish();
    assert_eq!(client.names(), [&partial("new"), "old"]);
}

#[test]
fn files_of_every_size_around_a_frame_come_back_as_they_went() {
    let server = Server::start(&[]);
    let mut yoda = yoda_with_thread(&server);
    let mut hans = server.user("hans");
    for size in [0, 1, 2, 65_526, 65_527, 65_528, 131_054, 262_143, 262_144, 262_145, 3_000_000] {
        let file = format!("f{size}");
        let bytes = bytes_of(size);
        assert_eq!(yoda.upload("t", &file, &bytes), outcome::done(&format!("{file} uploaded to t thread")));
        for credit in [70_000, u32::MAX / 2] {
            assert!(
                hans.download("t", &file, credit) == Ok(bytes.clone()),
                "{size} bytes with credit {credit}"
            );
        }
    }
    assert_eq!(server.stored_files(), 11);
}

#[test]
fn a_download_never_exceeds_a_tiny_credit() {
    let server = Server::start(&[]);
    let mut yoda = yoda_with_thread(&server);
    let bytes = bytes_of(500);
    assert_eq!(yoda.upload("t", "f", &bytes), outcome::done("f uploaded to t thread"));
    assert_eq!(yoda.download("t", "f", 7), Ok(bytes));
}

#[test]
fn two_uploads_of_one_user_and_everything_else_go_on_side_by_side() {
    let server = Server::start(&[]);
    let mut yoda = yoda_with_thread(&server);
    let (a, b) = (bytes_of(100_000), vec![7; 90_000]);
    let (tag_a, credit_a) = yoda.start_upload("t", "a", a.len() as u64).unwrap();
    let (tag_b, credit_b) = yoda.start_upload("t", "b", b.len() as u64).unwrap();
    assert!(
        credit_a > 30_000 && credit_b > 30_000,
        "too little credit to begin with: {credit_a}, {credit_b}"
    );
    yoda.send_transfer(tag_a, &Transfer::Data { piece: &a[..30_000] });
    yoda.send_transfer(tag_b, &Transfer::Data { piece: &b[..30_000] });
    let post = yoda.send(&Request::Post { title: "t", text: "meanwhile", key: None });
    let said = until("the post between the pieces", || match yoda.next_frame() {
        Some(OwnedFromServer::Transfer(tag, OwnedTransfer::Credit { .. }))
            if tag == tag_a || tag == tag_b =>
        {
            None
        }
        Some(OwnedFromServer::Reply(tag, reply)) if tag == post => Some(outcome::of(reply)),
        other => panic!("{other:?}"),
    });
    assert_eq!(said, outcome::done("Message posted to t thread"));
    finish_two(&mut yoda, (tag_a, &a), (tag_b, &b), credit_a - 30_000, credit_b - 30_000);
    let mut hans = server.user("hans");
    assert!(hans.download("t", "a", 1 << 20) == Ok(a));
    assert!(hans.download("t", "b", 1 << 20) == Ok(b));
    assert_eq!(hans.read_thread("t")[0], "1 yoda: meanwhile");
}

/// Sends what is left of two uploads in turns, 30,000 bytes of each being there already.
fn finish_two(wire: &mut Wire, a: (u32, &[u8]), b: (u32, &[u8]), credit_a: u32, credit_b: u32) {
    let mut left = [(a, 30_000, credit_a), (b, 30_000, credit_b)];
    let mut said = Vec::new();
    while said.len() < 2 {
        for ((tag, bytes), sent, credit) in &mut left {
            let length = (bytes.len() - *sent).min(*credit as usize).min(10_000);
            if length == 0 {
                continue;
            }
            wire.send_transfer(*tag, &Transfer::Data { piece: &bytes[*sent..*sent + length] });
            *sent += length;
            *credit -= length as u32;
            if *sent == bytes.len() {
                wire.send_transfer(*tag, &Transfer::DataEnd { digest: Some(blake3::hash(bytes).into()) });
            }
        }
        let all_sent = left.iter().all(|((_, bytes), sent, _)| *sent == bytes.len());
        let starved = left.iter().all(|((_, bytes), sent, credit)| *credit == 0 || *sent == bytes.len());
        if !all_sent && !starved {
            continue;
        }
        match wire.next_frame() {
            Some(OwnedFromServer::Transfer(tag, OwnedTransfer::Credit { bytes: more })) => {
                let one = left.iter_mut().find(|((its_tag, _), ..)| *its_tag == tag).expect("one of the two");
                one.2 += more;
            }
            Some(OwnedFromServer::Reply(_, OwnedReply::Uploaded { text, .. })) => said.push(text),
            other => panic!("{other:?}"),
        }
    }
    said.sort();
    assert_eq!(said, ["a uploaded to t thread", "b uploaded to t thread"]);
}

#[test]
fn many_who_take_and_send_at_once_all_get_their_bytes() {
    let server = Server::start(&[]);
    let mut yoda = yoda_with_thread(&server);
    let common = bytes_of(2_000_000);
    assert!(yoda.upload("t", "common", &common).is_ok());
    std::thread::scope(|scope| {
        for number in 0..10 {
            let (server, common) = (&server, &common);
            scope.spawn(move || {
                let mut wire = server.user(&format!("user{number}"));
                let own = vec![number as u8; 300_000 + number];
                assert!(wire.download("t", "common", 150_000).is_ok_and(|bytes| bytes == *common));
                assert!(wire.upload("t", &format!("own{number}"), &own).is_ok());
                assert!(wire.download("t", &format!("own{number}"), 1 << 20).is_ok_and(|bytes| bytes == own));
            });
        }
    });
    assert_eq!(server.stored_files(), 11);
    assert_eq!(yoda.read_thread("t").len(), 11);
}

#[test]
fn a_digest_that_differs_refuses_the_file() {
    let server = Server::start(&[]);
    let mut yoda = yoda_with_thread(&server);
    let (tag, credit) = yoda.start_upload("t", "f", 5).unwrap();
    yoda.send_data(tag, credit, b"hello");
    yoda.send_transfer(tag, &Transfer::DataEnd { digest: Some(blake3::hash(b"hullo").into()) });
    assert!(matches!(yoda.last_word(tag), Err((Refusal::DigestDiffers, _))));
    until_stored(&server, &mut yoda, 0);
    assert_eq!(yoda.read_thread("t"), Vec::<String>::new());
    assert_eq!(yoda.upload("t", "f", b"hello"), outcome::done("f uploaded to t thread"));
}

#[test]
fn more_data_than_credit_breaks_the_protocol() {
    let server = Server::start(&[]);
    let mut yoda = yoda_with_thread(&server);
    let size = 1 << 26;
    let (tag, credit) = yoda.start_upload("t", "f", size).unwrap();
    let piece = vec![0; 60_000];
    let mut bytes = Vec::new();
    for _ in 0..=u64::from(credit) / 60_000 {
        Transfer::Data { piece: &piece }.encode(tag, &mut bytes);
    }
    yoda.send_bytes_regardless(&bytes);
    let code = loop {
        match yoda.next_frame() {
            Some(OwnedFromServer::Transfer(_, OwnedTransfer::Credit { .. })) => {
                // The server was fast enough to grant more meanwhile: then this was allowed. Overdo it.
                yoda.send_bytes_regardless(&bytes);
            }
            Some(OwnedFromServer::Notice(OwnedNotice::Closing { code, .. })) => break code,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(code, Closing::ProtocolError);
    yoda.expect_closed();
    let mut hans = server.user("hans");
    until_stored(&server, &mut hans, 0);
}

#[test]
fn more_data_than_announced_is_not_stored() {
    let server = Server::start(&[]);
    let mut yoda = yoda_with_thread(&server);
    let (tag, _) = yoda.start_upload("t", "f", 3).unwrap();
    yoda.send_transfer(tag, &Transfer::Data { piece: b"four" });
    match yoda.next_frame() {
        Some(OwnedFromServer::Notice(OwnedNotice::Closing { code: Closing::ProtocolError, .. })) => {
            yoda.expect_closed()
        }
        Some(OwnedFromServer::Reply(its_tag, OwnedReply::Refused { .. })) if its_tag == tag => {}
        other => panic!("{other:?}"),
    }
    let mut hans = server.user("hans");
    until_stored(&server, &mut hans, 0);
    assert_eq!(hans.read_thread("t"), Vec::<String>::new());
}

#[test]
fn an_end_before_the_last_byte_is_not_a_file() {
    let server = Server::start(&[]);
    let mut yoda = yoda_with_thread(&server);
    let (tag, _) = yoda.start_upload("t", "f", 10).unwrap();
    yoda.send_transfer(tag, &Transfer::Data { piece: b"nine byte" });
    yoda.send_transfer(tag, &Transfer::DataEnd { digest: Some(blake3::hash(b"nine byte").into()) });
    match yoda.next_frame() {
        Some(OwnedFromServer::Notice(OwnedNotice::Closing { code: Closing::ProtocolError, .. })) => {
            yoda.expect_closed()
        }
        Some(OwnedFromServer::Reply(its_tag, OwnedReply::Refused { .. })) if its_tag == tag => {}
        other => panic!("{other:?}"),
    }
    let mut hans = server.user("hans");
    until_stored(&server, &mut hans, 0);
    assert_eq!(hans.read_thread("t"), Vec::<String>::new());
}

#[test]
fn an_upload_given_up_leaves_no_trace() {
    let server = Server::start(&[]);
    let mut yoda = yoda_with_thread(&server);
    let (tag, credit) = yoda.start_upload("t", "f", 1 << 20).unwrap();
    yoda.send_data(tag, credit, &bytes_of(50_000));
    yoda.send_transfer(tag, &Transfer::Abort);
    assert!(matches!(yoda.last_word(tag), Err((Refusal::TransferAborted, _))));
    until_stored(&server, &mut yoda, 0);
    assert_eq!(yoda.read_thread("t"), Vec::<String>::new());
    assert_eq!(yoda.upload("t", "f", b"again"), outcome::done("f uploaded to t thread"));
}

#[test]
fn an_upload_cut_off_by_the_line_leaves_no_trace() {
    let server = Server::start(&[]);
    let mut yoda = yoda_with_thread(&server);
    let (tag, credit) = yoda.start_upload("t", "f", 1 << 20).unwrap();
    yoda.send_data(tag, credit, &bytes_of(100_000));
    drop(yoda);
    let mut hans = server.user("hans");
    until_stored(&server, &mut hans, 0);
    assert_eq!(hans.read_thread("t"), Vec::<String>::new());
    assert_eq!(hans.upload("t", "f", b"mine"), outcome::done("f uploaded to t thread"));
}

#[test]
fn an_upload_cut_off_by_kill_9_leaves_no_trace() {
    let mut server = Server::start(&[]);
    let mut yoda = yoda_with_thread(&server);
    assert_eq!(yoda.upload("t", "kept", b"whole"), outcome::done("kept uploaded to t thread"));
    let (tag, credit) = yoda.start_upload("t", "f", 1 << 20).unwrap();
    yoda.send_data(tag, credit, &bytes_of(100_000));
    yoda.ping_between_credits();
    server.kill();
    server.start_again();
    let mut hans = server.user("hans");
    until_stored(&server, &mut hans, 1);
    assert_eq!(hans.read_thread("t"), ["yoda uploaded kept"]);
    assert_eq!(hans.download("t", "kept", 100), Ok(b"whole".to_vec()));
}

#[test]
fn of_two_uploads_of_one_name_the_later_to_finish_is_refused() {
    let server = Server::start(&[]);
    let mut yoda = yoda_with_thread(&server);
    let mut hans = server.user("hans");
    let (yodas, credit) = yoda.start_upload("t", "f", 4).unwrap();
    yoda.send_data(yodas, credit, b"yoda");
    let (hanss, credit) = hans.start_upload("t", "f", 4).unwrap();
    hans.send_data(hanss, credit, b"hans");
    assert_eq!(hans.end_upload(hanss, b"hans"), outcome::done("f uploaded to t thread"));
    let late = outcome::refused(Refusal::FileExists, "File f already exists in Thread t");
    assert_eq!(yoda.end_upload(yodas, b"yoda"), late);
    assert_eq!(yoda.upload("t", "f", b"again"), late);
    assert_eq!(yoda.download("t", "f", 100), Ok(b"hans".to_vec()));
    assert_eq!(yoda.read_thread("t"), ["hans uploaded f"]);
    until_stored(&server, &mut yoda, 1);
}

#[test]
fn a_thread_removed_during_an_upload_refuses_it_even_under_its_old_title() {
    let server = Server::start(&[]);
    let mut yoda = yoda_with_thread(&server);
    let mut hans = server.user("hans");
    let bytes = bytes_of(100_000);
    for made_again in [false, true] {
        if made_again {
            yoda.done(&Request::CreateThread { title: "t", key: None });
        }
        let (tag, credit) = hans.start_upload("t", "f", bytes.len() as u64).unwrap();
        let credit = hans.send_data(tag, credit, &bytes[..60_000]);
        assert_eq!(yoda.done(&Request::RemoveThread { title: "t", key: None }), "Thread t removed");
        if made_again {
            yoda.done(&Request::CreateThread { title: "t", key: None });
        }
        hans.send_data(tag, credit, &bytes[60_000..]);
        assert_eq!(
            hans.end_upload(tag, &bytes),
            outcome::refused(Refusal::NoSuchThread, "Thread t does not exist")
        );
        until_stored(&server, &mut hans, 0);
    }
    assert_eq!(hans.read_thread("t"), Vec::<String>::new());
}

#[test]
fn a_thread_removed_during_a_download_ends_it_with_its_reason() {
    let server = Server::start(&[]);
    let mut yoda = yoda_with_thread(&server);
    let mut hans = server.user("hans");
    assert!(yoda.upload("t", "f", &bytes_of(2_000_000)).is_ok());
    let (tag, size) = hans.start_download("t", "f").unwrap();
    assert_eq!(size, 2_000_000);
    hans.send_transfer(tag, &Transfer::Credit { bytes: 1_000 });
    let mut taken = 0;
    while taken < 1_000 {
        let OwnedTransfer::Data { piece } = hans.transfer(tag) else { panic!("wanted data") };
        taken += piece.len();
    }
    assert_eq!(yoda.done(&Request::RemoveThread { title: "t", key: None }), "Thread t removed");
    let removed =
        outcome::refused(Refusal::RemovedDuringDownload, "Thread t was removed during the download");
    assert_eq!(hans.outcome_of(tag), removed, "without any more credit");
    until_stored(&server, &mut yoda, 0);
    // What the client had on its way for the dead transfer does no harm.
    hans.send_transfer(tag, &Transfer::Credit { bytes: 1_000 });
    hans.ping();
}

#[test]
fn a_download_given_up_ends_and_can_be_started_again() {
    let server = Server::start(&[]);
    let mut yoda = yoda_with_thread(&server);
    let bytes = bytes_of(300_000);
    assert!(yoda.upload("t", "f", &bytes).is_ok());
    for _ in 0..50 {
        let (tag, _) = yoda.start_download("t", "f").unwrap();
        yoda.send_transfer(tag, &Transfer::Credit { bytes: 10 });
        yoda.send_transfer(tag, &Transfer::Abort);
        let last = until("the end of the download", || match yoda.next_frame() {
            Some(OwnedFromServer::Transfer(its_tag, OwnedTransfer::Data { .. })) if its_tag == tag => None,
            Some(OwnedFromServer::Reply(its_tag, reply)) if its_tag == tag => Some(outcome::of(reply)),
            other => panic!("{other:?}"),
        });
        assert!(matches!(last, Err((Refusal::TransferAborted, _))), "{last:?}");
    }
    assert!(yoda.download("t", "f", 100_000) == Ok(bytes));
}

#[test]
fn a_download_nobody_reads_disturbs_nobody() {
    let server = Server::start(&[]);
    let mut yoda = yoda_with_thread(&server);
    let bytes = bytes_of(20_000_000);
    assert!(yoda.upload("t", "f", &bytes).is_ok());
    let mut lazy = server.user("lazy");
    lazy.shrink_receive_buffer();
    let (tag, _) = lazy.start_download("t", "f").unwrap();
    lazy.send_transfer(tag, &Transfer::Credit { bytes: u32::MAX });
    for number in 0..200 {
        yoda.done(&Request::Post { title: "t", text: &number.to_string(), key: None });
    }
    assert!(yoda.download("t", "f", 1 << 20) == Ok(bytes.clone()));
    let mut taken = Vec::new();
    while let OwnedTransfer::Data { piece } = lazy.transfer(tag) {
        taken.extend_from_slice(&piece);
        if taken.len() == bytes.len() {
            break;
        }
    }
    assert!(taken == bytes);
    assert_eq!(lazy.transfer(tag), OwnedTransfer::DataEnd { digest: Some(blake3::hash(&bytes).into()) });
}

#[test]
fn other_frames_pass_between_the_pieces_of_a_download() {
    let server = Server::start(&[]);
    let mut yoda = yoda_with_thread(&server);
    assert!(yoda.upload("t", "f", &bytes_of(5_000_000)).is_ok());
    let (tag, _) = yoda.start_download("t", "f").unwrap();
    yoda.send_transfer(tag, &Transfer::Credit { bytes: 200_000 });
    let post = yoda.send(&Request::Post { title: "t", text: "meanwhile", key: None });
    let mut taken = 0;
    loop {
        match yoda.next_frame() {
            Some(OwnedFromServer::Transfer(its_tag, OwnedTransfer::Data { piece })) if its_tag == tag => {
                taken += piece.len()
            }
            Some(OwnedFromServer::Reply(its_tag, reply)) if its_tag == post => {
                assert_eq!(outcome::of(reply), outcome::done("Message posted to t thread"));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(taken <= 200_000);
}

#[test]
fn a_removed_thread_takes_its_files_along() {
    let server = Server::start(&[]);
    let mut yoda = yoda_with_thread(&server);
    for file in ["a", "b", "c"] {
        assert!(yoda.upload("t", file, b"bytes").is_ok());
    }
    assert_eq!(server.stored_files(), 3);
    assert_eq!(yoda.done(&Request::RemoveThread { title: "t", key: None }), "Thread t removed");
    until_stored(&server, &mut yoda, 0);
}

/// What passes the gate before the test acts: the log-in and the beginning of a download.
const BEGINNING_BYTES: usize = 500_000;

#[test]
fn people_whose_thread_goes_during_a_download_are_told_and_keep_no_partial_file() {
    let server = Server::start(&[]);
    let mut yoda = yoda_with_thread(&server);
    assert!(yoda.upload("t", "f", &bytes_of(20_000_000)).is_ok());
    let gate = Gate::before(server.address(), BEGINNING_BYTES);
    let mut hans = Forum::at(gate.address()).sign_up("hans");
    hans.says("DWN t f");
    gate.wait_full();
    assert_eq!(yoda.done(&Request::RemoveThread { title: "t", key: None }), "Thread t removed");
    gate.open();
    hans.complains("Thread t was removed during the download");
    assert_eq!(hans.finish().code, Some(1));
    assert_eq!(std::fs::read_dir(hans.path(".")).unwrap().count(), 0, "no partial file is left");
}

#[test]
fn a_download_of_people_that_is_cut_off_leaves_nothing_under_its_name() {
    let mut server = Server::start(&[]);
    let mut yoda = yoda_with_thread(&server);
    assert!(yoda.upload("t", "f", &bytes_of(20_000_000)).is_ok());
    let gate = Gate::before(server.address(), BEGINNING_BYTES);
    let mut hans = Forum::at(gate.address()).sign_up("hans");
    hans.says("DWN t f");
    gate.wait_full();
    server.kill();
    gate.open();
    assert_eq!(hans.finish().code, Some(69));
    assert!(!hans.path("f").exists());
}

#[test]
fn a_shutdown_reaches_people_in_the_middle_of_a_download() {
    let mut server = Server::start(&[]);
    let mut yoda = yoda_with_thread(&server);
    assert!(yoda.upload("t", "f", &bytes_of(20_000_000)).is_ok());
    let gate = Gate::before(server.address(), BEGINNING_BYTES);
    let mut hans = Forum::at(gate.address()).sign_up("hans");
    hans.says("DWN t f");
    gate.wait_full();
    server.signal(Signal::TERM);
    gate.open();
    hans.hears("Goodbye. Server shutting down");
    hans.wait_exit();
    assert!(!hans.path("f").exists());
    drop(yoda);
    server.expect_exit_0();
}
