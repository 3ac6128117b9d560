//! Look-ups of addresses past their limit of failed hellos. They wait in a queue per address and are made at
//! a steady rate.
//!
//! Behind one address there may be one client that guesses and many with valid credentials. So every hello is
//! still looked up, at a rate that costs the store little. Credentials that were looked up lately wait behind
//! the others, so a client that repeats the same wrong ones does not delay the rest. Time is an argument:
//! there is no clock here. Bounded: of one address [`WAITING_MAX`] wait, so a queue takes ten seconds, and in
//! all [`WAITING_IN_ALL_MAX`].

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use relayd_core::time::Time;

use super::Address;

/// Look-ups of one address in a second.
pub const PER_SECOND: u32 = 50;

/// Look-ups of one address that may wait. The last one is made after `WAITING_MAX / PER_SECOND` seconds,
/// which is less than a client waits for the answer to its hello.
pub const WAITING_MAX: usize = 500;

/// Look-ups that may wait in all.
pub const WAITING_IN_ALL_MAX: usize = 16_384;

/// How long a look-up is remembered at least, unless [`SERVED_MAX`] later ones were made.
const SERVED_FOR: Duration = Duration::from_secs(60);

/// Look-ups that are remembered of each span. Two spans are kept: the present one and the one before.
const SERVED_MAX: usize = 16_384;

/// Identifies credentials: the digest of a token.
pub type Key = [u8; 32];

/// All queues. A step costs a look-up in a hash table and one in a tree, however many queues there are.
#[derive(Debug)]
pub struct Lookups<T> {
    /// The queues that are not empty, or whose next look-up may not be made yet.
    lines: HashMap<Address, Line<T>>,
    /// `order` = { (lines[address].next_at, address) }
    order: BTreeSet<(Time, Address)>,
    /// How many wait in all queues.
    waiting: usize,
    served: PastLookups,
}

#[derive(Debug)]
struct Line<T> {
    /// When the next look-up may be made.
    next_at: Time,
    /// Those that were not looked up lately.
    first: VecDeque<(Key, T)>,
    /// Those that were. `first.len() + again.len() <= WAITING_MAX`
    again: VecDeque<(Key, T)>,
}

/// The credentials that were looked up lately.
#[derive(Debug, Default)]
struct PastLookups {
    recent: HashSet<Key>,
    /// Those of the span before `since`.
    older: HashSet<Key>,
    since: Time,
}

impl PastLookups {
    fn contains(&self, key: &Key) -> bool {
        self.recent.contains(key) || self.older.contains(key)
    }

    fn note(&mut self, key: Key, now: Time) {
        if self.recent.len() >= SERVED_MAX || now.since(self.since) >= SERVED_FOR {
            (self.older, self.since) = (std::mem::take(&mut self.recent), now);
        }
        self.recent.insert(key);
    }
}

impl<T> Line<T> {
    fn len(&self) -> usize {
        self.first.len() + self.again.len()
    }
}

impl<T> Default for Lookups<T> {
    fn default() -> Self {
        Lookups { lines: HashMap::new(), order: BTreeSet::new(), waiting: 0, served: PastLookups::default() }
    }
}

impl<T> Lookups<T> {
    /// Puts one into the queue of its address.
    ///
    /// # Errors
    /// There is no room: gives back this one, or another one that was looked up before and made room for it.
    pub fn try_put(&mut self, address: Address, key: Key, one: T, now: Time) -> Result<(), T> {
        let is_first = !self.served.contains(&key);
        let has_room = self.has_room(address);
        let order = &mut self.order;
        let line = self.lines.entry(address).or_insert_with(|| {
            order.insert((now, address));
            Line { next_at: now, first: VecDeque::new(), again: VecDeque::new() }
        });
        if line.len() == 0 && line.next_at < now {
            // The queue was empty, so there is nothing to catch up on.
            order.remove(&(line.next_at, address));
            line.next_at = now;
            order.insert((now, address));
        }
        let displaced = if has_room || !is_first { None } else { line.again.pop_back() };
        if !has_room && displaced.is_none() {
            return Err(one);
        }
        if is_first {
            line.first.push_back((key, one));
        } else {
            line.again.push_back((key, one));
        }
        self.waiting += 1;
        let Some((_, displaced)) = displaced else { return Ok(()) };
        self.waiting -= 1;
        Err(displaced)
    }

    fn has_room(&self, address: Address) -> bool {
        let waiting = self.lines.get(&address).map_or(0, Line::len);
        waiting < WAITING_MAX && self.waiting < WAITING_IN_ALL_MAX
    }

    /// The next one that may be looked up now. Call until `None`.
    pub fn poll(&mut self, now: Time) -> Option<T> {
        loop {
            let &(at, address) = self.order.first().filter(|&&(at, _)| at <= now)?;
            self.order.remove(&(at, address));
            let Some(line) = self.lines.get_mut(&address) else { continue };
            let Some((key, one)) = line.first.pop_front().or_else(|| line.again.pop_front()) else {
                self.lines.remove(&address);
                continue;
            };
            // A late call catches up on what it missed, but on no more than a second's worth.
            line.next_at = at.max(now - Duration::from_secs(1)) + Duration::from_secs(1) / PER_SECOND;
            self.order.insert((line.next_at, address));
            self.waiting -= 1;
            self.served.note(key, now);
            return Some(one);
        }
    }

    /// When [`Lookups::poll`] must be called.
    pub fn next_due(&self) -> Option<Time> {
        self.order.first().map(|&(at, _)| at)
    }

    /// Removes those of an address that need not be looked up any more.
    pub fn forget(&mut self, address: Address, is_over: impl Fn(&T) -> bool) {
        let Some(line) = self.lines.get_mut(&address) else { return };
        let before = line.len();
        line.first.retain(|(_, one)| !is_over(one));
        line.again.retain(|(_, one)| !is_over(one));
        self.waiting -= before - line.len();
    }

    /// Takes out all that wait.
    pub fn take_all(&mut self) -> Vec<T> {
        let all = std::mem::take(self).lines.into_values();
        all.flat_map(|line| line.first.into_iter().chain(line.again)).map(|(_, one)| one).collect()
    }

    /// How many wait.
    pub const fn len(&self) -> usize {
        self.waiting
    }

    /// True if nothing waits.
    pub const fn is_empty(&self) -> bool {
        self.waiting == 0
    }
}

#[cfg(test)]
mod tests;
