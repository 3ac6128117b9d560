//! `docs/faults.md` is made from the cases: the comment of a case says which fault it plays.
//!
//! The main case of a fault has its text, in three parts: `Fault 7: ...`, `Played: ...`, `Holds: ...`. The
//! other cases of the fault have only the line `Fault 7.` With `RELAY_WRITE_FAULTS=1`, the test writes the
//! page.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::sources::source::{Source, sources};

/// The marks around the faults of a section. The other text of the page is written by hand.
const BEGIN: &str = "<!-- faults ";
const END: &str = "<!-- end of faults -->";

/// A number and a letter that may follow it: `20`, then `20b`.
type Id = (u32, String);

#[derive(Debug, Default)]
struct Fault {
    /// What goes wrong, how it is played, what holds.
    parts: Vec<[String; 3]>,
    /// The main one first.
    cases: Vec<String>,
}

fn parse_id(text: &str) -> Option<Id> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let letters = &text[digits..];
    let is_id = letters.len() < 2 && letters.chars().all(|c| c.is_ascii_lowercase());
    is_id.then(|| Some((text[..digits].parse().ok()?, letters.to_owned()))).flatten()
}

/// The text of a comment line.
fn comment(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let text = ["///", "//!", "# "].iter().find_map(|mark| line.strip_prefix(mark))?;
    Some(text.trim())
}

/// `tests/cases/silence.rs` and `any_byte` give `silence::any_byte`. Cases elsewhere keep their whole path.
fn case_name(file: &str, function: Option<&str>) -> String {
    let Some(function) = function else { return file.to_owned() };
    let path = file.strip_suffix(".rs").unwrap_or(file);
    let path = path.strip_prefix("tests/cases/").unwrap_or(path);
    format!("{}::{function}", path.strip_suffix("/mod").unwrap_or(path))
}

/// The faults in the comments of one file: the id, the three parts if they are there, and the case.
fn mentions(source: &Source) -> Vec<(Id, Option<[String; 3]>, String)> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let text = comment(lines[at]).unwrap_or_default();
        let Some((id, rest)) = text.strip_prefix("Fault ").and_then(|text| text.split_once([':', '.']))
        else {
            at += 1;
            continue;
        };
        let id = parse_id(id).unwrap_or_else(|| panic!("{}:{}: {text}", source.name, at + 1));
        let is_of_file = lines[at].starts_with("//!") || lines[at].starts_with('#');
        let function = (!is_of_file).then(|| function_after(&lines[at..]));
        let case = case_name(&source.name, function);
        let parts = (!rest.is_empty()).then(|| parts(source, &lines[at..]));
        found.push((id, parts, case));
        at += 1;
    }
    found
}

fn function_after<'a>(lines: &[&'a str]) -> &'a str {
    let after =
        lines.iter().find_map(|line| line.trim_start().split_once("fn ").filter(|_| comment(line).is_none()));
    after.and_then(|(_, name)| name.split('(').next()).expect("a function below its comment")
}

/// The three parts that begin here, each of one line or more.
fn parts(source: &Source, lines: &[&str]) -> [String; 3] {
    let mut parts: Vec<String> = Vec::new();
    for text in lines.iter().map_while(|line| comment(line)).take_while(|text| !text.is_empty()) {
        let label =
            ["Fault ", "Played: ", "Holds: "].get(parts.len()).and_then(|label| text.strip_prefix(label));
        match (label, parts.last_mut()) {
            (Some(text), None) => parts.push(text.split_once(": ").unwrap_or_default().1.to_owned()),
            (Some(text), Some(_)) => parts.push(text.to_owned()),
            (None, Some(_)) if text.starts_with("Fault ") => break,
            (None, Some(last)) => *last = format!("{last} {text}"),
            (None, None) => break,
        }
    }
    parts.try_into().unwrap_or_else(|parts| panic!("{}: not three parts: {parts:?}", source.name))
}

/// Every fault that a case says it plays.
fn faults() -> BTreeMap<Id, Fault> {
    let mut files = sources(&[".rs", ".py"]);
    files.retain(|file| file.name != "tests/cases/faults_page.rs");
    files.sort_by(|a, b| a.name.cmp(&b.name));
    let mut faults = BTreeMap::<Id, Fault>::new();
    for (id, parts, case) in files.iter().flat_map(mentions) {
        let fault = faults.entry(id).or_default();
        let at = if parts.is_some() { 0 } else { fault.cases.len() };
        fault.cases.insert(at, case);
        fault.parts.extend(parts);
    }
    faults
}

/// One row of the page.
fn row((number, letter): &Id, fault: &Fault) -> String {
    let [what, played, holds] = match &fault.parts[..] {
        [parts] => parts,
        other => panic!("fault {number}{letter} is told by {} cases of {:?}", other.len(), fault.cases),
    };
    let cases: Vec<String> = fault.cases.iter().map(|case| format!("`{case}`")).collect();
    format!(
        "| {number}{letter} | {} | {played} | {holds} | {} |\n",
        what.trim_end_matches('.'),
        cases.join(", ")
    )
}

/// The page with the faults of each section in their place.
fn page(old: &str, mut faults: BTreeMap<Id, Fault>) -> String {
    let (mut page, mut rest) = (String::new(), old);
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (range, after) = after.split_once(" -->").expect("the end of a comment");
        let (first, last) = range.split_once(" to ").expect("a first and a last fault");
        let [first, last] = [first, last].map(|number| number.parse::<u32>().expect("a number"));
        let (_, after) = after.split_once(END).expect("the end of a table");
        page += &format!(
            "{before}{BEGIN}{range} -->\n| row | fault | how it is played | what holds | cases |\n|---|---|---|---|---|\n"
        );
        let others = faults.split_off(&(last + 1, String::new()));
        for (id, fault) in std::mem::replace(&mut faults, others) {
            assert!(id.0 >= first, "fault {id:?} is in no section");
            page += &row(&id, &fault);
        }
        page += END;
        rest = after;
    }
    assert!(faults.is_empty(), "faults in no section: {:?}", faults.keys());
    page + rest
}

#[test]
fn the_page_of_faults_is_what_the_cases_say() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/faults.md");
    let old = fs::read_to_string(&file).expect("docs/faults.md");
    let faults = faults();
    let mut numbers: Vec<u32> = faults.keys().map(|(number, _)| *number).collect();
    numbers.dedup();
    assert!(numbers.iter().copied().eq(1..=63), "a fault was lost, or is new: {numbers:?}");
    let new = page(&old, faults);
    if std::env::var_os("RELAY_WRITE_FAULTS").is_some() {
        fs::write(&file, &new).expect("docs/faults.md can be written");
    }
    let is_same = std::env::var_os("RELAY_WRITE_FAULTS").is_some() || old == new;
    assert!(
        is_same,
        "docs/faults.md is not what the cases say: RELAY_WRITE_FAULTS=1 cargo test -p relay-tests faults_page"
    );
}

#[test]
fn a_case_is_read_with_what_it_says() {
    let text = "/// About it.\n///\n/// Fault 7b: A thing\n/// breaks.\n/// Played: By hand.\n/// Holds: It\n/// stays.\n\
                /// Fault 3.\n#[test]\nfn a_case() {\n";
    let source = Source { name: "tests/cases/things/mod.rs".to_owned(), text: text.to_owned() };
    let parts = ["A thing breaks.", "By hand.", "It stays."].map(str::to_owned);
    let case = "things::a_case".to_owned();
    let expected =
        [((7, "b".to_owned()), Some(parts.clone()), case.clone()), ((3, String::new()), None, case)];
    assert_eq!(mentions(&source), expected);
    let faults =
        BTreeMap::from([((7, "b".to_owned()), Fault { parts: vec![parts], cases: vec!["x".to_owned()] })]);
    let old = format!("head\n{BEGIN}5 to 9 -->\nstale\n{END}\nfoot\n");
    let new = page(&old, faults);
    assert!(new.starts_with("head\n") && new.ends_with(&format!("{END}\nfoot\n")), "{new}");
    assert!(
        new.contains("\n| 7b | A thing breaks | By hand. | It stays. | `x` |\n") && !new.contains("stale"),
        "{new}"
    );
}
