//! Keys out of the bytes that a terminal sends.
//!
//! Pure: bytes in, keys out, in pieces of any size. It knows the escape sequences of the common terminals
//! (ECMA-48 §5.4 for their form, xterm's `ctlseqs` for their meaning) but not what a key does.

use forum_common::wiping;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of one paste that are kept; the rest is dropped. A character more than any line may hold, so that it shows.
pub const PASTE_BYTES_MAX: usize = super::lines::LINE_BYTES_MAX + 4;

/// Bytes of an escape sequence. No terminal sends longer ones; whatever this is, it is no key.
const SEQUENCE_BYTES_MAX: usize = 32;

const ESC: u8 = 0x1b;
const PASTE_ENDS: &[u8] = b"\x1b[201~";

/// What was pressed, by what people expect of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Key {
    /// A printable character.
    Char(char),
    /// Text from the clipboard, as it is: whatever bytes it has, they are no keys.
    Paste(Zeroizing<String>),
    Enter,
    Backspace,
    Delete,
    Left,
    Right,
    Up,
    Down,
    Home,
    End,
    WordLeft,
    WordRight,
    /// ^W: the word before the cursor, as spaces see it.
    EraseWord,
    /// Alt-D: to the end of the word.
    EraseWordRight,
    /// ^U: the whole line.
    KillLine,
    /// ^K: all after the cursor.
    KillToEnd,
    /// ^Y: brings back what was last erased by word or killed.
    Yank,
    /// ^L.
    ClearScreen,
    /// ^C.
    Interrupt,
    /// ^D: deletes a character, or ends the input on an empty line.
    EndOfInput,
    /// Tab.
    Complete,
    /// ^R: looks for a line in the history.
    Search,
    /// ^G, or Escape alone: gives that up.
    GiveUp,
}

impl Zeroize for Key {
    /// Wipes what was typed or pasted; which kind of key it was is no secret.
    fn zeroize(&mut self) {
        match self {
            Self::Char(c) => c.zeroize(),
            Self::Paste(text) => text.zeroize(),
            _ => {}
        }
    }
}

/// Cuts keys out of bytes.
#[derive(Debug, Default)]
pub struct KeyDecoder {
    bytes: Zeroizing<Vec<u8>>,
    /// Where the next key starts.
    start: usize,
    /// What has come of a paste that has not ended.
    paste: Option<Zeroizing<Vec<u8>>>,
}

/// What the bytes begin with.
enum Cut {
    /// So many bytes, which are this key, or none that matters.
    Key(Option<Key>, usize),
    /// The introduction of a paste.
    PasteBegins(usize),
    /// Part of something; more bytes will tell.
    Unfinished,
}

impl KeyDecoder {
    /// Takes bytes as they come.
    pub fn feed(&mut self, bytes: &[u8]) {
        wiping::drop_front(&mut self.bytes, self.start);
        self.start = 0;
        wiping::reserve(&mut self.bytes, bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    /// The next key, or `None`: feed more first.
    pub fn next_key(&mut self) -> Option<Key> {
        loop {
            if self.paste.is_some() {
                return self.pasted();
            }
            match cut(&self.bytes[self.start..]) {
                Cut::Key(key, used) => {
                    self.use_up(used);
                    if key.is_some() {
                        return key;
                    }
                }
                Cut::PasteBegins(used) => {
                    self.use_up(used);
                    self.paste = Some(Zeroizing::default());
                }
                Cut::Unfinished => return None,
            }
        }
    }

    /// Whether part of a key is there. An Escape pressed alone looks like the start of a sequence: if
    /// nothing follows soon, call [`KeyDecoder::decide`].
    pub fn is_undecided(&self) -> bool {
        self.paste.is_none() && self.start < self.bytes.len()
    }

    /// Takes what is there for all that comes: an Escape is the key of that name then, and anything else is no key.
    pub fn decide(&mut self) -> Option<Key> {
        let is_escape = self.bytes[self.start..] == [ESC];
        self.use_up(self.bytes.len() - self.start);
        is_escape.then_some(Key::GiveUp)
    }

    /// So many bytes are a key now, and needed here no more.
    fn use_up(&mut self, count: usize) {
        self.bytes[self.start..self.start + count].zeroize();
        self.start += count;
    }

    /// Moves bytes into the paste; the whole paste once its end is there.
    fn pasted(&mut self) -> Option<Key> {
        let rest = &self.bytes[self.start..];
        let end = rest.windows(PASTE_ENDS.len()).position(|window| window == PASTE_ENDS);
        // Without an end, the last bytes might be its beginning.
        let length = end.unwrap_or(rest.len().saturating_sub(PASTE_ENDS.len() - 1));
        let paste = self.paste.as_mut()?;
        let room = PASTE_BYTES_MAX - paste.len();
        let piece = &rest[..length.min(room)];
        wiping::reserve(paste, piece.len());
        paste.extend_from_slice(piece);
        self.use_up(length);
        end?;
        self.use_up(PASTE_ENDS.len());
        let text = self.paste.take()?;
        Some(Key::Paste(text_of(&text)))
    }
}

/// The bytes as text; what is not UTF-8 of them becomes U+FFFD.
fn text_of(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::default();
    for chunk in bytes.utf8_chunks() {
        let stand_in = if chunk.invalid().is_empty() { "" } else { "\u{fffd}" };
        wiping::reserve_text(&mut text, chunk.valid().len() + stand_in.len());
        text.push_str(chunk.valid());
        text.push_str(stand_in);
    }
    text
}

fn cut(bytes: &[u8]) -> Cut {
    match bytes {
        [] | [ESC] => Cut::Unfinished,
        [ESC, b'[', rest @ ..] => control_sequence(rest),
        // SS3: what the cursor keys send in application mode.
        [ESC, b'O', last, ..] => Cut::Key(cursor_key(*last, false), 3),
        [ESC, b'O'] => Cut::Unfinished,
        [ESC, second, ..] => alt(*second),
        [byte, ..] if byte.is_ascii_control() => Cut::Key(control_key(*byte), 1),
        _ => character(bytes),
    }
}

fn control_key(byte: u8) -> Option<Key> {
    // ^A is 1, ^B is 2, …
    Some(match byte {
        b'\r' | b'\n' => Key::Enter,
        0x7f | 0x08 => Key::Backspace,
        0x01 => Key::Home,
        0x02 => Key::Left,
        0x03 => Key::Interrupt,
        0x04 => Key::EndOfInput,
        0x05 => Key::End,
        0x07 => Key::GiveUp,
        0x06 => Key::Right,
        b'\t' => Key::Complete,
        0x0b => Key::KillToEnd,
        0x0c => Key::ClearScreen,
        0x0e => Key::Down,
        0x10 => Key::Up,
        0x12 => Key::Search,
        0x15 => Key::KillLine,
        0x17 => Key::EraseWord,
        0x19 => Key::Yank,
        _ => return None,
    })
}

/// A key pressed with Alt comes as Escape and the key.
fn alt(key: u8) -> Cut {
    match key {
        b'b' => Cut::Key(Some(Key::WordLeft), 2),
        b'f' => Cut::Key(Some(Key::WordRight), 2),
        b'd' => Cut::Key(Some(Key::EraseWordRight), 2),
        0x7f | 0x08 => Cut::Key(Some(Key::EraseWord), 2),
        b' '..=b'~' => Cut::Key(None, 2),
        // Escape by itself, and then a key that means what it always does.
        _ => Cut::Key(None, 1),
    }
}

/// CSI: parameters (0x30 to 0x3f), intermediates (0x20 to 0x2f), one final byte (0x40 to 0x7e).
fn control_sequence(bytes: &[u8]) -> Cut {
    const INTRODUCER: usize = 2;
    // The Linux console's F1 to F5: CSI [ A. The second bracket would look like the final byte.
    if bytes.first() == Some(&b'[') {
        return if bytes.len() < 2 { Cut::Unfinished } else { Cut::Key(None, INTRODUCER + 2) };
    }
    let Some(length) = bytes.iter().position(|byte| !matches!(byte, 0x20..=0x3f)) else {
        let endless = bytes.len() > SEQUENCE_BYTES_MAX;
        return if endless { Cut::Key(None, INTRODUCER + bytes.len()) } else { Cut::Unfinished };
    };
    let (parameters, last) = (&bytes[..length], bytes[length]);
    if !matches!(last, 0x40..=0x7e) {
        // Cut off by another key, which is left to be read by itself.
        return Cut::Key(None, INTRODUCER + length);
    }
    let used = INTRODUCER + length + 1;
    if (parameters, last) == (b"200", b'~') {
        return Cut::PasteBegins(used);
    }
    // `1;5` is the key with Ctrl, `1;3` with Alt; both move by words.
    let by_word = matches!(parameters, [.., b';', b'3' | b'5']);
    let key = match (parameters, last) {
        (b"1" | b"7", b'~') => Some(Key::Home),
        (b"3", b'~') => Some(Key::Delete),
        (b"3;3" | b"3;5", b'~') => Some(Key::EraseWordRight),
        (b"4" | b"8", b'~') => Some(Key::End),
        (_, b'~') => None,
        _ => cursor_key(last, by_word),
    };
    Cut::Key(key, used)
}

fn cursor_key(last: u8, by_word: bool) -> Option<Key> {
    Some(match last {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' if by_word => Key::WordRight,
        b'C' => Key::Right,
        b'D' if by_word => Key::WordLeft,
        b'D' => Key::Left,
        b'F' => Key::End,
        b'H' => Key::Home,
        b'M' => Key::Enter,
        _ => return None,
    })
}

/// One character of UTF-8; other bytes are passed over one by one.
fn character(bytes: &[u8]) -> Cut {
    let length = match bytes[0] {
        0x20..=0x7e => 1,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Cut::Key(None, 1),
    };
    let continues = |byte: &u8| matches!(byte, 0x80..=0xbf);
    let Some(encoded) = bytes.get(..length) else {
        let broken = !bytes[1..].iter().all(continues);
        return if broken { Cut::Key(None, 1) } else { Cut::Unfinished };
    };
    match std::str::from_utf8(encoded).ok().and_then(|text| text.chars().next()) {
        // A C1 control has no business being typed.
        Some(c) if c.is_control() => Cut::Key(None, length),
        Some(c) => Cut::Key(Some(Key::Char(c)), length),
        None => Cut::Key(None, 1),
    }
}

#[cfg(test)]
mod tests;
