//! A limit on open files is a budget: a small one gives fewer connections, and is said; too small a one is
//! refused. And who is turned away is counted in the log, not listed.
#![forbid(unsafe_code)]

use forum_common::wire::{Closing, OwnedFromServer, OwnedNotice, Request};
use forum_tests::{Finished, Forumd, Server, Wire};

/// A server that may have so many files open.
fn forumd_with(descriptors: u32) -> Forumd {
    let limit = format!("ulimit -n {descriptors} && exec \"$@\"");
    Forumd::new().under(&["sh", "-c", &limit, "sh"])
}

fn is_turned_away(wire: &mut Wire) -> bool {
    matches!(
        wire.next_frame(),
        Some(OwnedFromServer::Notice(OwnedNotice::Closing { code: Closing::ServerFull, .. }))
    )
}

#[test]
fn a_small_limit_lets_in_as_many_as_it_says() {
    for (descriptors, connections) in [(100, 24), (256, 141)] {
        let mut server = forumd_with(descriptors).start();
        let warning =
            format!("at most {descriptors} files may be open, which allows {connections} connections");
        server.logged(&warning);
        let mut wires: Vec<Wire> = (0..connections).map(|_| server.wire()).collect();
        assert!(is_turned_away(&mut server.raw()));
        server.wait_log(&format!("turned away: {connections} connections are the limit"));
        // And they can do what they came for.
        wires[0].become_user("yoda");
        wires[0].ping();
    }
}

/// 24 connections, 8 uploads that have come half, and 352 downloads that wait for credit: those hold no file open.
#[test]
fn all_that_a_small_limit_allows_can_be_under_way_at_once() {
    let server = forumd_with(100).start();
    let mut wires: Vec<Wire> = (0..24).map(|_| server.wire()).collect();
    for (number, wire) in wires.iter_mut().enumerate() {
        wire.become_user(&format!("user{number}"));
    }
    wires[0].done(&Request::CreateThread { title: "t", key: None });
    let bytes = vec![7; 200_000];
    assert!(wires[0].upload("t", "f", &bytes).is_ok());
    let (first, rest) = bytes.split_at(bytes.len() / 2);
    let (uploaders, downloaders) = wires.split_at_mut(2);
    let mut uploads = Vec::new();
    for (number, wire) in uploaders.iter_mut().enumerate() {
        for file in 0..4 {
            let name = format!("{number}.{file}");
            let (tag, credit) = wire.start_upload("t", &name, bytes.len() as u64).expect("one of 8");
            uploads.push((number, tag, wire.send_data(tag, credit, first)));
        }
    }
    for wire in downloaders.iter_mut() {
        for _ in 0..16 {
            wire.start_download("t", "f").expect("one of 16");
        }
    }
    assert!(is_turned_away(&mut server.raw()), "24 connections are the limit");
    for (number, tag, credit) in uploads {
        uploaders[number].send_data(tag, credit, rest);
        assert!(uploaders[number].end_upload(tag, &bytes).is_ok());
    }
    for wire in downloaders {
        wire.ping();
    }
    assert!(!server.log().iter().any(|line| line.contains("out of descriptors")));
}

#[test]
fn a_limit_that_is_too_small_is_refused_in_words() {
    let launch = forumd_with(80);
    let Finished { code, stderr, .. } = launch.run("");
    assert_eq!(code, Some(1), "{stderr:?}");
    let wanted = "forumd: at most 80 files may be open, but forumd needs 100: raise the limit (ulimit -Hn, LimitNOFILE)";
    assert_eq!(stderr, [wanted]);
    assert!(!launch.data().exists(), "nothing was changed");
}

#[test]
fn connections_that_were_asked_for_and_cant_be_are_said() {
    let server = forumd_with(256).args(&["--max-connections", "1000"]).start();
    server.logged("which allows 177 connections and 11 uploads at once");
}

#[test]
fn who_is_turned_away_is_counted_with_the_right_limit_and_not_listed() {
    const TURNED_AWAY: usize = 60;
    let mut server = Server::start(&["-q", "--max-connections", "2"]);
    let wires = [server.wire(), server.wire()];
    for _ in 0..TURNED_AWAY {
        assert!(is_turned_away(&mut server.raw()));
    }
    drop(wires);
    server.stop();
    let lines: Vec<String> =
        server.log().into_iter().filter(|line| line.contains("2 connections are the limit")).collect();
    let more: Vec<usize> = lines
        .iter()
        .filter_map(|line| {
            let (before, _) = line.split_once(" more like this")?;
            before.rsplit(' ').next()?.parse().ok()
        })
        .collect();
    let said = lines.len() - more.len();
    assert_eq!(said + more.iter().sum::<usize>(), TURNED_AWAY, "{lines:#?}");
    // More than once only if turning them all away took longer than the warnings are counted together.
    assert!(!more.is_empty() && said <= 5 * more.len() + 5, "{lines:#?}");
    assert!(server.log().iter().all(|line| !line.contains("[INFO]")));
}
