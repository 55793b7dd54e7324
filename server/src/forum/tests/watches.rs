//! Which threads users watch: how many, and that a title that is back is another thread.

use forum_common::limits::WATCHES_MAX;

use super::*;

fn watch(table: &mut Table, user: u32, raw: &str) -> Result<Effect, Refused> {
    table.apply(Some(user), Change::Watch { title: title(raw) })
}

fn unwatch(table: &mut Table, user: u32, raw: &str) -> Result<Effect, Refused> {
    table.apply(Some(user), Change::Unwatch { title: title(raw) })
}

#[test]
fn the_refusals_come_in_their_order() {
    let mut table = Table::with_users(2);
    assert_eq!(watch(&mut table, 0, "t"), Err(Refused::NoSuchThread(title("t"))));
    assert_eq!(unwatch(&mut table, 0, "t"), Err(Refused::NoSuchThread(title("t"))));
    for n in 0..=WATCHES_MAX {
        table.create(1, &format!("t{n}")).unwrap();
    }
    assert_eq!(unwatch(&mut table, 0, "t0"), Err(Refused::NotWatching(title("t0"))));
    for n in 0..WATCHES_MAX {
        assert_eq!(watch(&mut table, 0, &format!("t{n}")), Ok(Effect::Watched));
    }
    assert_eq!(watch(&mut table, 0, "t0"), Err(Refused::AlreadyWatching(title("t0"))));
    assert_eq!(watch(&mut table, 0, "t100"), Err(Refused::TooManyWatches));
    assert_eq!(watch(&mut table, 0, "none"), Err(Refused::NoSuchThread(title("none"))));
    assert_eq!(watch(&mut table, 1, "t100"), Ok(Effect::Watched), "each user has a limit of its own");
    assert_eq!(unwatch(&mut table, 0, "t0"), Ok(Effect::Unwatched));
    assert_eq!(watch(&mut table, 0, "t100"), Ok(Effect::Watched));
}

#[test]
fn a_removed_thread_is_watched_by_nobody_though_its_title_is_back_and_counts_no_more() {
    let mut table = Table::with_users(2);
    for n in 0..WATCHES_MAX {
        table.create(1, &format!("t{n}")).unwrap();
        watch(&mut table, 0, &format!("t{n}")).unwrap();
    }
    table.apply(Some(1), Change::RemoveThread { title: title("t0") }).unwrap();
    table.create(1, "t0").unwrap();
    assert!(!table.forum.watches.has(AccountId(0), table.forum.threads.find("t0").unwrap()));
    assert_eq!(unwatch(&mut table, 0, "t0"), Err(Refused::NotWatching(title("t0"))));
    assert_eq!(watch(&mut table, 0, "t0"), Ok(Effect::Watched), "there are 99");
    assert_eq!(watch(&mut table, 0, "t0"), Err(Refused::AlreadyWatching(title("t0"))));
}

#[test]
fn a_removed_thread_keeps_no_watchers() {
    let mut table = Table::with_users(2);
    table.create(1, "t").unwrap();
    watch(&mut table, 0, "t").unwrap();
    table.apply(Some(1), Change::RemoveThread { title: title("t") }).unwrap();
    assert!(table.forum.watches.is_empty());
}

#[test]
fn what_a_user_watches_is_in_the_order_in_which_it_began_to() {
    let mut table = Table::with_users(2);
    for raw in ["a", "b", "c"] {
        table.create(1, raw).unwrap();
    }
    for raw in ["b", "c", "a"] {
        watch(&mut table, 0, raw).unwrap();
    }
    unwatch(&mut table, 0, "c").unwrap();
    let wanted = ["b", "a"].map(|raw| table.forum.threads.find(raw).unwrap());
    assert_eq!(table.forum.watches.by(AccountId(0)), wanted);
    assert_eq!(table.forum.watches.by(AccountId(1)), []);
}

#[test]
fn who_watches_nothing_takes_no_memory() {
    let mut table = Table::with_users(1);
    table.create(0, "t").unwrap();
    watch(&mut table, 0, "t").unwrap();
    unwatch(&mut table, 0, "t").unwrap();
    assert!(table.forum.watches.is_empty());
    assert_eq!(table.forum.watches.from(AccountId(0)), None);
}
