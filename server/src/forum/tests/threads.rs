//! Threads: numbering, ranges, whose messages and files they are.

use super::*;

#[test]
fn deleting_moves_the_later_numbers_up_and_leaves_uploads_in_their_place() {
    let mut table = Table::with_users(2);
    table.create(0, "t").unwrap();
    table.post(0, "t", "one").unwrap();
    table.add_file(1, "t", "a.bin", 1).unwrap();
    table.post(1, "t", "two").unwrap();
    table.post(0, "t", "three").unwrap();
    table.add_file(0, "t", "b.bin", 1).unwrap();
    table.delete(0, "t", 1).unwrap();
    let expected = ["user1 uploaded a.bin", "1 user1: two", "2 user0: three", "user0 uploaded b.bin"];
    assert_eq!(table.read("t", None).unwrap(), expected);
    table.delete(0, "t", 2).unwrap();
    assert_eq!(
        table.read("t", None).unwrap(),
        ["user1 uploaded a.bin", "1 user1: two", "user0 uploaded b.bin"]
    );
}

#[test]
fn ranges_include_both_ends_and_the_uploads_between() {
    let mut table = Table::with_users(1);
    table.create(0, "t").unwrap();
    table.add_file(0, "t", "0", 1).unwrap();
    for n in 1..=3 {
        table.post(0, "t", &format!("m{n}")).unwrap();
        table.add_file(0, "t", &n.to_string(), 1).unwrap();
    }
    assert_eq!(table.read("t", Some((2, 2))).unwrap(), ["2 user0: m2"]);
    assert_eq!(table.read("t", Some((1, 2))).unwrap(), ["1 user0: m1", "user0 uploaded 1", "2 user0: m2"]);
    assert_eq!(table.read("t", Some((2, 99))).unwrap(), ["2 user0: m2", "user0 uploaded 2", "3 user0: m3"]);
    for bad in [(0, 0), (0, 2), (4, 9), (3, 2)] {
        assert_eq!(table.read("t", Some(bad)), Err(Refused::InvalidMessageNumber), "{bad:?}");
    }
}

#[test]
fn only_the_author_edits_and_deletes_and_only_the_creator_removes() {
    let mut table = Table::with_users(2);
    table.create(0, "t").unwrap();
    table.post(1, "t", "mine").unwrap();
    assert_eq!(table.delete(0, "t", 1), Err(Refused::NotYourMessage(PostAction::Delete)));
    let edit = |number| Change::EditPost { title: title("t"), number, id: None, text: text("x") };
    assert_eq!(table.apply(Some(0), edit(1)), Err(Refused::NotYourMessage(PostAction::Edit)));
    assert_eq!(table.apply(Some(0), edit(2)), Err(Refused::InvalidMessageNumber));
    assert_eq!(table.apply(Some(0), edit(0)), Err(Refused::InvalidMessageNumber));
    assert_eq!(table.apply(Some(1), Change::RemoveThread { title: title("t") }), Err(Refused::NotYourThread));
    assert!(table.apply(Some(0), Change::RemoveThread { title: title("t") }).is_ok());
    assert_eq!(table.post(1, "t", "late"), Err(Refused::NoSuchThread(title("t"))));
}

#[test]
fn an_upload_belongs_to_the_thread_and_not_to_its_title() {
    let mut table = Table::with_users(1);
    table.create(0, "t").unwrap();
    let old = table.forum.threads.find("t").unwrap();
    table.apply(Some(0), Change::RemoveThread { title: title("t") }).unwrap();
    table.create(0, "t").unwrap();
    let late = Change::AddFile {
        thread: old,
        title: title("t"),
        file: FileName::parse("f").unwrap(),
        id: FileId::random(&crate::random::Random::system()),
        size: 1,
        digest: [0; 32],
    };
    assert_eq!(table.apply(Some(0), late), Err(Refused::NoSuchThread(title("t"))));
    assert!(table.read("t", None).unwrap().is_empty());
}

#[test]
fn files_count_for_their_uploader_until_the_thread_is_removed() {
    let mut table = Table::with_users(2);
    table.create(0, "t").unwrap();
    table.add_file(1, "t", "a", 100).unwrap();
    table.add_file(1, "t", "b", 11).unwrap();
    assert!(matches!(table.add_file(0, "t", "a", 5), Err(Refused::FileExists(..))));
    assert_eq!(table.forum.accounts[AccountId(1)].file_bytes, 111);
    let removed = table.apply(Some(0), Change::RemoveThread { title: title("t") }).unwrap();
    assert!(matches!(removed, Effect::ThreadRemoved { thread, .. } if thread.uploads().len() == 2));
    assert_eq!(table.forum.accounts[AccountId(1)].file_bytes, 0);
}

#[test]
fn the_files_of_a_removed_thread_are_remembered_until_they_are_unlinked() {
    let mut table = Table::with_users(1);
    table.create(0, "t").unwrap();
    table.add_file(0, "t", "a", 1).unwrap();
    table.add_file(0, "t", "b", 2).unwrap();
    let named: Vec<FileId> = table.forum.files().map(|(_, upload)| upload.id).collect();
    assert_eq!(table.forum.removed_files().count(), 0);
    table.apply(Some(0), Change::RemoveThread { title: title("t") }).unwrap();
    assert!(named.iter().all(|id| table.forum.is_removed_file(*id)));
    assert_eq!(table.forum.removed_files().count(), 2);
    table.apply(None, Change::Unlinked { files: vec![named[0], FileId(7)] }).unwrap();
    assert_eq!(table.forum.removed_files().collect::<Vec<_>>(), [named[1]]);
    table.apply(None, Change::Unlinked { files: named }).unwrap();
    assert_eq!(table.forum.removed_files().count(), 0);
}

#[test]
fn a_name_is_exact_and_no_prefix_of_another() {
    let mut table = Table::with_users(1);
    table.create(0, "ab").unwrap();
    table.create(0, "abc").unwrap();
    table.create(0, "AB").unwrap();
    table.post(0, "ab", "x").unwrap();
    assert!(table.read("abc", None).unwrap().is_empty());
    assert_eq!(table.read("a", None), Err(Refused::NoSuchThread(title("a"))));
}

#[test]
fn a_listing_of_threads_shows_one_instant() {
    let mut table = Table::with_users(1);
    for n in 0..5 {
        table.create(0, &format!("t{n}")).unwrap();
    }
    let mut listing = table.forum.threads.list();
    listing.copy_rows(1);
    let first = listing.next_row().unwrap().title;
    table.apply(Some(0), Change::RemoveThread { title: title("t3") }).unwrap();
    table.create(0, "t9").unwrap();
    let mut seen = vec![first];
    while listing.is_copying() {
        listing.copy_rows(2);
        seen.extend(std::iter::from_fn(|| listing.next_row()).map(|row| row.title));
    }
    assert_eq!(seen, ["t0", "t1", "t2", "t3", "t4"].map(title));
}

#[test]
fn ids_of_posts_are_never_used_again_and_stay_when_numbers_move() {
    let mut table = Table::with_users(1);
    table.create(0, "a").unwrap();
    table.create(0, "b").unwrap();
    for (to, raw) in [("a", "1"), ("a", "2"), ("b", "3")] {
        table.post(0, to, raw).unwrap();
    }
    table.delete(0, "a", 2).unwrap();
    table.delete(0, "a", 1).unwrap();
    let posted = table.post(0, "a", "4");
    assert_eq!(posted, Ok(Effect::Posted { number: 1, id: ItemId(4) }));
    table.apply(Some(0), Change::RemoveThread { title: title("b") }).unwrap();
    table.create(0, "b").unwrap();
    table.post(0, "b", "5").unwrap();
    assert_eq!(posts(&table, "a"), [(4, "4".into())]);
    assert_eq!(posts(&table, "b"), [(5, "5".into())]);
}

#[test]
fn who_means_a_message_by_its_id_does_not_touch_another_that_has_its_number_by_now() {
    let mut table = Table::with_users(1);
    table.create(0, "t").unwrap();
    for raw in ["one", "two", "three"] {
        table.post(0, "t", raw).unwrap();
    }
    table.delete(0, "t", 1).unwrap();
    let (number, id) = (2, Some(ItemId(2)));
    let edit = Change::EditPost { title: title("t"), number, id, text: text("x") };
    assert_eq!(table.apply(Some(0), edit), Err(Refused::MessageMoved));
    let delete = |number| Change::DeletePost { title: title("t"), number, id };
    assert_eq!(table.apply(Some(0), delete(2)), Err(Refused::MessageMoved));
    assert_eq!(table.apply(Some(0), delete(1)), Ok(Effect::PostDeleted));
    assert_eq!(posts(&table, "t"), [(3, "three".into())]);
}
