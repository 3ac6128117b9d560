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
    served: Served,
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
struct Served {
    recent: HashSet<Key>,
    /// Those of the span before `since`.
    older: HashSet<Key>,
    since: Time,
}

impl Served {
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
        Lookups { lines: HashMap::new(), order: BTreeSet::new(), waiting: 0, served: Served::default() }
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
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn address(number: u32) -> Address {
        Address::of(IpAddr::V4(Ipv4Addr::from(number)))
    }

    fn at(ms: u64) -> Time {
        Time::from_ms(1 << 40) + Duration::from_millis(ms)
    }

    fn key(number: u32) -> Key {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&number.to_be_bytes());
        key
    }

    fn put(lookups: &mut Lookups<u32>, of: u32, number: u32, now: Time) -> Result<(), u32> {
        lookups.try_put(address(of), key(number), number, now)
    }

    /// Everything that may be looked up by then.
    fn all(lookups: &mut Lookups<u32>, now: Time) -> Vec<u32> {
        std::iter::from_fn(|| lookups.poll(now)).collect()
    }

    #[test]
    fn the_first_goes_at_once_and_the_others_in_their_order_fifty_a_second() {
        let mut lookups = Lookups::default();
        for number in 0..500 {
            assert_eq!(put(&mut lookups, 1, number, at(0)), Ok(()));
        }
        assert_eq!(put(&mut lookups, 1, 500, at(0)), Err(500), "the queue is full");
        assert_eq!(put(&mut lookups, 2, 900, at(0)), Ok(()), "another address has its own");
        assert_eq!(all(&mut lookups, at(0)), [0, 900]);
        let mut seen = vec![0];
        for ms in (20..10_000).step_by(20) {
            assert_eq!(lookups.next_due(), Some(at(ms)));
            seen.extend(all(&mut lookups, at(ms)));
            assert_eq!(seen.len() as u64, 1 + ms / 20);
        }
        assert!(seen.iter().copied().eq(0..500), "in their order, the last one before ten seconds are over");
        // An empty queue is removed, but not before its next look-up would be due.
        assert_eq!(put(&mut lookups, 1, 7, at(9_990)), Ok(()));
        assert!(all(&mut lookups, at(9_999)).is_empty());
        assert_eq!(all(&mut lookups, at(10_000)), [7]);
        assert!(all(&mut lookups, at(10_020)).is_empty());
        assert!(lookups.lines.is_empty() && lookups.order.is_empty() && lookups.is_empty());
    }

    #[test]
    fn a_late_call_catches_up_on_a_second_at_most() {
        let mut lookups = Lookups::default();
        (0..500).for_each(|number| assert_eq!(put(&mut lookups, 1, number, at(0)), Ok(())));
        assert_eq!(all(&mut lookups, at(100)).len(), 6);
        assert_eq!(all(&mut lookups, at(8_100)).len(), 51);
    }

    #[test]
    fn credentials_that_were_looked_up_lately_wait_behind_the_others() {
        let mut lookups = Lookups::default();
        (0..500).for_each(|number| assert_eq!(put(&mut lookups, 1, number, at(0)), Ok(())));
        let turns = |lookups: &mut Lookups<u32>, from: u64, to: u64| -> Vec<u32> {
            (from..to).step_by(20).flat_map(|ms| all(lookups, at(ms))).collect()
        };
        assert_eq!(turns(&mut lookups, 0, 10_000).len(), 500);
        // All of them come again, and behind them two more.
        (0..500).for_each(|number| assert_eq!(put(&mut lookups, 1, number, at(20_000)), Ok(())));
        assert_eq!(put(&mut lookups, 1, 777, at(20_000)), Err(499), "the last one makes room");
        assert_eq!(put(&mut lookups, 1, 778, at(20_000)), Err(498));
        assert_eq!(put(&mut lookups, 1, 499, at(20_000)), Err(499), "not for one that was looked up before");
        assert_eq!(turns(&mut lookups, 20_000, 20_060), [777, 778, 0]);
        // After two minutes all are forgotten.
        turns(&mut lookups, 20_060, 40_000);
        for (number, ms) in [(9000, 100_000), (9001, 200_000)] {
            assert_eq!(put(&mut lookups, 1, number, at(ms)), Ok(()));
            assert_eq!(all(&mut lookups, at(ms)), [number]);
        }
        assert!(!lookups.served.contains(&key(777)) && lookups.served.contains(&key(9000)));
    }

    /// Clients with wrong credentials try again, and so do those that found no room, 10 to 30 s later.
    #[test]
    fn each_client_of_a_crowd_is_looked_up_within_a_fiftieth_of_a_second_for_each_and_one_delay() {
        let (wrong, right) = (2000, 100);
        let mut lookups = Lookups::default();
        let mut comes_at: BTreeSet<(u64, u32)> = (0..wrong + right).map(|number| (0, number)).collect();
        let mut left: HashSet<u32> = (wrong..wrong + right).collect();
        let again_at = |number: u32, ms: u64| ms + 10_000 + u64::from(number) * 7919 % 20_000;
        let mut ms = 0;
        while !left.is_empty() {
            while let Some(&(_, number)) = comes_at.first().filter(|&&(at, _)| at <= ms) {
                comes_at.pop_first();
                if let Err(number) = put(&mut lookups, 1, number, at(ms)) {
                    comes_at.insert((again_at(number, ms), number));
                }
            }
            for number in all(&mut lookups, at(ms)) {
                if !left.remove(&number) {
                    comes_at.insert((again_at(number, ms), number));
                }
            }
            ms += 20;
            assert!(ms <= 1000 * u64::from((wrong + right) / PER_SECOND + 30), "{} wait still", left.len());
        }
    }

    #[test]
    fn past_look_ups_are_remembered_in_bounded_memory() {
        let mut served = Served::default();
        for number in 0..100_000 {
            served.note(key(number), at(0));
        }
        assert!(served.recent.len() + served.older.len() <= 2 * SERVED_MAX);
        assert!(served.contains(&key(99_999)) && !served.contains(&key(1)));
    }

    #[test]
    fn dropped_look_ups_are_not_made_and_the_sum_is_bounded() {
        let mut lookups = Lookups::default();
        for number in 0..40_000 {
            let _ = put(&mut lookups, number / 500, number, at(0));
        }
        assert_eq!(lookups.len(), WAITING_IN_ALL_MAX);
        assert_eq!(put(&mut lookups, 9_999_999, 1, at(0)), Err(1));
        lookups.forget(address(0), |number| number % 2 == 0);
        assert_eq!(lookups.len(), WAITING_IN_ALL_MAX - 250);
        assert_eq!(lookups.poll(at(0)), Some(1));
        assert_eq!(lookups.take_all().len(), WAITING_IN_ALL_MAX - 251);
        assert!(lookups.is_empty() && lookups.next_due().is_none());
    }
}
