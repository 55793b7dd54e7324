//! Keys for changes, so that a server has the work of remembering how each came out. Nothing is ever repeated.

use forum_common::wire::Key;

/// Makes keys, if there are to be any.
#[derive(Debug)]
pub struct Keys(Option<fastrand::Rng>);

impl Keys {
    /// None, or one for each change. They differ from run to run whatever the seed: a key that the server has seen
    /// gets the answer that it got then, and nothing is done.
    pub fn new(wanted: bool) -> Self {
        Self(wanted.then(fastrand::Rng::new))
    }

    /// The next one.
    pub fn make(&mut self) -> Option<Key> {
        Some(self.0.as_mut()?.u128(..).to_be_bytes())
    }

    /// Puts the next one where that of a request is, which `out` ends with.
    #[inline]
    pub fn renew(&mut self, out: &mut [u8]) {
        if let (Some(key), Some(place)) = (self.make(), out.last_chunk_mut()) {
            *place = key;
        }
    }
}

#[cfg(test)]
mod tests {
    use forum_common::limits::FRAME_BYTES_MAX;
    use forum_common::wire::{Request, frame};

    use super::*;

    fn key_of(bytes: &[u8]) -> Option<Key> {
        let (frame, _) = frame::split(bytes, FRAME_BYTES_MAX).unwrap().unwrap();
        *Request::decode(&frame).unwrap().key_mut().unwrap()
    }

    #[test]
    fn each_copy_of_a_request_gets_a_key_of_its_own() {
        let mut keys = Keys::new(true);
        let mut post = Vec::new();
        Request::Post { title: "thread", text: "text", key: keys.make() }.encode(1, &mut post);
        let first = key_of(&post);
        keys.renew(&mut post);
        assert!(first.is_some() && key_of(&post).is_some() && key_of(&post) != first);
    }

    #[test]
    fn without_keys_a_request_stays_as_it_is() {
        let mut keys = Keys::new(false);
        let mut post = Vec::new();
        Request::Post { title: "thread", text: "0123456789abcdef", key: keys.make() }.encode(1, &mut post);
        let before = post.clone();
        keys.renew(&mut post);
        assert_eq!((&post, key_of(&post)), (&before, None));
    }
}
