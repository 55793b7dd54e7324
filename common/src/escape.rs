//! What may reach a terminal: bytes from elsewhere are shown, never obeyed.

use std::borrow::Cow;
use std::fmt::{self, Write};

/// Whether `c` reorders the text around it: embeddings, overrides and isolates of Unicode's bidirectional
/// algorithm (UAX #9), with which a message can look like another one.
pub fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `text` with every character that could drive a terminal written out: `\u{1b}`. Tab stays.
pub fn for_terminal(text: &str) -> Cow<'_, str> {
    escaped(text, |code, shown| write!(shown, "\\u{{{code:x}}}"))
}

/// The same for `json`, in which these characters stand in strings alone.
pub fn in_json(json: &str) -> Cow<'_, str> {
    escaped(json, |code, shown| write!(shown, "\\u{code:04x}"))
}

fn escaped(text: &str, escape: impl Fn(u32, &mut String) -> fmt::Result) -> Cow<'_, str> {
    let drives = |c: char| (c.is_control() && c != '\t') || is_bidi_control(c);
    if !text.chars().any(drives) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if drives(c) {
            escape(u32::from(c), &mut shown).expect("a String takes everything");
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(for_terminal("a\x1b[2J\u{202e}\u{9b}\n\tb"), "a\\u{1b}[2J\\u{202e}\\u{9b}\\u{a}\tb");
    }

    #[test]
    fn json_with_such_characters_stays_json() {
        let json = serde_json::to_string("a\u{202e}b\u{7f}\u{9b}\n").unwrap();
        let escaped = in_json(&json);
        assert_eq!(escaped, r#""a\u202eb\u007f\u009b\n""#);
        assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), "a\u{202e}b\u{7f}\u{9b}\n");
    }

    #[test]
    fn plain_text_is_not_copied() {
        assert!(matches!(for_terminal("grüße 🙂"), Cow::Borrowed(_)));
    }
}
