//! Which ends of connections and which lost sessions are expected, after what was done to nodes and to Redis.
//! Any other breaks a promise.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Once Redis is back, a node writes its sessions again within this time, which has a wide margin.
const WRITTEN_WITHIN: Duration = Duration::from_secs(30);

/// What was done.
#[derive(Debug, Default)]
pub struct Expected(Mutex<Played>);

#[derive(Debug, Default)]
struct Played {
    killed: Vec<SocketAddr>,
    ended: Vec<SocketAddr>,
    emptied_at: Option<Instant>,
}

impl Expected {
    /// The node that listens there is about to be killed.
    pub fn note_kill(&self, addr: SocketAddr) {
        self.change(|played| played.killed.push(addr));
    }

    /// The node that listens there is about to be told to end.
    pub fn note_end(&self, addr: SocketAddr) {
        self.change(|played| played.ended.push(addr));
    }

    /// Redis has lost everything, or is about to, or has just come back without it.
    pub fn note_loss(&self) {
        self.change(|played| played.emptied_at = Some(Instant::now()));
    }

    /// Whether a connection to the node at that address may have ended this way, though its client did not
    /// end it.
    pub fn judge_end(&self, addr: SocketAddr, code: Option<u16>, is_deleted: bool) -> Result<(), String> {
        let is_expected = self.change(|played| match code {
            None => played.killed.contains(&addr),
            Some(1001) => played.ended.contains(&addr),
            // By the client's own newer connection, or by one whose answer it did not wait for.
            Some(4409) => true,
            Some(4410) => is_deleted,
            Some(_) => false,
        });
        is_expected.then_some(()).ok_or_else(|| format!("a connection to {addr} ended with {code:?}"))
    }

    /// Whether Redis may have lost a session of which both ends were connected at that time.
    pub fn may_be_lost(&self, connected_at: Instant) -> bool {
        self.change(|played| played.emptied_at.is_some_and(|at| connected_at < at + WRITTEN_WITHIN))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Played) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ends_that_something_explains_pass() {
        let (expected, [killed, ended, other]) =
            (Expected::default(), [1, 2, 3].map(|port| SocketAddr::from(([127, 0, 0, 1], port))));
        expected.note_kill(killed);
        expected.note_end(ended);
        let passes = |addr, code, is_deleted| expected.judge_end(addr, code, is_deleted).is_ok();
        assert!(
            passes(killed, None, false)
                && passes(ended, Some(1001), false)
                && passes(other, Some(4409), false)
        );
        assert!(passes(other, Some(4410), true) && !passes(other, Some(4410), false));
        assert!(
            !passes(other, None, true) && !passes(ended, None, true) && !passes(killed, Some(1001), true)
        );
        for code in [1000, 1002, 1007, 1009, 1011, 1013, 4400, 4401, 4408, 4429] {
            assert!([killed, ended, other].iter().all(|&addr| !passes(addr, Some(code), true)), "{code}");
        }
    }

    #[test]
    fn a_session_is_lost_with_a_redis_that_forgets_and_not_otherwise() {
        let expected = Expected::default();
        let connected_at = Instant::now();
        assert!(!expected.may_be_lost(connected_at));
        expected.note_loss();
        assert!(expected.may_be_lost(connected_at) && expected.may_be_lost(Instant::now()));
        assert!(!expected.may_be_lost(Instant::now() + WRITTEN_WITHIN * 2));
    }
}
