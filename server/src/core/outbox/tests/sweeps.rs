//! When who is written to.

use super::*;

/// What a round takes: 100 writes of a millisecond.
const ROUND: Duration = Duration::from_millis(100);

fn crowd() -> Crowd {
    let mut crowd = Crowd::new(100, true);
    crowd.write_time = ROUND / 100;
    crowd
}

#[test]
fn comings_and_goings_alone_take_a_tenth_of_the_time() {
    let mut crowd = crowd();
    let start = crowd.now;
    let mut told = 0;
    while crowd.now < start + 100 * ROUND {
        crowd.announce("came");
        told += crowd.sweep();
        crowd.now += Duration::from_millis(1);
    }
    assert_eq!(told, 1_000);
}

#[test]
fn a_sweep_in_slices_is_measured_in_all_of_them_and_not_in_between() {
    let mut crowd = crowd();
    crowd.announce("came");
    for _ in 0..10 {
        let begun = crowd.now;
        for _ in 0..10 {
            let id = crowd.outbox.next_receiver(begun).expect("a hundred in all");
            crowd.write(id.slot as usize);
        }
        crowd.outbox.swept(begun, crowd.now);
        crowd.now += Duration::from_secs(1);
    }
    assert_eq!(crowd.outbox.next_receiver(crowd.now), None);
    crowd.outbox.swept(crowd.now, crowd.now);
    crowd.announce("went");
    assert_eq!(crowd.outbox.next_sweep(), Some(crowd.now + 9 * ROUND));
}

#[test]
fn what_is_said_waits_for_nothing_and_takes_the_comings_along() {
    let mut crowd = crowd();
    crowd.announce("came");
    crowd.sweep();
    crowd.announce("went");
    assert_eq!(crowd.sweep(), 0, "not yet");
    crowd.say("hello");
    assert_eq!(crowd.sweep(), 100);
    assert_eq!(crowd.streams[0].taken, [frame("came"), frame("went"), frame("hello")].concat());
    assert_eq!(crowd.outbox.next_sweep(), None);
}

#[test]
fn neither_kind_of_listener_starves_the_other() {
    let mut crowd = Crowd::new(20, true);
    for slot in 10..20 {
        crowd.outbox.set_presence(id(slot), false);
    }
    crowd.say("begin");
    for _ in 0..40 {
        let id = crowd.outbox.next_receiver(crowd.now).expect("there is always something new");
        crowd.write(id.slot as usize);
        crowd.say("more");
    }
    assert!(crowd.streams.iter().all(|stream| stream.writes == 2));
}

#[test]
fn all_are_visited_once_a_round_while_others_come_and_go() {
    let mut crowd = Crowd::new(10, true);
    crowd.say("hello");
    for _ in 0..4 {
        let id = crowd.outbox.next_receiver(crowd.now).unwrap();
        crowd.write(id.slot as usize);
    }
    let visited: Vec<usize> = (0..10).filter(|slot| crowd.streams[*slot].writes > 0).collect();
    let waiting: Vec<usize> = (0..10).filter(|slot| crowd.streams[*slot].writes == 0).collect();
    // One of each goes, and one comes.
    crowd.outbox.remove(id(visited[0]));
    crowd.outbox.remove(id(waiting[0]));
    let newcomer = ConnectionId { slot: visited[0] as u32, generation: 2 };
    crowd.outbox.open(newcomer);
    crowd.outbox.listen(newcomer, user(99), true);
    assert_eq!(crowd.sweep(), 5);
    let writes: Vec<usize> = (0..10).map(|slot| crowd.streams[slot].writes).collect();
    assert!((0..10).all(|slot| writes[slot] == usize::from(slot != waiting[0])), "{writes:?}");
    assert_eq!(crowd.outbox.feed_bytes(), 0);
}
