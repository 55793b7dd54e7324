//! Which packet numbers have come, so that none counts twice (a sliding window, RFC 6479).
//!
//! It knows numbers, not whether a packet was authentic: only authentic ones are to be noted.

/// Words of the ring. One is always being cleared, so the window is one less.
const WORDS: usize = 256;
const BITS: u64 = u64::BITS as u64;
/// How far below the largest number one may still come. A window of the smallest datagrams on their way is about as
/// much; what comes later than that counts as lost, and its bytes have been sent again.
pub(super) const REPLAY_WINDOW: u64 = (WORDS as u64 - 1) * BITS;

/// The numbers of one direction.
#[derive(Debug)]
pub(super) struct ReplayWindow {
    words: Box<[u64; WORDS]>,
    /// One above the largest number that has come.
    next: u64,
}

impl Default for ReplayWindow {
    fn default() -> Self {
        Self { words: Box::new([0; WORDS]), next: 0 }
    }
}

fn place(number: u64) -> (usize, u64) {
    ((number / BITS) as usize % WORDS, 1 << (number % BITS))
}

impl ReplayWindow {
    /// Whether no packet with this number has come, as far as is known.
    pub(super) fn is_new(&self, number: u64) -> bool {
        let (word, bit) = place(number);
        number >= self.next || (self.next - number <= REPLAY_WINDOW && self.words[word] & bit == 0)
    }

    /// An authentic packet with this new number has come. Returns whether its number is the largest so far.
    pub(super) fn note(&mut self, number: u64) -> bool {
        debug_assert!(self.is_new(number) && number < u64::MAX);
        let is_newest = number >= self.next;
        if is_newest {
            // The words between the last largest number and this one are from an earlier round.
            let (from, to) = (self.next.div_ceil(BITS), number / BITS);
            for word in from..=to.min(from + WORDS as u64) {
                self.words[word as usize % WORDS] = 0;
            }
            self.next = number + 1;
        }
        let (word, bit) = place(number);
        self.words[word] |= bit;
        is_newest
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_number_is_taken_twice_and_none_within_the_window_is_refused(
            steps in prop::collection::vec((any::<bool>(), 0..4_u8, any::<u64>()), 1..400),
        ) {
            let (mut window, mut plain) = (ReplayWindow::default(), BTreeSet::new());
            for (is_back, scale, step) in steps {
                let next = plain.last().map_or(0, |last| last + 1);
                let step = step % [3, 100, 20_000, 1 << 40][scale as usize];
                let number = if is_back { u64::saturating_sub(next, step) } else { next + step };
                let is_new = !plain.contains(&number);
                let is_old = number < next && next - number > REPLAY_WINDOW;
                prop_assert_eq!(window.is_new(number), is_new && !is_old, "{} of {}", number, next);
                if window.is_new(number) {
                    prop_assert_eq!(window.note(number), number >= next);
                    plain.insert(number);
                }
            }
        }
    }

    #[test]
    fn the_largest_number_there_is_does_no_harm() {
        let mut window = ReplayWindow::default();
        assert!(window.note(u64::MAX - 1) && !window.is_new(u64::MAX - 1) && window.is_new(u64::MAX - 2));
        assert!(!window.is_new(0));
    }
}
