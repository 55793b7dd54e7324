//! What is left of a broken transfer: what resumes it, and what is not taken for it.

use std::fs::OpenOptions;
use std::time::Duration;

use super::*;

#[test]
fn what_broke_off_is_resumed_by_the_same_file_only() {
    let home = Home::new();
    let (_, mut kept) = begin(&home.free_place(6), b"abcdef");
    kept.append(b"abc").unwrap();
    kept.leave(true);
    assert!(home.free_place(7).leftover().is_none(), "of another size");

    let other = home.free_place(6);
    let (offset, mut kept) = begin(&other, b"ABCDEF");
    assert_eq!(offset, 0, "of another digest");
    kept.append(b"A").unwrap();
    kept.leave(true);
    assert_eq!(home.left().len(), 2, "what is left of one file is not left alone for the other");

    // The newest is offered for digesting; this is of the other file.
    let newest = OpenOptions::new().write(true).open(home.leave(b"abcdef", b"abc")).unwrap();
    newest.set_modified(SystemTime::now() + Duration::from_secs(60)).unwrap();
    let (offset, mut kept) = begin(&home.free_place(6), b"abcdef");
    assert_eq!(offset, 3);
    kept.append(b"def").unwrap();
    kept.finish().unwrap();
    assert_eq!((home.left(), home.stored()), (vec![TARGET.to_owned()], b"abcdef".to_vec()));
}

#[test]
fn a_hasher_that_has_not_seen_all_of_the_leftover_resumes_nothing() {
    let home = Home::new();
    home.leave(b"abcdef", b"abc");
    let place = home.free_place(6);
    let half = place.leftover().unwrap();
    let (_, mut kept) = place.store(&offer(b"abcdef"), Some((half, blake3::Hasher::new()))).unwrap();
    assert_eq!(kept.taken, 0);
    kept.append(b"abcdef").unwrap();
    kept.finish().unwrap();
    assert_eq!(home.stored(), b"abcdef");
}

#[test]
fn two_transfers_of_the_same_file_at_once_do_not_mix() {
    let home = Home::new();
    let place = home.free_place(6);
    let (_, mut first) = begin(&place, b"abcdef");
    first.append(b"abc").unwrap();
    assert!(place.leftover().is_none(), "another's lock is no leftover");
    let (offset, mut second) = begin(&place, b"abcdef");
    assert_eq!((offset, home.left().len()), (0, 2));
    second.append(b"abcdef").unwrap();
    first.append(b"d").unwrap();
    second.finish().unwrap();
    assert_eq!(home.left().len(), 2, "what is being filled is not removed");
    assert_eq!(home.stored(), b"abcdef");
    first.append(b"ef").unwrap();
    first.finish().unwrap_err();
    assert_exists(first.problem());
    first.leave(false);
    assert_eq!(home.left(), [TARGET]);
}

#[test]
fn a_second_transfer_of_the_same_file_leaves_nothing_when_it_breaks_off() {
    let home = Home::new();
    let place = home.free_place(6);
    let (_, mut first) = begin(&place, b"abcdef");
    first.append(b"abc").unwrap();
    let (_, mut second) = begin(&place, b"abcdef");
    second.append(b"abcd").unwrap();
    second.leave(true);
    drop(first);
    assert_eq!(home.left(), [partial_name(TARGET, &offer(b"abcdef"))]);
    assert_eq!(place.leftover().unwrap().size(), 3);
}

#[test]
fn a_second_name_of_a_finished_file_is_no_leftover() {
    let home = Home::new();
    let path = home.leave(b"abc", b"abc");
    fs::hard_link(&path, home.path(TARGET)).unwrap();
    let place = home.place(3, OnClash::Overwrite).unwrap();
    assert!(place.leftover().is_none());
    // To start again in it would empty the file.
    let (offset, kept) = begin(&place, b"abc");
    assert_eq!((offset, home.stored()), (0, b"abc".to_vec()));
    drop(kept);
}

#[test]
fn who_gets_the_lock_late_finds_that_the_file_has_its_real_name_by_now() {
    let home = Home::new();
    let path = home.leave(b"abc", b"abc");
    let opened = || File::open(&path).unwrap();
    assert!(lock_opened(&path, opened()).is_some());
    let late = opened();
    fs::rename(&path, home.path(TARGET)).unwrap();
    assert!(lock_opened(&path, late.try_clone().unwrap()).is_none());
    fs::write(&path, b"another's").unwrap();
    assert!(lock_opened(&path, late).is_none());
}

#[test]
fn what_was_not_what_was_announced_is_not_resumed() {
    let home = Home::new();
    let (_, mut kept) = begin(&home.free_place(3), b"abc");
    kept.append(b"xyz").unwrap();
    kept.leave(false);
    assert!(home.left().is_empty());
}

#[test]
fn what_is_dropped_is_kept_unless_it_is_empty() {
    let home = Home::new();
    let place = home.free_place(3);
    drop(begin(&place, b"abc"));
    assert!(home.left().is_empty());
    begin(&place, b"abc").1.append(b"a").unwrap();
    assert_eq!(home.left(), [partial_name(TARGET, &offer(b"abc"))]);
    // Resumed, and dropped before anything came.
    drop(begin(&place, b"abc"));
    assert_eq!(place.leftover().unwrap().size(), 1);
}

#[test]
fn links_directories_and_what_is_too_long_or_empty_are_no_leftovers() {
    let home = Home::new();
    let place = home.free_place(3);
    let path = home.path(&partial_name(TARGET, &offer(b"abc")));
    let mine = home.path("mine");
    fs::write(&mine, b"mi").unwrap();
    let assert_unused = |what: &str| {
        assert!(place.leftover().is_none(), "{what}");
        let (offset, mut kept) = begin(&place, b"abc");
        kept.append(b"abc").unwrap();
        kept.finish().unwrap();
        assert_eq!((offset, home.stored()), (0, b"abc".to_vec()), "{what}");
        fs::remove_file(home.path(TARGET)).unwrap();
        assert_eq!(fs::read(&mine).unwrap(), b"mi", "{what}");
    };
    symlink(&mine, &path).unwrap();
    assert_unused("a link");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_unused("a directory");
    fs::remove_dir(&path).unwrap();
    home.leave(b"abc", b"abcd");
    assert_unused("longer than the file");
    home.leave(b"abc", b"");
    assert_unused("empty");
    assert_eq!(home.left(), ["mine"]);
}

#[test]
fn more_than_4_gib_are_resumed_at_the_right_byte() {
    let home = Home::new();
    let size = (5_u64 << 30) + 3;
    let offer = Offer { size, digest: [7; 32] };
    let path = home.path(&partial_name(TARGET, &offer));
    File::create_new(&path).unwrap().set_len(5 << 30).unwrap();
    let place = home.free_place(size as usize);
    let leftover = place.leftover().unwrap();
    assert_eq!((leftover.size(), leftover.digesting().unwrap().size()), (5 << 30, 5 << 30));

    let partial = Partial::resumable(leftover.path, leftover.file).unwrap();
    let mut kept = Kept::new(place, partial, 5 << 30);
    kept.append(b"abc").unwrap();
    kept.finish().unwrap();
    let file = File::open(home.path(TARGET)).unwrap();
    let mut end = [0; 3];
    file.read_exact_at(&mut end, 5 << 30).unwrap();
    assert_eq!((file.metadata().unwrap().len(), &end), (size, b"abc"));
}

#[test]
fn what_is_left_is_kept_for_a_week_and_goes_when_the_folder_is_next_looked_into() {
    let home = Home::new();
    let day = Duration::from_secs(24 * 3_600);
    let now = SystemTime::now();
    let leave = |name: &str, age: Duration| {
        fs::write(home.path(name), b"abc").unwrap();
        let file = OpenOptions::new().write(true).open(home.path(name)).unwrap();
        file.set_modified(now - age).unwrap();
    };
    let [kept, expired] = [b"abcdef", b"ABCDEF"].map(|whole| partial_name(TARGET, &offer(whole)));
    let another = partial_name("hans_a.b", &offer(b"abcdef"));
    let foreign = [".forum-notes.part", ".forum-a.6.part", "yoda_f.6.part"];
    for look in [true, false] {
        leave(&kept, 6 * day);
        leave(&expired, 8 * day);
        leave(&another, 8 * day);
        leave(".forum-Ab12Cd.part", 8 * day);
        foreign.iter().for_each(|name| leave(name, 80 * day));
        if look {
            assert_eq!(home.free_place(6).leftover().unwrap().size(), 3);
        } else {
            let folder = Folder { path: home.directory.path().to_owned(), on_clash: OnClash::Refuse };
            assert!(folder.leftover_of_download("another").is_none());
        }
        let mut left = [&[&*kept], &foreign[..]].concat();
        left.sort_unstable();
        assert_eq!(home.left(), left);
    }
}

#[test]
fn what_somebody_holds_or_has_linked_is_not_removed_however_old() {
    let home = Home::new();
    let path = home.leave(b"abcdef", b"abc");
    let (held, _) = lock(&path).unwrap();
    let later = SystemTime::now() + 2 * KEPT_FOR;
    remove_expired(home.directory.path(), later);
    assert_eq!(home.left().len(), 1);
    drop(held);
    fs::hard_link(&path, home.path(TARGET)).unwrap();
    remove_expired(home.directory.path(), later);
    assert_eq!(home.left().len(), 2);
    fs::remove_file(home.path(TARGET)).unwrap();
    remove_expired(home.directory.path(), later);
    assert!(home.left().is_empty());
}
