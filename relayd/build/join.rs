//! Puts the page's modules into one. A browser fetches eighty small files in many round trips, and each is
//! compressed alone; one file needs one, and is a third smaller.
//!
//! Each module becomes a function that is called once, in an order in which those that it imports come first.
//! It understands the few forms of `import` and `export` that the page uses, and refuses any other.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::Component;
use std::path::Path;

/// A module's text, by its path in `page/`, as [`super::compact`] leaves it.
pub type Modules = BTreeMap<String, String>;

/// One statement `import` or `export … from`.
struct Import {
    /// The path in `page/`.
    path: String,
    /// What stands between the braces, or the name behind `* as`.
    names: Names,
}

enum Names {
    Listed(Vec<(String, String)>),
    All(String),
    None,
}

/// A module, taken apart.
#[derive(Default)]
struct Parts {
    imports: Vec<Import>,
    /// Names in the module, and names for others.
    exports: Vec<(String, String)>,
    /// The same for what is passed on from another module.
    passed: Vec<(String, String, String)>,
    body: String,
}

/// The paths that a module imports.
pub fn imports(name: &str, text: &str) -> io::Result<Vec<String>> {
    let parts = take_apart(name, text)?;
    let passed = parts.passed.into_iter().map(|(path, ..)| path);
    Ok(parts.imports.into_iter().map(|import| import.path).chain(passed).collect())
}

/// All modules as one, which exports what `first` does.
pub fn join(modules: &Modules, first: &str) -> io::Result<String> {
    let mut order = Vec::new();
    visit(modules, first, &mut Vec::new(), &mut order)?;
    let number = |path: &str| order.iter().position(|name| name == path).unwrap_or_default();
    let mut joined = String::new();
    for (at, name) in order.iter().enumerate() {
        let parts = take_apart(name, &modules[name])?;
        let _ = writeln!(joined, "const m{at}=(()=>{{");
        for import in &parts.imports {
            let from = number(&import.path);
            let _ = match &import.names {
                Names::Listed(names) => writeln!(joined, "const {{{}}}=m{from};", pairs(names)),
                Names::All(name) => writeln!(joined, "const {name}=m{from};"),
                Names::None => Ok(()),
            };
        }
        joined += &parts.body;
        let passed = parts.passed.iter().map(|(path, name, out)| format!("{out}:m{}.{name}", number(path)));
        let own = parts.exports.iter().map(|(name, out)| format!("{out}:{name}"));
        let _ = writeln!(joined, "return{{{}}};\n}})();", own.chain(passed).collect::<Vec<_>>().join(","));
    }
    let exports = take_apart(first, &modules[first])?.exports;
    let exported: Vec<_> = exports.into_iter().map(|(_, out)| out).collect();
    let _ = writeln!(joined, "export const {{{}}}=m{};", exported.join(","), order.len() - 1);
    Ok(joined)
}

/// `a,b:c` for names and what they become.
fn pairs(names: &[(String, String)]) -> String {
    let pair = |(name, out): &(String, String)| {
        if name == out { name.clone() } else { format!("{name}:{out}") }
    };
    names.iter().map(pair).collect::<Vec<_>>().join(",")
}

/// Puts a module behind all that it imports.
fn visit(modules: &Modules, name: &str, open: &mut Vec<String>, order: &mut Vec<String>) -> io::Result<()> {
    if order.iter().any(|done| done == name) {
        return Ok(());
    }
    if open.iter().any(|other| other == name) {
        return Err(io::Error::other(format!("page/{name} imports itself by way of {open:?}")));
    }
    open.push(name.to_owned());
    for import in imports(name, &modules[name])? {
        visit(modules, &import, open, order)?;
    }
    open.pop();
    order.push(name.to_owned());
    Ok(())
}

fn take_apart(name: &str, text: &str) -> io::Result<Parts> {
    let mut parts = Parts::default();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if !line.starts_with("import ") && !line.starts_with("export ") {
            parts.body += line;
            parts.body.push('\n');
            continue;
        }
        let mut statement = line.to_owned();
        if line.starts_with("import ") || line.starts_with("export {") || line.starts_with("export *") {
            while !statement.ends_with(';') {
                let next = lines.next().ok_or_else(|| refused(name, line))?;
                statement.push(' ');
                statement += next;
            }
        }
        read_statement(name, &statement, &mut parts).ok_or_else(|| refused(name, line))?;
    }
    Ok(parts)
}

fn refused(name: &str, line: &str) -> io::Error {
    io::Error::other(format!("page/{name}: relayd/build/join.rs does not understand {line:?}"))
}

fn read_statement(module: &str, statement: &str, parts: &mut Parts) -> Option<()> {
    if let Some(rest) = statement.strip_prefix("import ") {
        let rest = rest.strip_suffix(';')?;
        let (names, path) = match rest.rsplit_once(" from ") {
            Some((names, path)) => (Some(names), path),
            None => (None, rest),
        };
        let names = match names {
            None => Names::None,
            Some(names) => match names.strip_prefix("* as ") {
                Some(name) => Names::All(name.to_owned()),
                None => Names::Listed(read_names(names)?),
            },
        };
        parts.imports.push(Import { path: resolve(module, path)?, names });
        return Some(());
    }
    let rest = statement.strip_prefix("export ")?;
    if rest.starts_with('{') {
        let rest = rest.strip_suffix(';')?;
        match rest.rsplit_once(" from ") {
            Some((names, path)) => {
                let path = resolve(module, path)?;
                let passed = read_names(names)?.into_iter().map(|(name, out)| (path.clone(), name, out));
                parts.passed.extend(passed);
            }
            None => parts.exports.extend(read_names(rest)?),
        }
        return Some(());
    }
    let exported = ["class ", "const ", "function ", "async function ", "function* "]
        .iter()
        .find_map(|kind| rest.strip_prefix(kind))?;
    let name: String =
        exported.chars().take_while(|char| char.is_ascii_alphanumeric() || "_$".contains(*char)).collect();
    if name.is_empty() {
        return None;
    }
    parts.exports.push((name.clone(), name));
    parts.body += rest;
    parts.body.push('\n');
    Some(())
}

/// `{ a, b as c }`
fn read_names(text: &str) -> Option<Vec<(String, String)>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let names = inner.split(',').map(str::trim).filter(|name| !name.is_empty());
    let name = |name: &str| match name.split_once(" as ") {
        Some((name, out)) => (name.trim().to_owned(), out.trim().to_owned()),
        None => (name.to_owned(), name.to_owned()),
    };
    Some(names.map(name).collect())
}

/// The path in `page/` of what a module imports by a relative path in quotes.
fn resolve(module: &str, quoted: &str) -> Option<String> {
    let import = quoted.trim().trim_matches(['"', '\'']);
    if !import.starts_with('.') {
        return None;
    }
    let mut parts: Vec<&str> = module.split('/').collect();
    parts.pop();
    for part in Path::new(import).components() {
        match part {
            Component::ParentDir => drop(parts.pop()?),
            Component::Normal(name) => parts.push(name.to_str()?),
            _ => {}
        }
    }
    Some(parts.join("/"))
}
