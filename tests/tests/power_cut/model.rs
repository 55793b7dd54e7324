//! What authors have said and been told, and what the forum must therefore have after a power cut.
//!
//! An author's requests stand in the log in the order in which they were sent, and a cut takes the end of the
//! log. So of each kind there must be a beginning of what was sent, not shorter than what is owed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use forum_common::wire::{OwnedNotice, Refusal};
use forum_tests::Server;

/// With `--durability interval`, how old an answer is whose change survives a power cut: the second that is
/// promised, and time for the fsync on a busy machine.
const INTERVAL_AGE: Duration = Duration::from_secs(4);

/// Who gets all mail.
pub(crate) const RECEIVER: &str = "hans";

/// Something that was sent, and when it was answered, if it was.
#[derive(Debug, Clone)]
pub(crate) struct Sent<T> {
    pub(crate) what: T,
    pub(crate) answered: Option<Instant>,
    /// Whether the forum must have it, whatever happens.
    owed: bool,
}

impl<T> Sent<T> {
    pub(crate) fn new(what: T) -> Self {
        Self { what, answered: None, owed: false }
    }
}

/// What happened to the server.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Loss {
    /// kill -9, which takes nothing that was answered.
    Kill,
    /// A power cut at this time under a server that fsyncs before it answers.
    CutAlways,
    /// A power cut at this time under one that fsyncs each second.
    CutInterval(Instant),
}

impl Loss {
    fn spares(self, answered: Instant) -> bool {
        match self {
            Self::Kill | Self::CutAlways => true,
            Self::CutInterval(at) => at.saturating_duration_since(answered) > INTERVAL_AGE,
        }
    }
}

/// A thread with one file, made to be removed.
#[derive(Debug)]
pub(crate) struct Passing {
    pub(crate) title: String,
    pub(crate) created: Sent<()>,
    pub(crate) uploaded: Sent<Vec<u8>>,
    pub(crate) removed: Option<Sent<()>>,
}

/// One author's books.
#[derive(Debug)]
pub(crate) struct Author {
    pub(crate) name: String,
    /// The thread for the author's posts.
    pub(crate) title: String,
    pub(crate) posts: Vec<Sent<String>>,
    pub(crate) mail: Vec<Sent<String>>,
    pub(crate) passing: Vec<Passing>,
    /// For texts and titles that were never used before.
    next: usize,
}

impl Author {
    pub(crate) fn new(name: &str) -> Self {
        let title = format!("posts-of-{name}");
        let (posts, mail, passing) = (Vec::new(), Vec::new(), Vec::new());
        Self { name: name.into(), title, posts, mail, passing, next: 0 }
    }

    /// A text that nobody has ever used.
    pub(crate) fn fresh(&mut self, what: &str) -> String {
        self.next += 1;
        format!("{what}-{}-{}", self.name, self.next)
    }

    /// The server was lost: from now on this is owed.
    pub(crate) fn lose(&mut self, loss: Loss) {
        let owe = |answered: Option<Instant>| answered.is_some_and(|answered| loss.spares(answered));
        self.posts.iter_mut().chain(&mut self.mail).for_each(|sent| sent.owed |= owe(sent.answered));
        for thread in &mut self.passing {
            thread.created.owed |= owe(thread.created.answered);
            thread.uploaded.owed |= owe(thread.uploaded.answered);
            if let Some(removed) = &mut thread.removed {
                removed.owed |= owe(removed.answered);
            }
        }
    }

    /// Compares the forum with the books, which then hold what is there: it was shown, so it stays.
    pub(crate) fn verify(&mut self, server: &Server, titles: &[String]) {
        let mut wire = server.user(&self.name);
        let shown = if titles.contains(&self.title) { wire.read_thread(&self.title) } else { Vec::new() };
        let shown = shown.iter().map(|line| line.split_once(": ").expect("a post").1.to_owned()).collect();
        settle(&format!("posts of {}", self.name), &mut self.posts, shown);
        self.passing.retain_mut(|thread| {
            let is_there = titles.contains(&thread.title);
            if is_there {
                thread.verify(&mut wire);
            } else {
                let may_be_gone = thread.removed.is_some() || !thread.created.owed;
                assert!(may_be_gone, "{} is lost: {thread:?}", thread.title);
            }
            is_there
        });
        wire.log_out();
    }
}

impl Passing {
    fn verify(&mut self, wire: &mut forum_tests::Wire) {
        let is_owed = self.removed.as_ref().is_some_and(|removed| removed.owed);
        assert!(!is_owed, "{} was removed for good and is back", self.title);
        self.removed = None;
        self.created.owed = true;
        match wire.download(&self.title, "f", 1 << 20) {
            Ok(bytes) => {
                assert!(bytes == self.uploaded.what, "{} has other bytes", self.title);
                self.uploaded.owed = true;
            }
            Err((Refusal::NoSuchFile, text)) if text.starts_with("File does not exist") => {
                assert!(!self.uploaded.owed, "the file of {} is lost", self.title);
            }
            Err(other) => panic!("the file of {}: {other:?}", self.title),
        }
    }
}

/// What is `shown` must be a beginning of what was sent, and hold all that is owed. The rest is gone for good.
fn settle(what: &str, sent: &mut Vec<Sent<String>>, shown: Vec<String>) {
    let texts: Vec<&String> = sent.iter().map(|sent| &sent.what).take(shown.len()).collect();
    assert_eq!(shown.iter().collect::<Vec<_>>(), texts, "{what} are not those that were sent");
    let lost: Vec<_> = sent[shown.len()..].iter().filter(|sent| sent.owed).collect();
    assert!(lost.is_empty(), "{what} are lost: {lost:?}");
    sent.truncate(shown.len());
    sent.iter_mut().for_each(|sent| sent.owed = true);
}

/// The mailbox that everybody writes to.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    /// Every message that was ever shown, by its number.
    shown: BTreeMap<u64, (String, String)>,
    /// Up to this one the receiver said that it has them: they may be gone, and may come again.
    taken: u64,
}

impl Mailbox {
    /// Compares the mailbox with the books of those who wrote to it; `take` says that all of it has arrived.
    pub(crate) fn verify(&mut self, server: &Server, authors: &mut [Author], take: bool) {
        let mut hans = server.user(RECEIVER);
        let mut there = BTreeMap::new();
        for notice in hans.notices_so_far() {
            if let OwnedNotice::Message { number, from, text, .. } = notice {
                let message = (from, text);
                let before = self.shown.insert(number, message.clone());
                assert!(
                    before.is_none_or(|before| before == message),
                    "#{number} is another message: {message:?}"
                );
                there.insert(number, message);
            }
        }
        let gone = self.shown.iter().find(|(number, _)| **number > self.taken && !there.contains_key(number));
        assert_eq!(gone, None, "it was shown, and nobody took it");
        for author in authors {
            let mail = self.shown.values().filter(|(from, _)| *from == author.name);
            let texts = mail.map(|(_, text)| text.clone()).collect();
            settle(&format!("mail of {}", author.name), &mut author.mail, texts);
        }
        if take && let Some((last, _)) = there.last_key_value() {
            hans.taken(*last);
            self.taken = *last;
        }
        hans.log_out();
    }
}

/// All titles there are.
pub(crate) fn titles(server: &Server) -> Vec<String> {
    let mut wire = server.user(RECEIVER);
    let titles = wire.titles();
    wire.log_out();
    titles
}
