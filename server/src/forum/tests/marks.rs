//! How far users have read, and what is new to them.

use super::*;

fn mark(table: &mut Table, user: u32, raw: &str, up_to: u64) {
    let thread = table.forum.threads.find(raw).unwrap();
    let marks = vec![Mark { thread, up_to: ItemId(up_to) }];
    assert_eq!(table.apply(Some(user), Change::MarkRead { marks }), Ok(Effect::Marked));
}

/// What `unread` lists: titles, how much is new, and who wrote last; in shares of one thread.
fn unread(table: &Table, user: u32) -> Vec<(String, u32, u32)> {
    let forum = &table.forum;
    let mut listing = UnreadListing::new(&forum.threads, &forum.marks, AccountId(user), true);
    while listing.is_counting() {
        listing.count_on(1);
    }
    let rows = std::iter::from_fn(|| listing.next_row());
    rows.map(|(row, unread)| (row.title.to_string(), unread.count, unread.newest.unwrap().1.0)).collect()
}

/// The ids of what `RDT title new` shows.
fn new_items(table: &Table, user: u32, raw: &str) -> Vec<u64> {
    let thread = table.forum.threads.find(raw).unwrap();
    let mark = table.forum.marks.of(AccountId(user), thread).unwrap_or_default();
    let mut listing = table.forum.threads.get(thread).unwrap().list_new(AccountId(user), mark);
    while listing.is_seeking() {
        listing.seek(1);
    }
    let mut ids = Vec::new();
    while let Some(item) = listing.next_item() {
        ids.push(match item {
            Item::Post(_, post) => post.id.0,
            Item::Upload(upload) => upload.item.0,
        });
    }
    ids
}

#[test]
fn what_others_have_put_there_after_the_mark_is_new_whatever_is_deleted_and_edited() {
    let mut table = Table::with_users(2);
    table.create(0, "t").unwrap();
    for raw in ["a", "b", "c"] {
        table.post(0, "t", raw).unwrap();
    }
    assert_eq!(unread(&table, 1), [("t".to_owned(), 3, 0)]);
    assert_eq!(unread(&table, 0), [], "one's own is not new");
    mark(&mut table, 1, "t", 2);
    assert_eq!((unread(&table, 1), new_items(&table, 1, "t")), (vec![("t".to_owned(), 1, 0)], vec![3]));
    table.delete(0, "t", 1).unwrap();
    table.delete(0, "t", 1).unwrap();
    assert_eq!((unread(&table, 1), new_items(&table, 1, "t")), (vec![("t".to_owned(), 1, 0)], vec![3]));
    let edit = Change::EditPost { title: title("t"), number: 1, id: None, text: text("e") };
    mark(&mut table, 1, "t", 3);
    table.apply(Some(0), edit).unwrap();
    assert_eq!((unread(&table, 1), new_items(&table, 1, "t")), (vec![], vec![]));
}

#[test]
fn what_is_new_begins_with_the_first_of_others_and_files_count() {
    let mut table = Table::with_users(3);
    table.create(0, "t").unwrap();
    table.post(1, "t", "my own").unwrap();
    table.add_file(1, "t", "mine", 1).unwrap();
    assert_eq!((unread(&table, 1), new_items(&table, 1, "t")), (vec![], vec![]));
    table.add_file(0, "t", "f", 1).unwrap();
    table.post(1, "t", "an answer").unwrap();
    table.post(2, "t", "another").unwrap();
    assert_eq!(unread(&table, 1), [("t".to_owned(), 2, 2)]);
    assert_eq!(new_items(&table, 1, "t"), [3, 4, 5], "one's own answer stands between");
}

#[test]
fn a_mark_never_goes_back_and_never_beyond_what_there_is() {
    let mut table = Table::with_users(2);
    table.create(0, "t").unwrap();
    table.post(0, "t", "a").unwrap();
    mark(&mut table, 1, "t", u64::MAX);
    table.post(0, "t", "b").unwrap();
    assert_eq!(unread(&table, 1), [("t".to_owned(), 1, 0)]);
    mark(&mut table, 1, "t", 2);
    mark(&mut table, 1, "t", 1);
    assert_eq!(unread(&table, 1), []);
}

#[test]
fn the_least_recently_read_thread_makes_room_and_removed_ones_first() {
    let mut table = Table::with_users(2);
    for n in 0..=MARKS_MAX as u64 {
        table.create(0, &format!("t{n}")).unwrap();
        table.post(0, &format!("t{n}"), "a").unwrap();
    }
    for n in 0..MARKS_MAX {
        mark(&mut table, 1, &format!("t{n}"), u64::MAX);
    }
    assert_eq!(unread(&table, 1).len(), 1);
    table.apply(Some(0), Change::RemoveThread { title: title("t7") }).unwrap();
    mark(&mut table, 1, "t1000", u64::MAX);
    assert_eq!(unread(&table, 1), [], "the removed one made room");
    table.create(0, "t7").unwrap();
    table.post(0, "t7", "b").unwrap();
    mark(&mut table, 1, "t0", u64::MAX);
    mark(&mut table, 1, "t7", u64::MAX);
    assert_eq!(unread(&table, 1), [("t1".to_owned(), 1, 0)], "t0 was read again, so t1 is the oldest");
    assert_eq!(table.forum.marks.all_of(AccountId(1)).len(), MARKS_MAX);
    assert_eq!(table.forum.marks.all_of(AccountId(0)), [], "who marks nothing takes no memory");
}

/// A list for a user of all threads, with news or not.
fn listing(table: &Table, user: u32) -> UnreadListing {
    UnreadListing::new(&table.forum.threads, &table.forum.marks, AccountId(user), false)
}

#[test]
fn a_list_of_news_counts_a_share_of_threads_at_a_time_and_ends_with_the_last_row_that_is_read() {
    let mut table = Table::with_users(1);
    for number in 0..9 {
        table.create(0, &format!("t{number}")).unwrap();
    }
    let mut rows = listing(&table, 0);
    rows.limit(5);
    rows.count_on(3);
    assert_eq!(std::iter::from_fn(|| rows.next_row()).count(), 3);
    assert!(rows.is_counting());
    rows.count_on(100);
    assert_eq!(std::iter::from_fn(|| rows.next_row()).count(), 2);
    assert!(!rows.is_counting());
}

#[test]
fn a_list_of_news_takes_the_memory_of_its_rows_and_of_the_marks() {
    let mut table = Table::with_users(2);
    for number in 0..9 {
        let title = format!("t{number}");
        table.create(0, &title).unwrap();
        table.post(0, &title, "a").unwrap();
        mark(&mut table, 1, &title, number + 1);
    }
    let row = size_of::<(ThreadRow, Unread)>() + forum_common::limits::TITLE_BYTES_MAX;
    let mut rows = listing(&table, 1);
    assert_eq!(rows.bytes(), 9 * row + 9 * size_of::<Mark>());
    rows.limit(2);
    assert_eq!(rows.bytes(), 2 * row + 9 * size_of::<Mark>());
}

#[test]
fn a_long_thread_is_counted_over_several_shares() {
    let mut table = Table::with_users(2);
    table.create(0, "t").unwrap();
    (0..200).for_each(|_| drop(table.post(0, "t", "a")));
    let mut rows = listing(&table, 1);
    for _ in 0..3 {
        rows.count_on(1);
        assert!(rows.next_row().is_none());
    }
    rows.count_on(1);
    assert_eq!(rows.next_row().unwrap().1.count, 200);
}
