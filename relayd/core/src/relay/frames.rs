//! The data plane: where each message goes, which connections are not read, and the clocks and marks that
//! frames keep.
//!
//! Look-ups and notes only, in constant time and without an allocation; never a byte of a frame.

use protocol::message::Notice;

use super::Relay;
use super::connection::{ConnState, Connection};
use super::sessions::{PairIndex, Target};
use crate::event::{Action, Sender, Verdict};
use crate::store::Conn;
use crate::time::Time;
use crate::wire::inbound::Kind;

impl Relay {
    /// Where a message of `conn` goes. It counts as activity of its session. The first message of an absence,
    /// or after a silence, leaves an action to poll.
    pub fn route(&mut self, conn: Conn, now: Time) -> Verdict {
        let Some(connection) = self.connections.get(conn) else { return Verdict::Closing };
        let (index, role) = match connection.state {
            ConnState::Joined { index, role } => (index, role),
            ConnState::ExpectHello { .. } => return Verdict::Core,
            ConnState::ExpectClaim { .. } | ConnState::Closing { .. } => return Verdict::Closing,
        };
        let (target, breaks_silence) = self.sessions.route(index, role, now);
        if breaks_silence {
            self.touch(index, now);
        }
        match target {
            Some(Target::Here(to)) => Verdict::Peer(to),
            Some(Target::There(handle)) => Verdict::Remote(handle),
            None => {
                self.on_dropped(conn);
                Verdict::Absent
            }
        }
    }

    /// What the frames of `conn` are stamped with and how long they may be, once it holds a role. Stays as it
    /// is while the messages of one read are passed on.
    pub fn sender(&self, conn: Conn) -> Option<Sender> {
        let (index, role) = self.connections.get(conn)?.holds()?;
        let session = self.sessions.at(index)?.session;
        Some(Sender { session, role, message_bytes_max: self.message_bytes_max(conn) })
    }

    /// True if `conn` holds a role.
    pub fn has_role(&self, conn: Conn) -> bool {
        self.connections.get(conn).is_some_and(|connection| connection.holds().is_some())
    }

    /// True if `conn` must not be read: the store has not answered its hello, its peer is congested, or its
    /// link to another node takes nothing. Derived each time from the link and the peer's mark. What ends it
    /// resumes `conn`.
    pub fn is_paused(&self, conn: Conn) -> bool {
        if self.is_catching_up() {
            return true;
        }
        let Some(connection) = self.connections.get(conn) else { return true };
        match connection.state {
            ConnState::ExpectClaim { .. } => true,
            ConnState::Joined { index, role } => {
                match self.sessions.at(index).and_then(|pair| pair.target(role)) {
                    Some(Target::Here(to)) => self.connections.get(to).is_some_and(|to| to.is_congested),
                    Some(Target::There(handle)) => self.nodes.is_paused(handle),
                    None => false,
                }
            }
            ConnState::ExpectHello { .. } | ConnState::Closing { .. } => false,
        }
    }

    /// True if `conn` is linked by this handle.
    pub fn is_linked_by(&self, conn: Conn, handle: u32) -> bool {
        self.target_of(conn) == Some(Target::There(handle))
    }

    /// The longest message that `conn` may send to its peer, in bytes.
    pub fn message_bytes_max(&self, conn: Conn) -> usize {
        let link = match self.target_of(conn) {
            Some(Target::There(handle)) => self.nodes.link(handle),
            _ => None,
        };
        link.map_or(self.limits.message_bytes_max, |link| self.nodes.message_bytes_max_to(link.node))
    }

    /// What `conn` is linked to.
    fn target_of(&self, conn: Conn) -> Option<Target> {
        let (index, role) = self.connections.get(conn)?.holds()?;
        self.sessions.at(index)?.target(role)
    }

    /// `conn` sent a heartbeat: activity of its session. The first after a silence leaves an action to poll.
    pub fn note_heartbeat(&mut self, conn: Conn, now: Time) {
        let holds = self.connections.get(conn).and_then(Connection::holds);
        if let Some((index, _)) = holds.filter(|&(index, _)| self.sessions.note_active(index, now)) {
            self.touch(index, now);
        }
    }

    /// The store hears of a session's activity.
    #[cold]
    fn touch(&mut self, index: PairIndex, now: Time) {
        let request = self.sessions.touch(index, now);
        request.into_iter().for_each(|request| self.submit(request));
    }

    /// So many bytes came from `conn`.
    pub fn note_read(&mut self, conn: Conn, bytes: usize, now: Time) {
        self.connections.note_read(conn, bytes, now);
    }

    /// The driver does not read `conn`, for any reason, or reads it again. Told only when it changes.
    pub fn note_unread(&mut self, conn: Conn, is_unread: bool, now: Time) {
        self.connections.note_unread(conn, is_unread, now);
    }

    /// The socket of `conn` took `taken` bytes; `left` still wait.
    pub fn note_written(&mut self, conn: Conn, taken: usize, left: usize, now: Time) {
        self.connections.note_written(conn, taken, left, now);
    }

    /// The queue of `conn` is over its high mark: its peer is not read.
    pub fn note_congested(&mut self, conn: Conn) {
        if let Some(connection) = self.connections.get_mut(conn) {
            connection.is_congested = true;
        }
    }

    /// The queue of `conn` is under its low mark again, if it was over the high one. Leaves actions to poll.
    pub fn note_relieved(&mut self, conn: Conn) {
        let Some(connection) = self.connections.get_mut(conn) else { return };
        if !std::mem::take(&mut connection.is_congested) {
            return;
        }
        self.push(Action::Resume { conn });
        if let Some(Target::Here(to)) = self.target_of(conn) {
            self.push(Action::Resume { conn: to });
        }
    }

    /// Puts a frame, or the next piece of a large one, into the stream of a link to another node. Pieces are
    /// at most [`PIECE_BYTES_MAX`](crate::node_link::item::PIECE_BYTES_MAX); the caller has seen that `conn`
    /// is not paused.
    pub fn put_frame(
        &mut self,
        handle: u32,
        kind: Kind,
        is_last: bool,
        message_len: usize,
        bytes: &[u8],
        now: Time,
    ) {
        self.nodes.put_frame(handle, kind, is_last, message_len, bytes, now);
    }

    /// The socket of `conn` has taken what came from another node, down to the low mark.
    pub fn note_taken(&mut self, conn: Conn, now: Time) {
        if let Some(Target::There(handle)) = self.target_of(conn) {
            self.nodes.note_taken(handle, now);
        }
    }

    /// There is no room for more of the large message that comes by this link: no piece is credited until
    /// [`Relay::credit_pieces`], so that its source is not read. False if it was held before, or the link has
    /// ended.
    pub fn hold_pieces(&mut self, handle: u32) -> bool {
        self.nodes.hold_pieces(handle)
    }

    /// There is room again for more of the large message that comes by this link.
    pub fn credit_pieces(&mut self, handle: u32, now: Time) {
        self.nodes.release_pieces(handle, now);
    }

    /// The large message that came by this link is whole: what is owed for it is credited when its target
    /// takes it.
    pub fn end_hold(&mut self, handle: u32) {
        self.nodes.end_hold(handle);
    }

    /// A frame found no peer. A client of version 2 is told of the first one in each absence.
    fn on_dropped(&mut self, conn: Conn) {
        let Some(connection) = self.connections.get_mut(conn) else { return };
        connection.missed = connection.missed.saturating_add(1);
        if connection.missed == 1 {
            self.send(conn, Notice::PeerAbsent);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use protocol::ids::{NodeId, Role, SessionId, Token};
    use protocol::message::{Hello, Version};

    use super::*;
    use crate::event::Input;
    use crate::limits::Limits;
    use crate::store::{Answer, Claimed, Request};

    const PHONE: Conn = Conn { slot: 0, name: 1 };

    const STARTED: Time = Time::from_ms(1 << 40);

    /// A node with one client.
    fn joined(version: Version) -> Relay {
        joined_within(Limits::default(), version)
    }

    fn joined_within(limits: Limits, version: Version) -> Relay {
        let (session, token) = (SessionId::from_bytes([1; 16]), Token::from_bytes([2; 16]));
        let mut relay = Relay::new(NodeId::from_bytes([3; 16]), true, limits, STARTED);
        relay.handle(Input::Opened { conn: PHONE }, STARTED);
        let hello = Hello::to_json_as(version, session, &token, Role::Phone, None);
        let hello = Hello::parse(hello.as_bytes(), true);
        relay.handle(Input::Hello { conn: PHONE, hello, is_doubted: false }, STARTED);
        let outcome = Claimed::Granted { generation: 1, replaced: None, same_instance: false, peer: None };
        let answer = Answer::Claimed { conn: PHONE, session, role: Role::Phone, outcome };
        relay.handle(Input::Answered(answer), STARTED);
        while relay.poll_action().is_some() {}
        relay
    }

    #[test]
    fn a_connection_sends_frames_once_it_holds_a_role() {
        let relay = joined(Version::V2);
        let session = SessionId::from_bytes([1; 16]);
        let message_bytes_max = Limits::default().message_bytes_max;
        let sender = Sender { session, role: Role::Phone, message_bytes_max };
        assert_eq!((relay.sender(PHONE), relay.has_role(PHONE)), (Some(sender), true));
        let mut opened = Relay::new(NodeId::from_bytes([3; 16]), true, Limits::default(), STARTED);
        opened.handle(Input::Opened { conn: PHONE }, STARTED);
        assert_eq!((opened.sender(PHONE), opened.has_role(PHONE)), (None, false));
    }

    fn secs(secs: u64) -> Time {
        STARTED + Duration::from_secs(secs)
    }

    /// What is done to the client when its timer fires at this time.
    fn fire(relay: &mut Relay, at: Time) -> Option<&'static str> {
        relay.handle(Input::Due, at);
        let mut actions = std::iter::from_fn(|| relay.poll_action());
        actions.find_map(|action| match action {
            Action::Ping { .. } => Some("ping"),
            Action::PausedPing { .. } => Some("paused ping"),
            Action::Close { .. } => Some("close"),
            _ => None,
        })
    }

    /// The next thing that is done to it, where the node is never late.
    fn next(relay: &mut Relay) -> (u64, &'static str) {
        loop {
            let at = relay.poll_timeout().expect("its timer is armed");
            if let Some(done) = fire(relay, at) {
                return (at.since(STARTED).as_secs(), done);
            }
        }
    }

    #[test]
    fn the_first_ping_of_a_pause_comes_in_time_and_nothing_puts_it_off() {
        let mut relay = joined(Version::V3);
        relay.note_unread(PHONE, true, secs(7));
        relay.note_read(PHONE, 1, secs(8));
        relay.note_written(PHONE, 0, 1, secs(9));
        relay.note_written(PHONE, 1, 0, secs(10));
        assert_eq!(next(&mut relay), (12, "paused ping"));
        assert_eq!(next(&mut relay), (17, "paused ping"));
        relay.note_unread(PHONE, false, secs(18));
        assert_eq!(next(&mut relay), (48, "ping"));
        assert_eq!(next(&mut relay), (63, "close"));
    }

    #[test]
    fn after_an_answered_ping_the_next_one_comes_an_interval_later() {
        let limits = Limits { heartbeat_interval: Duration::from_secs(5), ..Limits::default() };
        let mut relay = joined_within(limits, Version::V3);
        assert_eq!(next(&mut relay), (5, "ping"));
        relay.note_read(PHONE, 1, secs(6));
        assert_eq!(next(&mut relay), (11, "ping"));
        assert_eq!(next(&mut relay), (26, "close"));
    }

    #[test]
    fn the_end_of_a_pause_brings_the_next_ping_forward_if_it_is_due_earlier() {
        let limits = Limits { heartbeat_interval: Duration::from_secs(1), ..Limits::default() };
        let mut relay = joined_within(limits, Version::V3);
        relay.note_unread(PHONE, true, secs(1));
        assert_eq!(next(&mut relay), (1, "paused ping"));
        assert_eq!(next(&mut relay), (6, "paused ping"));
        relay.note_unread(PHONE, false, secs(7));
        assert_eq!(next(&mut relay), (8, "ping"));
    }

    #[test]
    fn a_node_that_stood_still_asks_before_it_judges() {
        for (version, then) in [(Version::V1, (1030, "ping")), (Version::V3, (1015, "close"))] {
            let mut relay = joined(version);
            assert_eq!(fire(&mut relay, secs(1000)), Some("ping"), "{version:?}");
            assert_eq!(next(&mut relay), then, "{version:?}");
        }
    }

    fn touches(relay: &mut Relay) -> usize {
        let mut actions = std::iter::from_fn(|| relay.poll_action());
        actions.by_ref().filter(|action| matches!(action, Action::Submit(Request::Touch { .. }))).count()
    }

    #[test]
    fn the_first_word_after_a_silence_is_told_to_the_store_at_once() {
        let (limits, started, mut relay) = (Limits::default(), STARTED, joined(Version::V2));
        let silence = limits.touch_every();
        let mut told = |after: Duration| {
            relay.note_heartbeat(PHONE, started + after);
            touches(&mut relay)
        };
        assert_eq!(told(silence - Duration::from_millis(1)), 0, "the claim has told it");
        assert_eq!(told(silence * 3), 1);
        assert_eq!(told(silence * 3 + Duration::from_millis(1)), 0);
    }
}
