//! What clients typed and the command has not taken, so that a command that reads nothing stops only what is
//! typed: everything else that clients say is heard. Pure.

use std::collections::{BTreeMap, VecDeque};

use super::sizes::ClientId;

/// A client with so many bytes that wait is not read. Windows keep within
/// [`INPUT_AHEAD_MAX`](super::wire::INPUT_AHEAD_MAX), so this holds up phones that type more than that.
const WAITING_MAX: usize = 128 << 10;

/// The bytes that wait, by client.
#[derive(Debug, Default)]
pub(super) struct Typed {
    /// No list in it is empty.
    waiting: BTreeMap<ClientId, VecDeque<Vec<u8>>>,
    /// The client whose bytes were taken last.
    served: ClientId,
}

impl Typed {
    /// A client typed these.
    pub(super) fn push(&mut self, id: ClientId, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.waiting.entry(id).or_default().push_back(bytes.to_vec());
        }
    }

    /// True if this client must wait.
    pub(super) fn is_full(&self, id: ClientId) -> bool {
        let waiting = self.waiting.get(&id);
        waiting.is_some_and(|all| all.iter().map(Vec::len).sum::<usize>() >= WAITING_MAX)
    }

    /// What the command gets next. Clients take turns.
    pub(super) fn poll_next(&mut self) -> Option<(ClientId, Vec<u8>)> {
        let behind = self.waiting.range(self.served + 1..).next();
        let id = *behind.or_else(|| self.waiting.first_key_value())?.0;
        let all = self.waiting.get_mut(&id)?;
        let next = all.pop_front()?;
        if all.is_empty() {
            self.waiting.remove(&id);
        }
        self.served = id;
        Some((id, next))
    }

    /// What this client typed is not wanted any more.
    pub(super) fn forget(&mut self, id: ClientId) {
        self.waiting.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_take_turns_and_each_one_keeps_its_order() {
        let mut typed = Typed::default();
        for (id, bytes) in [(3, b"a1"), (3, b"a2"), (5, b"b1"), (3, b"a3"), (5, b"b2")] {
            typed.push(id, bytes);
        }
        typed.push(4, b"");
        let order: Vec<_> = std::iter::from_fn(|| typed.poll_next()).map(|(_, bytes)| bytes).collect();
        assert_eq!(order, [b"a1", b"b1", b"a2", b"b2", b"a3"]);
    }

    #[test]
    fn only_a_client_with_too_much_is_full() {
        let mut typed = Typed::default();
        (0..WAITING_MAX / 1024).for_each(|_| typed.push(3, &[0; 1024]));
        assert!(typed.is_full(3) && !typed.is_full(4));
        typed.poll_next();
        assert!(!typed.is_full(3));
        typed.forget(3);
        assert_eq!(typed.poll_next(), None);
    }
}
