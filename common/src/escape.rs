//! What may reach a terminal: bytes from elsewhere are shown, never obeyed.

use std::borrow::Cow;
use std::fmt::Write;

/// Whether `c` reorders the text around it: embeddings, overrides and isolates of Unicode's bidirectional
/// algorithm (UAX #9), with which a message can look like another one.
pub fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `text` with every character that could drive a terminal written out: `\u{1b}`. Tab stays.
pub fn for_terminal(text: &str) -> Cow<'_, str> {
    let drives = |c: char| (c.is_control() && c != '\t') || is_bidi_control(c);
    if !text.chars().any(drives) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if drives(c) {
            write!(shown, "\\u{{{:x}}}", u32::from(c)).expect("a String takes everything");
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
    fn plain_text_is_not_copied() {
        assert!(matches!(for_terminal("grüße 🙂"), Cow::Borrowed(_)));
    }
}
