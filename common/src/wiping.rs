//! Buffers that may hold a password: they grow without leaving a copy of it in freed memory.
//!
//! [`Zeroizing`] wipes what it holds when it is dropped. It can't wipe what a `Vec` or a `String` frees when it moves to
//! a larger place, so whatever adds to such a buffer makes room here first.

use zeroize::{Zeroize, Zeroizing};

/// Makes room for `more` bytes.
pub fn reserve(bytes: &mut Zeroizing<Vec<u8>>, more: usize) {
    if bytes.capacity() - bytes.len() < more {
        let mut larger = Vec::with_capacity(grown(bytes.capacity(), bytes.len() + more));
        larger.extend_from_slice(bytes);
        *bytes = Zeroizing::new(larger);
    }
}

/// Makes room for `more` bytes of text.
pub fn reserve_text(text: &mut Zeroizing<String>, more: usize) {
    if text.capacity() - text.len() < more {
        let mut larger = String::with_capacity(grown(text.capacity(), text.len() + more));
        larger.push_str(text);
        *text = Zeroizing::new(larger);
    }
}

/// Removes the first `count` bytes. What moves to the front is wiped where it was.
pub fn drop_front(bytes: &mut Zeroizing<Vec<u8>>, count: usize) {
    let left = bytes.len() - count;
    bytes.copy_within(count.., 0);
    bytes[left..].zeroize();
    bytes.truncate(left);
}

/// At least what is needed, and twice as much as before: adding a byte at a time copies each byte a few times only.
fn grown(capacity: usize, needed: usize) -> usize {
    needed.max(capacity.saturating_mul(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_making_room_nothing_moves_until_the_room_is_used() {
        let mut bytes = Zeroizing::new(b"jedi".to_vec());
        reserve(&mut bytes, 1_000);
        let place = bytes.as_ptr();
        bytes.extend_from_slice(&[b'x'; 1_000]);
        assert_eq!((bytes.as_ptr(), &bytes[..5], bytes.len()), (place, &b"jedix"[..], 1_004));
        let mut text = Zeroizing::new("jedi".to_owned());
        reserve_text(&mut text, 1_000);
        let place = text.as_ptr();
        text.push_str(&"x".repeat(1_000));
        assert_eq!((text.as_ptr(), &text[..5], text.len()), (place, "jedix", 1_004));
    }

    #[test]
    fn what_is_left_moves_to_the_front() {
        for (count, left) in [(0, &b"jedi*knight"[..]), (5, b"knight"), (11, b"")] {
            let mut bytes = Zeroizing::new(b"jedi*knight".to_vec());
            drop_front(&mut bytes, count);
            assert_eq!(&bytes[..], left);
        }
    }

    #[test]
    fn a_buffer_that_gets_a_byte_at_a_time_moves_seldom() {
        let mut bytes = Zeroizing::new(Vec::new());
        let mut moves = 0;
        for _ in 0..10_000 {
            let place = bytes.as_ptr();
            reserve(&mut bytes, 1);
            bytes.push(b'x');
            moves += u32::from(bytes.as_ptr() != place);
        }
        assert!(moves < 20, "{moves}");
    }
}
