//! When to stop doubling the window: before losses say so, when round trips grow because a queue fills
//! (HyStart++, RFC 9406, section 4.2, without its conservative phase: CUBIC takes over at once).
//!
//! It knows packet numbers and round trips only.

use std::time::Duration;

/// Samples that a round must have to be believed (N_RTT_SAMPLE).
const SAMPLES_MIN: u32 = 8;
/// Growth of the round trip between these bounds, or an eighth of it, means a queue (MIN_RTT_THRESH and
/// MAX_RTT_THRESH).
const GROWTH_MIN: Duration = Duration::from_millis(4);
const GROWTH_MAX: Duration = Duration::from_millis(16);

/// The least round trip of this round and of the one before.
#[derive(Debug, Clone, Default)]
pub(super) struct RoundWatch {
    /// The round ends when a packet with this number or a later one is acknowledged.
    ends_at: u64,
    samples: u32,
    least: Option<Duration>,
    least_before: Option<Duration>,
}

impl RoundWatch {
    /// Takes a sample, of packet `number`, while `next_number` is the next to be sent. Returns whether a
    /// queue is filling.
    pub(super) fn sees_queue(&mut self, number: u64, next_number: u64, round_trip: Duration) -> bool {
        if number >= self.ends_at {
            *self = Self { ends_at: next_number, samples: 0, least: None, least_before: self.least };
        }
        self.samples += 1;
        let least = self.least.map_or(round_trip, |least| least.min(round_trip));
        self.least = Some(least);
        let Some(before) = self.least_before else { return false };
        self.samples >= SAMPLES_MIN && least >= before + (before / 8).clamp(GROWTH_MIN, GROWTH_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_a_growing_queue_from_a_single_late_packet() {
        let mut watch = RoundWatch::default();
        let ms = Duration::from_millis;
        for number in 0..10 {
            assert!(!watch.sees_queue(number, 10, ms(50)));
        }
        for number in 10..30 {
            let late = if number % 2 == 0 { 150 } else { 52 };
            assert!(!watch.sees_queue(number, 30, ms(late)));
        }
        let seen: Vec<_> = (30..40).map(|number| watch.sees_queue(number, 60, ms(60))).collect();
        assert_eq!(seen.iter().position(|seen| *seen), Some(SAMPLES_MIN as usize - 1));
    }
}
