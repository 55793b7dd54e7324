//! What the server holds at this moment, each amount beside the limit that it must keep. Nothing in the server asks for
//! it: simulations do, after each step.

use forum_common::limits::FRAME_BYTES_MAX;

use super::deadlines::Deadline;
use super::{Core, TURNED_AWAY_MAX};
use crate::journal::Journal;

/// An amount and its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figure {
    /// What it is an amount of.
    pub name: &'static str,
    /// How much there is.
    pub amount: usize,
    /// How much there may be.
    pub bound: Bound,
}

/// What an amount is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// It may be less.
    AtMost(usize),
    /// It is a counter, and this is what it counts.
    Exactly(usize),
}

impl Figure {
    /// An amount that has a limit.
    pub(crate) fn at_most(name: &'static str, amount: usize, limit: usize) -> Self {
        Self { name, amount, bound: Bound::AtMost(limit) }
    }

    /// A counter beside what it counts.
    pub(crate) fn exactly(name: &'static str, counter: usize, counted: usize) -> Self {
        Self { name, amount: counter, bound: Bound::Exactly(counted) }
    }

    /// Whether the limit is kept.
    #[must_use]
    pub fn holds(&self) -> bool {
        match self.bound {
            Bound::AtMost(limit) => self.amount <= limit,
            Bound::Exactly(counted) => self.amount == counted,
        }
    }
}

impl<J: Journal> Core<J> {
    /// All that is held for connections and by what is under way.
    pub(crate) fn figures(&self) -> Vec<Figure> {
        let (sessions, limits) = (&self.sessions, &self.settings.limits);
        let (uploads, turned_away) = (self.transfers.uploads(), sessions.turned_away());
        // Some may have died since they were queued.
        let places = self.settings.connections_max + TURNED_AWAY_MAX;
        let counted = self.pipeline.counted_entries() + 2 * uploads;
        let mut figures = vec![
            Figure::at_most("connections", sessions.len() - turned_away, self.settings.connections_max),
            Figure::at_most("connections that are turned away", turned_away, TURNED_AWAY_MAX),
            Figure::at_most("places in the queue for a turn", sessions.waiting_for_turn(), 2 * places),
            Figure::at_most("deadlines", self.deadlines.len(), Deadline::KINDS * sessions.len()),
            Figure::at_most("uploads", uploads, limits.max_total_uploads),
            Figure::exactly("what limits count in flight", self.pipeline.in_flight().total(), counted),
        ];
        figures.extend(self.pipeline.figures());
        figures.extend(self.outbox.figures());
        figures.extend(self.listings.figures(sessions.len()));
        figures
    }
}

/// What one frame may add to what was within its limit before.
pub(crate) const FRAME: usize = FRAME_BYTES_MAX;
