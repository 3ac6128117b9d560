//! The data plane: where each message goes, who is not read, and the clocks and marks that frames keep.
//!
//! Look-ups and notes only, in constant time and without an allocation; never a byte of a frame.

use protocol::message::Notice;

use super::Relay;
use crate::event::{Action, Verdict};
use crate::peer::{State, Target};
use crate::store::Conn;
use crate::time::Time;

impl Relay {
    /// Where a message of `conn` goes. It counts as activity of its session. The first message of an absence leaves an
    /// action to poll.
    pub fn route(&mut self, conn: Conn, now: Time) -> Verdict {
        let Some(peer) = self.peer_mut(conn) else { return Verdict::Closing };
        match peer.state {
            State::Linked { to, .. } => {
                peer.active = now;
                match to {
                    Target::Here { slot, name } => Verdict::Peer(Conn { slot, name }),
                    Target::There(handle) => Verdict::Remote(handle),
                }
            }
            State::ExpectHello { .. } => Verdict::Core,
            State::Waiting { .. } => {
                peer.active = now;
                self.on_dropped(conn);
                Verdict::Absent
            }
            State::ExpectClaim { .. } | State::Closing { .. } => Verdict::Closing,
        }
    }

    /// True if `conn` must not be read: the store has not answered its hello, or its peer is congested. Derived anew
    /// each time from the link and the peer's mark.
    pub fn is_paused(&mut self, conn: Conn) -> bool {
        if self.is_catching_up() {
            return true;
        }
        let Some(peer) = self.peer(conn) else { return true };
        match peer.state {
            State::ExpectClaim { .. } => true,
            State::Linked { to: Target::Here { slot, name }, .. } => {
                self.peer(Conn { slot, name }).is_some_and(|target| target.congested)
            }
            State::Linked { to: Target::There(handle), .. } => self.is_blocked(handle),
            _ => false,
        }
    }

    /// `conn` sent a heartbeat: activity of its session.
    pub fn note_heartbeat(&mut self, conn: Conn, now: Time) {
        if let Some(peer) = self.peer_mut(conn) {
            peer.active = now;
        }
    }

    /// Bytes came from `conn`.
    pub fn note_read(&mut self, conn: Conn, now: Time) {
        if let Some(peer) = self.peer_mut(conn) {
            peer.note_read(now);
        }
    }

    /// The socket of `conn` took `taken` bytes; `left` still wait.
    pub fn note_written(&mut self, conn: Conn, taken: usize, left: usize, now: Time) {
        if self.peer_mut(conn).is_some_and(|peer| peer.note_written(taken, left, now)) {
            self.rearm(conn);
        }
    }

    /// The queue of `conn` is over its high mark: its peer is not read.
    pub fn note_congested(&mut self, conn: Conn) {
        if let Some(peer) = self.peer_mut(conn) {
            peer.congested = true;
        }
    }

    /// The queue of `conn` is under its low mark again, if it was over the high one. Leaves actions to poll.
    pub fn note_relieved(&mut self, conn: Conn) {
        let Some(peer) = self.peer_mut(conn) else { return };
        if !std::mem::take(&mut peer.congested) {
            return;
        }
        let link = peer.link();
        self.push(Action::Resume { conn });
        if let Some(to) = link {
            self.push(Action::Resume { conn: to });
        }
    }

    /// A frame found nobody. The first one of an absence is told to a client of version 2.
    fn on_dropped(&mut self, conn: Conn) {
        let Some(peer) = self.peer_mut(conn) else { return };
        peer.missed = peer.missed.saturating_add(1);
        if peer.missed == 1 {
            self.send(conn, Notice::PeerAbsent);
        }
    }
}
