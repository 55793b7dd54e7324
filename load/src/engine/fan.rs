//! One speaks, many listen: which message was due when, and which deliveries are missing.

/// Messages that are on their way at once. Their times are kept in a ring, one for all listeners.
const MESSAGES_MAX: u64 = 1 << 16;

/// The messages of the speaker.
#[derive(Debug)]
pub(super) struct Fan {
    /// Messages that are sent together.
    pub(super) burst: u32,
    /// Deliveries that have not come yet.
    pub(super) outstanding: u64,
    /// Deliveries of all messages that were sent since the measuring began.
    pub(super) measured: u64,
    /// Messages that were sent.
    published: u64,
    due: Vec<u64>,
}

impl Fan {
    pub(super) fn new(burst: u32) -> Self {
        Self { burst, outstanding: 0, measured: 0, published: 0, due: vec![0; MESSAGES_MAX as usize] }
    }

    /// Whether there is room for a burst. What the slowest has not heard is taken to be missed by all.
    pub(super) fn has_room(&self, listeners: u64) -> bool {
        self.outstanding / listeners.max(1) + u64::from(self.burst) < MESSAGES_MAX / 2
    }

    /// One message more is on its way to so many listeners.
    pub(super) fn publish(&mut self, due_ns: u64, listeners: u64) {
        self.due[(self.published % MESSAGES_MAX) as usize] = due_ns;
        self.published += 1;
        self.outstanding += listeners;
    }

    /// A listener that had heard `heard` messages hears the next one: when it was due.
    pub(super) fn deliver(&mut self, heard: &mut u64) -> Option<u64> {
        if *heard >= self.published {
            return None;
        }
        let due = self.due[(*heard % MESSAGES_MAX) as usize];
        *heard += 1;
        self.outstanding -= 1;
        Some(due)
    }

    /// A listener that had heard `heard` messages hears no more.
    pub(super) fn lose(&mut self, heard: u64) {
        self.outstanding -= self.published - heard;
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
        assert_eq!(fan.outstanding, 1);
        fan.lose(far);
        assert_eq!(fan.outstanding, 0);
    }
}
