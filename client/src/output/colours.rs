//! Decorated lines on a terminal: names and times in colours, and the bell.

use forum_common::escape;
use forum_common::text::decoration::{COLOURS, Decorated, Style};

use super::{Output, Stream};

impl Output {
    /// A reply or a notice, for a person. A mention in what comes unasked `rings`.
    pub fn say_decorated(&mut self, line: &Decorated, rings: bool) {
        let paints = self.has_colours;
        let paint = |(style, text): &(Style, String)| paint(*style, &escape::for_terminal(text), paints);
        let bell = if rings && line.is_mention && self.screen.is_some() { "\x07" } else { "" };
        let text: String = line.pieces.iter().map(paint).chain([bell.to_owned()]).collect();
        self.raw_line(Stream::Out, &text);
    }
}

/// What shows a text in this style, on a terminal that is to have colours (ECMA-48 §8.3.117).
fn paint(style: Style, text: &str, paints: bool) -> String {
    // Red is for errors, and blue on black is hard to read.
    const NAMES: [u8; COLOURS] = [32, 33, 35, 36, 96];
    let code = match style {
        _ if !paints => return text.to_owned(),
        Style::Plain => return text.to_owned(),
        Style::Name(colour) => NAMES[colour % COLOURS],
        Style::Own => 1,
        Style::Dim => 2,
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}
