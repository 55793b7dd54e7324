//! What `telnet` mixes into a text: commands, and agreements on options (RFC 854, RFC 855). They are left out, and one is
//! answered: after ^C, telnet shows nothing until it hears where in the output that was (RFC 860).

/// What a telnet command begins with. No byte of UTF-8 is like it, so it is never part of a text.
const IAC: u8 = 0xFF;
/// Begins a list of bytes about an option, which [`SE`] ends.
const SB: u8 = 250;
const SE: u8 = 240;
/// From this one, WILL, to [`DONT`] a byte follows: the option.
const WILL: u8 = 251;
const DONT: u8 = 254;
/// Where in the output is this? And: I don't say.
const DO_TIMING_MARK: &[u8] = &[IAC, 253, 6];
const WONT_TIMING_MARK: &[u8] = &[IAC, 252, 6];

/// How long the command is, or will be, with which these bytes begin; 0 if they begin with none.
pub(super) fn command_bytes(bytes: &[u8]) -> usize {
    match bytes {
        [IAC, SB, ..] => {
            bytes.windows(2).position(|pair| pair == [IAC, SE]).map_or(usize::MAX / 2, |at| at + 2)
        }
        [IAC, WILL..=DONT, ..] => 3,
        [IAC, ..] => 2,
        _ => 0,
    }
}

/// What is to be said to a command at once.
pub(super) fn answer(command: &[u8]) -> &'static [u8] {
    if command == DO_TIMING_MARK { WONT_TIMING_MARK } else { &[] }
}

#[cfg(test)]
mod tests {
    use forum_common::text::typed::Cutter;

    use super::*;

    #[test]
    fn commands_of_telnet_are_no_part_of_a_line_however_they_are_cut() {
        let bytes = b"\xff\xfb\x0apass\xff\xfa\x18\n\xff\xf0word\r\n\xff\xf1\nab\xff\xfa\x18\n";
        for size in [1, 3, bytes.len()] {
            let (mut cutter, mut rest, mut found) =
                (Cutter::leaving_out(command_bytes), Vec::new(), Vec::new());
            let pieces = bytes.chunks(size).map(|piece| (piece, false)).chain([(&[][..], true)]);
            for (piece, ended) in pieces {
                rest.extend_from_slice(piece);
                while let Some((line, used)) = cutter.cut(&rest, 100, ended) {
                    rest.drain(..used);
                    found.extend(line.and_then(Result::ok).map(|line| line.to_string()));
                }
            }
            assert_eq!(found, ["password", "", "ab"], "{size} bytes at a time");
        }
    }
}
