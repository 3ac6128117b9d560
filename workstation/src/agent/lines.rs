//! The lines that commands want said, until every phone has confirmed them. Pure.

use std::collections::{BTreeMap, BTreeSet};

use mio::Token;

/// Names a phone while the agent runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PhoneKey(pub(super) u32);

/// A line that a command says.
pub(super) struct Saying {
    /// The command's own number for it.
    pub(super) number: u64,
    /// What it travels under.
    pub(super) id: String,
    pub(super) text: String,
}

/// The lines on their way.
#[derive(Debug, Default)]
pub(super) struct Lines {
    on_their_way: BTreeMap<String, Line>,
}

#[derive(Debug)]
struct Line {
    command: Token,
    /// The command's own number for it.
    number: u64,
    /// The phones that have not confirmed it.
    phones: BTreeSet<PhoneKey>,
    /// Why it does not go to all that were meant.
    missed: Option<String>,
}

/// A line that is over: the command, its number for it, and why a phone will not get it.
pub(super) type Settled = (Token, u64, Option<String>);

impl Lines {
    /// Takes a line for these phones. It travels under this id. `missed` is why others don't get it.
    pub(super) fn add(
        &mut self,
        id: &str,
        (command, number): (Token, u64),
        phones: BTreeSet<PhoneKey>,
        missed: Option<String>,
    ) {
        self.on_their_way.insert(id.to_owned(), Line { command, number, phones, missed });
    }

    /// A phone has the line of this id. Settles it if that was the last one.
    pub(super) fn confirm(&mut self, id: &str, phone: PhoneKey) -> Option<Settled> {
        let line = self.on_their_way.get_mut(id)?;
        line.phones.remove(&phone);
        if !line.phones.is_empty() {
            return None;
        }
        self.on_their_way.remove(id).map(|line| (line.command, line.number, line.missed))
    }

    /// A phone will confirm nothing more: gives the lines that are lost to it.
    pub(super) fn give_up(&mut self, phone: PhoneKey) -> Vec<(Token, u64)> {
        let mut lost = Vec::new();
        self.on_their_way.retain(|_, line| {
            let is_lost = line.phones.contains(&phone);
            lost.extend(is_lost.then_some((line.command, line.number)));
            !is_lost
        });
        lost
    }

    /// The command is gone: nobody wants to hear of its lines.
    pub(super) fn forget(&mut self, command: Token) {
        self.on_their_way.retain(|_, line| line.command != command);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_delivered_when_the_last_phone_has_it() {
        let (one, two) = (PhoneKey(1), PhoneKey(2));
        let mut lines = Lines::default();
        lines.add("a", (Token(5), 9), BTreeSet::from([one, two]), None);
        lines.add("b", (Token(5), 10), BTreeSet::from([two]), None);
        assert_eq!(lines.confirm("a", one), None);
        assert_eq!(lines.confirm("a", one), None, "twice is once");
        assert_eq!(lines.confirm("a", two), Some((Token(5), 9, None)));
        assert_eq!(lines.confirm("a", two), None);
        assert_eq!(lines.give_up(two), [(Token(5), 10)]);
        lines.add("c", (Token(6), 1), BTreeSet::from([one]), Some("full".into()));
        assert_eq!(lines.confirm("c", one), Some((Token(6), 1, Some("full".into()))));
        lines.add("c", (Token(6), 1), BTreeSet::from([one]), None);
        lines.forget(Token(6));
        assert_eq!(lines.confirm("c", one), None);
    }
}
