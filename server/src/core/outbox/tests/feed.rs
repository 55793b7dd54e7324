//! What telling all costs, and who hears what in which order.

use allocation_counter::measure;

use super::*;

#[test]
fn telling_all_is_one_append_and_one_write_each_with_one_message_and_with_sixteen() {
    let mut crowd = Crowd::new(100, true);
    for messages in [1, 16] {
        (0..messages).for_each(|number| crowd.say(&format!("message {number}")));
        assert_eq!(crowd.sweep(), 100);
        for stream in &mut crowd.streams {
            assert_eq!(std::mem::take(&mut stream.writes), 1, "with {messages}");
            assert!(stream.taken.ends_with(&frame(&format!("message {}", messages - 1))));
        }
        assert_eq!(crowd.outbox.feed_bytes(), 0, "who has got all holds nothing");
    }
}

#[test]
fn comings_of_many_authors_leave_in_one_write_too() {
    let mut crowd = Crowd::new(10, true);
    for author in 1_000..1_500 {
        crowd.outbox.announce_presence(AccountId(author), Users::default(), &notice("came"));
    }
    crowd.sweep();
    assert!(
        crowd
            .streams
            .iter()
            .all(|stream| stream.writes == 1 && stream.taken.len() == 500 * frame("came").len())
    );
}

#[test]
fn a_receiver_costs_no_allocation_and_a_message_none_that_grows_with_them() {
    let mut crowd = Crowd::new(1_000, true);
    // What it takes at the first time is kept for the next.
    crowd.say("first");
    crowd.sweep();
    for stream in &mut crowd.streams {
        stream.taken.reserve(1_000);
    }
    let mut receivers = 0;
    let allocated = measure(|| {
        crowd.say("second");
        receivers = crowd.sweep();
    });
    assert_eq!((receivers, allocated.count_total), (1_000, 0));
}

#[test]
fn who_wants_no_presence_is_never_written_to_for_it_and_holds_none_of_it() {
    let mut crowd = Crowd::new(100, false);
    crowd.outbox.open(id(100));
    crowd.outbox.listen(id(100), user(100), true);
    crowd.streams.push(Stream { room: usize::MAX, ..Stream::default() });
    (0..1_000).for_each(|_| crowd.announce("came"));
    assert_eq!(crowd.sweep(), 1);
    assert_eq!(crowd.outbox.feed_bytes(), 0);
    crowd.say("hello");
    assert_eq!(crowd.sweep(), 101);
    assert!(crowd.streams[..100].iter().all(|stream| stream.taken == frame("hello")));
}

#[test]
fn a_newcomer_hears_what_is_told_after_its_own_coming_and_nothing_before() {
    let mut crowd = Crowd::new(1, true);
    crowd.announce("before");
    for slot in 1..3 {
        crowd.outbox.open(id(slot));
        crowd.streams.push(Stream { room: usize::MAX, ..Stream::default() });
        crowd.outbox.announce_presence(user(slot), Users::default(), &notice(&format!("{slot} came")));
        crowd.outbox.listen(id(slot), user(slot), true);
    }
    crowd.sweep();
    assert_eq!(crowd.streams[0].taken, [frame("before"), frame("1 came"), frame("2 came")].concat());
    assert_eq!(crowd.streams[1].taken, frame("2 came"));
    assert_eq!(crowd.streams[2].taken, b"");
}

#[test]
fn what_one_is_told_alone_comes_in_its_place_among_what_all_are_told() {
    let mut crowd = Crowd::new(2, true);
    crowd.announce("1");
    crowd.outbox.notify(id(0), &notice("2"));
    crowd.say("3");
    crowd.outbox.reply(id(0), 7, &Reply::Pong { payload: b"4" });
    crowd.announce("5");
    crowd.write(0);
    let mut pong = Vec::new();
    Reply::Pong { payload: b"4" }.encode(7, &mut pong);
    assert_eq!(crowd.streams[0].taken, [frame("1"), frame("2"), frame("3"), pong, frame("5")].concat());
    assert_eq!(crowd.streams[0].writes, 1);
    crowd.sweep();
    assert_eq!(crowd.streams[1].taken, [frame("1"), frame("3"), frame("5")].concat());
}

#[test]
fn nothing_follows_the_last_word_and_what_was_told_before_it_comes_first() {
    let mut crowd = Crowd::new(2, true);
    crowd.say("before");
    crowd.outbox.last_word(id(0), &notice("goodbye"));
    crowd.say("after");
    crowd.outbox.notify(id(0), &notice("to you"));
    crowd.sweep();
    crowd.write(0);
    assert_eq!(crowd.streams[0].taken, [frame("before"), frame("goodbye")].concat());
    crowd.outbox.free_feed();
    assert_eq!(crowd.outbox.feed_bytes(), 0);
}

#[test]
fn an_author_and_those_excluded_get_what_lies_around_it() {
    let mut crowd = Crowd::new(3, true);
    crowd.say("1");
    crowd.outbox.say(user(0), Users::default(), &notice("of 0"));
    crowd.say("2");
    crowd.outbox.say(NOBODY, [user(1)].into_iter().collect(), &notice("not for 1"));
    crowd.say("3");
    crowd.sweep();
    let [zero, one, two] =
        [["2", "not for 1"].as_slice(), &["of 0", "2"], &["of 0", "2", "not for 1"]].map(|between| {
            [&["1"], between, &["3"]].concat().iter().map(|text| frame(text)).collect::<Vec<_>>().concat()
        });
    assert_eq!(crowd.streams.iter().map(|stream| &stream.taken).collect::<Vec<_>>(), [&zero, &one, &two]);
}

#[test]
fn presence_switched_on_starts_at_the_head_and_off_ends_at_a_frame_s_end() {
    let mut crowd = Crowd::new(1, false);
    crowd.announce("1");
    crowd.say("2");
    crowd.outbox.set_presence(id(0), true);
    crowd.announce("3");
    crowd.announce("4");
    crowd.streams[0].room = frame("2").len() + 3;
    crowd.write(0);
    crowd.outbox.set_presence(id(0), false);
    crowd.announce("5");
    crowd.say("6");
    crowd.streams[0].room = usize::MAX;
    crowd.sweep();
    crowd.write(0);
    assert_eq!(crowd.streams[0].taken, [frame("2"), frame("3"), frame("6")].concat());
    assert_eq!(crowd.outbox.feed_bytes(), 0);
}

#[test]
fn what_is_told_in_either_way_is_held_until_all_have_it() {
    let mut crowd = Crowd::new(2, true);
    crowd.say("hello");
    crowd.announce("came");
    assert_eq!(crowd.outbox.feed_bytes(), frame("hello").len() + frame("came").len());
    crowd.sweep();
    assert_eq!(crowd.outbox.feed_bytes(), 0);
}

#[test]
fn comings_that_fill_half_of_what_may_be_held_are_written_before_their_time() {
    let mut crowd = Crowd::new(3, true);
    crowd.announce("the first is due at once");
    crowd.sweep();
    let text = "x".repeat(1_000);
    for _ in 0..NOTICE_BYTES_MAX / 2 / frame(&text).len() {
        crowd.announce(&text);
        assert_eq!(crowd.outbox.next_overdue(crowd.now), None);
    }
    assert!(!crowd.outbox.may_exceed());
    crowd.announce(&text);
    assert!(crowd.outbox.may_exceed());
    let mut named = Vec::new();
    while let Some(id) = crowd.outbox.next_overdue(crowd.now) {
        crowd.write(id.slot as usize);
        named.push(id.slot);
    }
    named.sort_unstable();
    assert_eq!(named, [0, 1, 2]);
}
