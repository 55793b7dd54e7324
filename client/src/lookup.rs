//! Lists that are fetched for the Tab key, whose answers nobody sees.
//!
//! It knows tags and frames and refuses to know what is completed with the names.

use std::collections::BTreeSet;
use std::time::Instant;

use forum_common::frame::Tag;
use forum_common::reply::Reply;
use forum_common::request::Request;

use crate::connection::Outbox;
use crate::names::{Listed, Names, learn};

/// Lists on their way, at most one of a kind.
#[derive(Debug, Default)]
pub struct Lookups {
    under_way: Vec<Lookup>,
}

#[derive(Debug)]
struct Lookup {
    tag: Tag,
    listed: Listed,
    asked: Instant,
    came: BTreeSet<String>,
}

/// What a reply means for the lists on their way.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// It belongs to none of them.
    NoLookup,
    /// It was taken in.
    Going,
    /// With it, one has ended, and the names are known.
    Ended,
    /// The server sent what has no place in a list.
    Unexpected,
}

impl Lookups {
    /// Asks for a list, unless it is on its way.
    pub fn ask(&mut self, listed: Listed, now: Instant, outbox: &mut Outbox) {
        if self.under_way.iter().any(|lookup| lookup.listed == listed) {
            return;
        }
        let tag = outbox.ask(&match listed {
            Listed::Titles => Request::ListThreads,
            Listed::Users => Request::WhoElse,
        });
        self.under_way.push(Lookup { tag, listed, asked: now, came: BTreeSet::new() });
    }

    /// Takes in a reply, if it belongs to a lookup; what came is added to `names`. A refusal is taken as it
    /// is: what was known before has to do.
    pub fn replied(&mut self, tag: Tag, reply: &Reply<'_>, names: &mut Names) -> Progress {
        let Some(at) = self.under_way.iter().position(|lookup| lookup.tag == tag) else {
            return Progress::NoLookup;
        };
        match (self.under_way[at].listed, reply) {
            (Listed::Titles, Reply::Title(name)) | (Listed::Users, Reply::User(name)) => {
                learn(&mut self.under_way[at].came, name);
                Progress::Going
            }
            (_, Reply::EndOfList) => {
                let lookup = self.under_way.remove(at);
                names.refresh(lookup.listed, lookup.came, lookup.asked);
                Progress::Ended
            }
            (_, Reply::Refused { .. }) => {
                let lookup = self.under_way.remove(at);
                names.settle(lookup.listed, lookup.asked);
                Progress::Ended
            }
            _ => Progress::Unexpected,
        }
    }
}

#[cfg(test)]
mod tests {
    use forum_common::refusal::Refusal;

    use super::*;

    #[test]
    fn one_list_of_a_kind_is_fetched_at_a_time() {
        let (mut lookups, mut outbox) = (Lookups::default(), Outbox::default());
        for _ in 0..3 {
            lookups.ask(Listed::Titles, Instant::now(), &mut outbox);
            lookups.ask(Listed::Users, Instant::now(), &mut outbox);
        }
        let mut wanted = Vec::new();
        Request::ListThreads.encode(1, &mut wanted);
        Request::WhoElse.encode(2, &mut wanted);
        assert_eq!(outbox.unsent(), wanted);
    }

    #[test]
    fn names_are_known_when_the_list_has_ended() {
        let (now, mut names) = (Instant::now(), Names::default());
        let (mut lookups, mut outbox) = (Lookups::default(), Outbox::default());
        lookups.ask(Listed::Titles, now, &mut outbox);
        assert_eq!(lookups.replied(9, &Reply::EndOfList, &mut names), Progress::NoLookup);
        assert_eq!(lookups.replied(1, &Reply::Title("a"), &mut names), Progress::Going);
        assert_eq!(names.listed(Listed::Titles, ""), Vec::<String>::new());
        assert_eq!(lookups.replied(1, &Reply::EndOfList, &mut names), Progress::Ended);
        assert_eq!(names.listed(Listed::Titles, ""), ["a"]);
        assert!(!names.is_stale(Listed::Titles, now));
        assert_eq!(lookups.replied(1, &Reply::EndOfList, &mut names), Progress::NoLookup);
    }

    #[test]
    fn a_refused_list_leaves_what_was_known() {
        let (now, mut names) = (Instant::now(), Names::default());
        let (mut lookups, mut outbox) = (Lookups::default(), Outbox::default());
        names.learn_reply(&Reply::User("hans"));
        lookups.ask(Listed::Users, now, &mut outbox);
        assert_eq!(lookups.replied(1, &Reply::Title("a"), &mut names), Progress::Unexpected);
        let refusal = Reply::Refused { code: Refusal::SlowDown, text: "Slow down" };
        assert_eq!(lookups.replied(1, &refusal, &mut names), Progress::Ended);
        assert!(!names.is_stale(Listed::Users, now));
        assert_eq!(names.listed(Listed::Users, ""), ["hans"]);
    }
}
