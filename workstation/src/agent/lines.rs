//! The lines that commands want said, until every phone has confirmed them. Pure.

use std::collections::{BTreeMap, BTreeSet};

use mio::Token;

/// Names a phone while the agent runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PhoneKey(pub(super) u32);

/// The lines on their way.
#[derive(Debug)]
pub(super) struct Lines {
    /// Makes the ids of this agent different from those of the one before.
    prefix: String,
    next: u64,
    on_their_way: BTreeMap<String, Line>,
}

#[derive(Debug)]
struct Line {
    command: Token,
    /// The command's own number for it.
    number: u64,
    /// The phones that have not confirmed it.
    phones: BTreeSet<PhoneKey>,
}

impl Lines {
    pub(super) fn new(prefix: String) -> Self {
        Lines { prefix, next: 0, on_their_way: BTreeMap::new() }
    }

    /// Takes a line for these phones, and gives the id that it travels under.
    pub(super) fn add(&mut self, command: Token, number: u64, phones: BTreeSet<PhoneKey>) -> String {
        self.next += 1;
        let id = format!("{}-{}", self.prefix, self.next);
        self.on_their_way.insert(id.clone(), Line { command, number, phones });
        id
    }

    /// A phone has the line of this id. Gives the command and its number for it if it was the last one.
    pub(super) fn confirm(&mut self, id: &str, phone: PhoneKey) -> Option<(Token, u64)> {
        let line = self.on_their_way.get_mut(id)?;
        line.phones.remove(&phone);
        if !line.phones.is_empty() {
            return None;
        }
        self.on_their_way.remove(id).map(|line| (line.command, line.number))
    }

    /// A phone will confirm nothing more: gives the lines that are lost to it.
    pub(super) fn give_up(&mut self, phone: PhoneKey) -> Vec<(Token, u64)> {
        let lost = self.on_their_way.extract_if(.., |_, line| line.phones.contains(&phone));
        lost.map(|(_, line)| (line.command, line.number)).collect()
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
        let mut lines = Lines::new("x".into());
        let id = lines.add(Token(5), 9, BTreeSet::from([one, two]));
        let other = lines.add(Token(5), 10, BTreeSet::from([two]));
        assert_ne!(id, other);
        assert_eq!(lines.confirm(&id, one), None);
        assert_eq!(lines.confirm(&id, one), None, "twice is once");
        assert_eq!(lines.confirm(&id, two), Some((Token(5), 9)));
        assert_eq!(lines.confirm(&id, two), None);
        assert_eq!(lines.give_up(two), [(Token(5), 10)]);
        let third = lines.add(Token(6), 1, BTreeSet::from([one]));
        lines.forget(Token(6));
        assert_eq!(lines.confirm(&third, one), None);
    }
}
