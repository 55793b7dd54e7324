//! The promises of the pure forum: rules, numbering, and that replaying gives an equal forum.

mod passing;

use forum_common::names::{FileName, Text, Title, UserName};
use proptest::prelude::*;

use super::*;
use crate::workers::files::FileId;
use crate::workers::passwords::PasswordHash;

fn hash() -> PasswordHash {
    "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        .parse()
        .unwrap()
}

fn title(raw: &str) -> Title {
    Title::parse(raw).unwrap()
}

fn text(raw: &str) -> Text {
    Text::parse(raw).unwrap()
}

/// A forum to play with: entries go in, and are kept for replay.
#[derive(Default)]
struct Table {
    forum: Forum,
    log: Vec<Entry>,
}

impl Table {
    fn with_users(count: u32) -> Self {
        let mut table = Self::default();
        for n in 0..count {
            let name = UserName::parse(&format!("user{n}")).unwrap();
            table.apply(None, Change::CreateAccount { name, hash: hash() }).unwrap();
        }
        table
    }

    fn apply(&mut self, actor: Option<u32>, change: Change) -> Result<Effect, Refused> {
        self.apply_keyed(actor, None, change)
    }

    fn apply_keyed(
        &mut self,
        actor: Option<u32>,
        key: Option<Keyed>,
        change: Change,
    ) -> Result<Effect, Refused> {
        let entry = Entry { at_ms: self.log.len() as u64, actor: actor.map(AccountId), key, change };
        self.log.push(entry.clone());
        self.forum.apply(&entry)
    }

    fn create(&mut self, actor: u32, raw: &str) -> Result<Effect, Refused> {
        self.apply(Some(actor), Change::CreateThread { title: title(raw) })
    }

    fn post(&mut self, actor: u32, to: &str, raw: &str) -> Result<Effect, Refused> {
        self.apply(Some(actor), Change::Post { title: title(to), text: text(raw) })
    }

    fn delete(&mut self, actor: u32, from: &str, number: u32) -> Result<Effect, Refused> {
        self.apply(Some(actor), Change::DeletePost { title: title(from), number, id: None })
    }

    fn add_file(&mut self, actor: u32, to: &str, name: &str, size: u64) -> Result<Effect, Refused> {
        let thread = self.forum.threads.find(to).unwrap_or(ThreadId(0));
        let file = FileName::parse(name).unwrap();
        let id = FileId::random();
        self.apply(Some(actor), Change::AddFile { thread, title: title(to), file, id, size, digest: [7; 32] })
    }

    fn read(&self, of: &str, range: Option<(u32, u32)>) -> Result<Vec<String>, Refused> {
        let mut listing = self.forum.threads.named(&title(of))?.list(range)?;
        let mut lines = Vec::new();
        while let Some(item) = listing.next_item() {
            lines.push(match item {
                Item::Post(number, post) => {
                    format!("{number} {}: {}", self.forum.name_of(post.author), post.text)
                }
                Item::Upload(upload) => {
                    format!("{} uploaded {}", self.forum.name_of(upload.author), upload.file)
                }
            });
        }
        Ok(lines)
    }
}

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
        id: FileId::random(),
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

fn keyed(key: u8, content: u64) -> Keyed {
    Keyed { key: Key([key; 16]), content }
}

fn posts(table: &Table, of: &str) -> Vec<(u64, String)> {
    let thread = table.forum.threads.titled(of).unwrap();
    thread.posts().iter().map(|post| (post.id.0, post.text.to_string())).collect()
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

#[test]
fn a_change_with_a_key_is_made_once_and_asking_again_gives_the_first_answer() {
    let mut table = Table::with_users(2);
    table.create(0, "t").unwrap();
    let post = || Change::Post { title: title("t"), text: text("x") };
    let first = table.apply_keyed(Some(0), Some(keyed(1, 7)), post()).unwrap();
    let answer = first.answer(table.log.last().unwrap());
    let again = table.apply_keyed(Some(0), Some(keyed(1, 7)), post()).unwrap();
    assert_eq!(again, Effect::Repeated(answer));
    assert_eq!(posts(&table, "t").len(), 1);
    let other_content = table.apply_keyed(Some(0), Some(keyed(1, 8)), post());
    assert_eq!(other_content, Err(Refused::KeyReused));
    // Keys are each account's own.
    assert!(matches!(table.apply_keyed(Some(1), Some(keyed(1, 7)), post()), Ok(Effect::Posted { .. })));
}

#[test]
fn a_refusal_by_the_log_is_the_answer_for_good() {
    let mut table = Table::with_users(1);
    let post = || Change::Post { title: title("t"), text: text("x") };
    let refused = Err(Refused::NoSuchThread(title("t")));
    assert_eq!(table.apply_keyed(Some(0), Some(keyed(1, 7)), post()), refused);
    table.create(0, "t").unwrap();
    assert_eq!(table.apply_keyed(Some(0), Some(keyed(1, 7)), post()), refused);
    assert!(posts(&table, "t").is_empty());
}

#[test]
fn the_oldest_result_of_an_account_makes_room_for_the_newest() {
    let mut table = Table::with_users(1);
    table.create(0, "t").unwrap();
    let post = || Change::Post { title: title("t"), text: text("x") };
    let keys = || 0..=RESULTS_MAX as u8;
    for key in keys() {
        table.apply_keyed(Some(0), Some(keyed(key, 7)), post()).unwrap();
    }
    let known = keys().filter(|key| table.forum.keys.find(AccountId(0), keyed(*key, 7)).is_some());
    assert_eq!(known.collect::<Vec<_>>(), keys().skip(1).collect::<Vec<_>>());
}

/// Few keys, so that they are used again, mostly for the same.
fn any_key() -> impl Strategy<Value = Option<Keyed>> {
    let keyed = (0..12u8, 0..8u8)
        .prop_map(|(key, content)| Keyed { key: Key([key; 16]), content: (content > 0).into() });
    proptest::option::weighted(0.4, keyed)
}

fn any_change() -> impl Strategy<Value = (Option<u32>, Change)> {
    let title = || (0..4u8).prop_map(|n| title(&format!("t{n}")));
    let number = 0..6u32;
    let post_id = || proptest::option::weighted(0.3, (1..20u64).prop_map(ItemId));
    let change = prop_oneof![
        1 => (0..8u8).prop_map(|n| Change::CreateAccount {
            name: UserName::parse(&format!("u{n}")).unwrap(), hash: hash() }),
        1 => (0..4u32).prop_map(|n| Change::SetPassword { account: AccountId(n), hash: hash() }),
        3 => title().prop_map(|title| Change::CreateThread { title }),
        8 => (title(), "[a-z]{1,20}").prop_map(|(title, raw)| Change::Post { title, text: text(&raw) }),
        4 => (title(), number.clone(), post_id()).prop_map(|(title, number, id)| Change::DeletePost { title, number, id }),
        2 => (title(), number, post_id()).prop_map(|(title, number, id)| Change::EditPost { title, number, id, text: text("e") }),
        3 => (title(), 1..8u64, 0..5u8).prop_map(|(title, thread, file)| Change::AddFile {
            thread: ThreadId(thread),
            title,
            file: FileName::parse(&format!("f{file}")).unwrap(),
            id: FileId(u128::from(thread) << 8 | u128::from(file)),
            size: thread * 10,
            digest: [file; 32],
        }),
        1 => title().prop_map(|title| Change::RemoveThread { title }),
        4 => (0..5u32, "[a-z]{1,9}").prop_map(|(to, raw)| Change::SendMessage { to: AccountId(to), text: text(&raw) }),
        2 => (0..9u64).prop_map(|number| Change::TakeMessages { up_to: MailNumber(number) }),
        3 => (0..5u32).prop_map(|user| Change::Block { user: AccountId(user) }),
        1 => (0..5u32).prop_map(|user| Change::Unblock { user: AccountId(user) }),
        2 => "[a-z]{1,9}".prop_map(|raw| Change::PostToBoard { text: text(&raw) }),
        3 => proptest::sample::subsequence(vec![0, 1, 2, 3], 1..4).prop_map(|users| Change::CreateRoom {
            members: users.into_iter().map(AccountId).collect() }),
        1 => (1..8u64, 0..5u8).prop_map(|(thread, file)| Change::Unlinked {
            files: vec![FileId(u128::from(thread) << 8 | u128::from(file))] }),
        4 => (0..5u32, "[a-z]{1,9}").prop_map(|(room, raw)| Change::PostToRoom { room: RoomId(room), text: text(&raw) }),
    ];
    (proptest::option::weighted(0.9, 0..4u32), change)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn replaying_the_log_gives_an_equal_forum(changes in proptest::collection::vec((any_change(), any_key()), 0..200)) {
        let mut table = Table::with_users(4);
        for ((actor, change), key) in changes {
            let checked = table.forum.check(actor.map(AccountId), &change);
            let is_repeated =
                actor.zip(key).is_some_and(|(actor, key)| table.forum.keys.find(AccountId(actor), key).is_some());
            let known_actor = actor.is_some();
            let result = table.apply_keyed(actor, key, change);
            if known_actor && !is_repeated {
                // What the check before proposing says is what apply decides on the same state.
                prop_assert_eq!(checked.is_ok(), result.is_ok());
            }
        }
        let mut replayed = Forum::default();
        for entry in &table.log {
            let mut bytes = Vec::new();
            entry.encode(&mut bytes);
            let decoded = Entry::decode(&bytes).unwrap();
            prop_assert_eq!(&decoded, entry);
            let _ = replayed.apply(&decoded);
        }
        prop_assert_eq!(replayed.state_hash(), table.forum.state_hash());

        // A forum restored from its records is equal too, whichever encoding they went through.
        let (mut binary, mut json) = (Restorer::default(), Restorer::default());
        for record in table.forum.records() {
            let bytes = postcard::to_stdvec(&record).unwrap();
            binary.take(postcard::from_bytes(&bytes).unwrap()).unwrap();
            let line = serde_json::to_string(&record).unwrap();
            json.take(serde_json::from_str(&line).unwrap()).unwrap();
        }
        prop_assert_eq!(binary.finish().state_hash(), table.forum.state_hash());
        let json = json.finish();
        prop_assert_eq!(json.state_hash(), table.forum.state_hash());
        for n in 0..4 {
            let (a, b) = (&json.accounts[AccountId(n)], &table.forum.accounts[AccountId(n)]);
            prop_assert_eq!(a.file_bytes, b.file_bytes);
        }
    }

    #[test]
    fn a_refused_change_changes_nothing(changes in proptest::collection::vec(any_change(), 0..60)) {
        let mut table = Table::with_users(4);
        for (actor, change) in changes {
            let before = table.forum.kept.clone();
            if table.apply(actor, change).is_err() {
                let mut before = before;
                before.at_ms = table.forum.at_ms();
                prop_assert_eq!(before.state_hash(), table.forum.state_hash());
            }
        }
    }

    #[test]
    fn no_bytes_make_the_entry_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Entry::decode(&bytes);
    }
}
