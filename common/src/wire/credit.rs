//! Credit: how many bytes of a file the receiver is ready to take beyond what it was sent. So neither end
//! ever stores more than it offered.

use std::fmt;

/// Credit that one end has given and the other may use. Both ends keep one for each transfer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Credit(u32);

/// The peer broke the rules of credit, and its connection is closed with this text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreditError {
    /// More data than was asked for.
    Exceeded {
        /// Bytes of data that came.
        bytes: usize,
        /// Bytes that were allowed.
        credit: u32,
    },
    /// More credit than the sum of 4,294,967,295 bytes.
    Overflow,
}

impl fmt::Display for CreditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exceeded { bytes, credit } => write!(f, "{bytes} bytes of data with a credit of {credit}"),
            Self::Overflow => write!(f, "More credit than {} bytes", u32::MAX),
        }
    }
}

impl std::error::Error for CreditError {}

impl Credit {
    /// Bytes that may still be sent.
    pub fn bytes(self) -> u32 {
        self.0
    }

    /// Adds credit that was given.
    ///
    /// # Errors
    /// The sum is more than a number of this size holds.
    pub fn give(&mut self, bytes: u32) -> Result<(), CreditError> {
        self.0 = self.0.checked_add(bytes).ok_or(CreditError::Overflow)?;
        Ok(())
    }

    /// Uses credit for data that was sent.
    ///
    /// # Errors
    /// There is not so much.
    pub fn spend(&mut self, bytes: usize) -> Result<(), CreditError> {
        let spent = u32::try_from(bytes).ok().and_then(|bytes| self.0.checked_sub(bytes));
        self.0 = spent.ok_or(CreditError::Exceeded { bytes, credit: self.0 })?;
        Ok(())
    }
}

/// The receiver's side: gives credit so that at most `window` bytes are on their way or not stored yet, in steps
/// of a quarter of it, as a frame of credit for each frame of data would be waste.
#[derive(Debug)]
pub struct Window {
    credit: Credit,
    step: u32,
    /// Bytes that were stored, and not given again.
    stored: u32,
    /// Bytes that no credit was given for yet.
    ungiven: u64,
}

impl Window {
    /// For a file of `bytes` bytes, and the first credit: at least 1, even if nothing is to come.
    pub fn new(bytes: u64, window: u32) -> (Self, u32) {
        let first = u32::try_from(bytes).unwrap_or(u32::MAX).clamp(1, window.max(1));
        let step = (window / 4).max(1);
        let ungiven = bytes.saturating_sub(first.into());
        (Self { credit: Credit(first), step, stored: 0, ungiven }, first)
    }

    /// Takes in data that has come.
    ///
    /// # Errors
    /// There was not so much credit.
    pub fn received(&mut self, bytes: usize) -> Result<(), CreditError> {
        self.credit.spend(bytes)
    }

    /// Notes that so many received bytes are stored; the credit to give for that, if it is time.
    pub fn stored(&mut self, bytes: usize) -> Option<u32> {
        self.stored = self.stored.saturating_add(bytes as u32);
        let next = u64::from(self.stored).min(self.ungiven);
        if next == 0 || next < u64::from(self.step).min(self.ungiven) {
            return None;
        }
        self.stored = 0;
        self.ungiven -= next;
        // At most what was received of a credit of this size.
        let next = next as u32;
        self.credit.0 += next;
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_beyond_the_credit_and_credit_beyond_all_numbers_are_errors() {
        let mut credit = Credit::default();
        assert_eq!(credit.spend(1).unwrap_err().to_string(), "1 bytes of data with a credit of 0");
        credit.give(5).unwrap();
        credit.spend(3).unwrap();
        assert_eq!(credit.spend(5), Err(CreditError::Exceeded { bytes: 5, credit: 2 }));
        assert_eq!(credit.bytes(), 2);
        credit.give(u32::MAX - 2).unwrap();
        assert_eq!(credit.give(1), Err(CreditError::Overflow));
    }

    #[test]
    fn a_window_gives_all_of_a_file_and_never_more_than_is_free() {
        for size in [0, 1, 5, 16, 17, 100, 1_000] {
            let (mut window, first) = Window::new(size, 16);
            let (mut given, mut arrived) = (u64::from(first), 0);
            while arrived < size {
                let piece = (given - arrived).min(size - arrived).min(3) as usize;
                assert!(piece > 0, "the sender waits for ever at {arrived} of {size}");
                window.received(piece).unwrap();
                arrived += piece as u64;
                given += window.stored(piece).map_or(0, u64::from);
                assert!(given <= arrived + 16);
            }
            assert_eq!(given, size.max(1));
        }
    }
}
