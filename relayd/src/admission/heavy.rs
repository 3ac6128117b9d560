//! The addresses that were counted most, in bounded memory.
//!
//! When the table is full, a new address takes the place of the least counted one and goes on from its count.
//! So an address that is counted often is never missing, and no count is too low; counts may be too high
//! where more addresses came than there is room for.

use std::collections::{BTreeSet, HashMap};

use super::Address;

/// The addresses that were counted most, and how often.
#[derive(Debug, Default)]
pub struct Heavy {
    counts: HashMap<Address, u64>,
    /// `order` = { (counts[address], address) }
    order: BTreeSet<(u64, Address)>,
}

impl Heavy {
    /// Counts an address once more.
    pub fn add(&mut self, address: Address) {
        let was = match self.counts.remove(&address) {
            Some(was) => {
                self.order.remove(&(was, address));
                was
            }
            None if self.counts.len() >= ADDRESSES_MAX => self.evict_least(),
            None => 0,
        };
        self.counts.insert(address, was + 1);
        self.order.insert((was + 1, address));
    }

    fn evict_least(&mut self) -> u64 {
        let Some((count, address)) = self.order.pop_first() else { return 0 };
        self.counts.remove(&address);
        count
    }

    /// So many at most, the most counted first, each with its count.
    pub fn most(&self, at_most: usize) -> impl Iterator<Item = (Address, u64)> {
        self.order.iter().rev().take(at_most).map(|&(count, address)| (address, count))
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.counts.clear();
        self.order.clear();
    }
}

/// Addresses that are told apart.
const ADDRESSES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn address(number: u32) -> Address {
        Address::of(IpAddr::V4(Ipv4Addr::from(number)))
    }

    #[test]
    fn the_most_counted_come_first() {
        let mut heavy = Heavy::default();
        for (number, count) in [(1, 3), (2, 5), (3, 1)] {
            (0..count).for_each(|_| heavy.add(address(number)));
        }
        let most: Vec<_> = heavy.most(2).collect();
        assert_eq!(most, [(address(2), 5), (address(1), 3)]);
        heavy.clear();
        assert_eq!(heavy.most(2).count(), 0);
    }

    #[test]
    fn a_flood_from_many_addresses_hides_no_heavy_one_and_takes_bounded_memory() {
        let mut heavy = Heavy::default();
        for number in 0..50_000 {
            heavy.add(address(1 << 24 | number));
            if number % 10 == 0 {
                heavy.add(address(7));
            }
        }
        assert_eq!((heavy.counts.len(), heavy.order.len()), (ADDRESSES_MAX, ADDRESSES_MAX));
        let (most, count) = heavy.most(1).next().unwrap();
        assert!(most == address(7) && count >= 5_000, "{most} {count}");
    }
}
