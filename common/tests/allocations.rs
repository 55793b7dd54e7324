//! What is said by the million is encoded and decoded without memory of its own.
#![forbid(unsafe_code)]

use allocation_counter::measure;
use forum_common::limits::FRAME_BYTES_MAX;
use forum_common::wire::{Event, FromServer, Peer, Reply, Request, frame};

const TEXT: &str = "the quick brown fox jumps over the lazy dog";
const PING: Request<'_> = Request::Ping { payload: b"?" };
const PONG: Reply<'_> = Reply::Pong { payload: b"?" };
const POST: Request<'_> = Request::Post { title: "3331", text: TEXT, key: Some([1; 16]) };
const POSTED: Reply<'_> = Reply::Posted { number: 1, id: 2, at_ms: 3, text: TEXT };

#[test]
fn a_server_allocates_nothing_for_frames_of_pings_and_posts() {
    let mut out = Vec::with_capacity(FRAME_BYTES_MAX);
    for (request, reply) in [(PING, PONG), (POST, POSTED)] {
        let mut bytes = Vec::new();
        request.encode(1, &mut bytes);
        let counted = measure(|| {
            let (frame, _) = frame::split(&bytes, FRAME_BYTES_MAX).unwrap().unwrap();
            assert_eq!(Request::decode(&frame), Ok(request));
            reply.encode(1, &mut out);
        });
        assert_eq!(counted.count_total, 0, "{request:?}");
    }
}

#[test]
fn a_client_allocates_nothing_for_pings_and_posts_after_the_first() {
    for (request, reply) in [(PING, PONG), (POST, POSTED)] {
        let mut answers = Vec::new();
        (1..=3).for_each(|tag| reply.encode(tag, &mut answers));
        let mut answers = answers.chunks(answers.len() / 3).zip(1..);
        let mut peer = Peer::default();
        let mut round = || {
            let (answer, tag) = answers.next().unwrap();
            assert_eq!(peer.ask(&request, ()), tag);
            peer.sent(peer.unsent().len());
            assert_eq!(peer.input().feed(answer), answer.len());
            assert_eq!(peer.next_event(), Ok(Some(Event::Answer(tag, (), reply))));
        };
        round();
        let counted = measure(|| [(); 2].iter().for_each(|()| round()));
        assert_eq!(counted.count_total, 0, "{request:?}");
    }
}

#[test]
fn a_line_of_a_list_is_shown_where_it_lies() {
    let mut bytes = Vec::new();
    Reply::PostItem { number: 1, id: 2, at_ms: 3, author: "yoda", text: TEXT }.encode(1, &mut bytes);
    let counted = measure(|| {
        let (frame, _) = frame::split(&bytes, FRAME_BYTES_MAX).unwrap().unwrap();
        assert!(matches!(
            FromServer::decode(&frame),
            Ok(FromServer::Reply(1, Reply::PostItem { text: TEXT, .. }))
        ));
    });
    assert_eq!(counted.count_total, 0);
}
