//! The page about a run: one file that needs no network and no scripts. What it says is laid out here; the
//! pictures are made in [`chart`], and [`style.css`](style.css) makes it presentable.

mod axis;
mod chart;
mod figures;
mod server;
mod steps;
mod timeline;

use std::fmt::{self, Display, Write};

use self::chart::Chart;
use super::{named_latencies, share, units};
use crate::outcome::{Counts, Outcome};
use crate::setting::Setting;
use crate::verdict::Verdict;

const STYLE: &str = include_str!("style.css");

/// A page about a run, in HTML that is well-formed XML, too. Whatever `outcome` holds is escaped.
pub fn html(outcome: &Outcome) -> String {
    let mut page = String::new();
    // Writing to a string does not fail.
    let _ = write_page(&mut page, outcome);
    page
}

fn write_page(page: &mut String, outcome: &Outcome) -> fmt::Result {
    let (scenario, target) = (Escaped(&outcome.scenario), Escaped(&outcome.target));
    let measured = units::time(outcome.seconds * 1e9);
    write!(
        page,
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>
<title>{scenario} against {target}</title>
<style>
{STYLE}</style>
</head>
<body>
<header>
<h1>{scenario} <span>against {target}</span></h1>
<p>Measured for {measured} after the warm-up.</p>
"#
    )?;
    write_setting(page, &outcome.setting)?;
    if let Some(verdict) = Verdict::of(outcome).said() {
        writeln!(page, "<p class=\"verdict\">{}</p>", Escaped(&verdict))?;
    }
    write_options(page, outcome)?;
    page.push_str("</header>\n<main>\n");
    if let Some(found) = &outcome.found {
        steps::write(page, found)?;
    }
    write_tiles(page, outcome)?;
    write_figures(page, outcome)?;
    page.push_str("</main>\n<footer>Made by forum-load.</footer>\n</body>\n</html>\n");
    Ok(())
}

fn write_setting(page: &mut String, setting: &Setting) -> fmt::Result {
    let Setting { date, host, machine, version, command } = setting;
    writeln!(
        page,
        "<p>{} on {}: {}. {}.</p>",
        Escaped(date),
        Escaped(host),
        Escaped(machine),
        Escaped(version)
    )?;
    writeln!(page, "<p><code>{}</code></p>", Escaped(command))
}

fn write_options(page: &mut String, outcome: &Outcome) -> fmt::Result {
    if outcome.options.is_empty() {
        return Ok(());
    }
    page.push_str("<ul class=\"options\">\n");
    for (name, value) in &outcome.options {
        writeln!(page, "<li>{} <b>{}</b></li>", Escaped(name), Escaped(value))?;
    }
    page.push_str("</ul>\n");
    Ok(())
}

/// A number that one looks for first.
struct Tile {
    name: String,
    value: String,
    note: String,
}

fn write_tiles(page: &mut String, outcome: &Outcome) -> fmt::Result {
    page.push_str("<dl class=\"tiles\">\n");
    for tile in tiles(outcome) {
        let (name, value, note) = (Escaped(&tile.name), Escaped(&tile.value), Escaped(&tile.note));
        writeln!(page, "<div><dt>{name}</dt><dd><strong>{value}</strong> <small>{note}</small></dd></div>")?;
    }
    page.push_str("</dl>\n");
    Ok(())
}

fn tiles(outcome: &Outcome) -> Vec<Tile> {
    let tile = |name: &str, value, note| Tile { name: name.to_owned(), value, note };
    let per_second = |amount: f64| share(amount, outcome.seconds).unwrap_or(0.0);
    let rate = format!("{}/s", units::rate(per_second(outcome.counts.operations as f64)));
    let counts = &outcome.counts;
    let offered = format!("{}/s", units::rate(per_second(counts.offered as f64)));
    let mut tiles = vec![
        tile("throughput", rate, format!("{} operations", units::count(counts.operations))),
        tile("offered", offered, offered_note(counts)),
    ];
    if outcome.bytes > 0 {
        let rate = format!("{}/s", units::size(per_second(outcome.bytes as f64)));
        tiles.push(tile("content", rate, format!("{} in all", units::size(outcome.bytes as f64))));
    }
    tiles.push(tile("errors", units::count(counts.errors()), listed(&counts.error_kinds())));
    if counts.lost_connections > 0 {
        tiles.push(tile("lost connections", units::count(counts.lost_connections), String::new()));
    }
    match named_latencies(&outcome.latency, &outcome.censored) {
        None => tiles.push(tile("latency", "–".to_owned(), "nothing was answered".to_owned())),
        Some(named) => tiles.extend(
            named
                .into_iter()
                .map(|named| tile(&format!("latency, {}", named.name), named.shown(), String::new())),
        ),
    }
    for kind in &outcome.kinds {
        let named = named_latencies(&kind.latency, &kind.censored).unwrap_or_default();
        let Some(p99) = named.iter().find(|latency| latency.name == "p99") else { continue };
        let note = format!("p99 of {} operations", units::count(kind.operations));
        tiles.push(tile(&kind.name, p99.shown(), note));
    }
    match &outcome.server {
        None => tiles.push(tile("server", "–".to_owned(), "its process could not be looked at".to_owned())),
        Some(server) => {
            let cpu = server.cpu_seconds();
            let each = share(cpu * 1e9, counts.operations as f64);
            tiles.push(tile(
                "CPU per operation",
                each.map_or("–".to_owned(), units::time),
                "of the server".to_owned(),
            ));
            let percent = share(cpu * 100.0, server.seconds).unwrap_or(0.0);
            let core = format!("{} %", units::three_digits(percent));
            let spent =
                [server.user_seconds, server.system_seconds].map(|seconds| units::time(seconds * 1e9));
            tiles.push(tile(
                "server CPU",
                core,
                format!("of a core; user {}, system {}", spent[0], spent[1]),
            ));
            let before = format!("{} at the start", units::size(server.memory_bytes_before as f64));
            tiles.push(tile("server memory", units::size(server.memory_bytes_after as f64), before));
        }
    }
    let own = &outcome.generator;
    let core = format!("{} %", units::three_digits(own.busiest.unwrap_or_default() * 100.0));
    let lag = own.lag.as_ref().map_or_else(String::new, |lag| {
        format!("; send lag {} (p99)", units::time(lag.value_at_quantile(0.99) as f64))
    });
    tiles.push(tile("forum-load itself", core, format!("of its core{lag}")));
    tiles
}

/// How many requests were offered, and what became of those that are neither operations nor errors.
fn offered_note(counts: &Counts) -> String {
    let others = listed(&counts.other_fates());
    let separator = if others.is_empty() { "" } else { ": " };
    format!("{} requests{separator}{others}", units::count(counts.offered))
}

/// Those of which there are any: `2 refused, 1 lost`.
fn listed(named: &[(&str, u64)]) -> String {
    let present = named.iter().filter(|(_, number)| *number > 0);
    present.map(|(name, number)| format!("{} {name}", units::count(*number))).collect::<Vec<_>>().join(", ")
}

fn write_figures(page: &mut String, outcome: &Outcome) -> fmt::Result {
    let steps = timeline::steps(&outcome.series);
    if let Some(chart) = figures::latency_by_percentile(outcome) {
        write_figure(page, "Latency by percentile", &chart)?;
    }
    if steps.is_empty() {
        return Ok(());
    }
    write_figure(page, "Throughput over time", &figures::throughput(&steps))?;
    if let Some(chart) = figures::latency_over_time(&steps) {
        write_figure(page, "Latency over time", &chart)?;
    }
    if let Some(chart) = figures::lag_over_time(&steps) {
        write_figure(page, "Send lag over time", &chart)?;
    }
    for (title, chart) in outcome.server.iter().flat_map(server::over_time) {
        write_figure(page, title, &chart)?;
    }
    if let Some(chart) = figures::errors(&steps) {
        write_figure(page, "Errors over time", &chart)?;
    }
    if steps.len() < outcome.series.len() {
        let about = units::three_digits(outcome.series.len() as f64 / steps.len() as f64);
        writeln!(
            page,
            "<p class=\"note\">Over time, a step stands for about {about} seconds: their mean throughput and \
             errors, the median of their p50, and the worst of their p99 and max.</p>"
        )?;
    }
    Ok(())
}

fn write_figure(page: &mut String, title: &str, chart: &Chart) -> fmt::Result {
    writeln!(page, "<figure>\n<figcaption>{title}</figcaption>\n{}</figure>", chart.svg())
}

/// Text that can't be taken for markup, in an element or in an attribute. XML has no way to write most control
/// characters: U+FFFD stands for them.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            control if control.is_control() || matches!(control, '\u{fffe}' | '\u{ffff}') => {
                f.write_char('\u{fffd}')
            }
            plain => f.write_char(plain),
        })
    }
}
