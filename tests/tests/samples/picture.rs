//! The picture of README: a terminal in a session with others, as SVG, in the colours of the reader's light or dark page.

use std::fmt::Write as _;
use std::fs;

use forum_tests::{Forum, Forumd, workspace};

use crate::pages::{is_update, without_times};
use crate::seat::Seat;

const COLUMNS: u16 = 80;
/// Of a letter and of a row, in units of the picture.
const LETTER: f64 = 8.43;
const ROW: usize = 19;
const MARGIN: usize = 18;
/// The bar with the three dots.
const BAR: usize = 30;

const STYLE: &str = "
text { font: 14px ui-monospace, SFMono-Regular, Menlo, 'DejaVu Sans Mono', Consolas, monospace; fill: #24292f; }
.window { fill: #f6f8fa; stroke: #d0d7de; }
.prompt { fill: #6e7781; }
.typed { fill: #0550ae; font-weight: 600; }
.dot { fill: #d0d7de; }
@media (prefers-color-scheme: dark) {
  text { fill: #c9d1d9; }
  .window { fill: #161b22; stroke: #30363d; }
  .prompt { fill: #8b949e; }
  .typed { fill: #79c0ff; }
  .dot { fill: #30363d; }
}
";

/// What the prompts end with.
const PROMPTS: [&str; 4] = ["> ", "help: ", "username: ", "$ "];

/// Yoda's terminal: an account, a thread, a post; then Hans and Leia come and talk.
fn session() -> Vec<String> {
    let server = Forumd::new().env("TZ", "UTC").start();
    let forum = Forum::at(server.address());
    let mut yoda = Seat::take(forum.command(), COLUMNS);
    yoda.signs_up("yoda");
    yoda.does("CRT 3331", "Thread 3331 created");
    yoda.does("MSG 3331 Networking, hard is it?", "Message posted to 3331 thread");
    let mut hans = server.sign_up("hans");
    yoda.shows("hans logged in");
    hans.does("MSG 3331 Not if you read the tour.", "Message posted to 3331 thread");
    yoda.does("RDT 3331", "2 hans: Not if you read the tour.");
    hans.says("message yoda Which way to Dagobah?");
    yoda.shows("hans: Which way to Dagobah?");
    yoda.does("message hans Left at the nebula, you turn.", ">");
    hans.hears("yoda: Left at the nebula, you turn.");
    let mut leia = server.sign_up("leia");
    yoda.shows("leia logged in");
    leia.says("BCM The shuttle leaves at six.");
    yoda.shows("leia (BCM #1): The shuttle leaves at six.");
    yoda.does("whoelse", "leia");
    yoda.leaves("XIT", "Goodbye");
    let mut rows = yoda.rows();
    rows.insert(0, "$ forum 127.0.0.1 12345".to_owned());
    rows
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A row: what was typed after a prompt stands out.
fn row(text: &str) -> String {
    let end = PROMPTS.iter().filter_map(|prompt| text.find(prompt).map(|at| at + prompt.len())).min();
    let is_prompt = |end: &usize| text.starts_with(['>', '$', 'E', 'C']) && *end <= text.len();
    match end.filter(is_prompt) {
        Some(end) => format!(
            r#"<tspan class="prompt">{}</tspan><tspan class="typed">{}</tspan>"#,
            escaped(&text[..end]),
            escaped(&text[end..])
        ),
        None => escaped(text),
    }
}

fn drawn(rows: &[String]) -> String {
    let width = (f64::from(COLUMNS) * LETTER) as usize + 2 * MARGIN;
    let height = BAR + rows.len() * ROW + MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" role=\"img\" \
         aria-label=\"A session of the forum client on a terminal\">\n<style>{STYLE}</style>\n\
         <rect class=\"window\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n",
        width - 1,
        height - 1
    );
    for dot in 0..3 {
        writeln!(svg, r#"<circle class="dot" cx="{}" cy="16" r="5"/>"#, MARGIN + 5 + 17 * dot).unwrap();
    }
    for (number, text) in rows.iter().enumerate() {
        let y = BAR + (number + 1) * ROW - 5;
        writeln!(svg, r#"<text x="{MARGIN}" y="{y}" xml:space="preserve">{}</text>"#, row(text)).unwrap();
    }
    svg + "</svg>\n"
}

#[test]
fn the_picture_of_readme_shows_what_the_programs_print() {
    let path = workspace().join("docs/session.svg");
    let rows = session();
    let (kept, drawn) = (fs::read_to_string(&path).unwrap_or_default(), drawn(&rows));
    if kept.lines().map(without_times).eq(drawn.lines().map(without_times)) {
        return;
    }
    assert!(is_update(), "docs/session.svg: UPDATE_DOCS=1 draws it anew, with\n{}", rows.join("\n"));
    fs::write(path, drawn).unwrap();
}
