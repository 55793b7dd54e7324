//! The feed: what is told to everybody, encoded once. Telling *n* users is one append; each of them reads on
//! from a position of its own, and nothing is copied for anybody.
//!
//! There are two logs, because not everybody listens to both: *presence* (who comes and goes) and *said*
//! (broadcasts, posts on the board). Positions count the bytes of both in the order of telling, so one number
//! says where a listener stands, and the two merge by it:
//!
//! ```text
//!   position   0       40      80                 180     220
//!   presence   [yoda in][hans in]                  [yoda out]
//!   said                         [hans: a broadcast]          [luke: …
//! ```
//!
//! A log is a row of segments. A segment's bytes are in one piece, so that what lies between a listener and the
//! head is one slice and leaves in one write. It is made of runs: frames of one author that followed each other
//! without a frame of the other log in between. A frame with an exclusion set, fixed when it was told, is a run
//! of its own. A listener looks at those, and for runs of its own; all others are passed by.

use std::collections::VecDeque;

use forum_common::limits::FRAME_BYTES_MAX;
use forum_common::wire::frame;

use crate::forum::{AccountId, Users};
use crate::planted::{Bug, planted};

/// A segment that has as many bytes takes no more frames. A listener needs one write for each segment, and memory is
/// freed by segments: as many bytes as a socket's buffer takes at once, and few beside what one listener may lack.
pub(crate) const SEGMENT_BYTES: usize = 64 * 1024;

/// A place in the feed: the bytes told before it, in both logs. No server lives to tell 2^64 bytes.
pub(crate) type Position = u64;

/// The position of one who does not listen.
pub(crate) const NEVER: Position = Position::MAX;

/// Which of the two logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    /// Who comes and goes.
    Presence,
    /// What is said to all.
    Said,
}

/// How far a user has listened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listener {
    /// Who, and so what it does not get: its own frames, and those whose set excludes it.
    pub account: AccountId,
    /// All before this was written to it, or is not for it.
    pub at: Position,
    /// From where on it listens to presence; [`NEVER`] if it doesn't.
    pub presence_from: Position,
}

/// Bytes for one listener that lie in one piece.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slice<'a> {
    segment: &'a Segment,
    start: usize,
    end: usize,
}

impl<'a> Slice<'a> {
    pub(crate) fn bytes(&self) -> &'a [u8] {
        &self.segment.bytes[self.start..self.end]
    }

    /// Where a listener stands who has taken the first `count` bytes, at least one.
    pub(crate) fn position_after(&self, count: usize) -> Position {
        debug_assert!(count > 0 && count <= self.end - self.start, "{count} bytes of {self:?}");
        self.segment.position_of(self.start + count - 1) + 1
    }
}

/// Both logs.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    head: Position,
    presence: Log,
    said: Log,
}

impl Feed {
    /// Where the next frame will stand.
    pub(crate) fn head(&self) -> Position {
        self.head
    }

    /// Where the last frame of a log ends.
    pub(crate) fn end_of(&self, topic: Topic) -> Position {
        self.log(topic).end
    }

    /// Bytes of the segments that are held for somebody.
    pub(crate) fn held_bytes(&self) -> usize {
        self.presence.held_bytes() + self.said.held_bytes()
    }

    /// Appends one frame, for all but its author and those excluded.
    pub(crate) fn append(
        &mut self,
        topic: Topic,
        author: AccountId,
        excluded: Users,
        encode: impl FnOnce(&mut Vec<u8>),
    ) {
        let head = self.head;
        let log = match topic {
            Topic::Presence => &mut self.presence,
            Topic::Said => &mut self.said,
        };
        self.head = log.append(head, author, excluded, encode);
    }

    /// The next bytes for a listener that were told before `end`, which is where a frame begins.
    pub(crate) fn next(&self, listener: Listener, end: Position) -> Option<Slice<'_>> {
        let Listener { account, mut at, presence_from } = listener;
        while at < end {
            let said = self.said.first_from(at);
            let presence = self.presence.first_from(at.max(presence_from));
            let (log, first, other) = match said < presence {
                true => (&self.said, said, presence),
                false => (&self.presence, presence, said),
            };
            if first >= end {
                return None;
            }
            match log.stretch(account, first, end.min(other)) {
                Stretch::Wanted(slice) => return Some(slice),
                Stretch::Unwanted(after) => at = after,
            }
        }
        None
    }

    /// How many bytes lie between a listener and the head, those that are not for it included.
    pub(crate) fn lag(&self, listener: Listener) -> usize {
        self.said.bytes_after(listener.at)
            + self.presence.bytes_after(listener.at.max(listener.presence_from))
    }

    /// What is left of the frame in the midst of which `at` is; nothing where a frame begins.
    pub(crate) fn rest_of_frame(&self, at: Position) -> &[u8] {
        [&self.presence, &self.said].into_iter().find_map(|log| log.rest_of_frame(at)).unwrap_or_default()
    }

    /// Frees what lies before the first position that anybody needs of each log.
    pub(crate) fn free_before(&mut self, presence: Position, said: Position) {
        self.presence.free_before(presence);
        self.said.free_before(said);
    }

    fn log(&self, topic: Topic) -> &Log {
        match topic {
            Topic::Presence => &self.presence,
            Topic::Said => &self.said,
        }
    }
}

/// What comes next of a log.
enum Stretch<'a> {
    Wanted(Slice<'a>),
    /// Up to here nothing is for this listener.
    Unwanted(Position),
}

#[derive(Debug, Default)]
struct Log {
    segments: VecDeque<Segment>,
    /// Its memory is used for the next segment, so that a quiet server allocates nothing.
    spare: Option<Segment>,
    /// Where the last frame ends.
    end: Position,
    /// Bytes appended, ever.
    length: u64,
}

impl Log {
    fn append(
        &mut self,
        head: Position,
        author: AccountId,
        excluded: Users,
        encode: impl FnOnce(&mut Vec<u8>),
    ) -> Position {
        if self.segments.back().is_none_or(|last| last.bytes.len() >= SEGMENT_BYTES) {
            let mut segment = self.spare.take().unwrap_or_default();
            segment.before = self.length;
            self.segments.push_back(segment);
        }
        let Some(last) = self.segments.back_mut() else { unreachable!("pushed above") };
        let added = last.append(head, author, excluded, encode);
        self.length += added as u64;
        self.end = head + added as u64;
        self.end
    }

    fn held_bytes(&self) -> usize {
        self.segments.front().map_or(0, |first| (self.length - first.before) as usize)
    }

    /// The segment with the first byte from `at` on.
    fn segment_from(&self, at: Position) -> Option<&Segment> {
        // Most listeners stand in the last one, or after it.
        if self.end <= at {
            return None;
        }
        self.segments.get(self.segments.partition_point(|segment| segment.end() <= at))
    }

    /// The position of the first byte from `at` on; [`NEVER`] if there is none.
    fn first_from(&self, at: Position) -> Position {
        self.segment_from(at).map_or(NEVER, |segment| at.max(segment.runs[segment.run_from(at)].first))
    }

    /// What stands at `first`, and at most up to `bound`.
    fn stretch(&self, account: AccountId, first: Position, bound: Position) -> Stretch<'_> {
        let Some(segment) = self.segment_from(first) else { return Stretch::Unwanted(bound) };
        let run = segment.run_from(first);
        let after = segment.runs.partition_point(|run| run.first < bound);
        let unwanted = segment.first_unwanted(account, run, after);
        if unwanted == Some(run) {
            let last = run + usize::from(planted(Bug::FeedSkipsAnItemAfterOneThatIsNotWanted));
            return Stretch::Unwanted(segment.end_of_run(last.min(segment.runs.len() - 1)));
        }
        let end = match unwanted {
            Some(unwanted) => segment.runs[unwanted].start as usize,
            None => segment.offset_in_run(after - 1, bound),
        };
        Stretch::Wanted(Slice { segment, start: segment.offset_in_run(run, first), end })
    }

    fn bytes_after(&self, at: Position) -> usize {
        self.segment_from(at).map_or(0, |segment| {
            let offset = segment.offset_in_run(segment.run_from(at), at);
            (self.length - segment.before) as usize - offset
        })
    }

    fn rest_of_frame(&self, at: Position) -> Option<&[u8]> {
        let segment = self.segment_from(at)?;
        let run = segment.runs[segment.run_from(at)];
        let mut rest = &segment.bytes[run.start as usize..];
        let mut position = run.first;
        while position < at {
            let Ok(Some((_, bytes))) = frame::split(rest, FRAME_BYTES_MAX) else { return None };
            let frame;
            (frame, rest) = rest.split_at(bytes);
            if position + bytes as Position > at {
                return Some(&frame[(at - position) as usize..]);
            }
            position += bytes as Position;
        }
        None
    }

    fn free_before(&mut self, floor: Position) {
        while self.segments.front().is_some_and(|first| first.end() <= floor) {
            self.spare = self.segments.pop_front().map(Segment::emptied);
        }
    }
}

/// Frames of one author, one after the other in both the segment and the order of telling.
#[derive(Debug, Clone, Copy)]
struct Run {
    first: Position,
    /// Where it begins among the segment's bytes.
    start: u32,
}

#[derive(Debug, Default)]
struct Segment {
    bytes: Vec<u8>,
    runs: Vec<Run>,
    /// Of each run. Apart from the rest, because these alone are looked through.
    authors: Vec<AccountId>,
    /// The runs that are not for everybody.
    exclusions: Vec<(u32, Users)>,
    /// Bytes of the log before this segment.
    before: u64,
}

// A segment ends with the frame that fills it.
const _: () = assert!(SEGMENT_BYTES + FRAME_BYTES_MAX < u32::MAX as usize);

impl Segment {
    fn append(
        &mut self,
        head: Position,
        author: AccountId,
        excluded: Users,
        encode: impl FnOnce(&mut Vec<u8>),
    ) -> usize {
        let start = self.bytes.len();
        let last_is_open = self.exclusions.last().is_none_or(|(run, _)| *run as usize + 1 < self.runs.len());
        let goes_on = self.authors.last() == Some(&author) && last_is_open && self.end() == head;
        if !goes_on || !excluded.is_empty() {
            if !excluded.is_empty() {
                self.exclusions.push((self.runs.len() as u32, excluded));
            }
            self.runs.push(Run { first: head, start: start as u32 });
            self.authors.push(author);
        }
        encode(&mut self.bytes);
        debug_assert!(self.bytes.len() - start <= FRAME_BYTES_MAX, "one frame at a time");
        self.bytes.len() - start
    }

    /// Where its last frame ends.
    fn end(&self) -> Position {
        self.runs.last().map_or(0, |run| run.first + (self.bytes.len() - run.start as usize) as Position)
    }

    /// Where a run ends.
    fn end_of_run(&self, run: usize) -> Position {
        let end = self.runs.get(run + 1).map_or(self.bytes.len(), |next| next.start as usize);
        self.runs[run].first + (end - self.runs[run].start as usize) as Position
    }

    /// The run with the first byte from `at` on, which the segment must have.
    fn run_from(&self, at: Position) -> usize {
        let after = self.runs.partition_point(|run| run.first <= at);
        match after.checked_sub(1) {
            Some(run) if self.end_of_run(run) > at => run,
            _ => after,
        }
    }

    /// Where among the bytes the position is, or the run's nearest byte to it.
    fn offset_in_run(&self, run: usize, at: Position) -> usize {
        let Run { first, start } = self.runs[run];
        let at = at.clamp(first, self.end_of_run(run));
        start as usize + (at - first) as usize
    }

    fn position_of(&self, offset: usize) -> Position {
        let run = self.runs[self.runs.partition_point(|run| run.start as usize <= offset) - 1];
        run.first + (offset - run.start as usize) as Position
    }

    /// The first of these runs that is not for this user.
    fn first_unwanted(&self, account: AccountId, from: usize, to: usize) -> Option<usize> {
        let own = self.authors[from..to].iter().position(|author| *author == account);
        let own = own.map(|index| from + index);
        let excluded = self.exclusions.partition_point(|(run, _)| (*run as usize) < from);
        let excluded = self.exclusions[excluded..].iter().take_while(|(run, _)| (*run as usize) < to);
        let excluded = excluded.filter(|(_, users)| users.contains(&account)).map(|(run, _)| *run as usize);
        own.into_iter().chain(excluded.take(1)).min()
    }

    fn emptied(mut self) -> Self {
        self.bytes.clear();
        self.runs.clear();
        self.authors.clear();
        self.exclusions.clear();
        self
    }
}
