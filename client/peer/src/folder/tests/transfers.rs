//! Whole transfers into a folder: from the machine that sends, and many at once.

use std::time::Instant;

use super::*;
use crate::original::Original;
use crate::transport::content::FileSource;
use crate::transport::packet::DATAGRAM_BYTES_MAX;
use crate::transport::{Endpoint, Event, Failure, Reason, Receiver, Sender, Token};

/// Turns of both ends within which a transfer is over.
const TURNS_MAX: usize = 100_000;

/// What a transfer came to: the byte that it started from, how it ended for the receiver, and what it stored.
struct Outcome {
    started_at: Option<u64>,
    end: Event,
    kept: Kept,
}

/// Sends `sent` as what was offered, over a network that loses nothing and takes no time. With `until`, the
/// receiver gives up when it has that many bytes.
fn transfer(place: &Place, offer: Offer, sent: &[u8], until: Option<u64>) -> Outcome {
    let file = tempfile::tempfile().unwrap();
    file.write_all_at(sent, 0).unwrap();
    let (mut now, token) = (Instant::now(), Token::new([7; 16], 1));
    let mut sender = Sender::new(now, &token, offer, FileSource::new(Original::new(file).unwrap()));
    let mut receiver = Receiver::new(now, &token).unwrap();
    let (mut started_at, mut end) = (None, None);
    for _ in 0..TURNS_MAX {
        turn(now, &mut sender, &mut receiver);
        turn(now, &mut receiver, &mut sender);
        while let Some(event) = sender.poll_event() {
            if let Event::Started { offset } = event {
                started_at = Some(offset);
            }
        }
        while let Some(event) = receiver.poll_event() {
            if let Event::Offered(offer) = event {
                let (start, kept) = place.store(&offer, place.leftover().map(digested)).unwrap();
                receiver.accept(now, start, kept);
            } else {
                end = Some(event);
            }
        }
        if until.is_some_and(|until| receiver.progress().is_some_and(|progress| progress.bytes >= until)) {
            receiver.abort(now, Reason::Cancelled);
        }
        let due = [sender.poll_timeout(), receiver.poll_timeout()].into_iter().flatten().min();
        let Some(due) = due else { break };
        now = now.max(due);
    }
    Outcome { started_at, end: end.expect("an end"), kept: receiver.into_sink().expect("a sink") }
}

fn turn(now: Instant, from: &mut impl Endpoint, to: &mut impl Endpoint) {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    from.on_timeout(now);
    while let Some(transmit) = from.poll_transmit(now, 1, &mut buffer) {
        to.on_datagram(now, &buffer[..transmit.bytes]);
    }
    from.settle(now);
}

fn content(size: u32) -> Vec<u8> {
    (0..size).map(|n| (n * 7 / 3) as u8).collect()
}

#[test]
fn a_transfer_that_broke_off_goes_on_where_it_was() {
    let home = Home::new();
    let content = content(3_000_001);
    let place = home.free_place(content.len());
    let broken = transfer(&place, offer(&content), &content, Some(1_000_000));
    assert_eq!(broken.end, Event::Failed(Failure::Here(Reason::Cancelled)));
    assert_eq!(broken.started_at, Some(0));
    broken.kept.leave(true);
    let has = place.leftover().unwrap().size();
    assert!((1_000_000..3_000_000).contains(&has), "{has}");

    let whole = transfer(&place, offer(&content), &content, None);
    assert_eq!((whole.end, whole.started_at), (Event::Done, Some(has)));
    assert_eq!(home.left(), [TARGET]);
    assert!(home.stored() == content);
}

#[test]
fn a_leftover_whose_bytes_were_changed_is_found_out_and_not_resumed_again() {
    let home = Home::new();
    let content = content(400_000);
    let place = home.free_place(content.len());
    home.leave(&content, &[1; 200_000]);
    let spoilt = transfer(&place, offer(&content), &content, None);
    assert_eq!(spoilt.started_at, Some(200_000));
    assert_eq!(spoilt.end, Event::Failed(Failure::Here(Reason::DigestDiffers)));
    spoilt.kept.leave(false);
    assert!(home.left().is_empty());
    let whole = transfer(&place, offer(&content), &content, None);
    assert_eq!((whole.end, whole.started_at), (Event::Done, Some(0)));
    assert!(home.stored() == content);
}

#[test]
fn what_could_not_be_stored_is_told_to_both() {
    let home = Home::new();
    let content = content(5_000);
    let place = home.free_place(content.len());
    let outcome = {
        let late = home.free_place(content.len());
        fs::write(home.path(TARGET), b"mine").unwrap();
        transfer(&late, offer(&content), &content, None)
    };
    assert_eq!(outcome.end, Event::Failed(Failure::Here(Reason::NotStored)));
    assert_exists(outcome.kept.problem());
    assert_eq!(home.stored(), b"mine");
    outcome.kept.leave(true);
    assert_eq!(place.leftover().unwrap().size(), 5_000);
}

#[test]
fn however_many_come_at_once_a_file_is_one_of_them_and_whole() {
    let home = Home::new();
    let contents = [vec![b'a'; 4_000], vec![b'b'; 4_000]];
    let place = home.place(4_000, OnClash::Overwrite).unwrap();
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let (place, contents, home) = (&place, &contents, &home);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                for _ in 0..60 {
                    let content = &contents[random.usize(0..2)];
                    let (offset, mut kept) = begin(place, content);
                    let rest = &content[offset as usize..];
                    let (now, later) = rest.split_at(random.usize(0..=rest.len()));
                    kept.append(now).unwrap();
                    if random.bool() {
                        kept.leave(random.bool());
                        continue;
                    }
                    kept.append(later).unwrap();
                    kept.finish().unwrap();
                    assert!(contents.contains(&home.stored()), "it is not one of them");
                }
            });
        }
    });
}
