//! Random bytes. The only place that asks the operating system for them on behalf of the loop, so that a simulation can
//! draw them from its seed.

use std::cell::RefCell;
use std::fmt;

/// Fills bytes.
type Source = Box<dyn FnMut(&mut [u8])>;

/// A source of random bytes.
pub struct Random(RefCell<Source>);

impl Random {
    /// That of the operating system.
    pub fn system() -> Self {
        Self::of(|bytes: &mut [u8]| {
            getrandom::fill(bytes).expect("a system on which Rust's hash maps work has random bytes");
        })
    }

    /// One that is filled by `source`.
    pub fn of(source: impl FnMut(&mut [u8]) + 'static) -> Self {
        Self(RefCell::new(Box::new(source)))
    }

    /// The next bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.0.borrow_mut())(&mut bytes);
        bytes
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}
