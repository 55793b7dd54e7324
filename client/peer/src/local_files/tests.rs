//! Files in a folder of their own.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::digest::SLICE_BYTES;

use super::*;
use crate::folder::OnClash;

const FILE: FileId = 7;

struct Scene {
    directory: TempDir,
    files: LocalFiles,
}

impl Scene {
    fn new(on_clash: OnClash) -> Self {
        let directory = TempDir::new().unwrap();
        let folder = Folder { path: directory.path().to_owned(), on_clash };
        Self { directory, files: LocalFiles::new(folder) }
    }

    fn perform(&mut self, action: FileAction) -> FileEvent {
        self.files.perform(FILE, action).expect("something comes of it")
    }

    /// Makes room for `f`, which will have this content.
    fn create(&mut self, content: &[u8]) -> FileEvent {
        let digest = *blake3::hash(content).as_bytes();
        let (name, size) = ("f".to_owned(), content.len() as u64);
        self.perform(FileAction::Create { name, size, digest, has: 0 })
    }

    fn append(&mut self, bytes: &[u8]) {
        assert!(matches!(self.perform(FileAction::Append(bytes.to_vec())), FileEvent::Appended(count)
            if count == bytes.len()));
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }
}

fn problem(event: FileEvent) -> FileProblem {
    match event {
        FileEvent::Failed(problem) => problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_arrives_has_a_hidden_name_until_it_is_whole() {
    let mut scene = Scene::new(OnClash::Refuse);
    assert!(matches!(scene.create(b"abc"), FileEvent::Created));
    scene.append(b"ab");
    assert!(scene.names()[0].starts_with(".forum-"), "{:?}", scene.names());
    scene.append(b"c");
    assert!(matches!(scene.perform(FileAction::Finish), FileEvent::Finished(None)));
    assert_eq!(scene.names(), ["f"]);
    assert_eq!(fs::read(scene.path("f")).unwrap(), b"abc");
    assert!(scene.files.perform(FILE, FileAction::Close).is_none());
    assert_eq!(scene.names(), ["f"]);
}

#[test]
fn what_is_closed_before_it_is_whole_leaves_nothing() {
    let mut scene = Scene::new(OnClash::Refuse);
    assert!(matches!(scene.create(b"abc"), FileEvent::Created));
    scene.append(b"ab");
    assert!(scene.files.perform(FILE, FileAction::Close).is_none());
    assert!(scene.names().is_empty());
}

#[test]
fn what_arrived_wrong_or_short_is_not_kept() {
    for bytes in [&b"abd"[..], b"ab"] {
        let mut scene = Scene::new(OnClash::Refuse);
        assert!(matches!(scene.create(b"abc"), FileEvent::Created));
        scene.append(bytes);
        let wrong = "what arrived is not what the server sent. Try again";
        assert_eq!(problem(scene.perform(FileAction::Finish)), FileProblem::Other(wrong.to_owned()));
        assert!(scene.names().is_empty());
    }
}

#[test]
fn what_is_left_stays_and_is_resumed_by_the_next_of_the_same_file() {
    let content: Vec<u8> = (0..3 * SLICE_BYTES).map(|n| (n % 251) as u8).collect();
    let digest = *blake3::hash(&content).as_bytes();
    let mut scene = Scene::new(OnClash::Refuse);
    assert!(matches!(scene.create(&content), FileEvent::Created));
    let half = content.len() - 5;
    scene.append(&content[..half]);
    assert!(scene.files.perform(FILE, FileAction::Leave).is_none());
    assert_eq!(scene.names().len(), 1);

    assert!(scene.files.perform(FILE, FileAction::Look("f".to_owned())).is_none());
    let mut slices = 1;
    let found = loop {
        match scene.files.look_on() {
            Some((FILE, FileEvent::Found(found))) => break found,
            None => slices += 1,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((found, slices), (Some((half as u64, digest)), 3));
    let (name, size) = ("f".to_owned(), content.len() as u64);
    let create = FileAction::Create { name, size, digest, has: half as u64 };
    assert!(matches!(scene.perform(create), FileEvent::Created));
    scene.append(&content[half..]);
    assert!(matches!(scene.perform(FileAction::Finish), FileEvent::Finished(None)));
    assert_eq!(scene.names(), ["f"]);
    assert_eq!(fs::read(scene.path("f")).unwrap(), content);
    assert!(matches!(scene.perform(FileAction::Look("g".to_owned())), FileEvent::Found(None)));
}

#[test]
fn an_existing_file_is_replaced_only_with_force_even_if_it_appears_meanwhile() {
    for exists_before in [true, false] {
        let mut scene = Scene::new(OnClash::Refuse);
        if exists_before {
            fs::write(scene.path("f"), b"mine").unwrap();
            assert_eq!(problem(scene.create(b"abc")), FileProblem::Exists);
        } else {
            assert!(matches!(scene.create(b"abc"), FileEvent::Created));
            scene.append(b"abc");
            fs::write(scene.path("f"), b"mine").unwrap();
            assert_eq!(problem(scene.perform(FileAction::Finish)), FileProblem::Exists);
        }
        assert_eq!(fs::read(scene.path("f")).unwrap(), b"mine");
        assert_eq!(scene.names(), ["f"]);
    }
    let mut scene = Scene::new(OnClash::Overwrite);
    fs::write(scene.path("f"), b"mine").unwrap();
    assert!(matches!(scene.create(b"abc"), FileEvent::Created));
    scene.append(b"abc");
    assert!(matches!(scene.perform(FileAction::Finish), FileEvent::Finished(None)));
    assert_eq!(fs::read(scene.path("f")).unwrap(), b"abc");
}

#[test]
fn a_folder_that_is_missing_is_said() {
    let mut scene = Scene::new(OnClash::Refuse);
    scene.files.folder.path.push("missing");
    let FileProblem::Other(why) = problem(scene.create(b"abc")) else { panic!("it is there") };
    assert!(why.starts_with("No such file or directory"), "{why}");
}

fn open(scene: &mut Scene, path: &Path) -> FileEvent {
    scene.perform(FileAction::Open(path.to_str().unwrap().to_owned()))
}

#[test]
fn a_file_is_read_in_pieces_and_not_to_its_end_if_it_has_changed() {
    let mut scene = Scene::new(OnClash::Refuse);
    let path = scene.path("g");
    for changes in [false, true] {
        fs::write(&path, b"abcdef").unwrap();
        fs::File::open(&path).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        assert!(matches!(open(&mut scene, &path), FileEvent::Opened { name, size: 6 } if name == "g"));
        let first = scene.perform(FileAction::Read { offset: 0, bytes_max: 4 });
        assert!(matches!(first, FileEvent::Read(bytes) if bytes == b"abcd"));
        if changes {
            fs::write(&path, b"abcdeF").unwrap();
        }
        let rest = scene.perform(FileAction::Read { offset: 4, bytes_max: 4 });
        match rest {
            FileEvent::Read(bytes) => assert!(!changes && bytes == b"ef"),
            FileEvent::Failed(FileProblem::Other(why)) => {
                assert!(changes && why.starts_with("it was changed while it was read"), "{why}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(scene.files.take_source(FILE).is_some());
    assert!(scene.files.take_source(FILE).is_none());
}
