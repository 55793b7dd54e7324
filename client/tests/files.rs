//! Files of threads, in front of a scripted server: they arrive whole or not at all, and each end says why not.
#![forbid(unsafe_code)]

mod stage;

use std::fs::File;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;

use forum_common::wire::{Refusal, Reply, Request, Transfer};
use rustix::process::Signal;
use stage::{END, LIST_THREADS, Place, Script, Terminal, digest, download_of};

#[test]
fn an_upload_is_answered_when_it_ends_and_obeys_credit() {
    let script = Script::new();
    let content: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
    let mut place = Place::of_yoda(&script).file("f", &content);
    std::fs::create_dir(place.directory.path().join("d")).unwrap();
    std::fs::rename(place.directory.path().join("f"), place.directory.path().join("d/f")).unwrap();
    let client = place.pipe_all("UPD a d/f\nLST\n");
    let mut peer = script.admit();
    let tag = peer.hears(&Request::Upload { title: "a", file: "f", size: 200_000, key: None });
    peer.reply(tag, &Reply::UploadStarts { credit: 1_000 });
    peer.takes(tag, &Transfer::Data { piece: &content[..1_000] });
    peer.expect_silence();
    peer.transfer(tag, &Transfer::Credit { bytes: 1_000_000 });
    let mut arrived = content[..1_000].to_vec();
    while arrived.len() < content.len() {
        peer.transferred(tag, |transfer| match transfer {
            Transfer::Data { piece: bytes } => arrived.extend_from_slice(bytes),
            other => panic!("{other:?}"),
        });
    }
    assert!(arrived == content);
    peer.takes(tag, &Transfer::DataEnd { digest: Some(digest(&content)) });
    peer.expect_silence();
    peer.done(tag, "f uploaded to a thread");
    let tag = peer.hears(&LIST_THREADS);
    peer.reply(tag, &END);
    peer.say_goodbye();
    let (status, out, _) = client.end();
    assert_eq!((status, out[1].as_str()), (Some(0), "f uploaded to a thread"));
}

#[test]
fn an_upload_refused_in_the_middle_stops() {
    let script = Script::new();
    let client = Place::of_yoda(&script).file("f", &[7; 500_000]).pipe_all("UPD a f\n");
    let mut peer = script.admit();
    let tag = peer.hears(&Request::Upload { title: "a", file: "f", size: 500_000, key: None });
    peer.reply(tag, &Reply::UploadStarts { credit: 10 });
    peer.takes(tag, &Transfer::Data { piece: &[7; 10] });
    peer.refuse(tag, Refusal::NoSuchThread, "Thread a does not exist");
    peer.say_goodbye();
    let (status, _, err) = client.end();
    assert_eq!((status, err), (Some(1), vec!["Thread a does not exist".into()]));
}

#[test]
fn a_download_arrives_whole_under_its_name() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let client = place.pipe_all("DWN a f\n");
    let mut peer = script.admit();
    let tag = peer.hears(&Request::Download { title: "a", file: "f", offset: None, digest: None });
    peer.reply(tag, &download_of(b"abcdef"));
    peer.transferred(tag, |transfer| assert!(matches!(transfer, Transfer::Credit { bytes: 6.. })));
    peer.transfer(tag, &Transfer::Data { piece: b"abc" });
    peer.transfer(tag, &Transfer::Data { piece: b"def" });
    peer.transfer(tag, &Transfer::DataEnd { digest: Some(digest(b"abcdef")) });
    peer.say_goodbye();
    let (status, out, _) = client.end();
    assert_eq!((status, out[1].as_str()), (Some(0), "f successfully downloaded"));
    assert_eq!(place.names(), ["f"]);
    assert_eq!(std::fs::read(place.directory.path().join("f")).unwrap(), b"abcdef");
}

#[test]
fn a_file_that_is_here_is_refused_after_the_server_agreed() {
    let script = Script::new();
    let client = Place::of_yoda(&script).file("f", b"mine").pipe_all("DWN b f\nDWN a f\nLST\n");
    let mut peer = script.admit();
    let tag = peer.hears(&Request::Download { title: "b", file: "f", offset: None, digest: None });
    peer.refuse(tag, Refusal::NoSuchThread, "Thread b does not exist");
    let tag = peer.hears(&Request::Download { title: "a", file: "f", offset: None, digest: None });
    peer.reply(tag, &download_of(b"abcdef"));
    peer.takes(tag, &Transfer::Abort);
    peer.expect_silence();
    peer.refuse(tag, Refusal::TransferAborted, "The transfer was given up");
    let tag = peer.hears(&LIST_THREADS);
    peer.reply(tag, &END);
    peer.say_goodbye();
    let (status, _, err) = client.end();
    let said = ["Thread b does not exist", "File f exists here. Use --force to overwrite"];
    assert_eq!(err, said);
    assert_eq!(status, Some(1));
}

#[test]
fn a_download_cut_off_is_resumed_by_the_next_of_the_same_file_whatever_cuts_it() {
    let signals = [Signal::TERM, Signal::INT, Signal::QUIT, Signal::USR1, Signal::KILL];
    for signal in [None].into_iter().chain(signals.map(Some)) {
        let script = Script::new();
        let mut place = Place::of_yoda(&script);
        let mut client = place.pipe_all("DWN a f\n");
        let mut peer = script.admit();
        let tag = peer.hears(&Request::Download { title: "a", file: "f", offset: None, digest: None });
        peer.reply(tag, &download_of(b"abcdef"));
        peer.transferred(tag, |_| ());
        peer.transfer(tag, &Transfer::Data { piece: b"abc" });
        stage::until("what has come to be stored", || {
            let path = place.directory.path().join(place.names().first()?);
            (path.metadata().ok()?.len() == 3).then_some(())
        });
        match signal {
            Some(signal) => {
                client.child.signal(signal);
                assert_eq!(client.child.wait().signal(), Some(signal.as_raw()));
            }
            None => {
                drop(peer);
                let (status, _, err) = client.end();
                assert_eq!(status, Some(69));
                assert_eq!(err[1..], ["f was not downloaded: the connection is gone"]);
            }
        }
        let names = place.names();
        assert!(names.len() == 1 && names[0].starts_with(".forum-f.6."), "{signal:?}: {names:?}");

        let client = place.pipe_all("DWN a f\nLST\n");
        let mut peer = script.admit();
        let has =
            Request::Download { title: "a", file: "f", offset: Some(3), digest: Some(digest(b"abcdef")) };
        let tag = peer.hears(&has);
        peer.reply(tag, &Reply::DownloadStarts { size: 6, digest: digest(b"abcdef"), offset: 3 });
        peer.transferred(tag, |transfer| assert!(matches!(transfer, Transfer::Credit { bytes: 3.. })));
        peer.transfer(tag, &Transfer::Data { piece: b"def" });
        peer.transfer(tag, &Transfer::DataEnd { digest: Some(digest(b"abcdef")) });
        let tag = peer.hears(&LIST_THREADS);
        peer.reply(tag, &END);
        peer.say_goodbye();
        let (status, out, _) = client.end();
        assert_eq!((status, out[1].as_str()), (Some(0), "f successfully downloaded"));
        assert_eq!(place.names(), ["f"], "{signal:?}");
        assert_eq!(std::fs::read(place.directory.path().join("f")).unwrap(), b"abcdef");
    }
}

/// What is said of a file of 3,000 bytes that is changed like this when a third of it has been uploaded.
fn changed_meanwhile(change: impl FnOnce(File)) -> (Option<i32>, Vec<String>) {
    let script = Script::new();
    let mut place = Place::of_yoda(&script).file("f", &[7; 3_000]);
    let path = place.directory.path().join("f");
    File::options().write(true).open(&path).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let client = place.pipe_all("UPD a f\n");
    let mut peer = script.admit();
    let tag = peer.hears(&Request::Upload { title: "a", file: "f", size: 3_000, key: None });
    peer.reply(tag, &Reply::UploadStarts { credit: 1_000 });
    peer.takes(tag, &Transfer::Data { piece: &[7; 1_000] });
    change(File::options().append(true).open(&path).unwrap());
    peer.transfer(tag, &Transfer::Credit { bytes: 1_000_000 });
    while peer.transferred(tag, |transfer| match transfer {
        Transfer::Data { piece: _ } => true,
        Transfer::Abort => false,
        other => panic!("{other:?}: sent as if whole"),
    }) {}
    peer.refuse(tag, Refusal::TransferAborted, "The transfer was given up");
    peer.say_goodbye();
    let (status, _, err) = client.end();
    (status, err)
}

#[test]
fn a_file_that_grows_shrinks_or_changes_while_it_is_uploaded_is_refused_and_not_sent_as_if_whole() {
    let said = |what: &str| (Some(1), vec![format!("f was not uploaded: {what}")]);
    let grown = changed_meanwhile(|mut file| file.write_all(b"more").unwrap());
    let ordinary = "or no ordinary file. Send a copy of it";
    assert_eq!(grown, said(&format!("it holds more than its 3000 bytes: it is growing, {ordinary}")));
    let cut = changed_meanwhile(|file| file.set_len(2_000).unwrap());
    let ordinary = "or is no ordinary file. Send a copy of it";
    assert_eq!(cut, said(&format!("it holds less than its 3000 bytes: it was cut, {ordinary}")));
    let changed = changed_meanwhile(|mut file| {
        file.set_len(2_000).unwrap();
        file.write_all(&[8; 1_000]).unwrap();
    });
    assert_eq!(changed, said("it was changed while it was read. Send it again, or a copy of it"));
}

#[test]
fn a_file_whose_size_is_not_that_of_its_content_is_refused_before_anybody_is_asked() {
    let script = Script::new();
    let client = Place::of_yoda(&script).pipe_all("UPD a /proc/cpuinfo\nUDP hans /proc/cpuinfo\n");
    let mut peer = script.admit();
    for _ in 0..2 {
        peer.hears(&Request::Active);
    }
    peer.say_goodbye();
    let said = "File /proc/cpuinfo cannot be read: it holds more than its 0 bytes: it is growing, or no ordinary \
        file. Send a copy of it";
    let (status, _, err) = client.end();
    assert_eq!((status, err), (Some(1), vec![said.to_owned(); 2]));
}

/// What is said of a file that is over the limit.
const TOO_LARGE: &str = "f was not downloaded: File too large. It is over the limit of this process (ulimit -f) or of \
    the file system";

/// Sends more of a download than the client may store.
fn send_too_much(peer: &mut stage::Peer) {
    let tag = peer.hears(&Request::Download { title: "a", file: "f", offset: None, digest: None });
    peer.reply(tag, &download_of(&[7; 10_000]));
    peer.transferred(tag, |transfer| assert!(matches!(transfer, Transfer::Credit { bytes: 10_000.. })));
    peer.transfer(tag, &Transfer::Data { piece: &[7; 10_000] });
    peer.takes(tag, &Transfer::Abort);
    peer.refuse(tag, Refusal::TransferAborted, "The transfer was given up");
}

#[test]
fn a_download_that_the_disk_does_not_take_is_said_and_leaves_no_trace() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let mut client = place.pipe();
    let mut peer = script.admit();
    client.says("Welcome to the forum");
    client.child.limit_file_size(4_096);
    client.write(b"DWN a f\nLST\n");
    send_too_much(&mut peer);
    client.complains(TOO_LARGE);
    let tag = peer.hears(&LIST_THREADS);
    peer.reply(tag, &END);
    client.close();
    peer.say_goodbye();
    assert_eq!(client.end().0, Some(1));
    assert_eq!(place.names(), Vec::<String>::new());
}

#[test]
fn on_a_terminal_it_leaves_that_as_it_was() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script);
    let mut terminal = place.terminal();
    let mut peer = script.admit();
    terminal.shows("Welcome to the forum\r\n");
    // Not even the history can be written then.
    terminal.child.limit_file_size(0);
    terminal.types("DWN a f\r");
    terminal.shows("The history is not kept: File too large");
    send_too_much(&mut peer);
    terminal.shows(TOO_LARGE);
    terminal.types("XIT\r");
    peer.say_goodbye();
    assert_eq!(terminal.end().code(), Some(0));
    assert_eq!(place.names(), Vec::<String>::new());
}

#[test]
fn several_files_go_one_after_the_other_each_answered_as_if_alone() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script).file("a", b"A").file("c", b"C");
    let client = place.pipe_all("UPD t a b  c\nLST\n");
    let mut peer = script.admit();
    for (file, is_last) in [("a", false), ("c", true)] {
        let tag = peer.hears(&Request::Upload { title: "t", file, size: 1, key: None });
        peer.reply(tag, &Reply::UploadStarts { credit: 1 });
        let piece = file.to_uppercase();
        peer.takes(tag, &Transfer::Data { piece: piece.as_bytes() });
        peer.takes(tag, &Transfer::DataEnd { digest: Some(digest(piece.as_bytes())) });
        peer.done(tag, &format!("{file} uploaded to t thread"));
        if !is_last {
            // The one that is not there: the server is told that the user is.
            peer.hears(&Request::Active);
        }
    }
    let tag = peer.hears(&LIST_THREADS);
    peer.reply(tag, &END);
    peer.say_goodbye();
    let (status, out, err) = client.end();
    let wanted = [
        "Welcome to the forum",
        "a uploaded to t thread",
        "c uploaded to t thread",
        "No threads to list",
        "Goodbye",
    ];
    assert_eq!((status, out), (Some(1), wanted.map(str::to_owned).to_vec()));
    assert_eq!(err, ["File b does not exist"]);
}

#[test]
fn files_that_wait_their_turn_are_cancelled_too() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script).file("a", b"A");
    let (mut terminal, mut peer) = Terminal::yoda(&script, &mut place);
    terminal.types("UPD t a x/b c\r");
    let tag = peer.hears(&Request::Upload { title: "t", file: "a", size: 1, key: None });
    terminal.types("cancel b\r");
    terminal.shows("b was cancelled\r\n");
    terminal.types("\x03");
    terminal.shows("a was cancelled\r\nc was cancelled\r\n");
    peer.reply(tag, &Reply::UploadStarts { credit: 1 });
    peer.takes(tag, &Transfer::Abort);
    peer.refuse(tag, Refusal::TransferAborted, "The transfer was given up");
    terminal.types("XIT\r");
    peer.say_goodbye();
    terminal.shows("Goodbye\r\n");
}

#[test]
fn a_download_whose_name_is_taken_gets_another_with_rename() {
    let script = Script::new();
    let mut place = Place::of_yoda(&script).arg("--rename").file("notes.txt", b"old");
    let client = place.pipe_all("DWN t notes.txt\n");
    let mut peer = script.admit();
    let tag = peer.hears(&Request::Download { title: "t", file: "notes.txt", offset: None, digest: None });
    peer.reply(tag, &download_of(b"new"));
    peer.takes(tag, &Transfer::Credit { bytes: 3 });
    peer.transfer(tag, &Transfer::Data { piece: b"new" });
    peer.transfer(tag, &Transfer::DataEnd { digest: Some(digest(b"new")) });
    peer.say_goodbye();
    let (status, out, _) = client.end();
    assert_eq!(
        (status, &out[1..3]),
        (Some(0), &["notes.txt successfully downloaded".into(), "Stored as notes-2.txt".into()][..])
    );
    assert_eq!(place.names(), ["notes-2.txt", "notes.txt"]);
}
