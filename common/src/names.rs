//! Names and texts, parsed once: a [`Title`] is always a valid one.
//!
//! All are shared strings: cloning one is a counter, not a copy.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::limits::{
    FILE_NAME_BYTES_MAX, PASSWORD_BYTES_MAX, TEXT_BYTES_MAX, TITLE_BYTES_MAX, USER_NAME_BYTES_MAX,
};

/// Why a string is no such name, text or password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalid {
    /// No user name, title or file name.
    Name,
    /// No text of a message.
    Text,
    /// No password.
    Password,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "Invalid name",
            Self::Text => "Invalid text",
            Self::Password => "Invalid password format",
        })
    }
}

impl std::error::Error for Invalid {}

/// Declares a validated, cheaply cloned string: its rule is the function named last.
macro_rules! checked_string {
    ($(#[$doc:meta])* $name:ident, $valid:ident, $invalid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(Arc<str>);

        // By hand: derived through `String`, each entry of the log would copy its strings once more.
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl $name {
            /// Parses `raw`, which must be exactly one: nothing is trimmed or folded.
            ///
            /// # Errors
            /// `raw` breaks the rule.
            pub fn parse(raw: &str) -> Result<Self, Invalid> {
                if $valid(raw) { Ok(Self(raw.into())) } else { Err($invalid) }
            }

            /// The string itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;
            fn try_from(raw: String) -> Result<Self, Invalid> {
                Self::parse(&raw)
            }
        }

    };
}

checked_string!(
    /// A user's name: 1 to 32 bytes of printable ASCII without space.
    UserName, is_user_name, Invalid::Name
);
checked_string!(
    /// A forum thread's title: 1 to 64 bytes of printable ASCII without space, `/` and `\`.
    Title, is_title, Invalid::Name
);
checked_string!(
    /// An uploaded file's name: 1 to 200 bytes of UTF-8 without white space, control characters, bidirectional
    /// overrides, `/` and `\`, not starting with `-` or `.`. On the server it is a label, never a path.
    FileName, is_file_name, Invalid::Name
);
checked_string!(
    /// What a message says: 1 to 8,192 bytes of UTF-8 without control characters (but tab) and without
    /// bidirectional overrides, so that nobody drives another's terminal.
    Text, is_text, Invalid::Text
);

/// A password on its way to being hashed: 1 to 128 bytes without control characters. Wiped when dropped.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Parses `raw`, which is taken as it is, spaces included.
    ///
    /// # Errors
    /// `raw` is empty, too long, or has a control character.
    pub fn parse(raw: &str) -> Result<Self, Invalid> {
        let fits = (1..=PASSWORD_BYTES_MAX).contains(&raw.len());
        if fits && !raw.chars().any(char::is_control) {
            Ok(Self(Zeroizing::new(raw.to_owned())))
        } else {
            Err(Invalid::Password)
        }
    }

    /// The bytes to hash.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

fn is_word(raw: &str, bytes_max: usize) -> bool {
    (1..=bytes_max).contains(&raw.len()) && raw.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_user_name(raw: &str) -> bool {
    is_word(raw, USER_NAME_BYTES_MAX)
}

fn is_title(raw: &str) -> bool {
    is_word(raw, TITLE_BYTES_MAX) && !raw.contains(['/', '\\'])
}

fn is_file_name(raw: &str) -> bool {
    let keeps_out = |c: char| c.is_whitespace() || matches!(c, '/' | '\\') || is_kept_out_of_texts(c);
    (1..=FILE_NAME_BYTES_MAX).contains(&raw.len()) && !raw.starts_with(['-', '.']) && !raw.contains(keeps_out)
}

fn is_text(raw: &str) -> bool {
    (1..=TEXT_BYTES_MAX).contains(&raw.len())
        && (is_plain_ascii(raw) || !raw.chars().any(is_kept_out_of_texts))
}

/// What most texts are: this looks at all bytes and decides once, which the compiler does sixteen at a time.
fn is_plain_ascii(raw: &str) -> bool {
    raw.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'))
}

fn is_kept_out_of_texts(c: char) -> bool {
    (c.is_control() && c != '\t') || crate::escape::is_bidi_control(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_are_printable_ascii_of_1_to_32_bytes() {
        for good in ["y", "Obi-wan", "a/b\\c", "~!@#", &"x".repeat(32)] {
            assert!(UserName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "two words", "tab\t", "ünï", "\x7f", &"x".repeat(33)] {
            assert_eq!(UserName::parse(bad), Err(Invalid::Name), "{bad:?}");
        }
    }

    #[test]
    fn titles_and_file_names_have_no_slashes() {
        for bad in ["a/b", "a\\b", "/", &"x".repeat(65)] {
            assert!(Title::parse(bad).is_err(), "{bad:?}");
        }
        for bad in [
            "",
            "../x",
            "-rf",
            ".hidden",
            "a/b",
            "a b",
            "a\tb",
            "a\u{a0}b",
            "\u{3000}",
            "a\x1b",
            "a\u{85}",
            "\u{202e}fdp.exe",
        ] {
            assert!(FileName::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Title::parse("-x.y").is_ok());
        for good in ["test.exe", "grüße.txt", "語", &"x".repeat(200), &"ü".repeat(100)] {
            assert!(FileName::parse(good).is_ok(), "{good:?}");
        }
        assert!(FileName::parse(&"x".repeat(201)).is_err() && FileName::parse(&"ü".repeat(101)).is_err());
    }

    #[test]
    fn texts_have_no_control_characters_but_tab() {
        for good in ["x", "  two  spaces ", "a\tb", "grüße 🙂", &"x".repeat(8_192)] {
            assert!(Text::parse(good).is_ok(), "{good:?}");
        }
        for bad in ["", "a\nb", "\x1b[2J", "\x7f", "\u{85}", "\u{202e}", "\u{2066}", &"x".repeat(8_193)] {
            assert_eq!(Text::parse(bad), Err(Invalid::Text), "{bad:?}");
        }
    }

    #[test]
    fn passwords_may_hold_spaces_and_are_never_shown() {
        let password = Password::parse(" s3cret ü ").unwrap();
        assert_eq!(password.as_bytes(), " s3cret ü ".as_bytes());
        assert_eq!(format!("{password:?}"), "Password(…)");
        for bad in ["", "a\tb", &"x".repeat(129)] {
            assert!(Password::parse(bad).is_err(), "{bad:?}");
        }
    }
}
