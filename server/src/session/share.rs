//! How the work of a turn is divided.

/// What one connection gets of a turn: a busy peer must not starve the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    /// Frames that are taken from it.
    pub(crate) frames: usize,
    /// Bytes that are read from it.
    pub(crate) bytes: usize,
}

impl Share {
    /// While few wait.
    pub(crate) const LARGEST: Self = Self { frames: 256, bytes: 64 * 1024 };
    /// However many wait.
    const SMALLEST: Self = Self { frames: 8, bytes: 16 * 1024 };

    /// The share of each of so many who wait. Somebody who asks for little waits for one share of each, and a turn of
    /// all of them is to take as long with 1,000 as with some.
    pub(crate) fn among(waiting: usize) -> Self {
        let part = |largest: usize, smallest| (8 * largest / waiting.max(1)).clamp(smallest, largest);
        Self {
            frames: part(Self::LARGEST.frames, Self::SMALLEST.frames),
            bytes: part(Self::LARGEST.bytes, Self::SMALLEST.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_smaller_the_more_wait_and_has_both_bounds() {
        for few in 0..=8 {
            assert_eq!(Share::among(few), Share::LARGEST);
        }
        assert_eq!(Share::among(16), Share { frames: 128, bytes: 32 * 1024 });
        assert_eq!(Share::among(64), Share { frames: 32, ..Share::SMALLEST });
        assert_eq!(Share::among(10_000), Share::SMALLEST);
    }
}
