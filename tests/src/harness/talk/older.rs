//! Connections whose role was taken over while they were open. Each still gets what was accepted for it, then
//! its end, and nothing that the newer one gets.

use std::net::SocketAddr;
use std::time::Instant;

use super::Talk;
use super::end::End;
use crate::harness::peer::Peer;
use crate::harness::role::Role;
use crate::harness::sequence::Wrong;

/// One of them.
#[derive(Debug)]
pub(super) struct Older {
    pub end: End,
    addr: SocketAddr,
    taken_over_at: Instant,
}

/// How a connection that was taken over has ended.
#[derive(Clone, Copy, Debug)]
pub struct OlderEnd {
    /// As it was given to [`Talk::take_over`].
    pub addr: SocketAddr,
    /// The code of the Close, if there was a Close.
    pub code: Option<u16>,
}

impl Talk {
    /// Continues with a connection that has joined while the older one, to a node at this address, is still
    /// open. From now on the older one is read, too: [`Talk::try_hear_older`].
    pub fn take_over(&mut self, role: Role, newer: Peer, addr: SocketAddr) {
        let came = self.end(role).came.clone();
        let (is_linked, may_be_killed) = (self.end(role).is_linked, self.end(role).may_be_killed);
        let Some(peer) = self.put(role, newer) else { return };
        let end = End { is_linked, may_be_killed, came, peer: Some(peer), ..End::new(&self.session, role) };
        self.older.push(Older { end, addr, taken_over_at: Instant::now() });
    }

    /// Reads what has arrived at older connections, and returns how they ended.
    pub fn try_hear_older(&mut self) -> Result<Vec<OlderEnd>, Wrong> {
        let mut ended = Vec::new();
        for older in &mut self.older {
            let was_open = older.end.peer.is_some();
            older.end.hear().map_err(|wrong| format!("an older {}: {wrong}", older.end.role))?;
            if was_open && older.end.peer.is_none() {
                ended.push(OlderEnd { addr: older.addr, code: older.end.closed_by });
            }
        }
        self.compare_older()?;
        Ok(ended)
    }

    /// Since when the oldest of them has been open after its takeover.
    pub fn older_open_since(&self) -> Option<Instant> {
        self.older.iter().find(|older| older.end.peer.is_some()).map(|older| older.taken_over_at)
    }

    /// How many are still read, or not yet compared.
    pub fn older_count(&self) -> usize {
        self.older.len()
    }

    /// Everything that an older one received comes before everything that a newer one received.
    fn compare_older(&mut self) -> Result<(), Wrong> {
        let mut compared = Vec::new();
        for (at, older) in self.older.iter().enumerate() {
            let newer = self.older[at + 1..].iter().map(|newer| &newer.end).chain(&self.ends);
            let first =
                newer.filter(|newer| newer.role == older.end.role).filter_map(|newer| newer.first).min();
            let heard_to = older.end.came.count();
            if first.is_some_and(|first| heard_to > first) {
                let first = first.unwrap_or_default();
                return Err(format!(
                    "an older {} got frames up to {heard_to}, a newer one from {first} on",
                    older.end.role
                ));
            }
            compared.push(first.is_some() && older.end.peer.is_none());
        }
        let mut compared = compared.into_iter();
        self.older.retain(|_| compared.next() != Some(true));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::session::Session;

    /// A phone whose older connection got the frames 0 to 2, and whose newer one the frames from `first` on.
    fn taken_over(first: Option<u64>) -> Talk {
        let mut talk = Talk::apart(Session { id: "1".repeat(32), token: "1".repeat(32) });
        let mut end = End::new(&talk.session, Role::Phone);
        (0..3).for_each(|_| end.came.take(&talk.ends[0].sent.text(0)));
        talk.ends[1].first = first;
        talk.older.push(Older { end, addr: ([127, 0, 0, 1], 1).into(), taken_over_at: Instant::now() });
        talk
    }

    #[test]
    fn a_frame_for_the_newer_one_is_not_for_the_older() {
        assert!(taken_over(Some(2)).try_hear_older().unwrap_err().contains("up to 3, a newer one from 2 on"));
        for first in [3, 4] {
            let mut talk = taken_over(Some(first));
            talk.try_hear_older().unwrap();
            assert_eq!(talk.older_count(), 0);
        }
    }

    #[test]
    fn it_is_kept_until_the_newer_one_has_heard_something() {
        let mut talk = taken_over(None);
        talk.try_hear_older().unwrap();
        assert_eq!((talk.older_count(), talk.older_open_since()), (1, None));
    }
}
