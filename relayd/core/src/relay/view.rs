//! What an operator sees: one connection, one session or one node at a time, so that a caller can bound its
//! work. Nothing here changes anything.

use std::time::Duration;

use protocol::ids::{NodeId, Role, SessionId};
use protocol::message::Version;

use super::Relay;
use super::connection::{ConnState, Connection};
use super::sessions::{Joined, Pair, PairIndex};
use crate::node_link::BatchCounts;
use crate::store::Conn;
use crate::time::Time;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionStage {
    /// Its hello has not come.
    ExpectHello,
    /// The store has not answered its hello.
    ExpectClaim {
        /// The session that it named.
        session: SessionId,
    },
    /// It holds a role.
    Joined {
        /// Of this session.
        session: SessionId,
        /// Which.
        role: Role,
    },
    /// Its Close frame is queued.
    Closing,
}

/// A connection that finished its upgrade.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionView {
    /// Its name.
    pub conn: Conn,
    /// How far it has come.
    pub stage: ConnectionStage,
    /// The version that it asked for.
    pub version: Version,
    /// Bytes that came from it since its upgrade.
    pub received: u64,
    /// How long ago bytes last came, or it was last seen paused.
    pub silent: Duration,
    /// It is not read, for any reason.
    pub is_unread: bool,
    /// Its queue is over the high mark: its peer is not read.
    pub is_congested: bool,
}

/// What became of the link of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// The other role is absent.
    Alone,
    /// A link to this node is wanted and does not stand yet.
    Opening(NodeId),
    /// Both ends are here, and linked.
    Here,
    /// The other end is on this node.
    There(NodeId),
}

/// A session with a role held here.
#[derive(Clone, Copy, Debug)]
pub struct SessionView {
    /// Which.
    pub session: SessionId,
    /// By [`Role::index`]: the connection that holds the role here.
    pub ends: [Option<ConnectionView>; 2],
    /// Its link.
    pub link: LinkState,
    /// How long ago it was last active, as far as this node knows.
    pub idle: Duration,
}

/// Another node.
#[derive(Clone, Copy, Debug)]
pub struct NodeView {
    /// Which.
    pub node: NodeId,
    /// Links to it, those among them that are being opened.
    pub links: usize,
    /// How long it has been silent, in time that this node could judge.
    pub silent: Duration,
    /// Batches that it has not acknowledged.
    pub window_batches: usize,
    /// Their bytes.
    pub window_bytes: usize,
    /// Batches since the stream to it began.
    pub batches: BatchCounts,
}

impl SessionView {
    /// Bytes that came from the ends that are here.
    pub fn received(&self) -> u64 {
        self.ends.iter().flatten().map(|end| end.received).sum()
    }
}

impl Relay {
    /// How many slots of connections there are. Each may be empty.
    pub fn slots(&self) -> usize {
        self.connections.slots()
    }

    /// The connection in a slot.
    pub fn connection_view(&self, slot: usize, now: Time) -> Option<ConnectionView> {
        let (conn, connection) = self.connections.in_slot(slot)?;
        Some(self.view_of(conn, connection, now))
    }

    /// The session of a connection. Given for one of its connections only, so that a look at all connections
    /// sees each session once.
    pub fn session_view(&self, conn: Conn, now: Time) -> Option<SessionView> {
        let (index, role) = self.connections.get(conn)?.holds()?;
        let pair = self.sessions.at(index)?;
        let is_first = role == Role::Workstation || pair.end(Role::Workstation).is_none();
        is_first.then(|| self.view_of_session(index, pair, now))
    }

    /// What is known of each other node.
    pub fn node_views(&self) -> impl Iterator<Item = NodeView> {
        self.nodes.views()
    }

    fn view_of(&self, conn: Conn, connection: &Connection, now: Time) -> ConnectionView {
        let stage = match connection.state {
            ConnState::ExpectHello { .. } => ConnectionStage::ExpectHello,
            ConnState::ExpectClaim { session, .. } => ConnectionStage::ExpectClaim { session },
            ConnState::Joined { index, role } => match self.sessions.at(index) {
                Some(pair) => ConnectionStage::Joined { session: pair.session, role },
                None => ConnectionStage::Closing,
            },
            ConnState::Closing { .. } => ConnectionStage::Closing,
        };
        ConnectionView {
            conn,
            stage,
            version: connection.version,
            received: connection.received,
            silent: now.since(connection.heard),
            is_unread: connection.is_unread,
            is_congested: connection.is_congested,
        }
    }

    fn view_of_session(&self, index: PairIndex, pair: &Pair, now: Time) -> SessionView {
        let end = |role| {
            let conn = pair.end(role)?.conn;
            Some(self.view_of(conn, self.connections.get(conn)?, now))
        };
        let there = |handle| self.nodes.link(handle).map(|link| link.node);
        let link = match pair.link.joined() {
            Joined::Here => LinkState::Here,
            Joined::There { handle, .. } => there(handle).map_or(LinkState::Alone, LinkState::There),
            Joined::Nothing => {
                let wanted = self.sessions.wanted(index).map(|wanted| wanted.holder.node);
                wanted.map_or(LinkState::Alone, LinkState::Opening)
            }
        };
        SessionView { session: pair.session, ends: Role::ALL.map(end), link, idle: pair.idle(now) }
    }
}

#[cfg(test)]
mod tests {
    use protocol::ids::Token;
    use protocol::message::Hello;

    use super::*;
    use crate::event::Input;
    use crate::limits::Limits;
    use crate::store::{Answer, Claimed};

    const NOW: Time = Time::from_ms(1 << 40);

    fn join(relay: &mut Relay, conn: Conn, session: SessionId, role: Role) {
        let token = Token::from_bytes([2; 16]);
        let hello = Hello::to_json_as(Version::V2, session, &token, role, None);
        relay.handle(Input::Opened { conn }, NOW);
        let hello = Hello::parse(hello.as_bytes(), true);
        relay.handle(Input::Hello { conn, hello, is_doubted: false }, NOW);
        let peer = relay.sessions.end(session, role.other()).map(|end| crate::store::Holder {
            node: relay.node(),
            conn: end.conn.name,
            generation: end.generation,
        });
        let outcome = Claimed::Granted { generation: 1, replaced: None, same_instance: false, peer };
        relay.handle(Input::Answered(Answer::Claimed { conn, session, role, outcome }), NOW);
        while relay.poll_action().is_some() {}
    }

    fn sessions(relay: &Relay) -> Vec<SessionView> {
        let conns = (0..relay.slots()).filter_map(|slot| relay.connection_view(slot, NOW));
        conns.filter_map(|view| relay.session_view(view.conn, NOW)).collect()
    }

    #[test]
    fn a_look_at_all_connections_sees_each_session_once() {
        let mut relay = Relay::new(NodeId::from_bytes([3; 16]), true, Limits::default(), NOW);
        let session = |byte| SessionId::from_bytes([byte; 16]);
        let conn = |slot| Conn { slot, name: u64::from(slot) + 1 };
        join(&mut relay, conn(0), session(1), Role::Phone);
        assert_eq!(sessions(&relay)[0].link, LinkState::Alone);
        join(&mut relay, conn(1), session(1), Role::Workstation);
        join(&mut relay, conn(2), session(2), Role::Phone);
        relay.note_read(conn(0), 10, NOW);
        relay.note_read(conn(1), 5, NOW);
        relay.note_read(conn(1), 1, NOW);
        let seen = sessions(&relay);
        let summed: Vec<_> = seen.iter().map(|view| (view.session, view.link, view.received())).collect();
        assert_eq!(summed, [(session(1), LinkState::Here, 16), (session(2), LinkState::Alone, 0)]);
        assert_eq!(seen[0].ends[Role::Phone.index()].unwrap().received, 10);
        assert!(seen[1].ends[Role::Workstation.index()].is_none());
    }

    #[test]
    fn a_connection_shows_how_far_it_has_come() {
        let mut relay = Relay::new(NodeId::from_bytes([3; 16]), true, Limits::default(), NOW);
        let conn = Conn { slot: 4, name: 7 };
        relay.handle(Input::Opened { conn }, NOW);
        assert!(relay.connection_view(3, NOW).is_none() && relay.connection_view(5, NOW).is_none());
        let view = relay.connection_view(4, NOW + Duration::from_secs(3)).unwrap();
        assert_eq!((view.stage, view.silent), (ConnectionStage::ExpectHello, Duration::from_secs(3)));
        relay.handle(Input::Left { conn, said: None }, NOW);
        assert_eq!(relay.connection_view(4, NOW).unwrap().stage, ConnectionStage::Closing);
    }
}
