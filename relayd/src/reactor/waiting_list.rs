//! Connections that came when no place was free. They wait here, in bounded number, and `/health`, `/ready`
//! and `/metrics` are answered meanwhile, so that a server at its limit is not taken for a dead one.
//!
//! Only a connection that is accepted shows what it asks for. So when the list is full, the newest connection
//! that asked for anything else is told to try again, which makes room to look at the next one.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use relayd_core::store::Conn;
use relayd_core::time::Time;

/// The connections that wait, and the descriptors that are reserved for them.
#[derive(Debug)]
pub(super) struct WaitingList {
    /// Each reserves a descriptor for a connection that may come. `spares.len() + waiting.len() <= len_max`
    spares: Vec<UnixDatagram>,
    /// In the order in which they came.
    waiting: Vec<Waiting>,
    len_max: usize,
}

#[derive(Debug)]
struct Waiting {
    conn: Conn,
    since: Time,
    /// It asked for something that needs a place.
    has_asked: bool,
}

/// The connection that must go when the list is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Displaced {
    /// It asked for something, and is told to try again.
    Told(Conn),
    /// It is closing already, or said nothing.
    Silently(Conn),
}

impl WaitingList {
    /// As long as the descriptors allow that are left.
    pub fn new(descriptors_left: Option<usize>) -> Self {
        let len_max = descriptors_left.map_or(LEN_MAX, |left| LEN_MAX.min(left / 4));
        let mut list = WaitingList { spares: Vec::new(), waiting: Vec::new(), len_max };
        list.try_reserve();
        list
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub fn contains(&self, conn: Conn) -> bool {
        self.waiting.iter().any(|waiting| waiting.conn == conn)
    }

    /// Frees a reserved descriptor for the next connection. False if none is reserved.
    pub fn try_free_descriptor(&mut self) -> bool {
        self.spares.pop().is_some()
    }

    /// Reserves the descriptors that are missing. True if all are reserved.
    pub fn try_reserve(&mut self) -> bool {
        while self.spares.len() + self.waiting.len() < self.len_max {
            match UnixDatagram::unbound() {
                Ok(spare) => self.spares.push(spare),
                Err(_) => return false,
            }
        }
        true
    }

    /// A connection was accepted that must wait.
    pub fn enter(&mut self, conn: Conn, now: Time) {
        self.waiting.push(Waiting { conn, since: now, has_asked: false });
    }

    /// A connection is gone, and its descriptor is free.
    pub fn leave(&mut self, conn: Conn) {
        self.waiting.retain(|waiting| waiting.conn != conn);
        self.try_reserve();
    }

    /// A connection asked for something that needs a place. True if it did not before.
    pub fn note_asked(&mut self, conn: Conn) -> bool {
        let waiting = self.waiting.iter_mut().find(|waiting| waiting.conn == conn);
        waiting.is_some_and(|waiting| !std::mem::replace(&mut waiting.has_asked, true))
    }

    /// Takes out the one that has waited longest and is `wanted`, if its descriptor can be spared.
    pub fn take_first(&mut self, wanted: impl Fn(Conn) -> bool) -> Option<Conn> {
        let at = self.waiting.iter().position(|waiting| wanted(waiting.conn))?;
        let spare = UnixDatagram::unbound().ok()?;
        self.spares.push(spare);
        Some(self.waiting.remove(at).conn)
    }

    /// The one that must go to make room for the next, if there is one that can. See the module.
    pub fn displaced(&self, is_closing: impl Fn(Conn) -> bool, now: Time) -> Option<Displaced> {
        let is_silent = |it: &&Waiting| !it.has_asked && now.since(it.since) >= SILENT_FOR;
        let closing = self.waiting.iter().find(|it| is_closing(it.conn));
        let newest = self.waiting.iter().rev().find(|it| it.has_asked);
        let silent = self.waiting.iter().find(is_silent);
        let silently = |it: &Waiting| Displaced::Silently(it.conn);
        let told = |it: &Waiting| Displaced::Told(it.conn);
        closing.map(silently).or_else(|| newest.map(told)).or_else(|| silent.map(silently))
    }

    /// The server stops: all that wait are served like the others.
    pub fn into_waiting(self) -> impl Iterator<Item = Conn> {
        self.waiting.into_iter().map(|waiting| waiting.conn)
    }
}

/// How many connections may wait.
pub(super) const LEN_MAX: usize = 8;

/// A connection that was accepted has its request with it, or right behind: on any path it comes within this
/// time.
const SILENT_FOR: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_ms(1 << 40);

    fn conn(slot: u32) -> Conn {
        Conn { slot, name: u64::from(slot) }
    }

    #[test]
    fn a_closing_one_goes_first_then_the_newest_that_asked_then_a_silent_one() {
        let mut list = WaitingList::new(None);
        (0..3).for_each(|slot| list.enter(conn(slot), NOW));
        let displaced = |list: &WaitingList, after_ms: u64| {
            list.displaced(|_| false, NOW + Duration::from_millis(after_ms))
        };
        assert_eq!(displaced(&list, 249), None);
        assert_eq!(displaced(&list, 250), Some(Displaced::Silently(conn(0))));
        assert!(list.note_asked(conn(0)) && list.note_asked(conn(1)) && !list.note_asked(conn(1)));
        assert_eq!(displaced(&list, 0), Some(Displaced::Told(conn(1))));
        assert_eq!(list.displaced(|it| it == conn(2), NOW), Some(Displaced::Silently(conn(2))));
    }

    #[test]
    fn each_one_that_waits_takes_a_reserved_descriptor() {
        let mut list = WaitingList::new(Some(8));
        assert!(list.try_free_descriptor() && list.try_free_descriptor() && !list.try_free_descriptor());
        list.enter(conn(0), NOW);
        assert!(list.try_reserve() && list.contains(conn(0)) && list.len() == 1);
        assert_eq!(list.take_first(|it| it == conn(0)), Some(conn(0)));
        assert!(list.is_empty() && list.try_free_descriptor() && list.try_free_descriptor());
    }
}
