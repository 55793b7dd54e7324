//! Files between the two.

use super::*;

/// Takes datagrams from one user to the other one, as the server would.
fn pass_on(from: &mut Party, to: &mut Party) {
    for request in said(from) {
        if let Request::RelayDatagram { link, datagram } = request.as_ref() {
            to.hear(&Notice::RelayedDatagram { link, datagram });
        }
    }
}

#[test]
fn a_file_that_is_here_is_no_question() {
    let mut hans = Party::new(Accept::Always);
    fs::write(hans.directory.path().join("yoda_f"), b"mine").unwrap();
    hans.hear(&Notice::FileQuestion { link: 1, from: "yoda", size: 3, file: "f" });
    assert_eq!(hans.printed(), ["yoda_f exists here. Use --force to overwrite"]);
    assert_eq!(hans.sent(), ["AnswerQuestion { link: 1, yes: false }"]);
}

#[test]
fn a_file_goes_through_the_server_when_there_is_no_other_way() {
    let (mut yoda, mut hans) = (Party::new(Accept::Ask), Party::new(Accept::Always));
    let content: Vec<u8> = (0..300_000_u32).map(|n| (n * 31 / 7) as u8).collect();
    let path = yoda.directory.path().join("f");
    fs::write(&path, &content).unwrap();
    let source = Source::open(path.to_str().unwrap()).unwrap();
    let size = source.original.size();
    yoda.with(|links, context| links.files.asked(LINK, "hans", source, context));
    hans.hear(&Notice::FileQuestion { link: LINK, from: "yoda", size, file: "f" });
    assert_eq!(hans.sent(), ["AnswerQuestion { link: 7, yes: true }"]);
    yoda.hear(&Notice::PrepareLink { link: LINK, token: TOKEN });
    yoda.attend_until("the digest", |yoda| yoda.sent().iter().any(|sent| sent.starts_with("LinkListening")));
    for party in [&mut hans, &mut yoda] {
        party.hear(&Notice::LinkIntroduction { link: LINK, token: TOKEN, address: "", port: 0 });
        party.hear(&Notice::LinkEstablished { link: LINK, relayed: true });
    }
    let why = "through the server: no direct connection could be made";
    assert_eq!(yoda.printed(), [format!("f goes {why}")]);
    assert_eq!(hans.printed(), [format!("f comes {why}")]);
    let mut lines = (Vec::new(), Vec::new());
    yoda.attend_until("the file", |yoda| {
        pass_on(yoda, &mut hans);
        hans.with(|links, context| links.attend(context));
        pass_on(&mut hans, yoda);
        lines.0.extend(yoda.printed());
        lines.1.extend(hans.printed());
        !lines.0.is_empty() && !lines.1.is_empty()
    });
    assert_eq!(lines, (vec!["f has been uploaded".to_owned()], vec!["Received f from yoda".to_owned()]));
    assert_eq!(fs::read(hans.directory.path().join("yoda_f")).unwrap(), content);
}

#[test]
fn reading_a_large_file_through_keeps_its_sender_from_being_idle() {
    let mut yoda = Party::new(Accept::Ask);
    let path = yoda.directory.path().join("f");
    File::create(&path).unwrap().set_len(3 * crate::digest::SLICE_BYTES).unwrap();
    let source = Source::open(path.to_str().unwrap()).unwrap();
    yoda.with(|links, context| links.files.asked(LINK, "hans", source, context));
    yoda.hear(&Notice::PrepareLink { link: LINK, token: TOKEN });
    let mut active = 0;
    yoda.attend_until("the digest", |yoda| {
        yoda.now += Duration::from_secs(1);
        let sent = yoda.sent();
        active += sent.iter().filter(|sent| *sent == "Active").count();
        sent.iter().any(|sent| sent.starts_with("LinkListening"))
    });
    assert!(active >= 2, "{active}");
}

#[test]
fn who_leaves_while_a_file_is_on_its_way_has_given_it_up() {
    let mut yoda = Party::new(Accept::Ask);
    let path = yoda.directory.path().join("f");
    fs::write(&path, b"abc").unwrap();
    let source = Source::open(path.to_str().unwrap()).unwrap();
    yoda.with(|links, context| links.files.asked(LINK, "hans", source, context));
    yoda.hear(&Notice::PrepareLink { link: LINK, token: TOKEN });
    yoda.attend_until("the digest", |yoda| yoda.sent().iter().any(|sent| sent.starts_with("LinkListening")));
    let nobody = std::net::UdpSocket::bind((HERE, 0)).unwrap();
    let port = nobody.local_addr().unwrap().port();
    yoda.hear(&Notice::LinkIntroduction { link: LINK, token: TOKEN, address: "127.0.0.1", port });
    assert!(yoda.links.files.is_sending());
    yoda.with(|links, context| links.hang_up(context));
    assert_eq!(yoda.printed(), [""; 0]);
    let refused = Report::Refuse("f was not uploaded: it was given up".to_owned());
    assert!(yoda.reports.contains(&refused), "{:?}", yoda.reports);
    assert!(!yoda.links.files.is_sending() && !yoda.links.is_busy());
}

#[test]
fn who_leaves_while_a_file_comes_in_leaves_at_once() {
    let mut hans = Party::new(Accept::Always);
    hans.hear(&Notice::FileQuestion { link: LINK, from: "yoda", size: 3, file: "f" });
    let silent = std::net::UdpSocket::bind((HERE, 0)).unwrap();
    let port = silent.local_addr().unwrap().port();
    hans.hear(&Notice::LinkIntroduction { link: LINK, token: TOKEN, address: "127.0.0.1", port });
    hans.with(|links, context| links.hang_up(context));
    assert_eq!(hans.printed(), ["f from yoda was not received"]);
    assert!(!hans.links.is_busy());
}

#[test]
fn nobody_waits_for_a_sender_that_has_left() {
    let mut hans = Party::new(Accept::Always);
    hans.hear(&Notice::FileQuestion { link: LINK, from: "yoda", size: 3, file: "f" });
    let nobody = std::net::UdpSocket::bind((HERE, 0)).unwrap();
    let port = nobody.local_addr().unwrap().port();
    hans.hear(&Notice::LinkIntroduction { link: LINK, token: TOKEN, address: "127.0.0.1", port });
    hans.hear(&Notice::LinkEnded { link: LINK, stopped: false });
    assert_eq!(hans.printed(), [""; 0], "its last word may be on its way");
    hans.now += Duration::from_secs(3);
    hans.with(|links, context| links.attend(context));
    assert_eq!(hans.printed(), ["f from yoda was not received"]);
    assert!(!hans.links.is_busy());
}
