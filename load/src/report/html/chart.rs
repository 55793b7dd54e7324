//! A chart as an SVG picture: axes, lines and what they are called. It draws what it is given, in classes
//! that the page's style sheet colours.

use std::fmt::{self, Write};

use super::Escaped;
use super::axis::{Axis, Scale};

const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 312.0;
const LEFT: f64 = 98.0;
const RIGHT: f64 = WIDTH - 36.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = HEIGHT - 58.0;

/// Room for one name in the legend, with the sample of its line.
const LEGEND_WIDTH: f64 = 124.0;

/// Room for the name of a mark, in the large letters of a narrow page.
const MARK_WIDTH: f64 = 160.0;

pub(super) struct Chart {
    /// For readers who can't see it.
    pub(super) summary: String,
    pub(super) x: Axis,
    pub(super) x_title: &'static str,
    pub(super) y: Axis,
    pub(super) y_title: &'static str,
    pub(super) lines: Vec<Line>,
    pub(super) marks: Vec<Mark>,
    pub(super) columns: Vec<Column>,
}

/// A line, broken where nothing was measured.
pub(super) struct Line {
    /// In the legend, if there is more than one.
    pub(super) name: &'static str,
    pub(super) class: &'static str,
    pub(super) pieces: Vec<Vec<(f64, f64)>>,
}

/// A point with its name beside it.
pub(super) struct Mark {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) name: String,
}

/// What is told of a stretch of the x axis when the pointer rests on it.
pub(super) struct Column {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) text: String,
}

impl Chart {
    pub(super) fn svg(&self) -> String {
        let mut svg = String::new();
        // Writing to a string does not fail.
        let _ = self.draw(&mut svg);
        svg
    }

    fn draw(&self, svg: &mut String) -> fmt::Result {
        let summary = Escaped(&self.summary);
        writeln!(svg, r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{summary}">"#)?;
        self.draw_axes(svg)?;
        if self.lines.len() > 1 {
            self.draw_legend(svg)?;
        }
        for line in &self.lines {
            writeln!(svg, r#"<path class="{}" d="{}"/>"#, line.class, self.path(line))?;
        }
        for (number, mark) in self.marks.iter().enumerate() {
            self.draw_mark(svg, mark, number % 2 == 1)?;
        }
        for Column { from, to, text } in &self.columns {
            let (from, to) = (self.across(*from), self.across(*to));
            let (width, height) = ((to - from).max(0.0), BOTTOM - TOP);
            let text = Escaped(text);
            write!(
                svg,
                r#"<rect class="hit" x="{from:.1}" y="{TOP}" width="{width:.1}" height="{height}">"#
            )?;
            writeln!(svg, "<title>{text}</title></rect>")?;
        }
        svg.push_str("</svg>\n");
        Ok(())
    }

    fn draw_axes(&self, svg: &mut String) -> fmt::Result {
        for tick in &self.y.ticks {
            let (y, label) = (self.down(tick.at), Escaped(&tick.label));
            writeln!(svg, r#"<path class="grid" d="M{LEFT} {y:.1}H{RIGHT}"/>"#)?;
            writeln!(svg, r#"<text class="end" x="{}" y="{:.1}">{label}</text>"#, LEFT - 8.0, y + 4.0)?;
        }
        for tick in &self.x.ticks {
            let (x, label) = (self.across(tick.at), Escaped(&tick.label));
            writeln!(svg, r#"<path class="grid" d="M{x:.1} {TOP}V{}"/>"#, BOTTOM + 5.0)?;
            writeln!(svg, r#"<text class="middle" x="{x:.1}" y="{}">{label}</text>"#, BOTTOM + 22.0)?;
        }
        let logarithmic = if self.y.scale == Scale::Logarithmic { ", logarithmic" } else { "" };
        writeln!(svg, r#"<path class="axis" d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}"/>"#)?;
        writeln!(svg, r#"<text class="title" x="4" y="18">{}{logarithmic}</text>"#, self.y_title)?;
        writeln!(svg, r#"<text class="title end" x="{RIGHT}" y="{}">{}</text>"#, HEIGHT - 8.0, self.x_title)
    }

    fn draw_legend(&self, svg: &mut String) -> fmt::Result {
        let first = RIGHT - LEGEND_WIDTH * self.lines.len() as f64;
        for (n, line) in self.lines.iter().enumerate() {
            let x = first + LEGEND_WIDTH * n as f64;
            writeln!(svg, r#"<path class="{}" d="M{x} 14h28"/>"#, line.class)?;
            writeln!(svg, r#"<text x="{}" y="18">{}</text>"#, x + 34.0, Escaped(line.name))?;
        }
        Ok(())
    }

    fn draw_mark(&self, svg: &mut String, mark: &Mark, before: bool) -> fmt::Result {
        let (x, y, name) = (self.across(mark.x), self.down(mark.y), Escaped(&mark.name));
        // Lines of marks rise: to the right and below there is room, and to the left and above, but for the picture's edges.
        // By turns, or those that are near each other would overlap.
        let (class, text_x, text_y) = if x + MARK_WIDTH > RIGHT || before && x - MARK_WIDTH > LEFT {
            ("end", x - 8.0, if y - 22.0 < TOP { y + 20.0 } else { y - 9.0 })
        } else {
            ("start", x + 5.0, if y + 22.0 > BOTTOM { y - 9.0 } else { y + 18.0 })
        };
        writeln!(svg, r#"<circle class="mark" cx="{x:.1}" cy="{y:.1}" r="3.5"/>"#)?;
        writeln!(svg, r#"<text class="mark {class}" x="{text_x:.1}" y="{text_y:.1}">{name}</text>"#)
    }

    fn path(&self, line: &Line) -> String {
        let mut path = String::new();
        for piece in &line.pieces {
            for (n, (x, y)) in piece.iter().enumerate() {
                let command = if n == 0 { 'M' } else { 'L' };
                let _ = write!(path, "{command}{:.1} {:.1}", self.across(*x), self.down(*y));
            }
        }
        path
    }

    fn across(&self, x: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * self.x.fraction(x)
    }

    fn down(&self, y: f64) -> f64 {
        BOTTOM - (BOTTOM - TOP) * self.y.fraction(y)
    }
}
