//! What a connection is to be told, in order. Some of it may be left out; so there may be several ways in which what it
//! was told fits, and all of them are kept in mind.

use std::collections::VecDeque;

use forum_common::wire::OwnedNotice;

/// Notices in the order in which they are due.
#[derive(Debug, Default)]
pub(super) struct Expected {
    items: VecDeque<Item>,
    /// How many of the items are past, in each way that fits, the least first; none = it was told nothing yet.
    past: Vec<usize>,
}

#[derive(Debug)]
struct Item {
    notice: OwnedNotice,
    /// It may be left out.
    is_optional: bool,
}

impl Expected {
    /// This one is due after all others.
    pub(super) fn push(&mut self, notice: OwnedNotice, is_optional: bool) {
        self.items.push_back(Item { notice, is_optional });
    }

    /// Nothing is due any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// From now on those like this may be left out, if they were not said yet.
    pub(super) fn make_optional(&mut self, is_meant: impl Fn(&OwnedNotice) -> bool) {
        for item in self.items.iter_mut().filter(|item| is_meant(&item.notice)) {
            item.is_optional = true;
        }
    }

    /// Takes what was said; says whether it fits.
    pub(super) fn take(&mut self, notice: &OwnedNotice) -> bool {
        let mut past = Vec::new();
        for start in self.ways() {
            for (at, item) in self.items.iter().enumerate().skip(start) {
                if item.notice == *notice && !past.contains(&(at + 1)) {
                    past.push(at + 1);
                }
                if !item.is_optional {
                    break;
                }
            }
        }
        past.sort_unstable();
        let Some(least) = past.first().copied() else { return false };
        self.items.drain(..least);
        self.past = past.into_iter().map(|past| past - least).collect();
        true
    }

    /// The first that must still be said, in the way in which the least of it must.
    pub(super) fn due(&self) -> Option<&OwnedNotice> {
        let furthest = self.ways().last().copied().unwrap_or(0);
        self.items.iter().skip(furthest).find(|item| !item.is_optional).map(|item| &item.notice)
    }

    fn ways(&self) -> Vec<usize> {
        if self.past.is_empty() { vec![0] } else { self.past.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came(name: &str) -> OwnedNotice {
        OwnedNotice::LoggedIn { name: name.to_owned() }
    }

    #[test]
    fn what_is_due_comes_in_order_and_only_what_is_optional_is_left_out() {
        let mut expected = Expected::default();
        for (name, is_optional) in [("a", false), ("b", true), ("c", true), ("d", false)] {
            expected.push(came(name), is_optional);
        }
        assert!(!expected.take(&came("b")));
        assert!(expected.take(&came("a")));
        assert!(expected.take(&came("c")));
        assert!(!expected.take(&came("b")));
        assert_eq!(expected.due(), Some(&came("d")));
        assert!(expected.take(&came("d")));
        assert_eq!(expected.due(), None);
        assert!(!expected.take(&came("d")));
    }

    #[test]
    fn which_of_two_that_look_alike_was_left_out_is_left_open() {
        for rest in [&["b", "a"][..], &[]] {
            let mut expected = Expected::default();
            for (name, is_optional) in [("a", true), ("b", true), ("a", false)] {
                expected.push(came(name), is_optional);
            }
            assert!(expected.take(&came("a")));
            assert_eq!(expected.due(), None);
            assert!(rest.iter().all(|name| expected.take(&came(name))), "{rest:?}");
        }
    }
}
