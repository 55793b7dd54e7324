//! Bytes become lines: what `nc`, `telnet` and the like send. Pure, and it holds no bytes: what is left of a line comes
//! again, with more.

use zeroize::Zeroizing;

/// What a telnet command begins with. No byte of UTF-8 is like it, so it is never part of a text.
const IAC: u8 = 0xFF;
/// Begins a list of bytes about an option, which [`SE`] ends.
const SB: u8 = 250;
const SE: u8 = 240;
/// From this one, WILL, to [`DONT`] a byte follows: the option.
const WILL: u8 = 251;
const DONT: u8 = 254;

/// What somebody typed. It might be a password, so it is wiped when dropped.
pub(super) type Typed = Zeroizing<String>;

/// The first line, without its end and what is telnet's, and the bytes that it took; of a line that is not UTF-8 only
/// those. When the input has `ended`, what is left is a line as well.
pub(super) fn split(bytes: &[u8], ended: bool) -> Option<(Option<Typed>, usize)> {
    let mut line = Zeroizing::new(Vec::with_capacity(bytes.len()));
    let mut at = 0;
    let used = loop {
        match bytes.get(at) {
            Some(b'\n') => break at + 1,
            Some(&IAC) => at += telnet_command(&bytes[at..]),
            Some(byte) => {
                line.push(*byte);
                at += 1;
            }
            None if ended && !bytes.is_empty() => break bytes.len(),
            None => return None,
        }
    };
    let text = std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(&line)).ok();
    Some((text.map(|text| Zeroizing::new(text.to_owned())), used))
}

/// How long a telnet command is, or will be.
fn telnet_command(bytes: &[u8]) -> usize {
    match bytes.get(1) {
        Some(&SB) => bytes.windows(2).position(|pair| pair == [IAC, SE]).map_or(usize::MAX / 2, |at| at + 2),
        Some(WILL..=DONT) => 3,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All lines of bytes that come in these pieces, and then the end.
    fn lines<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Option<String>> {
        let (mut rest, mut found) = (Vec::new(), Vec::new());
        let mut take = |rest: &mut Vec<u8>, ended| {
            while let Some((line, used)) = split(rest, ended) {
                rest.drain(..used);
                found.push(line.map(|line| line.to_string()));
            }
        };
        for piece in pieces {
            rest.extend_from_slice(piece);
            take(&mut rest, false);
        }
        take(&mut rest, true);
        found
    }

    #[test]
    fn lines_are_the_same_however_they_are_cut() {
        let bytes = b"\nyoda\r\n\xff\xfb\x0apass\xff\xfa\x18\n\xff\xf0word\n\xff\xf1h\xc3\xa9\nb\xc3\nMSG t  a\rb \r\nlast";
        let wanted =
            [Some(""), Some("yoda"), Some("password"), Some("hé"), None, Some("MSG t  a\rb "), Some("last")];
        let wanted = wanted.map(|line| line.map(str::to_owned));
        assert_eq!(lines([&bytes[..]]), wanted);
        assert_eq!(lines(bytes.chunks(1)), wanted);
        assert_eq!(lines(bytes.chunks(3)), wanted);
    }

    #[test]
    fn half_a_telnet_command_waits_for_the_rest_and_the_end_needs_none() {
        for half in [&b"ab\xff"[..], b"ab\xff\xfb", b"ab\xff\xfa\x18\n"] {
            assert_eq!(split(half, false), None, "{half:?}");
            assert_eq!(lines([half]), [Some("ab".to_owned())], "{half:?}");
        }
    }

    #[test]
    fn the_end_of_the_input_makes_no_line_out_of_nothing() {
        assert_eq!(lines([&b"a\n"[..]]), [Some("a".to_owned())]);
        assert_eq!(lines([]), [None; 0]);
    }
}
