//! The messages of one thread: a sequence that is numbered by position, loses members anywhere, and is
//! cloned in O(1).
//!
//! It is cut into chunks of at most [`CHUNK_POSTS_MAX`] messages that know where they start. Finding number
//! n is a binary search; a deletion moves at most one chunk's messages and corrects the starts behind it,
//! which for 1,000,000 messages is an addition in some 2,000 neighbouring words. A clone shares everything;
//! whoever then writes first copies the list of chunks and the one chunk it touches.
//!
//! A balanced tree (imbl's RRB vector) would do the same in O(log n), but its concatenation, which a removal
//! in the middle needs, has open reports of panics and of trees that degenerate.

use std::sync::Arc;

use forum_common::names::Text;

use super::AccountId;

/// Messages in one chunk: large enough for few chunks, small enough that copying one is no stall (12 KiB).
const CHUNK_POSTS_MAX: usize = 512;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Who wrote it.
    pub author: AccountId,
    /// What it says.
    pub text: Text,
}

/// The messages of a thread, by index from 0.
#[derive(Debug, Clone, Default)]
pub struct Posts {
    chunks: Arc<Vec<Chunk>>,
    length: usize,
}

#[derive(Debug, Clone)]
struct Chunk {
    /// The index of its first message.
    start: usize,
    /// Never empty.
    posts: Arc<Vec<Post>>,
}

impl Posts {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The message at `index`.
    pub fn get(&self, index: usize) -> Option<&Post> {
        if index >= self.length {
            return None;
        }
        let chunk = &self.chunks[self.chunk_of(index)];
        chunk.posts.get(index - chunk.start)
    }

    /// Appends a message.
    pub fn push(&mut self, post: Post) {
        let chunks = Arc::make_mut(&mut self.chunks);
        match chunks.last_mut() {
            Some(last) if last.posts.len() < CHUNK_POSTS_MAX => Arc::make_mut(&mut last.posts).push(post),
            _ => chunks.push(Chunk { start: self.length, posts: Arc::new(vec![post]) }),
        }
        self.length += 1;
    }

    /// Replaces what the message at `index` says. There must be one.
    pub fn edit(&mut self, index: usize, text: Text) {
        let at = self.chunk_of(index);
        let chunk = &mut Arc::make_mut(&mut self.chunks)[at];
        Arc::make_mut(&mut chunk.posts)[index - chunk.start].text = text;
    }

    /// Removes the message at `index`; the later ones move up. There must be one.
    pub fn remove(&mut self, index: usize) {
        let at = self.chunk_of(index);
        let chunks = Arc::make_mut(&mut self.chunks);
        let start = chunks[at].start;
        Arc::make_mut(&mut chunks[at].posts).remove(index - start);
        self.length -= 1;
        for later in &mut chunks[at + 1..] {
            later.start -= 1;
        }
        Self::close_gap(chunks, at);
    }

    /// Keeps the list of chunks in proportion to the messages: an empty chunk goes, and one that shrank is
    /// joined with a neighbour when both fit well into one.
    fn close_gap(chunks: &mut Vec<Chunk>, at: usize) {
        if chunks[at].posts.is_empty() {
            chunks.remove(at);
            return;
        }
        Self::join_if_small(chunks, at);
        if at > 0 {
            Self::join_if_small(chunks, at - 1);
        }
    }

    fn join_if_small(chunks: &mut Vec<Chunk>, at: usize) {
        let Some(next) = chunks.get(at + 1) else { return };
        if chunks[at].posts.len() + next.posts.len() <= CHUNK_POSTS_MAX / 2 {
            let next = chunks.remove(at + 1);
            Arc::make_mut(&mut chunks[at].posts).extend(next.posts.iter().cloned());
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

    use super::*;

    fn post(n: u32) -> Post {
        Post { author: AccountId(n), text: Text::parse("x").unwrap() }
    }

    fn authors(posts: &Posts) -> Vec<u32> {
        (0..posts.len()).map(|index| posts.get(index).unwrap().author.0).collect()
    }

    #[test]
    fn a_clone_keeps_its_instant() {
        let mut posts = Posts::default();
        (0..2_000).for_each(|n| posts.push(post(n)));
        let before = posts.clone();
        for index in [1_999, 1_000, 0] {
            posts.remove(index);
        }
        posts.edit(0, Text::parse("y").unwrap());
        assert_eq!(authors(&before), (0..2_000).collect::<Vec<_>>());
        assert_eq!(&*before.get(1).unwrap().text, "x");
        assert_eq!(posts.len(), 1_997);
        assert_eq!(&*posts.get(0).unwrap().text, "y");
    }

    #[test]
    fn chunks_stay_in_proportion_when_nearly_all_is_deleted() {
        let mut posts = Posts::default();
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
            let (mut posts, mut model) = (Posts::default(), Vec::new());
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
