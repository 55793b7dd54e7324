//! Wiping: whole, at whatever point it is cut short, and nothing of others.

use super::*;

#[test]
fn a_wipe_leaves_an_empty_directory() {
    let (_dir, root) = place();
    let store = Store::open(&root).unwrap();
    fill(&store);
    fs::write(FileId(8).part_in(store.files().path()), "pa").unwrap();
    fs::write(FileId(9).path_in(store.files().path()), "orphan").unwrap();
    crate::workers::files::move_aside(store.files(), FileId(9)).unwrap();
    store.wipe().unwrap();
    assert_eq!(listing(&root), [""; 0]);
    let store = Store::open(&root).unwrap();
    assert!(!store.journal().exists());
}

#[test]
fn a_wipe_spares_foreign_files_and_they_do_not_lock_us_out() {
    let (_dir, root) = place();
    let store = Store::open(&root).unwrap();
    fill(&store);
    let foreign = ["files/notes.txt", "notes.txt"];
    foreign.iter().for_each(|name| fs::write(root.join(name), "mine").unwrap());
    store.wipe().unwrap();
    assert_eq!(listing(&root), ["files", "files/notes.txt", "forumd.tag", "notes.txt"]);
    fill(&Store::open(&root).unwrap());
    assert!(StoreReader::open(&root).is_ok());
}

#[test]
fn a_wipe_cut_short_anywhere_leaves_no_forum_and_the_next_start_ends_it() {
    // What a crash leaves is the marker and any part of the rest.
    let parts = ["journal.sqlite3-wal", "journal.sqlite3.new", "files/00000000000000000000000000000007"];
    for left in 0..1 << parts.len() {
        let (_dir, root) = place();
        let store = Store::open(&root).unwrap();
        fill(&store);
        parts[..2].iter().for_each(|part| fs::write(root.join(part), "").unwrap());
        store.paths.mark_wiped().unwrap();
        for (_, part) in parts.iter().enumerate().filter(|(n, _)| left & (1 << n) == 0) {
            fs::remove_file(root.join(part)).unwrap();
        }
        drop(store);
        assert!(text(StoreReader::open(&root)).starts_with("there is no forum"));
        let store = Store::open(&root).unwrap();
        assert!(!store.journal().exists());
        assert_eq!(listing(&root), ["files", "forumd.tag"]);
    }
}
