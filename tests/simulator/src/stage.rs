//! What clients see of the world.

use std::cell::RefCell;
use std::rc::Rc;

use crate::clock::{SECOND, SimClock, Time};
use crate::kernel::Shared;
use crate::model::User;
use crate::oracle::{Oracle, Version};
use crate::plan::Plan;
use crate::trace::Trace;

/// How long the server gives a client to read its last word, if it gives it least.
const DRAINING: Time = 5 * SECOND;
/// Standing still for less leaves enough of that.
const STILL_MIN: Time = SECOND;

/// The stage.
pub(crate) struct Stage {
    pub(crate) kernel: Shared,
    pub(crate) oracle: Rc<RefCell<Oracle>>,
    pub(crate) clock: SimClock,
    pub(crate) plan: Plan,
    pub(crate) trace: Trace,
    /// Nothing goes wrong any more, and everybody is to come to an end.
    pub(crate) is_calm: bool,
    /// The server is told to end: nobody asks for anything or comes again.
    pub(crate) is_ending: bool,
    /// Of each name: somebody has tried a wrong password.
    pub(crate) is_suspect: Vec<bool>,
    /// Of each name: every password that it may have.
    pub(crate) passwords: Vec<Vec<String>>,
    /// How long the whole machine stood still last, and until when.
    pub(crate) stood_still: Option<(Time, Time)>,
    /// Faults that were injected.
    pub(crate) faults: u64,
}

impl Stage {
    /// The present time.
    pub(crate) fn now(&self) -> Time {
        self.clock.time()
    }

    /// A name.
    pub(crate) fn name(&self, index: usize) -> String {
        format!("u{index}")
    }

    /// The account of a name.
    pub(crate) fn user(&self, index: usize) -> Option<User> {
        self.oracle.borrow().state().user(&self.name(index))
    }

    /// Whether the machine had stood still for so long, shortly before then, that the server could not send a last word
    /// in the time that it has for it.
    pub(crate) fn had_stood_still(&self, at: Time) -> bool {
        self.stood_still
            .is_some_and(|(time, until)| time >= STILL_MIN && (until..until + DRAINING).contains(&at))
    }

    /// The present version.
    pub(crate) fn version(&self) -> Version {
        self.oracle.borrow().version()
    }

    /// Something is wrong.
    pub(crate) fn fail(&self, what: impl Into<String>) {
        self.oracle.borrow_mut().fail(what);
    }

    /// Says something to people.
    pub(crate) fn say(&mut self, line: impl FnOnce() -> String) {
        let now = self.now();
        self.trace.say(now, line);
    }
}
