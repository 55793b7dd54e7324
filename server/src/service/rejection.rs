//! Why a request is refused: what a program is told, and the text for people.

use forum_common::names::Invalid;
use forum_common::wire::{Limit, Refusal, Reply};

use crate::forum::Refused;

/// The server's no to a request. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rejection {
    pub(super) code: Refusal,
    /// The limit that was reached.
    limit: Option<Limit>,
    /// The value of that limit, or the id of what exists already.
    value: Option<u64>,
    /// Which of the names in the request is meant.
    name: Option<String>,
    pub(super) text: String,
}

impl Rejection {
    pub(super) fn new(code: Refusal, text: String) -> Self {
        Self { code, limit: None, value: None, name: None, text }
    }

    /// `Limit reached: at most 100 threads`.
    pub(super) fn limit(limit: Limit, value: u64) -> Self {
        let text = format!("Limit reached: at most {value} {}", limit.noun());
        let (limit, value) = (Some(limit), Some(value));
        Self { limit, value, ..Self::new(Refusal::LimitReached, text) }
    }

    /// The same, about one of several names.
    pub(super) fn about(self, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..self }
    }

    /// What goes over the wire.
    pub(super) fn reply(&self) -> Reply<'_> {
        let Self { code, limit, value, name, text } = self;
        Reply::Refused { code: *code, limit: *limit, value: *value, name: name.as_deref(), text }
    }
}

impl From<Refused> for Rejection {
    fn from(refused: Refused) -> Self {
        let value = match refused {
            Refused::RoomExists(room) => Some(room.0.into()),
            _ => None,
        };
        Self { value, ..Self::new(refused.code(), refused.to_string()) }
    }
}

impl From<Invalid> for Rejection {
    fn from(invalid: Invalid) -> Self {
        let code = match invalid {
            Invalid::Name => Refusal::InvalidName,
            Invalid::Text => Refusal::InvalidText,
            Invalid::Password => Refusal::InvalidPasswordFormat,
        };
        Self::new(code, invalid.to_string())
    }
}
