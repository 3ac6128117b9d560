//! The limits of an address: how many connections, registers and failed hellos it may have.
//!
//! Counts and decides, without a socket or a clock. The reactor asks at accept, at an upgrade, at a register,
//! and when a hello comes or has failed, never on the way of a frame.

mod address;
mod buckets;
mod heavy;
mod lookups;
pub mod proxy_header;

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use relayd_core::time::Time;

pub use address::{Address, ForwardedFor, InvalidTrustedProxies, TrustedProxies};
pub use buckets::{ADDRESSES_MAX, Buckets};
pub use heavy::Heavy;
pub use lookups::{Key, Lookups, WAITING_IN_ALL_MAX as LOOK_UPS_MAX};

/// The limits that an operator may set. 0 means no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdmissionLimits {
    /// Connections in all. With so many open, no more are accepted until one ends.
    pub connections_max: usize,
    /// Connections of one address.
    pub connections_per_address: u32,
    /// Registers of one address in a minute.
    pub registers_per_minute: u32,
    /// TLS handshakes of one address in a minute.
    pub tls_handshakes_per_minute: u32,
    /// Hellos and deletes of one address with an unknown session or a wrong token, in a minute.
    pub failed_hellos_per_minute: u32,
    /// Sessions in the embedded store.
    pub sessions_max: usize,
}

impl Default for AdmissionLimits {
    fn default() -> Self {
        AdmissionLimits {
            connections_max: 0,
            // An office, or a proxy that is not trusted yet, may be one address.
            connections_per_address: 10_000,
            registers_per_minute: 600,
            // Each costs up to a millisecond.
            tls_handshakes_per_minute: 6_000,
            failed_hellos_per_minute: 600,
            sessions_max: 1_000_000,
        }
    }
}

/// The client that made a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its address, as far as it is known.
    pub address: IpAddr,
    /// A proxy passed the request on.
    pub is_forwarded: bool,
    /// A web page may have made the request. A page that is open on this machine may come from anywhere.
    pub may_be_page: bool,
}

impl Caller {
    /// True for a program that runs on this machine. A dual-stack listener reports an IPv4 client as
    /// `::ffff:127.0.0.1`. A proxy on this machine speaks for others.
    pub fn is_local_program(&self) -> bool {
        self.address.to_canonical().is_loopback() && !self.is_forwarded && !self.may_be_page
    }

    /// The address to count it for; `None` for programs of this machine, which are not limited.
    pub fn limited(&self) -> Option<Address> {
        (!self.is_local_program()).then(|| Address::of(self.address))
    }
}

/// The counts. A connection is named by its slot.
#[derive(Debug)]
pub struct Admission {
    connections_per_address: u32,
    /// The address of each connection that is limited.
    of_slot: HashMap<u32, Address>,
    /// `connections[address]` = how many of `of_slot` have it; never 0.
    connections: HashMap<Address, u32>,
    registers: Option<Buckets>,
    handshakes: Option<Buckets>,
    failed_hellos: Option<Buckets>,
}

impl Admission {
    /// Without connections.
    pub fn new(limits: &AdmissionLimits) -> Self {
        let buckets = |per_minute: u32| (per_minute > 0).then(|| Buckets::new(per_minute));
        Admission {
            connections_per_address: limits.connections_per_address,
            of_slot: HashMap::new(),
            connections: HashMap::new(),
            registers: buckets(limits.registers_per_minute),
            handshakes: buckets(limits.tls_handshakes_per_minute),
            failed_hellos: buckets(limits.failed_hellos_per_minute),
        }
    }

    /// Takes over other limits of an address. A rate that stays the same keeps its counts.
    pub fn change(&mut self, limits: &AdmissionLimits) {
        self.connections_per_address = limits.connections_per_address;
        for (buckets, per_minute) in [
            (&mut self.registers, limits.registers_per_minute),
            (&mut self.handshakes, limits.tls_handshakes_per_minute),
            (&mut self.failed_hellos, limits.failed_hellos_per_minute),
        ] {
            if buckets.as_ref().map_or(0, Buckets::per_minute) != per_minute {
                *buckets = (per_minute > 0).then(|| Buckets::new(per_minute));
            }
        }
    }

    /// True if this address may have one more connection.
    pub fn has_room(&self, address: Address) -> bool {
        let count = self.connections.get(&address).copied().unwrap_or(0);
        self.connections_per_address == 0 || count < self.connections_per_address
    }

    /// Counts a connection for this address, and no longer for another one.
    pub fn enter(&mut self, slot: u32, address: Address) {
        self.leave(slot);
        self.of_slot.insert(slot, address);
        *self.connections.entry(address).or_default() += 1;
    }

    /// Counts a connection for this address, if the address has room or the connection is counted for it
    /// already. Otherwise does nothing and returns false.
    pub fn try_enter(&mut self, slot: u32, address: Address) -> bool {
        if self.of_slot.get(&slot) == Some(&address) {
            return true;
        }
        let has_room = self.has_room(address);
        if has_room {
            self.enter(slot, address);
        }
        has_room
    }

    /// The connection ended.
    pub fn leave(&mut self, slot: u32) {
        let Some(address) = self.of_slot.remove(&slot) else { return };
        if let Some(count) = self.connections.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.connections.remove(&address);
            }
        }
    }

    /// The address that this connection is counted for; `None` where it is not limited.
    pub fn address_of(&self, slot: u32) -> Option<Address> {
        self.of_slot.get(&slot).copied()
    }

    /// Counts a register. `address` is `None` for a client that is not limited.
    ///
    /// # Errors
    /// There were too many. Gives after how many seconds to try again, at least 1.
    pub fn try_register(&mut self, address: Option<Address>, now: Time) -> Result<(), u64> {
        match (&mut self.registers, address) {
            (Some(registers), Some(address)) => registers.try_take(address, now).map_err(whole_secs),
            _ => Ok(()),
        }
    }

    /// Counts a TLS handshake. False if there were too many.
    pub fn try_handshake(&mut self, address: Option<Address>, now: Time) -> bool {
        match (&mut self.handshakes, address) {
            (Some(handshakes), Some(address)) => handshakes.try_take(address, now).is_ok(),
            _ => true,
        }
    }

    /// For how many seconds an address stays past the limit of failed hellos and deletes, at least 1; `None`
    /// if it is not. A client there may be guessing, so its requests are looked up in their turn. `address`
    /// is `None` for a client that is not limited.
    pub fn secs_of_doubt(&self, address: Option<Address>, now: Time) -> Option<u64> {
        self.failed_hellos.as_ref()?.wait(address?, now).map(whole_secs)
    }

    /// A client of this address named an unknown session or a wrong token.
    pub fn note_failed(&mut self, address: Option<Address>, now: Time) {
        if let (Some(failed), Some(address)) = (&mut self.failed_hellos, address) {
            // Those that came together may be more than the bucket holds. Then it owes them.
            failed.charge(address, now);
        }
    }
}

fn whole_secs(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_ms(1 << 40);

    fn address(text: &str) -> Address {
        Address::of(text.parse().unwrap())
    }

    fn limits(connections: u32, registers: u32, hellos: u32) -> AdmissionLimits {
        AdmissionLimits {
            connections_per_address: connections,
            registers_per_minute: registers,
            failed_hellos_per_minute: hellos,
            ..AdmissionLimits::default()
        }
    }

    #[test]
    fn connections_are_counted_by_address_and_forgotten_when_they_end() {
        let mut admission = Admission::new(&limits(2, 0, 0));
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        assert!(admission.try_enter(0, one) && admission.try_enter(1, one));
        assert!(!admission.has_room(one) && !admission.try_enter(2, one));
        assert!(admission.try_enter(1, one), "it is in already");
        assert!(admission.try_enter(2, other));
        admission.leave(0);
        admission.leave(0);
        assert!(admission.has_room(one));
        assert!(admission.try_enter(1, other), "it is counted for another address now");
        for slot in 0..3 {
            admission.leave(slot);
        }
        assert!(admission.of_slot.is_empty() && admission.connections.is_empty());
    }

    #[test]
    fn changed_limits_count_at_once_and_the_others_keep_their_counts() {
        let mut admission = Admission::new(&limits(2, 1, 1));
        let one = address("192.0.2.1");
        assert!(admission.try_enter(0, one) && admission.try_enter(1, one));
        assert!(admission.try_register(Some(one), NOW).is_ok());
        admission.note_failed(Some(one), NOW);
        admission.change(&limits(1, 1, 0));
        assert!(!admission.has_room(one) && admission.address_of(1) == Some(one));
        assert!(admission.try_register(Some(one), NOW).is_err(), "the same rate");
        assert_eq!(admission.secs_of_doubt(Some(one), NOW), None, "no limit any more");
        admission.change(&limits(3, 2, 0));
        assert!(admission.has_room(one) && admission.try_register(Some(one), NOW).is_ok());
    }

    #[test]
    fn zero_means_no_limit() {
        let mut admission = Admission::new(&limits(0, 0, 0));
        let one = address("192.0.2.1");
        for slot in 0..10_000 {
            assert!(admission.try_enter(slot, one) && admission.try_register(Some(one), NOW).is_ok());
            admission.note_failed(Some(one), NOW);
            assert_eq!(admission.secs_of_doubt(Some(one), NOW), None);
        }
    }

    #[test]
    fn registers_say_when_to_come_back_and_this_machine_is_not_limited() {
        let mut admission = Admission::new(&limits(0, 2, 0));
        let one = Some(address("192.0.2.1"));
        assert_eq!(admission.try_register(one, NOW), Ok(()));
        assert_eq!(admission.try_register(one, NOW), Ok(()));
        assert_eq!(admission.try_register(one, NOW), Err(30));
        assert_eq!(admission.try_register(one, NOW + Duration::from_millis(29_999)), Err(1));
        for _ in 0..10 {
            assert_eq!(admission.try_register(None, NOW), Ok(()));
        }
    }

    #[test]
    fn failed_hellos_stop_further_ones_of_that_address() {
        let mut admission = Admission::new(&limits(0, 0, 2));
        let (one, other) = (Some(address("192.0.2.1")), Some(address("192.0.2.2")));
        let after = |secs| NOW + Duration::from_secs(secs);
        for _ in 0..2 {
            admission.note_failed(one, NOW);
            admission.note_failed(None, NOW);
        }
        assert_eq!(admission.secs_of_doubt(one, NOW), Some(30), "one comes back each half minute");
        assert_eq!(admission.secs_of_doubt(other, NOW), None);
        assert_eq!(admission.secs_of_doubt(None, NOW), None, "this machine is not limited");
        assert_eq!(admission.secs_of_doubt(one, after(30)), None);
        for _ in 0..100 {
            admission.note_failed(one, NOW);
        }
        assert_eq!(admission.secs_of_doubt(one, after(89)), Some(1), "hellos that came together are owed");
        assert_eq!(admission.secs_of_doubt(one, after(90)), None, "a minute's worth at most");
    }

    #[test]
    fn only_programs_of_this_machine_are_exempt() {
        let caller = |address: &str, is_forwarded| Caller {
            address: address.parse().unwrap(),
            is_forwarded,
            may_be_page: false,
        };
        for local in ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(caller(local, false).limited(), None, "{local}");
            assert_eq!(caller(local, true).limited(), Some(address(local)), "{local}");
            let page = Caller { may_be_page: true, ..caller(local, false) };
            assert_eq!(page.limited(), Some(address(local)), "{local}");
        }
        assert_eq!(caller("192.0.2.1", false).limited(), Some(address("192.0.2.1")));
    }
}
