//! Token buckets, one for each address: so many at once, and as many again each minute.
//!
//! Time is an argument: there is no clock here. Bounded: when the table is full, the fullest bucket is
//! evicted, so a client can't evict its own empty one by using many addresses. A step costs a look-up in a
//! hash table and one in a tree, however many buckets there are.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use relayd_core::time::Time;

use super::Address;

/// Buckets of one size.
#[derive(Debug)]
pub struct Buckets {
    per_minute: u32,
    /// How long one token takes to come, in microseconds. `1 <= step_us <= MINUTE_US`
    step_us: u64,
    addresses_max: usize,
    /// When each bucket will be full that is not, in microseconds.
    full_at: HashMap<Address, u64>,
    /// `order` = { (full_at[address], address) }
    order: BTreeSet<(u64, Address)>,
}

impl Buckets {
    /// All full, with `per_minute` tokens each, at least 1.
    pub fn new(per_minute: u32) -> Self {
        Self::with_room(per_minute, ADDRESSES_MAX)
    }

    fn with_room(per_minute: u32, addresses_max: usize) -> Self {
        let step_us = (MINUTE_US / u64::from(per_minute.max(1))).max(1);
        Buckets { per_minute, step_us, addresses_max, full_at: HashMap::new(), order: BTreeSet::new() }
    }

    /// Takes a token.
    ///
    /// # Errors
    /// There is none. Gives how long until there is one.
    pub fn try_take(&mut self, address: Address, now: Time) -> Result<(), Duration> {
        if let Some(wait) = self.wait(address, now) {
            return Err(wait);
        }
        self.charge(address, now);
        Ok(())
    }

    /// Takes a token even from an empty bucket, which then owes it. It owes a minute's worth at most.
    pub fn charge(&mut self, address: Address, now: Time) {
        let now_us = micros(now);
        let was = self.full_at.remove(&address);
        if let Some(was) = was {
            self.order.remove(&(was, address));
        }
        self.make_room(now_us);
        let full_at = (was.unwrap_or(now_us).max(now_us) + self.step_us).min(now_us + 2 * MINUTE_US);
        self.full_at.insert(address, full_at);
        self.order.insert((full_at, address));
    }

    /// How long until this address has a token; `None` if it has one.
    pub fn wait(&self, address: Address, now: Time) -> Option<Duration> {
        let full_at = *self.full_at.get(&address)?;
        let missing_us = (full_at + self.step_us).saturating_sub(micros(now));
        (missing_us > MINUTE_US).then(|| Duration::from_micros(missing_us - MINUTE_US))
    }

    /// The tokens of a minute.
    pub fn per_minute(&self) -> u32 {
        self.per_minute
    }

    /// How many buckets may not be full.
    pub fn len(&self) -> usize {
        self.full_at.len()
    }

    /// True if all are full.
    pub fn is_empty(&self) -> bool {
        self.full_at.is_empty()
    }

    /// Removes full buckets, a bounded number, and the fullest one if there would be too many.
    fn make_room(&mut self, now_us: u64) {
        for _ in 0..REMOVED_AT_ONCE {
            let Some(&(full_at, _)) = self.order.first() else { return };
            if full_at > now_us && self.full_at.len() < self.addresses_max {
                return;
            }
            if let Some((_, address)) = self.order.pop_first() {
                self.full_at.remove(&address);
            }
        }
    }
}

fn micros(time: Time) -> u64 {
    time.as_ms().saturating_mul(1000)
}

/// Addresses that have a bucket of their own.
pub const ADDRESSES_MAX: usize = 65_536;

/// Buckets that one step may remove. A step adds at most one, so full ones never pile up.
const REMOVED_AT_ONCE: usize = 4;

const MINUTE_US: u64 = 60_000_000;

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn address(number: u32) -> Address {
        Address::of(IpAddr::V4(Ipv4Addr::from(number)))
    }

    #[test]
    fn what_was_taken_beyond_the_last_token_is_owed_for_a_minute_at_most() {
        let mut buckets = Buckets::new(60);
        let now = at(0);
        for _ in 0..1000 {
            buckets.charge(address(1), now);
        }
        assert_eq!(buckets.wait(address(1), now), Some(Duration::from_secs(61)));
        assert_eq!(buckets.wait(address(2), now), None);
        assert_eq!(buckets.wait(address(1), at(61_000)), None);
    }

    fn at(ms: u64) -> Time {
        Time::from_ms(1 << 40) + Duration::from_millis(ms)
    }

    #[test]
    fn so_many_at_once_and_one_more_with_each_step_of_time() {
        let mut buckets = Buckets::new(3);
        for _ in 0..3 {
            assert_eq!(buckets.try_take(address(1), at(0)), Ok(()));
        }
        assert_eq!(buckets.try_take(address(1), at(0)), Err(Duration::from_secs(20)));
        assert_eq!(buckets.try_take(address(1), at(19_999)), Err(Duration::from_millis(1)));
        assert_eq!(buckets.try_take(address(2), at(0)), Ok(()), "another address has its own");
        assert_eq!(buckets.try_take(address(1), at(20_000)), Ok(()));
        assert_eq!(buckets.wait(address(1), at(20_000)), Some(Duration::from_secs(20)));
        // After a minute of quiet it is full, and no more than full.
        for _ in 0..3 {
            assert_eq!(buckets.try_take(address(1), at(500_000)), Ok(()));
        }
        assert!(buckets.try_take(address(1), at(500_000)).is_err());
    }

    #[test]
    fn a_refusal_costs_nothing() {
        let mut buckets = Buckets::new(1);
        assert!(buckets.try_take(address(1), at(0)).is_ok());
        for second in 1..60 {
            assert!(buckets.try_take(address(1), at(second * 1000)).is_err());
        }
        assert!(buckets.try_take(address(1), at(60_000)).is_ok());
    }

    #[test]
    fn full_buckets_are_forgotten_by_themselves() {
        let mut buckets = Buckets::new(60);
        for number in 0..100 {
            assert!(buckets.try_take(address(number), at(0)).is_ok());
        }
        assert_eq!(buckets.len(), 100);
        for number in 1000..1040 {
            assert!(buckets.try_take(address(number), at(1000)).is_ok());
        }
        assert_eq!(buckets.len(), 40);
    }

    #[test]
    fn without_room_the_fullest_goes_and_never_the_emptiest() {
        let mut buckets = Buckets::with_room(10, 8);
        let greedy = address(0);
        while buckets.try_take(greedy, at(0)).is_ok() {}
        for number in 1..10_000 {
            assert!(buckets.try_take(address(number), at(0)).is_ok(), "{number}");
            assert!(buckets.len() <= 8 && buckets.len() == buckets.order.len());
        }
        assert!(buckets.try_take(greedy, at(0)).is_err(), "a flood from elsewhere does not fill it");
    }

    #[test]
    fn a_flood_from_many_addresses_is_quick_and_bounded() {
        let mut buckets = Buckets::new(60);
        for number in 0..300_000 {
            assert!(buckets.try_take(address(number), at(u64::from(number) / 1000)).is_ok());
        }
        assert_eq!((buckets.len(), buckets.order.len()), (ADDRESSES_MAX, ADDRESSES_MAX));
    }

    #[test]
    fn any_rate_keeps_its_count() {
        for per_minute in [1, 7, 59, 61, 1000, 1_000_000] {
            let mut buckets = Buckets::new(per_minute);
            let taken = (0..per_minute).take_while(|_| buckets.try_take(address(1), at(0)).is_ok()).count();
            assert_eq!(taken, per_minute as usize);
        }
    }
}
