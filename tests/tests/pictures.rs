//! The pictures of PERF.md are drawn from the figures that are kept beside them.
#![forbid(unsafe_code)]

use std::fs;
use std::process::Command;

use forum_tests::workspace;
use tempfile::TempDir;

#[test]
fn the_pictures_of_the_figures_are_those_that_compare_py_draws() {
    let (kept, drawn) = (workspace().join("docs/perf"), TempDir::new().unwrap());
    let mut command = Command::new("python3");
    command.arg(workspace().join("load/compare.py")).arg("--plots");
    let status = command.arg(kept.join("figures.json")).arg(drawn.path()).status().unwrap();
    assert!(status.success());
    let page = fs::read_to_string(workspace().join("PERF.md")).unwrap();
    let mut pictures = 0;
    for entry in fs::read_dir(drawn.path()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let [drawn, kept] = [drawn.path(), &kept].map(|directory| fs::read_to_string(directory.join(&name)));
        assert!(drawn.unwrap() == kept.unwrap_or_default(), "docs/perf/{name} is of other figures");
        assert!(page.contains(&format!("](docs/perf/{name})")), "PERF.md does not show {name}");
        pictures += 1;
    }
    assert!(pictures > 0);
}
