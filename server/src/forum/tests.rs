//! The promises of the pure forum: rules, numbering, and that replaying gives an equal forum.

mod keys;
mod marks;
mod passing;
mod replay;
mod threads;
mod watches;

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
        let id = FileId::random(&crate::random::Random::system());
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

fn keyed(key: u8, content: u64) -> Keyed {
    Keyed { key: Key([key; 16]), content }
}

fn posts(table: &Table, of: &str) -> Vec<(u64, String)> {
    let thread = table.forum.threads.titled(of).unwrap();
    thread.posts().iter().map(|post| (post.id.0, post.text.to_string())).collect()
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
        4 => proptest::collection::vec((1..8u64, 0..30u64), 1..4).prop_map(|marks| Change::MarkRead {
            marks: marks.into_iter().map(|(thread, id)| Mark { thread: ThreadId(thread), up_to: ItemId(id) }).collect() }),
        5 => title().prop_map(|title| Change::Watch { title }),
        2 => title().prop_map(|title| Change::Unwatch { title }),
        2 => "[a-z]{1,9}".prop_map(|raw| Change::PostToBoard { text: text(&raw) }),
        3 => proptest::sample::subsequence(vec![0, 1, 2, 3], 1..4).prop_map(|users| Change::CreateRoom {
            members: users.into_iter().map(AccountId).collect() }),
        1 => (1..8u64, 0..5u8).prop_map(|(thread, file)| Change::Unlinked {
            files: vec![FileId(u128::from(thread) << 8 | u128::from(file))] }),
        4 => (0..5u32, "[a-z]{1,9}").prop_map(|(room, raw)| Change::PostToRoom { room: RoomId(room), text: text(&raw) }),
    ];
    (proptest::option::weighted(0.9, 0..4u32), change)
}
