mod transfers;

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::{FileExt, symlink};
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::peer::udp::Sink;

const TARGET: &str = "yoda_f";

/// A directory, and the place in it of the file `f` of yoda.
struct Home {
    directory: TempDir,
}

impl Home {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn place(&self, size: usize, overwrites: bool) -> Result<Place, Problem> {
        let folder = Folder { path: self.directory.path().to_owned(), overwrites };
        Place::new(&folder, "yoda", "f", size as u64)
    }

    fn free_place(&self, size: usize) -> Place {
        self.place(size, false).unwrap()
    }

    /// Leaves `bytes` behind as what came of `whole`.
    fn leave(&self, whole: &[u8], bytes: &[u8]) -> PathBuf {
        let path = self.path(&partial_name(TARGET, &offer(whole)));
        fs::write(&path, bytes).unwrap();
        path
    }

    /// The names in the directory.
    fn left(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn stored(&self) -> Vec<u8> {
        fs::read(self.path(TARGET)).unwrap()
    }
}

fn offer(whole: &[u8]) -> Offer {
    Offer { size: whole.len() as u64, digest: blake3::hash(whole).into() }
}

fn digested(leftover: Leftover) -> (Leftover, blake3::Hasher) {
    let mut digesting = leftover.digesting().unwrap();
    while !digesting.advance().unwrap() {}
    (leftover, digesting.into_hasher())
}

/// A transfer that starts as a receiver would start it: the byte where it starts, and its sink.
fn begin(place: &Place, whole: &[u8]) -> (u64, Kept) {
    let (_, kept) = place.store(&offer(whole), place.leftover().map(digested)).unwrap();
    (kept.taken, kept)
}

fn assert_exists(problem: Option<&Problem>) {
    assert!(matches!(problem, Some(Problem::Exists(_))), "{problem:?}");
    assert_eq!(problem.unwrap().to_string(), "yoda_f exists here. Use --force to overwrite");
}

#[test]
fn a_name_says_who_presents_and_is_never_a_path() {
    for (from, file, expected) in [
        ("yoda", "test.exe", "yoda_test.exe"),
        ("a/b\\c", "f", "a_b_c_f"),
        ("..", "f", ".._f"),
        ("/", "f", "__f"),
        ("-rf", "f", "-rf_f"),
        (".x", "a..b", ".x_a..b"),
    ] {
        assert_eq!(name_here(from, file), expected);
    }
}

#[test]
fn names_that_the_server_should_not_have_let_through_have_no_place() {
    let folder = Folder { path: ".".into(), overwrites: true };
    for (from, file) in
        [("yoda", "../f"), ("yoda", "a/b"), ("yoda", ".f"), ("yoda", ""), ("", "f"), ("a b", "f")]
    {
        let problem = Place::new(&folder, from, file, 1).unwrap_err();
        assert_eq!(problem.to_string(), "Invalid name", "{from} {file}");
    }
    // These would pass for unfinished files.
    let digits = "0".repeat(DIGEST_DIGITS);
    assert!(Place::new(&folder, ".forum-a", &format!("b.100.{digits}.part"), 1).is_err());
    assert!(Place::new(&folder, ".forum-a", "b.part", 1).is_err());
    assert!(Place::new(&folder, ".forum-a", "b.parts", 1).is_ok());
}

#[test]
fn the_longest_names_fit_with_the_largest_size() {
    let (from, file) = ("u".repeat(USER_NAME_BYTES_MAX), "f".repeat(FILE_NAME_BYTES_MAX));
    let directory = tempfile::tempdir().unwrap();
    let folder = Folder { path: directory.path().to_owned(), overwrites: false };
    let place = Place::new(&folder, &from, &file, u64::MAX).unwrap();
    let offer = Offer { size: u64::MAX, digest: [7; 32] };
    let (_, mut kept) = place.store(&offer, None).unwrap();
    kept.append(b"a").unwrap();
    drop(kept);
    assert_eq!(place.leftover().unwrap().size(), 1);
}

#[test]
fn what_came_whole_gets_its_name_and_nothing_else_stays() {
    let home = Home::new();
    let (offset, mut kept) = begin(&home.free_place(6), b"abcdef");
    assert_eq!(offset, 0);
    kept.append(b"abc").unwrap();
    assert!(!home.path(TARGET).exists(), "it has its name too early");
    kept.append(b"def").unwrap();
    kept.finish().unwrap();
    assert_eq!((home.left(), home.stored()), (vec![TARGET.to_owned()], b"abcdef".to_vec()));
    assert!(kept.problem().is_none());
    kept.leave(false);
    assert_eq!(home.left(), [TARGET]);
}

#[test]
fn an_empty_file_is_kept_too() {
    let home = Home::new();
    let (offset, mut kept) = begin(&home.free_place(0), b"");
    kept.finish().unwrap();
    assert_eq!((offset, home.left(), home.stored()), (0, vec![TARGET.to_owned()], vec![]));
}

#[test]
fn what_is_here_is_kept_without_force_a_dangling_link_too() {
    let home = Home::new();
    fs::write(home.path(TARGET), b"mine").unwrap();
    assert_exists(home.place(3, false).err().as_ref());
    fs::remove_file(home.path(TARGET)).unwrap();
    symlink(home.path("missing"), home.path(TARGET)).unwrap();
    assert_exists(home.place(3, false).err().as_ref());
    assert_eq!(home.left(), [TARGET]);
}

#[test]
fn what_appears_during_the_transfer_is_kept_too() {
    for is_link in [false, true] {
        let home = Home::new();
        let (_, mut kept) = begin(&home.free_place(3), b"abc");
        kept.append(b"abc").unwrap();
        if is_link {
            symlink(home.path("missing"), home.path(TARGET)).unwrap();
        } else {
            fs::write(home.path(TARGET), b"mine").unwrap();
        }
        assert_eq!(kept.finish().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_exists(kept.problem());
        assert!(!home.path("missing").exists());
        if !is_link {
            assert_eq!(home.stored(), b"mine");
        }
        // With force nothing has to be sent again.
        kept.leave(true);
        let (offset, mut kept) = begin(&home.place(3, true).unwrap(), b"abc");
        assert_eq!(offset, 3);
        kept.finish().unwrap();
        assert_eq!((home.left(), home.stored()), (vec![TARGET.to_owned()], b"abc".to_vec()));
        assert!(!home.path("missing").exists());
    }
}

#[test]
fn with_force_a_file_is_replaced_only_when_all_is_there_and_a_directory_never() {
    let home = Home::new();
    fs::write(home.path(TARGET), b"old").unwrap();
    let (_, mut kept) = begin(&home.place(3, true).unwrap(), b"new");
    kept.append(b"new").unwrap();
    assert_eq!(home.stored(), b"old");
    kept.finish().unwrap();
    assert_eq!(home.stored(), b"new");

    fs::remove_file(home.path(TARGET)).unwrap();
    fs::create_dir(home.path(TARGET)).unwrap();
    assert!(matches!(home.place(3, true), Err(Problem::Io(_))));
    assert_exists(home.place(3, false).err().as_ref());
}

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
    let place = home.place(3, true).unwrap();
    assert!(place.leftover().is_none());
    // To start again in it would empty the file.
    let (offset, kept) = begin(&place, b"abc");
    assert_eq!((offset, home.stored()), (0, b"abc".to_vec()));
    drop(kept);
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
        assert_eq!(offset, 0, "{what}");
        kept.leave(false);
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
fn only_partials_of_the_same_name_go_with_a_finished_file() {
    let home = Home::new();
    let digits = "0123456789abcdef".repeat(2);
    let others = [
        format!(".forum-yoda_f.5.100.{digits}.part"),
        format!(".forum-yoda_g.100.{digits}.part"),
        format!(".forum-yoda_f.100.{digits}"),
        format!(".forum-yoda_f.100.x{digits}.part"),
        ".forum-Ab12Cd.part".to_owned(),
    ];
    for other in &others {
        fs::write(home.path(other), b"x").unwrap();
    }
    fs::write(home.path(&format!(".forum-yoda_f.100.{digits}.part")), b"x").unwrap();
    fs::write(home.path(&format!(".forum-yoda_f.3.{digits}.part")), b"").unwrap();
    let (_, mut kept) = begin(&home.free_place(3), b"abc");
    kept.append(b"abc").unwrap();
    kept.finish().unwrap();
    let mut expected = others.to_vec();
    expected.push(TARGET.to_owned());
    expected.sort();
    assert_eq!(home.left(), expected);
}

#[test]
fn an_offer_of_another_size_than_was_announced_is_refused() {
    let home = Home::new();
    let error = home.free_place(4).store(&offer(b"abc"), None).unwrap_err();
    assert_eq!(error.to_string(), "the file is not of the size that was announced");
    assert!(home.left().is_empty());
}

#[test]
fn a_directory_that_is_missing_or_goes_is_said() {
    let home = Home::new();
    let folder = Folder { path: home.path("inner"), overwrites: false };
    let place = Place::new(&folder, "yoda", "f", 3).unwrap();
    assert!(place.leftover().is_none());
    assert_eq!(place.store(&offer(b"abc"), None).unwrap_err().kind(), io::ErrorKind::NotFound);

    fs::create_dir(home.path("inner")).unwrap();
    let (_, mut kept) = begin(&place, b"abc");
    kept.append(b"abc").unwrap();
    fs::remove_dir_all(home.path("inner")).unwrap();
    assert_eq!(kept.finish().unwrap_err().kind(), io::ErrorKind::NotFound);
    let said = kept.problem().unwrap().to_string();
    assert!(said.starts_with("No such file or directory"), "{said}");
    kept.leave(true);
    assert!(home.left().is_empty());
}

#[test]
fn a_file_that_cannot_be_written_is_said_and_what_was_there_stays() {
    let home = Home::new();
    let path = home.leave(b"abcdef", b"abc");
    let place = home.free_place(6);
    let partial = Partial::resumable(path.clone(), File::open(&path).unwrap()).unwrap();
    let mut kept = Kept::new(place.clone(), partial, 3);
    kept.append(b"def").unwrap_err();
    assert!(kept.problem().unwrap().to_string().starts_with("Bad file descriptor"));
    kept.leave(true);
    assert_eq!(place.leftover().unwrap().size(), 3);
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
fn a_finished_file_is_as_readable_as_any_other() {
    let home = Home::new();
    fs::write(home.path("any"), b"").unwrap();
    let mode = |name: &str| fs::metadata(home.path(name)).unwrap().permissions().mode();
    let place = home.place(3, true).unwrap();
    let (_, _first) = begin(&place, b"abc");
    // The second has a name of its own, the first that of the file; both ways to make one are looked at.
    for kept in [begin(&place, b"abc").1, begin(&place, b"ab.").1] {
        let mut kept = kept;
        kept.append(b"abc").unwrap();
        kept.finish().unwrap();
        assert_eq!(mode(TARGET), mode("any"));
    }
    let mut content = String::new();
    File::open(home.path(TARGET)).unwrap().read_to_string(&mut content).unwrap();
    assert_eq!(content, "abc");
}
