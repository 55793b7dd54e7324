//! Those who do not read: what is held for them, and who is cut off.

use super::*;
use crate::core::feed::SEGMENT_BYTES;

const TEXT_BYTES: usize = 4_000;

impl Crowd {
    /// Says so many texts, each followed by a sweep.
    fn say_all(&mut self, texts: usize) {
        (0..texts).for_each(|_| {
            self.say(&"x".repeat(TEXT_BYTES));
            self.sweep();
        });
    }

    /// Cuts off all who are too slow.
    fn cut_slow(&mut self) -> Vec<usize> {
        let mut cut = Vec::new();
        while let Some(id) = self.outbox.next_too_slow() {
            self.write(id.slot as usize);
            if self.outbox.is_too_slow(id) {
                self.outbox.cut(id);
                self.outbox.last_word(id, &notice("too slow"));
                cut.push(id.slot as usize);
            }
        }
        cut
    }
}

#[test]
fn who_takes_nothing_is_too_slow_once_it_lags_by_more_than_the_limit_and_then_holds_nothing() {
    let mut crowd = Crowd::new(10, true);
    for slot in [3, 7] {
        crowd.streams[slot].room = 10;
    }
    crowd.say_all(NOTICE_BYTES_MAX / TEXT_BYTES - 1);
    assert_eq!(crowd.cut_slow(), [0; 0]);
    let held = crowd.outbox.feed_bytes();
    assert!(held <= NOTICE_BYTES_MAX + SEGMENT_BYTES + TEXT_BYTES, "{held}: shared by those who lag");
    crowd.say_all(2);
    let mut cut = crowd.cut_slow();
    cut.sort_unstable();
    assert_eq!(cut, [3, 7]);
    crowd.sweep();
    assert_eq!(crowd.outbox.feed_bytes(), 0);
    // They hear why at the end of the frame that was begun.
    crowd.streams[3].room = usize::MAX;
    crowd.write(3);
    assert_eq!(crowd.streams[3].taken, [frame(&"x".repeat(TEXT_BYTES)), frame("too slow")].concat());
}

#[test]
fn who_has_its_last_word_is_sent_all_up_to_it_however_much_others_say_and_holds_nothing_of_that() {
    let mut crowd = Crowd::new(2, true);
    crowd.streams[1].room = 10;
    crowd.say_all(2);
    crowd.outbox.reply(id(1), 7, &Reply::Pong { payload: b"pong" });
    crowd.say_all(1);
    crowd.outbox.last_word(id(1), &notice("goodbye"));
    crowd.write(1);
    crowd.say_all(NOTICE_BYTES_MAX / TEXT_BYTES + 1);
    assert_eq!(crowd.cut_slow(), [0; 0]);
    crowd.sweep();
    assert_eq!(crowd.outbox.feed_bytes(), 0);
    crowd.streams[1].room = usize::MAX;
    crowd.write(1);
    let (said, mut pong) = (frame(&"x".repeat(TEXT_BYTES)), Vec::new());
    Reply::Pong { payload: b"pong" }.encode(7, &mut pong);
    let expected = [&said[..], &said, &pong, &said, &frame("goodbye")].concat();
    assert_eq!(crowd.streams[1].taken, expected);
    assert_eq!(crowd.outbox.queued(id(1)), 0);
}

#[test]
fn who_reads_again_before_that_loses_nothing() {
    let mut crowd = Crowd::new(2, true);
    crowd.streams[1].room = 0;
    crowd.say_all(NOTICE_BYTES_MAX / TEXT_BYTES - 1);
    crowd.streams[1].room = usize::MAX;
    assert!(crowd.write(1));
    assert_eq!(crowd.streams[0].taken, crowd.streams[1].taken);
    crowd.sweep();
    assert_eq!(crowd.outbox.feed_bytes(), 0);
}

#[test]
fn who_reads_as_the_last_moment_comes_is_not_cut_off() {
    let mut crowd = Crowd::new(1, true);
    crowd.streams[0].room = 0;
    crowd.say_all(2 * NOTICE_BYTES_MAX / TEXT_BYTES);
    crowd.streams[0].room = usize::MAX;
    assert_eq!(crowd.cut_slow(), [0; 0]);
}

#[test]
fn comings_and_goings_make_nobody_slow_who_does_not_listen_to_them() {
    let mut crowd = Crowd::new(1, false);
    crowd.streams[0].room = 0;
    crowd.say("hello");
    crowd.sweep();
    for _ in 0..100 {
        crowd.announce(&"x".repeat(TEXT_BYTES));
        crowd.sweep();
    }
    assert_eq!(crowd.cut_slow(), [0; 0]);
    assert!(crowd.outbox.feed_bytes() < 100, "no presence is held for it");
}

#[test]
fn what_was_written_to_nobody_for_our_own_pacing_is_written_at_once_and_cuts_nobody_off() {
    let mut crowd = Crowd::new(100, true);
    crowd.write_time = Duration::from_millis(1);
    crowd.announce("first");
    assert_eq!(crowd.sweep(), 100);
    // All of this happens before the next sweep is due.
    for _ in 0..2_000 {
        crowd.announce(&"x".repeat(200));
        while let Some(id) = crowd.outbox.next_overdue(crowd.now) {
            crowd.streams[id.slot as usize].room = 16_384;
            crowd.write(id.slot as usize);
        }
        crowd.outbox.free_feed();
        // Who was refused reads, and its socket says so.
        for slot in 0..100 {
            crowd.streams[slot].room = 16_384;
            if crowd.outbox.unread(id(slot)) > 0 {
                crowd.write(slot);
            }
        }
        assert_eq!(crowd.cut_slow(), [0; 0]);
        assert!(crowd.outbox.feed_bytes() <= NOTICE_BYTES_MAX + SEGMENT_BYTES);
    }
}

#[test]
fn notices_for_one_are_bounded_like_those_for_all() {
    let mut crowd = Crowd::new(2, true);
    crowd.streams[1].room = 0;
    let text = "x".repeat(TEXT_BYTES);
    for _ in 0..=NOTICE_BYTES_MAX / TEXT_BYTES {
        (0..2).for_each(|slot| crowd.outbox.notify(id(slot), &notice(&text)));
        crowd.write(0);
    }
    assert_eq!(crowd.cut_slow(), [1]);
}

#[test]
fn answers_that_are_not_read_are_the_asker_s_own_affair() {
    let mut crowd = Crowd::new(1, true);
    crowd.streams[0].room = 0;
    for _ in 0..NOTICE_BYTES_MAX / 1_000 + 10 {
        crowd.outbox.reply(id(0), 1, &Reply::Pong { payload: &[0; 1_000] });
        crowd.write(0);
    }
    assert_eq!(crowd.cut_slow(), [0; 0]);
}

#[test]
fn when_too_much_waits_for_single_receivers_the_one_with_most_is_found() {
    let mut crowd = Crowd::new(10, true);
    for slot in 0..10 {
        crowd.streams[slot].room = 0;
        // The one in slot 9 has most, but it takes it.
        crowd.outbox.push(id(slot), frame(&"x".repeat(10_000 * (slot % 7))));
        crowd.outbox.push(id(slot), frame(&"x".repeat(30_000)));
        crowd.write(slot);
    }
    crowd.outbox.push(id(9), vec![0; 200_000]);
    assert!(crowd.outbox.is_overfull());
    crowd.streams[9].room = usize::MAX;
    crowd.write(9);
    assert_eq!(crowd.outbox.heaviest(), Some(id(6)));
    crowd.outbox.cut(id(6));
    assert!(!crowd.outbox.is_overfull());
    assert_eq!(crowd.outbox.heaviest(), Some(id(5)));
}
