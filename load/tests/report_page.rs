//! The page about a run: well-formed whatever was measured, and complete without anything beside it.
#![forbid(unsafe_code)]

use forum_load::outcome::{
    Counts, Found, GeneratorUse, Outcome, Second, ServerMoment, ServerUse, Step, latencies,
};
use forum_load::report;
use forum_load::search::StepResult;
use forum_load::setting::Setting;
use roxmltree::{Document, Node, ParsingOptions};

/// A run of so many seconds, with ten operations in each.
fn run(seconds: u32) -> Outcome {
    let mut latency = latencies();
    let mut series = Vec::new();
    for n in 1..=seconds {
        latency.record_n(u64::from(n % 50 + 1) * 10_000, 10).unwrap();
        let at = f64::from(n);
        series.push(Second {
            at,
            operations: 10,
            errors: 0,
            p50_ns: 90_000,
            p99_ns: 300_000,
            max_ns: 500_000,
            ..Second::default()
        });
    }
    Outcome {
        setting: Setting { command: "forum-load ping".to_owned(), ..Setting::default() },
        scenario: "ping".to_owned(),
        target: "forum 127.0.0.1:12345".to_owned(),
        options: [("connections".to_owned(), "100".to_owned())].into(),
        seconds: f64::from(seconds),
        counts: Counts {
            offered: u64::from(seconds) * 10 + 3,
            operations: u64::from(seconds) * 10,
            missed: 3,
            ..Counts::default()
        },
        bytes: 0,
        latency,
        censored: latencies(),
        kinds: Vec::new(),
        series,
        generator: GeneratorUse::default(),
        found: None,
        server: Some(ServerUse {
            pids: vec![1],
            seconds: f64::from(seconds),
            user_seconds: 0.5,
            system_seconds: 0.25,
            memory_bytes_before: 1 << 20,
            memory_bytes_after: 2 << 20,
            series: Vec::new(),
        }),
    }
}

/// One second in which nothing was answered and ten requests were lost.
fn unanswered() -> Outcome {
    let second =
        Second { at: 1.0, operations: 0, errors: 10, p50_ns: 0, p99_ns: 0, max_ns: 0, ..Second::default() };
    Outcome {
        counts: Counts { offered: 10, lost: 10, lost_connections: 10, ..Counts::default() },
        latency: latencies(),
        series: vec![second],
        server: None,
        ..run(1)
    }
}

/// What `look` finds in the page, which must be well-formed.
fn with_page<T>(outcome: &Outcome, look: impl FnOnce(&Document<'_>) -> T) -> T {
    let page = report::html(outcome);
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    match Document::parse_with_options(&page, options) {
        Ok(document) => look(&document),
        Err(error) => panic!("{error}\n{page}"),
    }
}

/// The text in each of the page's elements of one name.
fn texts(document: &Document<'_>, element: &str) -> Vec<String> {
    let found = document.descendants().filter(|node| node.has_tag_name(element));
    let text = |node: Node<'_, '_>| {
        node.descendants().filter(Node::is_text).filter_map(|text| text.text().map(str::to_owned)).collect()
    };
    found.map(text).collect()
}

fn captions(outcome: &Outcome) -> Vec<String> {
    with_page(outcome, |document| texts(document, "figcaption"))
}

/// The numbers in an attribute, whatever stands between them.
fn numbers(node: Node<'_, '_>, attribute: &str) -> Vec<f64> {
    let text = node.attribute(attribute).unwrap_or_default();
    let numbers = text.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-'));
    let numbers = numbers.filter(|number| !number.is_empty());
    numbers.map(|number| number.parse().unwrap_or_else(|_| panic!("{attribute}={text}"))).collect()
}

#[test]
fn a_page_shows_each_figure_that_there_is_something_for() {
    assert_eq!(captions(&run(10)), ["Latency by percentile", "Throughput over time", "Latency over time"]);
    assert_eq!(captions(&unanswered()), ["Throughput over time", "Errors over time"]);
    assert!(captions(&Outcome { series: Vec::new(), ..unanswered() }).is_empty());
    assert_eq!(captions(&Outcome { series: Vec::new(), ..run(1) }), ["Latency by percentile"]);
}

#[test]
fn the_numbers_of_the_table_are_on_the_page() {
    with_page(&run(10), |document| {
        let names = texts(document, "dt");
        let values = texts(document, "strong");
        let tiles: Vec<_> = names.iter().map(String::as_str).zip(values.iter().map(String::as_str)).collect();
        for tile in [
            ("throughput", "10.0/s"),
            ("offered", "10.3/s"),
            ("errors", "0"),
            ("latency, p50", "60.0 µs"),
            ("latency, max", "110 µs"),
            ("CPU per operation", "7.50 ms"),
            ("server CPU", "7.50 %"),
            ("server memory", "2.00 MiB"),
        ] {
            assert!(tiles.contains(&tile), "{tile:?} is not in {tiles:?}");
        }
        assert!(texts(document, "small").contains(&"103 requests: 3 missed".to_owned()));
        assert_eq!(texts(document, "title")[0], "ping against forum 127.0.0.1:12345");
        assert_eq!(texts(document, "li"), ["connections 100"]);
    });
}

#[test]
fn nothing_is_drawn_outside_of_its_picture() {
    let mut outlier = run(60);
    outlier.latency.saturating_record(u64::MAX);
    outlier.series[30].max_ns = 60_000_000_000;
    outlier.series[40] = Second { operations: 0, p50_ns: 0, p99_ns: 0, max_ns: 0, ..outlier.series[40] };
    let lasting = |seconds| {
        let second = Second { at: seconds, ..run(1).series[0] };
        Outcome { seconds, series: vec![second], ..run(1) }
    };
    for outcome in
        [run(1), run(10), run(3600), run(200_000), unanswered(), outlier, lasting(0.001), lasting(0.0)]
    {
        with_page(&outcome, |document| {
            let mut drawn = 0;
            let in_picture = |node: &Node<'_, '_>| node.ancestors().any(|node| node.has_tag_name("svg"));
            for node in document.descendants().filter(in_picture) {
                for (attribute, most) in
                    [("x", 880.0), ("y", 312.0), ("cx", 880.0), ("cy", 312.0), ("d", 880.0)]
                {
                    let numbers = numbers(node, attribute);
                    assert!(numbers.iter().all(|n| (0.0..=most).contains(n)), "{attribute}: {numbers:?}");
                    drawn += numbers.len();
                }
            }
            assert!(drawn > 50, "{drawn}");
        });
    }
}

#[test]
fn the_steps_of_a_search_are_drawn_and_listed() {
    let step = |rate: f64, p99_ns, result| Step {
        rate,
        achieved: rate,
        p50_ns: 50_000,
        p99_ns,
        max_ns: 2 * p99_ns,
        measured: String::new(),
        result,
    };
    let found = Found {
        goal: "p99<5ms".to_owned(),
        steps: vec![step(1_000.0, 100_000, StepResult::Holds), step(2_000.0, 90_000_000, StepResult::Fails)],
        highest: Some(1_000.0),
        limit: Some(StepResult::Fails),
        is_over: true,
    };
    let outcome = Outcome { found: Some(found), ..run(5) };
    assert_eq!(captions(&outcome)[0], "Latency by rate");
    with_page(&outcome, |document| {
        assert_eq!(texts(document, "tr")[2], "2,000/s2,000/s50.0 µs90.0 ms180 msfails");
        assert!(texts(document, "p").contains(&"p99<5ms: highest rate that holds: 1,000 /s".to_owned()));
    });
}

#[test]
fn lag_and_what_the_server_used_are_drawn_over_time_and_the_setting_is_told() {
    let mut outcome = run(3);
    outcome.series[1].lag_p99_ns = 30_000;
    let moment = |n: u32| ServerMoment { at: f64::from(n), cores: 0.5, memory_bytes: 1 << 20 };
    if let Some(server) = &mut outcome.server {
        server.series = (1..=3000).map(moment).collect();
    }
    let drawn = ["Send lag over time", "Server CPU over time", "Server memory over time"];
    assert_eq!(captions(&outcome)[3..], drawn);
    assert!(report::html(&outcome).len() < 200_000);
    with_page(&outcome, |document| assert!(texts(document, "code").contains(&"forum-load ping".to_owned())));
}

#[test]
fn a_long_run_makes_no_longer_page() {
    let (hour, day) = (report::html(&run(3600)), report::html(&run(86_400)));
    assert!(hour.len() < 200_000 && day.len() < 200_000, "{} and {} bytes", hour.len(), day.len());
    assert!(hour.contains("a step stands for about 15.0 seconds"));
    assert!(!report::html(&run(200)).contains("a step stands for"));
}

#[test]
fn a_line_is_broken_where_nothing_was_answered() {
    let mut outcome = run(10);
    let pieces = |outcome: &Outcome| {
        with_page(outcome, |document| {
            let figure = document.descendants().rfind(|node| node.has_tag_name("figure")).expect("a figure");
            // The first of its class is the sample in the legend.
            let line = figure.descendants().rfind(|node| node.attribute("class") == Some("line p50"));
            let line = line.and_then(|line| line.attribute("d")).expect("a line of p50");
            line.matches('M').count()
        })
    };
    assert_eq!(pieces(&outcome), 1);
    outcome.series[4].operations = 0;
    assert_eq!(pieces(&outcome), 2);
}

#[test]
fn a_page_asks_nobody_for_anything() {
    let page = report::html(&run(10));
    for means in ["http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link"] {
        assert!(!page.contains(means), "{means}");
    }
}

#[test]
fn what_others_wrote_is_text_and_no_markup() {
    let hostile = "<script>alert('1')</script>&\"\u{1b}[2J\u{0}]]>";
    let outcome = Outcome {
        scenario: hostile.to_owned(),
        target: hostile.to_owned(),
        options: [(hostile.to_owned(), hostile.to_owned())].into(),
        ..run(3)
    };
    let shown = hostile.replace(['\u{1b}', '\u{0}'], "\u{fffd}");
    assert!(!report::html(&outcome).contains("<script"));
    with_page(&outcome, |document| {
        assert_eq!(texts(document, "title")[0], format!("{shown} against {shown}"));
        assert_eq!(texts(document, "h1"), [format!("{shown} against {shown}")]);
        assert_eq!(texts(document, "li"), [format!("{shown} {shown}")]);
    });
}

#[test]
fn every_picture_is_described_in_words() {
    with_page(&run(10), |document| {
        let pictures: Vec<_> = document.descendants().filter(|node| node.has_tag_name("svg")).collect();
        assert_eq!(pictures.len(), 3);
        for picture in pictures {
            assert_eq!(picture.attribute("role"), Some("img"));
            assert!(picture.attribute("aria-label").is_some_and(|label| label.len() > 20));
        }
    });
}
