//! docs/walks.md names files and functions that exist.

use super::source::sources;

/// A line of a walk: a file and the functions that are called in it.
fn steps(page: &str) -> Vec<(String, Vec<String>)> {
    let joined = page.replace("\n  ", " ");
    let lines = joined.lines().filter_map(|line| line.strip_prefix("- `"));
    let step = |line: &str| {
        let (file, rest) =
            line.split_once("`: ").unwrap_or_else(|| panic!("not a file and functions: {line}"));
        let (functions, _) = rest.split_once(". ").unwrap_or((rest, ""));
        let named = functions.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        (file.to_owned(), named)
    };
    lines.map(step).collect()
}

#[test]
fn every_step_is_a_function_of_its_file() {
    let page = include_str!("../../../docs/walks.md");
    let (steps, files) = (steps(page), sources(&[".rs"]));
    assert!(steps.len() > 30, "{} steps", steps.len());
    for (file, functions) in steps {
        let source = files.iter().find(|source| source.name == file);
        let source = source.unwrap_or_else(|| panic!("docs/walks.md names {file}, which is not there"));
        assert!(!functions.is_empty(), "docs/walks.md names no function of {file}");
        for function in functions {
            let is_there =
                ["(", "<"].iter().any(|then| source.text.contains(&format!("fn {function}{then}")));
            assert!(is_there, "docs/walks.md names {function} in {file}, which has no such function");
        }
    }
}
