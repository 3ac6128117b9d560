//! The width of comments and pages.

use super::source::{Source, sources};

/// The most columns of a line of prose. rustfmt.toml has the same limit for code.
const COLUMNS_MAX: usize = 110;

/// The lines of prose that are longer. Tables, code blocks and lines with a URL are exempt.
fn too_long(source: &Source) -> Vec<String> {
    let is_page = source.name.ends_with(".md");
    let (mut is_fenced, mut is_indented, mut was_blank) = (false, false, true);
    let mut is_prose = |line: &str| {
        if !is_page {
            return is_comment(&source.name, line.trim_start());
        }
        let is_fence = line.trim_start().starts_with("```");
        is_fenced ^= is_fence;
        // An indented block begins behind an empty line. Elsewhere, indented lines belong to a list.
        is_indented = line.starts_with("    ") && (was_blank || is_indented);
        was_blank = line.trim().is_empty();
        !is_fence && !is_fenced && !is_indented && !line.trim_start().starts_with('|')
    };
    let is_long = |line: &str| line.chars().count() > COLUMNS_MAX && !line.contains("://");
    let lines = source.text.lines().enumerate().filter(|(_, line)| is_prose(line) && is_long(line));
    lines.map(|(at, line)| format!("{}:{}: {} columns", source.name, at + 1, line.chars().count())).collect()
}

fn is_comment(name: &str, line: &str) -> bool {
    let mark =
        if [".rs", ".mjs", ".js", ".c"].iter().any(|ending| name.ends_with(ending)) { "//" } else { "#" };
    line.starts_with(mark)
}

#[test]
fn comments_and_pages_keep_to_110_columns() {
    let files = sources(&[".rs", ".md", ".sh", ".py", ".mjs", ".js", ".c", ".toml"]);
    let found: Vec<String> = files.iter().flat_map(too_long).collect();
    assert!(found.is_empty(), "{} lines are too long:\n{}", found.len(), found.join("\n"));
}

#[test]
fn long_lines_are_found_and_exempt_ones_are_not() {
    let count = |name: &str, text: String| too_long(&Source { name: name.to_owned(), text }).len();
    let long = "word ".repeat(30);
    for (name, start) in [("a.rs", "    /// "), ("a.rs", "//! "), ("a.py", "# "), ("a.md", "- ")] {
        assert_eq!(count(name, format!("{start}{long}")), 1, "{start}");
        assert_eq!(count(name, format!("{start}{}", "ü".repeat(90))), 0, "{start}");
    }
    assert_eq!(count("a.md", format!("| {long} |\n```\n{long}\n```\nhttps://x/ {long}")), 0);
    assert_eq!(count("a.md", format!("- a\n    {long}")), 1);
    assert_eq!(count("a.md", format!("text:\n\n    {long}\n    {long}\n")), 0);
    assert_eq!(count("a.rs", format!("let x = \"{long}\";")), 0);
}
