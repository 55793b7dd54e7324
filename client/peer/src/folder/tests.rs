//! The folder: names, what is here already, and what a finished transfer leaves. The machine that sends, and
//! what is left of broken transfers, have modules of their own.

mod leftovers;
mod transfers;

use std::io::Read;
use std::os::unix::fs::{FileExt, symlink};

use tempfile::TempDir;

use super::partials::DIGEST_DIGITS;
use super::*;
use crate::transport::Sink;

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

    fn place(&self, size: usize, on_clash: OnClash) -> Result<Place, Problem> {
        let folder = Folder { path: self.directory.path().to_owned(), on_clash };
        Place::new(&folder, "yoda", "f", size as u64)
    }

    fn free_place(&self, size: usize) -> Place {
        self.place(size, OnClash::Refuse).unwrap()
    }

    /// Leaves `bytes` behind as what came of `whole`.
    fn leave(&self, whole: &[u8], bytes: &[u8]) -> PathBuf {
        let path = self.path(&partial_name(TARGET, &offer(whole)));
        fs::write(&path, bytes).unwrap();
        path
    }

    /// The names in the directory.
    fn left(&self) -> Vec<String> {
        names_in(self.directory.path())
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
    let folder = Folder { path: ".".into(), on_clash: OnClash::Overwrite };
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
fn long_names_are_cut_in_the_names_of_partials_and_stay_apart() {
    let long = |end: &str| format!("yoda_{}{end}", "ü".repeat(100));
    let (one, other) = (long("1"), long("2"));
    let name = partial_name(&one, &offer(b"abc"));
    assert!(name.len() <= NAME_BYTES_MAX && name.starts_with(".forum-yoda_ü"), "{name}");
    assert_ne!(name, partial_name(&other, &offer(b"abc")));
    let path = PathBuf::from(name);
    assert!(PartialName::parse(path.clone(), &one).is_some());
    assert!(PartialName::parse(path, &other).is_none());
}

#[test]
fn the_longest_names_fit_with_the_largest_size() {
    let (from, file) = ("u".repeat(USER_NAME_BYTES_MAX), "f".repeat(FILE_NAME_BYTES_MAX));
    let directory = tempfile::tempdir().unwrap();
    let folder = Folder { path: directory.path().to_owned(), on_clash: OnClash::Refuse };
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
    assert_exists(home.place(3, OnClash::Refuse).err().as_ref());
    fs::remove_file(home.path(TARGET)).unwrap();
    symlink(home.path("missing"), home.path(TARGET)).unwrap();
    assert_exists(home.place(3, OnClash::Refuse).err().as_ref());
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
        let (offset, mut kept) = begin(&home.place(3, OnClash::Overwrite).unwrap(), b"abc");
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
    let (_, mut kept) = begin(&home.place(3, OnClash::Overwrite).unwrap(), b"new");
    kept.append(b"new").unwrap();
    assert_eq!(home.stored(), b"old");
    kept.finish().unwrap();
    assert_eq!(home.stored(), b"new");

    fs::remove_file(home.path(TARGET)).unwrap();
    fs::create_dir(home.path(TARGET)).unwrap();
    assert!(matches!(home.place(3, OnClash::Overwrite), Err(Problem::Io(_))));
    assert_exists(home.place(3, OnClash::Refuse).err().as_ref());
}

#[test]
fn only_partials_of_the_same_name_go_with_a_finished_file() {
    let home = Home::new();
    let digits = "0123456789abcdef".repeat(4);
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
    let folder = Folder { path: home.path("inner"), on_clash: OnClash::Refuse };
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
fn on_a_full_disk_what_has_arrived_goes_and_that_is_said() {
    let home = Home::new();
    let path = home.leave(b"abcdef", b"abc");
    let place = home.free_place(6);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut partial = Partial::resumable(path.clone(), File::open(&path).unwrap()).unwrap();
    partial.file = full;
    let mut kept = Kept::new(place.clone(), partial, 3);
    assert_eq!(kept.append(b"def").unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert!(home.left().is_empty(), "there is room for others at once: {:?}", home.left());
    let said =
        "No space left on device. Make room on the disk and try again. What had arrived has been removed";
    assert_eq!(kept.problem().unwrap().to_string(), said);
    kept.leave(true);
    assert!(place.leftover().is_none());
}

#[test]
fn a_finished_file_is_as_readable_as_any_other() {
    let home = Home::new();
    fs::write(home.path("any"), b"").unwrap();
    let mode = |name: &str| fs::metadata(home.path(name)).unwrap().permissions().mode();
    let place = home.place(3, OnClash::Overwrite).unwrap();
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

#[test]
fn a_file_whose_name_is_taken_gets_the_first_number_that_is_free_if_it_may() {
    let home = Home::new();
    let names = ["yoda_f", "yoda_f-2", "yoda_f-3"];
    for (content, renamed) in [(b"a", None), (b"b", Some(names[1])), (b"c", Some(names[2]))] {
        let place = home.place(1, OnClash::Rename).unwrap();
        let (_, mut kept) = begin(&place, content);
        kept.append(content).unwrap();
        kept.finish().unwrap();
        assert_eq!(kept.renamed(), renamed);
    }
    assert_eq!(home.left(), names);
    assert_eq!(names.map(|name| fs::read(home.path(name)).unwrap()), [b"a", b"b", b"c"]);
}

#[test]
fn a_number_stands_before_the_extension() {
    for (name, wanted) in [
        ("notes.txt", "notes-2.txt"),
        ("notes", "notes-2"),
        ("a.tar.gz", "a.tar-2.gz"),
        (".x_file", ".x_file-2"),
        ("grüße.txt", "grüße-2.txt"),
    ] {
        assert_eq!(numbered(name, 2), wanted);
    }
}
