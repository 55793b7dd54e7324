//! A set of numbers, kept as sorted ranges that neither touch nor overlap.
//!
//! Made for what mostly arrives in order: growing at the end and losing the beginning cost O(1), anything
//! else a binary search and a shift. It doesn't know what the numbers count.

use std::collections::VecDeque;
use std::ops::Range;

/// The set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RangeSet {
    ranges: VecDeque<Range<u64>>,
}

impl RangeSet {
    /// How many ranges there are.
    pub(super) fn len(&self) -> usize {
        self.ranges.len()
    }

    /// The ranges that share a number with `range`, whole, going up.
    pub(super) fn overlapping(&self, range: &Range<u64>) -> impl Iterator<Item = &Range<u64>> {
        let first = self.ranges.partition_point(|held| held.end <= range.start);
        let end = range.end;
        self.ranges.range(first..).take_while(move |held| held.start < end)
    }

    /// The lowest range.
    pub(super) fn first(&self) -> Option<&Range<u64>> {
        self.ranges.front()
    }

    /// The ranges, going up.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Range<u64>> {
        self.ranges.iter()
    }

    /// Whether all of `range` is in it.
    pub(super) fn covers(&self, range: &Range<u64>) -> bool {
        let index = self.ranges.partition_point(|held| held.end < range.end);
        self.ranges.get(index).is_some_and(|held| held.start <= range.start)
    }

    /// Whether `range` would stand alone, neither touching nor overlapping what is there.
    pub(super) fn is_apart(&self, range: &Range<u64>) -> bool {
        let index = self.ranges.partition_point(|held| held.end < range.start);
        self.ranges.get(index).is_none_or(|held| held.start > range.end)
    }

    /// Adds `range`.
    pub(super) fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        match self.ranges.back_mut() {
            Some(last) if last.end < range.start => self.ranges.push_back(range),
            Some(last) if last.start <= range.start => last.end = last.end.max(range.end),
            None => self.ranges.push_back(range),
            Some(_) => self.insert_within(range),
        }
    }

    fn insert_within(&mut self, range: Range<u64>) {
        let first = self.ranges.partition_point(|held| held.end < range.start);
        let past = self.ranges.partition_point(|held| held.start <= range.end);
        if first == past {
            self.ranges.insert(first, range);
        } else {
            let start = self.ranges[first].start.min(range.start);
            let end = self.ranges[past - 1].end.max(range.end);
            self.ranges[first] = start..end;
            self.ranges.drain(first + 1..past);
        }
    }

    /// Takes `range` out.
    pub(super) fn remove(&mut self, range: &Range<u64>) {
        let first = self.ranges.partition_point(|held| held.end <= range.start);
        let past = self.ranges.partition_point(|held| held.start < range.end);
        if range.is_empty() || first >= past {
            return;
        }
        let below = self.ranges[first].start..range.start;
        let above = range.end..self.ranges[past - 1].end;
        self.ranges.drain(first..past);
        for rest in [above, below] {
            if !rest.is_empty() {
                self.ranges.insert(first, rest);
            }
        }
    }

    /// Takes out everything below `limit`.
    pub(super) fn remove_below(&mut self, limit: u64) {
        while let Some(front) = self.ranges.front_mut() {
            if front.end > limit {
                front.start = front.start.max(limit);
                return;
            }
            self.ranges.pop_front();
        }
    }

    /// Takes out the lowest range.
    pub(super) fn pop_first(&mut self) -> Option<Range<u64>> {
        self.ranges.pop_front()
    }

    /// Takes out the lowest numbers, at most `count`, all of one range.
    pub(super) fn take_first(&mut self, count: u64) -> Option<Range<u64>> {
        let front = self.ranges.front_mut()?;
        if front.end - front.start <= count {
            return self.ranges.pop_front();
        }
        let start = front.start;
        front.start += count;
        Some(start..start + count)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_plain_set_holds(steps in prop::collection::vec((0..5_u8, 0..60_u64, 0..12_u64), 1..80)) {
            let (mut set, mut plain) = (RangeSet::default(), BTreeSet::new());
            for (step, start, length) in steps {
                let range = start..start + length;
                match step {
                    0 | 1 => {
                        set.insert(range.clone());
                        plain.extend(range);
                    }
                    2 => {
                        set.remove(&range);
                        plain.retain(|number| !range.contains(number));
                    }
                    3 => {
                        set.remove_below(start);
                        plain.retain(|number| *number >= start);
                    }
                    _ => {
                        for number in set.take_first(length.max(1)).into_iter().flatten() {
                            prop_assert_eq!(plain.pop_first(), Some(number));
                        }
                    }
                }
                prop_assert_eq!(set.iter().cloned().flatten().collect::<Vec<_>>(), plain.iter().copied().collect::<Vec<_>>());
                prop_assert!(set.iter().all(|range| !range.is_empty()));
                prop_assert!(set.iter().zip(set.iter().skip(1)).all(|(low, high)| low.end < high.start));
                let probe = start..start + 3;
                prop_assert_eq!(set.covers(&probe), probe.clone().all(|number| plain.contains(&number)));
                let overlapping = set.overlapping(&probe).flat_map(Clone::clone).filter(|number| probe.contains(number));
                prop_assert_eq!(overlapping.collect::<Vec<_>>(), plain.range(probe.clone()).copied().collect::<Vec<_>>());
                let beside = start.saturating_sub(1)..start + 4;
                prop_assert_eq!(set.is_apart(&probe), !beside.into_iter().any(|number| plain.contains(&number)));
            }
        }
    }
}
