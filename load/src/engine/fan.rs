//! One speaks, many listen: which message was due when, and which deliveries are missing.

use std::collections::VecDeque;

/// Messages that are on their way at once. What the slowest listener has not heard yet counts, so that a
/// listener that hears nothing stops the speaker, and nothing grows without end.
const MESSAGES_MAX: usize = 1 << 15;

/// The messages of the speaker.
#[derive(Debug)]
pub(super) struct Fan {
    /// Messages that are sent together.
    pub(super) burst: u32,
    /// Deliveries that have not come yet.
    pub(super) outstanding: u64,
    /// Deliveries of all messages that were sent since the measuring began.
    pub(super) measured: u64,
    /// The messages that somebody has not heard yet, oldest first.
    messages: VecDeque<Message>,
    /// Messages before those.
    finished: u64,
    /// Messages that the server has answered to the speaker, where it answers those.
    answered: u64,
}

#[derive(Debug)]
struct Message {
    due_ns: u64,
    /// Listeners that have not heard it yet: none if it was refused.
    missing: u64,
}

impl Fan {
    pub(super) fn new(burst: u32) -> Self {
        Self { burst, outstanding: 0, measured: 0, messages: VecDeque::new(), finished: 0, answered: 0 }
    }

    /// Whether there is room for a burst.
    pub(super) fn has_room(&self) -> bool {
        self.messages.len() + self.burst as usize <= MESSAGES_MAX
    }

    /// One message more is on its way to so many listeners.
    pub(super) fn publish(&mut self, due_ns: u64, listeners: u64) {
        self.messages.push_back(Message { due_ns, missing: listeners });
        self.outstanding += listeners;
    }

    /// A listener that had heard `heard` messages hears the next one: when it was due.
    pub(super) fn deliver(&mut self, heard: &mut u64) -> Option<u64> {
        *heard = (*heard).max(self.finished);
        loop {
            let message = self.messages.get_mut((*heard - self.finished) as usize)?;
            *heard += 1;
            // One that was refused reaches nobody.
            if message.missing > 0 {
                message.missing -= 1;
                self.outstanding -= 1;
                let due_ns = message.due_ns;
                self.forget_the_finished();
                return Some(due_ns);
            }
        }
    }

    /// A listener that had heard `heard` messages hears no more. Returns when those were due that it misses.
    pub(super) fn lose(&mut self, heard: u64) -> Vec<u64> {
        let first = heard.saturating_sub(self.finished) as usize;
        let unheard = self.messages.iter_mut().skip(first).filter(|message| message.missing > 0);
        let due: Vec<u64> = unheard
            .map(|message| {
                message.missing -= 1;
                message.due_ns
            })
            .collect();
        self.outstanding -= due.len() as u64;
        self.forget_the_finished();
        due
    }

    /// The server answers the speaker's next message.
    pub(super) fn accept(&mut self) {
        self.answered += 1;
    }

    /// The server refuses the speaker's next message. Returns when it was due, and how many will not hear it.
    pub(super) fn refuse(&mut self) -> (u64, u64) {
        self.answered += 1;
        let index = (self.answered - 1).checked_sub(self.finished);
        let Some(message) = index.and_then(|index| self.messages.get_mut(index as usize)) else {
            return (0, 0);
        };
        let refused = (message.due_ns, std::mem::take(&mut message.missing));
        self.outstanding -= refused.1;
        self.forget_the_finished();
        refused
    }

    /// When each delivery was due that has not come.
    pub(super) fn unheard(&self) -> impl Iterator<Item = (u64, u64)> {
        self.messages.iter().map(|message| (message.due_ns, message.missing))
    }

    fn forget_the_finished(&mut self) {
        while self.messages.front().is_some_and(|message| message.missing == 0) {
            self.messages.pop_front();
            self.finished += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_listener_hears_each_message_once() {
        let mut fan = Fan::new(1);
        let (mut near, mut far) = (0, 0);
        fan.publish(10, 2);
        fan.publish(20, 2);
        assert_eq!(
            [fan.deliver(&mut near), fan.deliver(&mut near), fan.deliver(&mut near)],
            [Some(10), Some(20), None]
        );
        assert_eq!(fan.deliver(&mut far), Some(10));
        assert_eq!((fan.outstanding, fan.unheard().collect::<Vec<_>>()), (1, vec![(20, 1)]));
        assert_eq!(fan.lose(far), [20]);
        assert_eq!((fan.outstanding, fan.unheard().count()), (0, 0));
    }

    #[test]
    fn a_listener_that_hears_nothing_stops_the_speaker_and_keeps_its_times() {
        let mut fan = Fan::new(1);
        let (mut near, mut deaf) = (0, 0);
        let mut due = 0;
        while fan.has_room() {
            fan.publish(due, 2);
            assert_eq!(fan.deliver(&mut near), Some(due));
            due += 1;
        }
        assert_eq!(due, MESSAGES_MAX as u64);
        assert_eq!(fan.deliver(&mut deaf), Some(0));
        assert!(fan.has_room());
    }

    #[test]
    fn a_message_that_was_refused_is_waited_for_by_nobody() {
        let mut fan = Fan::new(1);
        let mut listener = 0;
        for due in [10, 20, 30] {
            fan.publish(due, 1);
        }
        fan.accept();
        assert_eq!(fan.refuse(), (20, 1));
        assert_eq!([fan.deliver(&mut listener), fan.deliver(&mut listener)], [Some(10), Some(30)]);
        assert_eq!(fan.outstanding, 0);
        fan.accept();
        assert_eq!(fan.refuse(), (0, 0), "an answer to nothing");
    }
}
