//! A client's end of a connection, fed by hand.

use super::*;
use crate::wire::{Closing, Refusal};

fn bytes(frames: &[FromServer<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for frame in frames {
        match *frame {
            FromServer::Reply(tag, reply) => reply.encode(tag, &mut out),
            FromServer::Transfer(tag, transfer) => transfer.encode(tag, &mut out),
            FromServer::Notice(notice) => notice.encode(NO_TAG, &mut out),
        }
    }
    out
}

/// What comes of these bytes, in words.
fn events(peer: &mut Peer<&'static str>, pieces: &[&[u8]]) -> Result<Vec<String>, ProtocolError> {
    let mut seen = Vec::new();
    for mut piece in pieces.iter().copied() {
        while !piece.is_empty() {
            piece = &piece[peer.input().feed(piece)..];
            while let Some(event) = peer.next_event()? {
                seen.push(match event {
                    Event::Item(_, note, reply) => format!("{note} item {}", reply.name()),
                    Event::Answer(_, note, reply) => format!("{note} answer {}", reply.name()),
                    Event::Starts(_, note, reply) => format!("{note} starts {}", reply.name()),
                    Event::Transfer(_, note, transfer) => format!("{note} {}", transfer.name()),
                    Event::Downloaded(_, note, _) => format!("{note} downloaded"),
                    Event::Notice(notice) => notice.name().to_owned(),
                });
            }
        }
    }
    Ok(seen)
}

const DONE: Reply<'_> = Reply::Done { at_ms: 1, text: "done" };
const END: Reply<'_> = Reply::EndOfList { next: None };
const REFUSED: Reply<'_> =
    Reply::Refused { code: Refusal::TransferAborted, limit: None, value: None, name: None, text: "" };

fn asking() -> Peer<&'static str> {
    let mut peer = Peer::default();
    peer.ask(&Request::CreateThread { title: "t", key: None }, "create");
    peer.tell(&Request::Active);
    peer.ask(&Request::WhoElse { after: None, at_most: None }, "list");
    peer.ask(&Request::Download { title: "t", file: "f", offset: None, digest: None }, "download");
    peer.ask(&Request::Upload { title: "t", file: "g", size: 3, key: None }, "upload");
    peer.ask(&Request::Ping { payload: b"" }, "ping");
    peer
}

/// Answers to all of that, with notices and transfers among them.
fn conversation() -> Vec<u8> {
    use FromServer::{Notice as Told, Reply as Answer, Transfer as Moved};
    bytes(&[
        Told(Notice::LoggedIn { name: "hans" }),
        Answer(1, DONE),
        Answer(3, Reply::UserItem { name: "hans", left_ms: None }),
        Told(Notice::Probe),
        Answer(3, END),
        Answer(4, Reply::DownloadStarts { size: 2, digest: [0; 32], offset: 0 }),
        Moved(4, Transfer::Data { piece: b"ab" }),
        Answer(5, Reply::UploadStarts { credit: 3 }),
        Moved(4, Transfer::DataEnd { digest: None }),
        Moved(4, Transfer::Credit { bytes: 1 }),
        Moved(5, Transfer::Credit { bytes: 1 }),
        Answer(6, Reply::Pong { payload: b"" }),
        Answer(5, REFUSED),
        Told(Notice::Closing { code: Closing::ShuttingDown, text: "" }),
    ])
}

#[test]
fn answers_come_to_what_was_asked_wherever_the_bytes_are_cut() {
    let wanted = [
        "LoggedIn",
        "create answer Done",
        "list item UserItem",
        "Probe",
        "list answer EndOfList",
        "download starts DownloadStarts",
        "download Data",
        "upload starts UploadStarts",
        "download downloaded",
        // Credit for the download that is over is nobody's.
        "upload Credit",
        "ping answer Pong",
        "upload answer Refused",
        "Closing",
    ];
    let bytes = conversation();
    for cut in 0..=bytes.len() {
        let mut peer = asking();
        assert_eq!(events(&mut peer, &[&bytes[..cut], &bytes[cut..]]).unwrap(), wanted, "cut at {cut}");
        assert_eq!(peer.unanswered().count(), 0);
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(events(&mut asking(), &single).unwrap(), wanted);
}

#[test]
fn an_answer_out_of_its_turn_is_an_error() {
    for (frames, tag) in [
        (bytes(&[FromServer::Reply(3, END)]), 3),
        (bytes(&[FromServer::Reply(9, DONE)]), 9),
        (bytes(&[FromServer::Reply(NO_TAG, DONE)]), NO_TAG),
    ] {
        assert_eq!(events(&mut asking(), &[&frames]), Err(ProtocolError::OutOfOrder(tag)));
    }
    let mut request = Vec::new();
    Request::LogOut.encode(1, &mut request);
    let error = events(&mut asking(), &[&request]).unwrap_err();
    assert_eq!(error, Malformed::UnknownKind(kinds::LogOut).into());
}

#[test]
fn what_will_not_be_answered_any_more_is_handed_back_in_order() {
    let mut peer = asking();
    let answered = conversation();
    let upload_starts = bytes(&[
        FromServer::Reply(1, DONE),
        FromServer::Reply(3, END),
        FromServer::Reply(4, Reply::DownloadStarts { size: 2, digest: [0; 32], offset: 0 }),
    ]);
    assert!(!answered.is_empty());
    events(&mut peer, &[&upload_starts]).unwrap();
    let left: Vec<_> = peer.into_unanswered().collect();
    assert_eq!(left, [(4, "download"), (5, "upload"), (6, "ping")]);
}

#[test]
fn tags_count_up_and_are_never_zero() {
    let mut peer = Peer::<()> { last_tag: u32::MAX - 1, ..Peer::default() };
    let tags = [(); 3].map(|()| peer.tell(&Request::Active));
    assert_eq!(tags, [u32::MAX, 1, 2]);
}

#[test]
fn what_was_sent_makes_room() {
    let mut peer = Peer::<()>::default();
    let mut whole = Vec::new();
    for tag in 1..=100 {
        peer.tell(&Request::Active);
        Request::Active.encode(tag, &mut whole);
    }
    let mut sent = Vec::new();
    while !peer.unsent().is_empty() {
        let count = peer.unsent().len().min(7);
        sent.extend_from_slice(&peer.unsent()[..count]);
        peer.sent(count);
    }
    assert_eq!(sent, whole);
    assert_eq!(peer.output.len(), 0);
}
