//! Blocks of the pages that come from runs of the programs: `<!-- from a run: NAME -->`, the block, `<!-- end -->`.

use std::sync::{Mutex, PoisonError};
use std::{env, fs};

use forum_tests::workspace;

/// Tests that write into one page do so one after the other.
static WRITING: Mutex<()> = Mutex::new(());

/// Whether the pages are to be written.
pub(crate) fn is_update() -> bool {
    env::var_os("UPDATE_DOCS").is_some()
}

/// A page, up to the contents of a block, the contents, and the rest.
fn parts(page: &str, name: &str) -> [String; 3] {
    let text = fs::read_to_string(workspace().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
    let mark = format!("<!-- from a run: {name} -->\n");
    let (before, rest) = text.split_once(&mark).unwrap_or_else(|| panic!("{page} has no run {name}"));
    let (block, after) = rest.split_once("```\n<!-- end -->").unwrap_or_else(|| panic!("{name} has no end"));
    let (fence, contents) = block.split_once('\n').expect("a block begins with a fence");
    [format!("{before}{mark}{fence}\n"), contents.to_owned(), format!("```\n<!-- end -->{after}")]
}

/// The last block before that of the run: what the run does.
pub(crate) fn script_of(page: &str, name: &str) -> String {
    let [before, ..] = parts(page, name);
    let (before, _) = before.rsplit_once("```\n").expect("a block before it");
    let (_, script) = before.rsplit_once("```sh\n").expect("a script");
    script.to_owned()
}

/// The contents of the block.
pub(crate) fn contents(page: &str, name: &str) -> String {
    let [_, contents, _] = parts(page, name);
    contents
}

/// Insists on the block being what was found, or makes it that.
pub(crate) fn hold(page: &str, name: &str, found: &[String]) {
    let _alone = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let [before, wanted, after] = parts(page, name);
    let is_same = wanted.lines().map(without_times).eq(found.iter().map(|line| without_times(line)));
    if is_same {
        return;
    }
    let found: String = found.iter().map(|line| format!("{line}\n")).collect();
    assert!(is_update(), "{page}, {name}: UPDATE_DOCS=1 makes it what the programs print:\n{found}");
    fs::write(workspace().join(page), format!("{before}{found}{after}")).expect("a place to write to");
}

/// A line without what differs from run to run: the numbers in lines with a time, an address or a duration, and long ones.
pub(crate) fn without_times(line: &str) -> String {
    const LONG: usize = 9;
    let is_time = |four: &[u8]| four[1] == b':' && [0, 2, 3].iter().all(|&at| four[at].is_ascii_digit());
    let has_time = line.as_bytes().windows(4).any(is_time) || line.contains(" ms");
    let mut kept = String::new();
    let mut rest = line.trim_end();
    while let Some(at) = rest.find(|letter: char| letter.is_ascii_digit()) {
        let digits = rest[at..].bytes().take_while(u8::is_ascii_digit).count();
        kept.push_str(&rest[..at]);
        kept.push_str(if has_time || digits >= LONG { "#" } else { &rest[at..at + digits] });
        rest = &rest[at + digits..];
    }
    kept + rest
}

#[test]
fn only_what_differs_from_run_to_run_is_left_out() {
    for (line, without) in [
        ("1 yoda: 3 Jedi", "1 yoda: 3 Jedi"),
        ("#1; leia: 6 at 21 Nov 2026 04:16:37.", "##; leia: # at # Nov # #:#:#."),
        (r#"{"line":1,"session":16318666182334876104}"#, r#"{"line":1,"session":#}"#),
        ("listening on 127.0.0.1:4000", "listening on #.#.#.#:#"),
    ] {
        assert_eq!(without_times(line), without, "{line}");
    }
}
