//! One connection, from its upgrade to its end.
//!
//! `ExpectHello → ExpectClaim → Joined → Closing`. Each state is named for what it waits for and carries what
//! only it needs. Knows nothing of other connections.

use std::num::NonZeroU32;
use std::time::Duration;

use protocol::ids::{Role, SessionId};
use protocol::message::Version;

use super::sessions::PairIndex;
use crate::limits::{Limits, PAUSED_PING, STALL_BYTES};
use crate::time::Time;

/// What the core knows of one connection.
#[derive(Debug)]
pub(super) struct Connection {
    /// Tells it from a later connection in the same slot.
    pub name: u64,
    pub state: ConnState,
    /// What it asked for in its hello.
    pub version: Version,
    /// Its queue went over the high mark and was not under the low mark since.
    pub is_congested: bool,
    /// The driver does not read it.
    pub is_unread: bool,
    /// Pings that went out in the present silence.
    pub pings: u8,
    /// When bytes last came, or when it was last seen paused.
    pub heard: Time,
    /// Frames dropped since it last had a peer, as far as this counts.
    pub missed: u32,
    /// Bytes wait for its socket.
    pub stall: Option<Stall>,
    /// When its one timer fires.
    pub due: Time,
    /// Bytes that came from it since its upgrade.
    pub received: u64,
}

#[derive(Debug)]
pub(super) enum ConnState {
    /// The first message has not come.
    ExpectHello { until: Time },
    /// The store has not answered its claim on this session. Not read meanwhile.
    ExpectClaim { until: Time, session: SessionId },
    /// Holds this role of a session. What it is linked to is a fact of the session.
    Joined { index: PairIndex, role: Role },
    /// A Close frame is queued; the socket goes when it is written and drained, at the latest then.
    Closing { until: Time },
}

/// How far a socket has come since bytes began to wait for it. More than it can count is as good as the most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stall {
    since: Time,
    /// Bytes it took since.
    taken: u32,
    /// Bytes that waited then.
    waiting: NonZeroU32,
    /// Bytes that wait now.
    left: NonZeroU32,
}

/// What a connection's timer found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// Nothing is due before the time given.
    Nothing,
    /// Silent for another interval.
    Ping,
    /// Paused: its client wants to hear that the relay lives.
    PausedPing,
    /// No hello, silent for too long, or not reading.
    TimedOut,
    /// The store never answered.
    ClaimLost,
    /// The Close frame could not be written and drained in time.
    CloseOverdue,
}

impl Connection {
    pub fn new(name: u64, now: Time, until: Time) -> Self {
        Connection {
            name,
            state: ConnState::ExpectHello { until },
            version: Version::V1,
            is_congested: false,
            is_unread: false,
            pings: 0,
            heard: now,
            missed: 0,
            stall: None,
            due: until,
            received: 0,
        }
    }

    /// Where its session is, and the role that it holds.
    pub fn holds(&self) -> Option<(PairIndex, Role)> {
        match self.state {
            ConnState::Joined { index, role } => Some((index, role)),
            _ => None,
        }
    }

    /// True if a Close frame is queued for it.
    pub const fn is_closing(&self) -> bool {
        matches!(self.state, ConnState::Closing { .. })
    }

    /// True if its client knows the notices of version 2.
    pub fn knows_v2(&self) -> bool {
        self.version >= Version::V2
    }

    /// Bytes came. Returns true if they answer a ping: the next one is due earlier than the end that was
    /// waited for.
    pub fn note_read(&mut self, now: Time) -> bool {
        self.heard = now;
        std::mem::take(&mut self.pings) > 0
    }

    /// The driver does not read it, or reads it again. What it does not read it does not judge.
    pub fn note_unread(&mut self, is_unread: bool, now: Time) {
        self.is_unread = is_unread;
        self.note_read(now);
    }

    /// Its timer fired late: that time is not its own.
    pub fn note_late(&mut self, late: Duration, now: Time) {
        self.heard = (self.heard + late).min(now);
    }

    /// Its socket took `taken` bytes and `left` still wait. True if its timer must be looked at: bytes began
    /// to wait.
    pub fn note_written(&mut self, taken: usize, left: usize, now: Time) -> bool {
        let Some(left) = NonZeroU32::new(saturate(left)) else {
            self.stall = None;
            return false;
        };
        if let Some(stall) = &mut self.stall {
            stall.taken = stall.taken.saturating_add(saturate(taken));
            stall.left = left;
            return false;
        }
        self.stall = Some(Stall { since: now, taken: 0, waiting: left, left });
        true
    }

    /// When its timer must fire next.
    pub fn next_due(&self, limits: &Limits) -> Time {
        let life = match self.state {
            ConnState::ExpectHello { until } | ConnState::Closing { until } => until,
            ConnState::ExpectClaim { until, .. } if self.hears_of_pauses() => {
                until.min(self.heard + PAUSED_PING)
            }
            ConnState::ExpectClaim { until, .. } => until,
            ConnState::Joined { .. } => self.silence_due(limits),
        };
        match self.stall {
            Some(stall) if self.holds().is_some() => life.min(stall.since + limits.stall),
            _ => life,
        }
    }

    /// When its silence must be looked at next, or the next ping of its pause is due.
    fn silence_due(&self, limits: &Limits) -> Time {
        if self.is_unread && self.hears_of_pauses() {
            return self.heard + PAUSED_PING;
        }
        let asked_again = match self.version {
            Version::V3 if self.pings > 0 => Duration::MAX,
            _ => limits.heartbeat_interval * (u32::from(self.pings) + 1),
        };
        self.heard + asked_again.min(limits.silence_max(self.version))
    }

    /// Its timer fired. `paused`: the core wants it not to be read.
    pub fn on_due(&mut self, paused: bool, limits: &Limits, now: Time) -> Finding {
        match self.state {
            ConnState::ExpectHello { until } if until <= now => Finding::TimedOut,
            ConnState::ExpectClaim { until, .. } if until <= now => Finding::ClaimLost,
            ConnState::ExpectClaim { .. } => self.on_paused(now),
            ConnState::Closing { until } if until <= now => Finding::CloseOverdue,
            ConnState::Joined { .. } => {
                if self.judge_stall(limits.stall, now) {
                    return Finding::TimedOut;
                }
                if paused || self.is_unread || self.may_be_silent() {
                    return self.on_paused(now);
                }
                self.judge_silence(limits, now)
            }
            _ => Finding::Nothing,
        }
    }

    /// It is told that the relay lives while it is paused. Else its client could not tell a pause from a dead
    /// path.
    pub fn hears_of_pauses(&self) -> bool {
        self.version >= Version::V3
    }

    /// An older client that reads slowly is left to the stall time. A newer one must say something meanwhile:
    /// with a full queue, too, a dead path is noticed by its silence.
    fn may_be_silent(&self) -> bool {
        self.is_congested && self.version < Version::V3
    }

    /// Its silence says nothing, and begins when the pause ends.
    fn on_paused(&mut self, now: Time) -> Finding {
        self.note_read(now);
        if self.hears_of_pauses() { Finding::PausedPing } else { Finding::Nothing }
    }

    /// True if the socket took too little in the stall time; else, if that time is over, a new one begins.
    fn judge_stall(&mut self, limit: Duration, now: Time) -> bool {
        let Some(stall) = &mut self.stall else { return false };
        if now < stall.since + limit {
            return false;
        }
        if stall.taken < saturate(STALL_BYTES).min(stall.waiting.get()) {
            return true;
        }
        *stall = Stall { since: now, taken: 0, waiting: stall.left, left: stall.left };
        false
    }

    fn judge_silence(&mut self, limits: &Limits, now: Time) -> Finding {
        let (silent, interval) = (now.since(self.heard), limits.heartbeat_interval);
        if silent >= limits.silence_max(self.version) {
            return Finding::TimedOut;
        }
        let intervals = (silent.as_millis() / interval.as_millis().max(1)) as u8;
        // A client of version 3 is asked once, and then has its time to answer.
        let pings = if self.version < Version::V3 { intervals } else { intervals.min(1) };
        let another = pings > self.pings;
        self.pings = pings;
        if another { Finding::Ping } else { Finding::Nothing }
    }
}

fn saturate(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linked(limits: &Limits, now: Time) -> Connection {
        let mut peer = Connection::new(1, now, now);
        peer.state = ConnState::Joined { index: PairIndex::default(), role: Role::Phone };
        peer.due = peer.next_due(limits);
        peer
    }

    fn secs(secs: u64) -> Time {
        Time::from_ms(1_000_000 + secs * 1000)
    }

    #[test]
    fn a_connection_is_small() {
        assert!(size_of::<Option<Connection>>() <= 96, "{}", size_of::<Option<Connection>>());
    }

    #[test]
    fn silence_is_pinged_twice_and_then_closed() {
        let limits = Limits::default();
        let mut peer = linked(&limits, secs(0));
        assert_eq!(peer.next_due(&limits), secs(30));
        assert_eq!(peer.on_due(false, &limits, secs(30)), Finding::Ping);
        assert_eq!(peer.next_due(&limits), secs(60));
        assert_eq!(peer.on_due(false, &limits, secs(60)), Finding::Ping);
        assert_eq!(peer.next_due(&limits), secs(90));
        assert_eq!(peer.on_due(false, &limits, secs(90)), Finding::TimedOut);
    }

    #[test]
    fn any_byte_starts_the_silence_anew_and_a_pause_stops_its_clock() {
        let limits = Limits::default();
        let mut peer = linked(&limits, secs(0));
        assert_eq!(peer.on_due(false, &limits, secs(30)), Finding::Ping);
        peer.note_read(secs(31));
        assert_eq!(peer.on_due(false, &limits, secs(60)), Finding::Nothing);
        assert_eq!(peer.next_due(&limits), secs(61));
        assert_eq!(peer.on_due(true, &limits, secs(200)), Finding::Nothing);
        assert_eq!(peer.next_due(&limits), secs(230));
    }

    #[test]
    fn an_answered_ping_does_not_put_the_next_one_off_whatever_else_arms_the_timer() {
        let limits = Limits::default();
        let mut peer = linked(&limits, secs(0));
        assert_eq!(peer.on_due(false, &limits, secs(30)), Finding::Ping);
        peer.note_read(secs(31));
        assert!(peer.note_written(0, 10, secs(32)), "its timer is looked at");
        assert_eq!(peer.next_due(&limits), secs(61));
    }

    #[test]
    fn who_answers_each_ping_at_once_is_pinged_each_interval() {
        let limits = Limits::default();
        let mut peer = linked(&limits, secs(0));
        for turn in 1..10 {
            assert_eq!(peer.on_due(false, &limits, secs(30 * turn)), Finding::Ping, "turn {turn}");
            peer.note_read(secs(30 * turn));
            assert_eq!(peer.next_due(&limits), secs(30 * turn + 30));
        }
    }

    fn linked_as(version: Version, interval_secs: u64) -> (Connection, Limits) {
        let heartbeat_interval = Duration::from_secs(interval_secs);
        let limits = Limits { heartbeat_interval, ..Limits::default() };
        (Connection { version, ..linked(&limits, secs(0)) }, limits)
    }

    /// Seconds after which a client that says nothing is pinged, and after which it is closed.
    fn silence(version: Version, interval_secs: u64) -> (Vec<u64>, u64) {
        let (mut peer, limits) = linked_as(version, interval_secs);
        let mut pings = Vec::new();
        loop {
            let due = peer.next_due(&limits);
            let after = due.since(secs(0)).as_secs();
            match peer.on_due(false, &limits, due) {
                Finding::Ping => pings.push(after),
                Finding::TimedOut => return (pings, after),
                other => panic!("{other:?} after {after} s"),
            }
        }
    }

    #[test]
    fn each_version_may_be_silent_for_its_own_time() {
        for version in [Version::V1, Version::V2] {
            assert_eq!(silence(version, 1), ((1..16).collect(), 16));
            assert_eq!(silence(version, 5), (vec![5, 10, 15], 16));
            assert_eq!(silence(version, 6), (vec![6, 12], 18));
            assert_eq!(silence(version, 30), (vec![30, 60], 90));
        }
        for interval in [1, 10, 30, 86_400] {
            assert_eq!(silence(Version::V3, interval), (vec![interval], interval + 15));
        }
    }

    #[test]
    fn a_client_of_version_3_is_asked_once_however_often_its_silence_is_judged() {
        let (mut peer, limits) = linked_as(Version::V3, 5);
        for (after, found) in
            [(5, Finding::Ping), (10, Finding::Nothing), (19, Finding::Nothing), (20, Finding::TimedOut)]
        {
            assert_eq!(peer.on_due(false, &limits, secs(after)), found, "after {after} s");
        }
    }

    #[test]
    fn a_client_of_version_3_is_pinged_every_5_s_while_it_is_not_read_and_not_judged() {
        let (mut peer, limits) = linked_as(Version::V3, 30);
        peer.note_unread(true, secs(20));
        for at in (25..200).step_by(5) {
            assert_eq!(peer.next_due(&limits), secs(at));
            assert_eq!(peer.on_due(false, &limits, secs(at)), Finding::PausedPing);
        }
        peer.note_unread(false, secs(201));
        assert_eq!(peer.on_due(false, &limits, secs(205)), Finding::Nothing);
        assert_eq!(peer.next_due(&limits), secs(231));
        let (mut older, limits) = linked_as(Version::V2, 30);
        older.note_unread(true, secs(20));
        assert_eq!(older.on_due(false, &limits, secs(120)), Finding::Nothing);
    }

    #[test]
    fn a_client_of_version_3_is_pinged_every_5_s_while_its_claim_waits() {
        let limits = Limits::default();
        for (version, pings) in [(Version::V2, 0), (Version::V3, 2)] {
            let mut peer = Connection { version, ..Connection::new(1, secs(0), secs(10)) };
            let session = SessionId::from_bytes([1; 16]);
            peer.state = ConnState::ExpectClaim { until: secs(15), session };
            let mut told = 0;
            let lost_at = loop {
                let due = peer.next_due(&limits);
                match peer.on_due(true, &limits, due) {
                    Finding::PausedPing => told += 1,
                    Finding::ClaimLost => break due,
                    other => panic!("{other:?}"),
                }
            };
            assert_eq!((told, lost_at), (pings, secs(15)), "{version:?}");
        }
    }

    #[test]
    fn a_full_queue_excuses_the_silence_of_older_clients_only() {
        for (version, found) in [(Version::V2, Finding::Nothing), (Version::V3, Finding::TimedOut)] {
            let (mut peer, limits) = linked_as(version, 30);
            peer.is_congested = true;
            assert_eq!(peer.on_due(false, &limits, secs(90)), found, "{version:?}");
        }
    }

    #[test]
    fn a_socket_that_takes_too_little_is_stalled() {
        let limits = Limits::default();
        for (taken, waiting, stalled) in [
            (0, 1, true),
            (1, 1, false),
            (9, 10, true),
            (STALL_BYTES - 1, 1 << 20, true),
            (STALL_BYTES, 1 << 20, false),
        ] {
            let mut peer = linked(&limits, secs(0));
            assert!(peer.note_written(500, waiting, secs(0)));
            assert!(!peer.note_written(taken, 7, secs(1)));
            peer.note_read(secs(119));
            let found = peer.on_due(false, &limits, secs(120));
            assert_eq!(found == Finding::TimedOut, stalled, "{taken} of {waiting}");
        }
        let mut peer = linked(&limits, secs(0));
        peer.note_written(0, 10, secs(0));
        peer.note_written(10, 0, secs(1));
        peer.note_read(secs(119));
        assert_eq!(peer.on_due(false, &limits, secs(120)), Finding::Nothing);
    }
}
