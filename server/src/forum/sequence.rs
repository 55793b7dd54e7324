//! A sequence of messages that is numbered by position, loses members anywhere, and is cloned in O(1).
//!
//! It is cut into chunks of at most [`CHUNK_MEMBERS_MAX`] that know where they start. Finding number n is a
//! binary search; a removal moves at most one chunk's members and corrects the starts after it, which for
//! 1,000,000 members is an addition in some 2,000 neighbouring words. A clone shares everything; whoever
//! then writes first copies the list of chunks and the one chunk it touches.
//!
//! A balanced tree (imbl's RRB vector) would do the same in O(log n), but its concatenation, which a removal
//! in the middle needs, has open reports of panics and of trees that degenerate.

use std::sync::Arc;

/// Members of one chunk: enough for few chunks, few enough that copying one is no stall (20 KiB of posts).
pub const CHUNK_MEMBERS_MAX: usize = 512;

/// Members by index from 0.
#[derive(Debug)]
pub struct Sequence<T> {
    chunks: Arc<Vec<Chunk<T>>>,
    length: usize,
    rewrites: u64,
}

#[derive(Debug)]
struct Chunk<T> {
    /// The index of its first member.
    start: usize,
    /// Never empty.
    members: Arc<Vec<T>>,
}

impl<T> Clone for Sequence<T> {
    fn clone(&self) -> Self {
        Self { chunks: Arc::clone(&self.chunks), length: self.length, rewrites: self.rewrites }
    }
}

impl<T> Clone for Chunk<T> {
    fn clone(&self) -> Self {
        Self { start: self.start, members: Arc::clone(&self.members) }
    }
}

/// Equal are those with the same members, however they are cut into chunks and have come about.
impl<T: Clone + PartialEq> PartialEq for Sequence<T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<T: Clone + Eq> Eq for Sequence<T> {}

impl<T> Default for Sequence<T> {
    fn default() -> Self {
        Self { chunks: Arc::default(), length: 0, rewrites: 0 }
    }
}

impl<T: Clone> Sequence<T> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// How often a member was changed or removed, in this life of the process. Clones with the same number share all
    /// but [`Sequence::unshared_bytes`] of each: an append copies no more.
    pub fn rewrites(&self) -> u64 {
        self.rewrites
    }

    /// Bytes that an append copies, or makes a clone keep for itself: the list of chunks and the last chunk.
    pub fn unshared_bytes(&self) -> usize {
        let last = self.chunks.last().map_or(0, |chunk| chunk.members.len());
        self.chunks.len() * size_of::<Chunk<T>>() + last * size_of::<T>()
    }

    /// The member at `index`.
    pub fn get(&self, index: usize) -> Option<&T> {
        if index >= self.length {
            return None;
        }
        let chunk = &self.chunks[self.chunk_of(index)];
        chunk.members.get(index - chunk.start)
    }

    /// Members from `index` on, as many as stand together; none if there are no more.
    pub fn run_from(&self, index: usize) -> &[T] {
        if index >= self.length {
            return &[];
        }
        let chunk = &self.chunks[self.chunk_of(index)];
        &chunk.members[index - chunk.start..]
    }

    /// Appends a member.
    pub fn push(&mut self, member: T) {
        let chunks = Arc::make_mut(&mut self.chunks);
        match chunks.last_mut() {
            Some(last) if last.members.len() < CHUNK_MEMBERS_MAX => {
                Arc::make_mut(&mut last.members).push(member)
            }
            _ => chunks.push(Chunk { start: self.length, members: Arc::new(vec![member]) }),
        }
        self.length += 1;
    }

    /// The member at `index`, to be changed. There must be one.
    pub fn member_mut(&mut self, index: usize) -> &mut T {
        self.rewrites += 1;
        let at = self.chunk_of(index);
        let chunk = &mut Arc::make_mut(&mut self.chunks)[at];
        &mut Arc::make_mut(&mut chunk.members)[index - chunk.start]
    }

    /// All members in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.members.iter())
    }

    /// The first index whose member is not `before`, which must hold for all members up to some index and
    /// for none after.
    pub fn partition_point(&self, before: impl Fn(&T) -> bool) -> usize {
        // The last chunk that begins with such a member holds the border, or the border is its end.
        let chunks = self.chunks.partition_point(|chunk| chunk.members.first().is_some_and(&before));
        let Some(last) = chunks.checked_sub(1).map(|index| &self.chunks[index]) else { return 0 };
        last.start + last.members.partition_point(&before)
    }

    /// Removes the member at `index`; the later ones move up. There must be one.
    pub fn remove(&mut self, index: usize) {
        self.rewrites += 1;
        let at = self.chunk_of(index);
        let chunks = Arc::make_mut(&mut self.chunks);
        let start = chunks[at].start;
        Arc::make_mut(&mut chunks[at].members).remove(index - start);
        self.length -= 1;
        for later in &mut chunks[at + 1..] {
            later.start -= 1;
        }
        Self::close_gap(chunks, at);
    }

    /// Drops the last members, at most [`CHUNK_MEMBERS_MAX`]; says how many, 0 when there are none left. Freeing a long
    /// sequence at once takes tens of milliseconds; this is one step of it, whether or not a clone goes at the same
    /// time on another thread.
    pub fn drop_last_chunk(&mut self) -> usize {
        let Some(chunk) = Arc::make_mut(&mut self.chunks).pop() else { return 0 };
        let members = chunk.members.len();
        self.length -= members;
        members
    }

    /// Keeps the list of chunks in proportion to the members: an empty chunk goes, and one that shrank is
    /// joined with a neighbour when both fit well into one.
    fn close_gap(chunks: &mut Vec<Chunk<T>>, at: usize) {
        if chunks[at].members.is_empty() {
            chunks.remove(at);
            return;
        }
        Self::join_if_small(chunks, at);
        if at > 0 {
            Self::join_if_small(chunks, at - 1);
        }
    }

    fn join_if_small(chunks: &mut Vec<Chunk<T>>, at: usize) {
        let Some(next) = chunks.get(at + 1) else { return };
        if chunks[at].members.len() + next.members.len() <= CHUNK_MEMBERS_MAX / 2 {
            let next = chunks.remove(at + 1);
            Arc::make_mut(&mut chunks[at].members).extend(next.members.iter().cloned());
        }
    }

    /// The chunk that holds `index`, which must be less than the length.
    fn chunk_of(&self, index: usize) -> usize {
        debug_assert!(index < self.length);
        self.chunks.partition_point(|chunk| chunk.start <= index) - 1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use forum_common::names::Text;

    use super::super::{AccountId, ItemId, Post};
    use super::*;

    fn post(n: u32) -> Post {
        Post { id: ItemId(n.into()), at_ms: 0, author: AccountId(n), text: Text::parse("x").unwrap() }
    }

    fn authors(posts: &Sequence<Post>) -> Vec<u32> {
        (0..posts.len()).map(|index| posts.get(index).unwrap().author.0).collect()
    }

    #[test]
    fn a_sequence_goes_chunk_by_chunk_and_its_clones_keep_theirs() {
        let mut posts = Sequence::default();
        (0..1_300).for_each(|n| posts.push(post(n)));
        assert!(!posts.is_empty());
        let clone = posts.clone();
        let steps: Vec<_> = std::iter::from_fn(|| Some(posts.drop_last_chunk()).filter(|n| *n > 0)).collect();
        assert_eq!(steps, [1_300 - 2 * CHUNK_MEMBERS_MAX, CHUNK_MEMBERS_MAX, CHUNK_MEMBERS_MAX]);
        assert!(posts.is_empty() && posts == Sequence::default() && posts != clone);
        assert_eq!(authors(&clone), (0..1_300).collect::<Vec<_>>());
        posts.push(post(7));
        assert_eq!(authors(&posts), [7], "and it can be used again");
    }

    #[test]
    fn a_clone_keeps_its_instant() {
        let mut posts = Sequence::default();
        (0..2_000).for_each(|n| posts.push(post(n)));
        let before = posts.clone();
        for index in [1_999, 1_000, 0] {
            posts.remove(index);
        }
        posts.member_mut(0).text = Text::parse("y").unwrap();
        assert_eq!(authors(&before), (0..2_000).collect::<Vec<_>>());
        assert_eq!(&*before.get(1).unwrap().text, "x");
        assert_eq!(posts.len(), 1_997);
        assert_eq!(&*posts.get(0).unwrap().text, "y");
    }

    #[test]
    fn what_an_append_copies_is_counted_and_so_is_each_change_of_what_is_there() {
        let mut posts = Sequence::default();
        assert_eq!((posts.unshared_bytes(), posts.rewrites()), (0, 0));
        (0..CHUNK_MEMBERS_MAX as u32 + 3).for_each(|n| posts.push(post(n)));
        let copied = 2 * size_of::<Chunk<Post>>() + 3 * size_of::<Post>();
        assert_eq!((posts.unshared_bytes(), posts.rewrites()), (copied, 0));
        posts.member_mut(0);
        assert_eq!(posts.rewrites(), 1);
        posts.remove(0);
        assert_eq!(posts.rewrites(), 2);
    }

    #[test]
    fn a_partition_point_is_found() {
        let mut posts = Sequence::default();
        (0..2_000).for_each(|n| posts.push(post(n)));
        for border in [0, 1, 777, 2_000] {
            assert_eq!(posts.partition_point(|post| post.author.0 < border), border as usize);
        }
    }

    #[test]
    fn chunks_stay_in_proportion_when_nearly_all_is_deleted() {
        let mut posts = Sequence::default();
        (0..100_000).for_each(|n| posts.push(post(n)));
        for keep in 0..100 {
            for _ in 0..999 {
                posts.remove(keep);
            }
        }
        assert_eq!(posts.len(), 100);
        assert!(posts.chunks.len() <= 4, "{} chunks", posts.chunks.len());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_behaves_like_a_vec(actions in proptest::collection::vec((0..10u8, any::<prop::sample::Index>()), 1..3_000)) {
            let (mut posts, mut model) = (Sequence::default(), Vec::new());
            // A thread of some size to begin with, so that several chunks are there.
            for n in 0..1_500 {
                posts.push(post(n));
                model.push(n);
            }
            for (n, (action, index)) in actions.into_iter().enumerate() {
                if action < 4 || model.is_empty() {
                    posts.push(post(n as u32));
                    model.push(n as u32);
                } else {
                    let index = index.index(model.len());
                    posts.remove(index);
                    model.remove(index);
                }
            }
            prop_assert_eq!(authors(&posts), model);
        }
    }
}
