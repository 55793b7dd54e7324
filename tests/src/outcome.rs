//! What becomes of a request, in words: what a test compares where numbers and times differ from run to run.

use forum_common::wire::{OwnedReply, Refusal};

/// Why a request was refused: the code, and the text for people.
pub type Refused = (Refusal, String);

/// What the server says to what was done, or why it was refused.
pub type Outcome = Result<String, Refused>;

/// A log-in went well.
pub fn welcome() -> Outcome {
    done("Welcome to the forum")
}

/// It was done, and this is said to it.
pub fn done(text: &str) -> Outcome {
    Ok(text.to_owned())
}

/// It was refused with these words.
pub fn refused<T>(code: Refusal, text: &str) -> Result<T, Refused> {
    Err((code, text.to_owned()))
}

/// What a reply says.
///
/// # Panics
/// It is none that ends a request in words.
pub fn of(reply: OwnedReply) -> Outcome {
    match reply {
        OwnedReply::Welcome { text, .. }
        | OwnedReply::Done { text, .. }
        | OwnedReply::ThreadCreated { text, .. }
        | OwnedReply::Posted { text, .. }
        | OwnedReply::RoomCreated { text, .. }
        | OwnedReply::Uploaded { text, .. }
        | OwnedReply::Asked { text, .. } => Ok(text),
        OwnedReply::Refused { code, text, .. } => Err((code, text)),
        other => panic!("{other:?} ends no request in words"),
    }
}
