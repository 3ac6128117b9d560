//! The files of the project, and their code without comments and strings.

use std::fs;
use std::path::{Path, PathBuf};

/// One file of the project.
pub struct Source {
    /// From the project's root, with slashes.
    pub name: String,
    pub text: String,
}

impl Source {
    /// The code without its comments, line by line, numbered from 1.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let without_comment = |line: &'_ str| match line.split_once("//") {
            // `://` is part of a URL in a string.
            Some((before, _)) if !before.ends_with(':') => before.len(),
            _ => line.len(),
        };
        self.text.lines().enumerate().map(move |(at, line)| (at + 1, &line[..without_comment(line)]))
    }

    /// True if the file is in one of these folders, or is one of these files.
    pub fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.name.starts_with(place))
    }

    /// The lines whose code has `segment` as a whole path segment: the crate `mio` in `mio::Poll`, not in
    /// `signal_hook_mio`.
    pub fn naming(&self, segment: &str) -> Vec<String> {
        let names = |line: &str| {
            line.match_indices(segment).any(|(at, _)| {
                let before = line[..at].chars().next_back();
                let after = &line[at + segment.len()..];
                let starts = before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '.');
                starts && (after.starts_with("::") || line.trim_start() == format!("use {segment};"))
            })
        };
        let found = self.code().filter(|(_, line)| names(line));
        found.map(|(at, line)| format!("{}:{at}: {}", self.name, line.trim())).collect()
    }
}

/// Every file below the project's root with one of these endings, without build output and installed
/// packages.
pub fn sources(endings: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let (mut found, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path: PathBuf = entry.unwrap().path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // Cargo marks its output folder with this file. A module may also be called target.
            let is_output = path.join("CACHEDIR.TAG").exists();
            if path.is_dir() && !name.starts_with('.') && name != "node_modules" && !is_output {
                folders.push(path);
            } else if path.is_file() && endings.iter().any(|ending| name.ends_with(ending)) {
                let text =
                    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
                found.push(Source { name, text });
            }
        }
    }
    assert!(!found.is_empty(), "no sources below {}", root.display());
    found
}

/// The Rust code with spaces in place of comments, strings and characters. Lines keep their numbers.
pub fn bare_code(text: &str) -> String {
    let mut bare = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let len = covered(rest, bare.chars().next_back());
        if len == 0 {
            bare.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        bare.extend(rest[..len].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &rest[len..];
    }
    bare
}

/// How many bytes of a comment, a string or a character `rest` begins with.
fn covered(rest: &str, before: Option<char>) -> usize {
    let is_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let end_of =
        |from: usize, end: &str| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return end_of(2, "*/");
    }
    if !is_word && let Some(raw) = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r')) {
        let hashes = raw.bytes().take_while(|&b| b == b'#').count();
        if raw[hashes..].starts_with('"') {
            let start = rest.len() - raw.len() + hashes + 1;
            return end_of(start, &format!("\"{}", "#".repeat(hashes)));
        }
    }
    match rest.as_bytes()[0] {
        b'"' => quoted(rest, b'"'),
        // A lifetime does not have a second quote right behind.
        b'\'' if rest[1..].starts_with('\\') => quoted(rest, b'\''),
        b'\'' => match rest[1..].chars().next() {
            Some(c) if rest[1 + c.len_utf8()..].starts_with('\'') => c.len_utf8() + 2,
            _ => 0,
        },
        _ => 0,
    }
}

fn quoted(rest: &str, quote: u8) -> usize {
    let mut bytes = rest.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            _ if byte == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[test]
fn comments_and_texts_are_not_code() {
    let kept = |text: &str| bare_code(text).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(kept("a // b\nc /* d */ e"), "a c e");
    assert_eq!(kept(r##"a("x \" y", r#"z " z"#, '\'', 'q', b"k") for"##), "a( , , , , b ) for");
    assert_eq!(kept("fn f<'a>(x: &'a str)"), "fn f<'a>(x: &'a str)");
}
