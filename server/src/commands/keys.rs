//! Changes with a key: known before anything else is looked at, so that asking again costs nothing and changes
//! nothing. See [`crate::forum::Keys`].

use forum_common::wire::{NO_TAG, Request, Tag};

use crate::commands::outcomes::Made;
use crate::core::Core;
use crate::forum::{Answer, Key, Keyed, Refused};
use crate::journal::Journal;
use crate::session::ConnectionId;

impl<J: Journal> Core<J> {
    /// Answers a request whose change was made, or refused by the log, when it was asked for before.
    pub(crate) fn answer_known(
        &mut self,
        id: ConnectionId,
        tag: Tag,
        request: &Request<'_>,
        result: Result<Answer, Refused>,
    ) {
        match (result, Made::by(request)) {
            (Ok(answer), Some(made)) => self.answer_again(id, tag, made, answer),
            (Err(refused), _) => self.refuse(id, tag, &refused.into()),
            (Ok(_), None) => debug_assert!(false, "{} takes no key", request.name()),
        }
    }
}

/// The key of a request, and a digest of what else it says.
pub(crate) fn keyed(request: &Request<'_>) -> Option<Keyed> {
    let key = request.key()?;
    let mut plain = *request;
    *plain.key_mut()? = None;
    let mut frame = Vec::new();
    plain.encode(NO_TAG, &mut frame);
    let digest = *blake3::hash(&frame).as_bytes();
    let (content, _) = digest.split_first_chunk().expect("a digest is longer than 8 bytes");
    Some(Keyed { key: Key(key), content: u64::from_be_bytes(*content) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_with_other_content_is_told_apart_and_the_key_is_no_content() {
        let post = |text, key| keyed(&Request::Post { title: "t", text, key });
        let of = |text, key| post(text, Some([key; 16])).unwrap();
        assert_eq!(of("a", 1), of("a", 1));
        assert_ne!(of("a", 1).content, of("b", 1).content);
        assert_eq!(of("a", 1).content, of("a", 2).content);
        let thread = keyed(&Request::CreateThread { title: "t", key: Some([1; 16]) }).unwrap();
        let removal = keyed(&Request::RemoveThread { title: "t", key: Some([1; 16]) }).unwrap();
        assert_ne!(thread.content, removal.content);
        assert_eq!(post("a", None), None);
        assert_eq!(keyed(&Request::WhoElse { after: None, at_most: None }), None);
    }
}
