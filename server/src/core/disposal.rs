//! Memory that is freed a little in each turn: the posts of a removed thread, of which there may be a million.
//!
//! Nearly all the time of a removal is spent in freeing the texts: 30 to 70 ms for a million. Another thread is no help.
//! glibc sets small pieces that are freed aside in the arena they came from, and the next larger allocation there, which
//! is the loop's, merges them all: up to 40 ms in one allocation after a million texts of 100 bytes were freed at once,
//! 10 ms while another thread frees them. So each turn frees a share and has it merged: 0.3 ms at most.

use std::collections::VecDeque;

use crate::forum::{CHUNK_MEMBERS_MAX, Sequence};

/// Members freed in one turn.
pub(crate) const SHARE_MEMBERS: usize = 4 * CHUNK_MEMBERS_MAX;

/// An allocation of this size makes glibc merge what it has set aside: it does so from 1,024 bytes on, unless a piece
/// from the thread's cache will do, which holds none of more than 1,032.
const MERGING_BYTES: usize = 2 * 1024;

/// What is to be freed.
#[derive(Debug)]
pub(crate) struct Disposal<T>(VecDeque<Sequence<T>>);

impl<T> Default for Disposal<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T: Clone> Disposal<T> {
    /// Frees a sequence: at once if it is short, or else in this turn and those that follow.
    pub(crate) fn add(&mut self, sequence: Sequence<T>) {
        if sequence.len() > CHUNK_MEMBERS_MAX {
            self.0.push_back(sequence);
        }
    }

    /// Frees one turn's share.
    pub(crate) fn work(&mut self) {
        let mut share = SHARE_MEMBERS;
        while share >= CHUNK_MEMBERS_MAX
            && let Some(first) = self.0.front_mut()
        {
            match first.drop_last_chunk() {
                0 => drop(self.0.pop_front()),
                freed => share -= freed,
            }
        }
        if share < SHARE_MEMBERS {
            std::hint::black_box(Vec::<u8>::with_capacity(MERGING_BYTES));
        }
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many members are still to be freed.
    #[cfg(test)]
    pub(crate) fn members(&self) -> usize {
        self.0.iter().map(Sequence::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[test]
    fn a_turn_frees_its_share_and_no_more_until_everything_is_freed() {
        let token = Rc::new(());
        let mut disposal = Disposal::default();
        let lengths = [10_000, 3, CHUNK_MEMBERS_MAX + 1, 5 * CHUNK_MEMBERS_MAX];
        for length in lengths {
            let mut sequence = Sequence::default();
            (0..length).for_each(|_| sequence.push(Rc::clone(&token)));
            disposal.add(sequence);
        }
        let mut left = Rc::strong_count(&token) - 1;
        assert_eq!(left, lengths.iter().sum::<usize>() - 3, "only the short one is gone");
        while !disposal.is_empty() {
            disposal.work();
            let before = std::mem::replace(&mut left, Rc::strong_count(&token) - 1);
            let is_progress = left < before || disposal.is_empty();
            assert!(is_progress && before - left <= SHARE_MEMBERS, "{before} to {left}");
        }
        assert_eq!(left, 0);
    }

    #[test]
    fn what_somebody_still_reads_stays_until_its_reader_gives_it_up() {
        let token = Rc::new(());
        let (mut disposal, mut sequence) = (Disposal::default(), Sequence::default());
        (0..1_000).for_each(|_| sequence.push(Rc::clone(&token)));
        let read = sequence.clone();
        disposal.add(sequence);
        disposal.work();
        assert_eq!((Rc::strong_count(&token), read.len()), (1_001, 1_000));
        disposal.add(read);
        disposal.work();
        assert_eq!(Rc::strong_count(&token), 1);
    }
}
