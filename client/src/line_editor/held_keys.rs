//! Keys that were pressed before there was anything to type: a password may be among them.

use std::collections::VecDeque;

use zeroize::Zeroize;

use super::keys::Key;

/// Keys held while nothing is asked. More than these come from something that lies on the keyboard, and are dropped.
const HELD_KEYS_MAX: usize = 4_096;

/// A queue of keys, each wiped where it was when it goes.
#[derive(Debug)]
pub struct HeldKeys(VecDeque<Key>);

impl Default for HeldKeys {
    fn default() -> Self {
        // All the room at once: a queue that moved would leave copies.
        Self(VecDeque::with_capacity(HELD_KEYS_MAX))
    }
}

impl HeldKeys {
    /// Holds a key. In a full queue only ^C finds room: the rest goes for it.
    pub fn push(&mut self, key: Key) {
        let is_full = self.0.len() == HELD_KEYS_MAX;
        if is_full && key == Key::Interrupt {
            self.clear();
        } else if is_full {
            return;
        }
        self.0.push_back(key);
    }

    /// The oldest key, which is held no more.
    pub fn pop(&mut self) -> Option<Key> {
        let held = self.0.front_mut()?;
        let key = if let Key::Paste(text) = held { Key::Paste(std::mem::take(text)) } else { held.clone() };
        held.zeroize();
        self.0.pop_front();
        Some(key)
    }

    /// Whether ^C is among them.
    pub fn has_interrupt(&self) -> bool {
        self.0.contains(&Key::Interrupt)
    }

    /// Forgets them all.
    pub fn clear(&mut self) {
        self.0.iter_mut().for_each(Zeroize::zeroize);
        self.0.clear();
    }
}

impl Drop for HeldKeys {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_out_in_order_and_a_full_queue_takes_an_interrupt_only() {
        let mut held = HeldKeys::default();
        let place = held.0.as_slices().0.as_ptr();
        for _ in 0..HELD_KEYS_MAX + 10 {
            held.push(Key::Char('x'));
        }
        held.push(Key::Paste("jedi".to_owned().into()));
        assert_eq!((held.0.len(), held.has_interrupt()), (HELD_KEYS_MAX, false));
        assert_eq!(held.0.as_slices().0.as_ptr(), place, "it has not moved");
        held.push(Key::Interrupt);
        assert_eq!((held.pop(), held.pop()), (Some(Key::Interrupt), None));
        held.push(Key::Paste("jedi".to_owned().into()));
        held.push(Key::Enter);
        assert_eq!(held.pop(), Some(Key::Paste("jedi".to_owned().into())));
        assert_eq!(held.pop(), Some(Key::Enter));
    }

    #[test]
    fn a_key_that_is_wiped_holds_nothing_of_what_was_typed() {
        let mut keys = [Key::Char('x'), Key::Paste("jedi".to_owned().into()), Key::Enter];
        keys.iter_mut().for_each(Zeroize::zeroize);
        assert_eq!(keys, [Key::Char('\0'), Key::Paste("".to_owned().into()), Key::Enter]);
    }
}
