//! A function whose name is a question (`is_`, `has_`, `may_`, `can_`) changes nothing.

use super::source::{Source, bare_code, sources};

const PREFIXES: [&str; 4] = ["is_", "has_", "may_", "can_"];

/// Calls that change something behind a shared reference, write, send or log.
const EFFECTS: [&str; 12] = [
    ".set(",
    ".store(",
    ".fetch_",
    ".compare_exchange",
    ".borrow_mut(",
    ".write()",
    ".send(",
    ".try_send(",
    ".write_all(",
    "tracing::",
    "println!",
    "eprintln!",
];

/// Calls that change a cell if they have one argument. With two, they are calls on strings and slices.
const EFFECTS_WITH_ONE_ARGUMENT: [&str; 2] = [".replace(", ".swap("];

/// Calls that change what a lock guards. Taking a lock to read is not an effect.
const CHANGES: [&str; 14] = [
    ".push",
    ".pop",
    ".insert(",
    ".remove(",
    ".clear(",
    ".take()",
    ".extend",
    ".drain(",
    ".retain(",
    ".entry(",
    ".append(",
    ".truncate(",
    "_mut(",
    ".next(",
];

/// A function whose name is a question.
struct Predicate<'a> {
    line: usize,
    signature: &'a str,
    body: &'a str,
}

fn predicates(code: &str) -> Vec<Predicate<'_>> {
    let starts = code.match_indices("fn ").map(|(at, found)| (at, at + found.len()));
    let named = starts.filter(|&(_, name)| PREFIXES.iter().any(|prefix| code[name..].starts_with(prefix)));
    named
        .map(|(at, name)| {
            let open = code[name..].find(['{', ';']).map_or(code.len(), |len| name + len);
            let body = &code[open..open + length_of_block(&code[open..])];
            Predicate { line: code[..at].lines().count(), signature: &code[name..open], body }
        })
        .collect()
}

/// The length of the block in braces that begins here.
fn length_of_block(code: &str) -> usize {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    code.len()
}

impl Predicate<'_> {
    /// What it changes, if anything.
    fn effect(&self) -> Option<String> {
        if self.takes_mutable() {
            return Some("takes `&mut`".to_owned());
        }
        let simple = EFFECTS.iter().find(|effect| self.body.contains(**effect));
        let of_cell = || EFFECTS_WITH_ONE_ARGUMENT.iter().find(|effect| self.calls_with_one_argument(effect));
        let found = simple.or_else(of_cell).map(|effect| format!("calls `{effect}`"));
        found.or_else(|| self.changes_behind_lock().then(|| "changes what a lock guards".to_owned()))
    }

    fn takes_mutable(&self) -> bool {
        self.signature.split('&').skip(1).any(|taken| {
            let taken = taken.trim_start();
            let after_lifetime = taken.strip_prefix('\'').and_then(|rest| rest.split_once(' '));
            after_lifetime.map_or(taken, |(_, rest)| rest).starts_with("mut ")
        })
    }

    fn calls_with_one_argument(&self, call: &str) -> bool {
        self.body.match_indices(call).any(|(at, _)| {
            let mut depth = 0;
            let arguments = self.body[at + call.len()..].chars().take_while(|&c| {
                depth += i32::from(matches!(c, '(' | '[' | '{')) - i32::from(matches!(c, ')' | ']' | '}'));
                depth >= 0 && !(depth == 0 && c == ',')
            });
            let first = arguments.count();
            self.body[at + call.len()..].chars().nth(first) != Some(',')
        })
    }

    fn changes_behind_lock(&self) -> bool {
        self.body.split([';', '{', '}']).filter_map(|statement| statement.split_once(".lock(")).any(
            |(before, after)| {
                let is_bound_to_change = before.contains("let mut ");
                let is_assigned = before.trim_start().starts_with('*') && after.contains(" = ");
                is_bound_to_change || is_assigned || CHANGES.iter().any(|change| after.contains(change))
            },
        )
    }
}

/// The functions of a file that change something, though their name is a question.
fn found_in(source: &Source) -> Vec<String> {
    let code = bare_code(&source.text);
    let found = predicates(&code).into_iter().filter_map(|predicate| {
        let name = predicate.signature.split(['(', '<']).next().unwrap_or_default();
        let effect = predicate.effect()?;
        Some(format!("{}:{}: {name} {effect}", source.name, predicate.line))
    });
    found.collect()
}

#[test]
fn a_function_named_as_a_question_changes_nothing() {
    let rust = sources(&[".rs"]);
    let found: Vec<String> = rust.iter().flat_map(found_in).collect();
    assert!(found.is_empty(), "{} that change something:\n{}", found.len(), found.join("\n"));
}

#[test]
fn effects_are_found_and_reads_are_not() {
    let count = |text: &str| found_in(&Source { name: "x.rs".to_owned(), text: text.to_owned() }).len();
    for acting in [
        "fn is_due(&mut self) -> bool;",
        "fn is_due(&'a mut self) -> bool { true }",
        "fn has_room(peer: &mut Peer) -> bool { true }",
        "fn may_pass(&self) -> bool { self.seen.set(true); true }",
        "fn can_go(&self) -> bool { self.count.fetch_add(1, Relaxed) == 0 }",
        "fn is_first(&self) -> bool { !self.seen.replace(true) }",
        "fn is_new(&self) -> bool { self.all.lock().unwrap().insert(1) }",
        "fn is_new(&self) -> bool { let mut all = self.all.lock(); all.grow() }",
        "fn is_new(&self) -> bool { *self.all.lock().unwrap() = 1; true }",
    ] {
        assert_eq!(count(acting), 1, "{acting}");
    }
    for asking in [
        "fn is_due(&self) -> bool { self.at <= now }",
        "fn is_same(a: &str) -> bool { a.replace(\"-\", \"_\") == \".set(\" }",
        "fn is_new(&self) -> bool { self.all.lock().unwrap().is_empty() }",
        "fn is_late(&self) -> bool { true } fn mark(&mut self) { self.cell.set(1) }",
        "fn this_is_due(&mut self) -> bool { true }",
    ] {
        assert_eq!(count(asking), 0, "{asking}");
    }
}
