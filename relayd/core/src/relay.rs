//! The relay itself: which connections may speak to each other.
//!
//! Two planes. *Control*: one [`Input`] into [`Relay::handle`], then [`Relay::poll_action`] until `None`.
//! *Data*: for each message [`Relay::route`] says where it goes, a table look-up without allocation, and the
//! `note_*` calls keep clocks and marks. Owns no byte of a frame.
//!
//! The relay wires types that each own one thing: connections, claims, sessions, other nodes. None of them
//! knows another.

mod bus;
mod claims;
mod connection;
mod connections;
mod drain;
mod ends;
mod frames;
mod link;
mod nodes;
mod pending;
mod revival;
mod sessions;
mod view;

pub use self::nodes::NodeCounts;
pub use self::revival::STOPPED_AFTER;
pub use self::view::{ConnectionStage, ConnectionView, LinkState, NodeView, SessionView};

use std::collections::VecDeque;
use std::time::Duration;

use protocol::close::CloseCode;
use protocol::ids::{NodeId, SessionId, TokenDigest};
use protocol::message::Notice;
use protocol::ws::control::PeerClose;

use self::connection::{ConnState, Connection, Finding};
use self::connections::Connections;
use self::drain::Drain;
use self::nodes::OtherNodes;
use self::pending::PendingClaims;
use self::revival::Revival;
use self::sessions::{PairIndex, SessionTimer, Sessions};
use crate::event::{Action, Goodbye, Input};
use crate::limits::{CLOSE_WITHIN, Limits};
use crate::store::{Answer, Conn, Deleted, Hold, Registered, Request};
use crate::time::Time;

/// The pure core of one node.
#[derive(Debug)]
pub struct Relay {
    limits: Limits,
    connections: Connections,
    claims: PendingClaims,
    sessions: Sessions,
    nodes: OtherNodes,
    /// Set while no client is read because the node was stopped for long.
    revival: Option<Revival>,
    actions: VecDeque<Action>,
    /// Set while the process stops.
    draining: Option<Drain>,
}

/// Timers that fire before others are served again.
const DUE_AT_ONCE: usize = 256;

impl Relay {
    /// A relay without connections, on node `node`. `is_alone`: no other node can be reached.
    pub fn new(node: NodeId, is_alone: bool, limits: Limits, now: Time) -> Self {
        Relay {
            limits,
            connections: Connections::new(limits),
            claims: PendingClaims::default(),
            sessions: Sessions::new(&limits, is_alone, now),
            nodes: OtherNodes::new(node, is_alone, &limits, now),
            revival: None,
            actions: VecDeque::new(),
            draining: None,
        }
    }

    /// Takes one input in. Carry out every [`Relay::poll_action`] before the next.
    pub fn handle(&mut self, input: Input, now: Time) {
        match input {
            Input::Opened { conn } => self.on_opened(conn, now),
            Input::Hello { conn, hello, is_doubted } => self.on_hello(conn, hello, is_doubted, now),
            Input::Left { conn, said } => self.on_left(conn, said, now),
            Input::Fault { conn, code } => self.refuse(conn, code, now),
            Input::Gone { conn } => {
                self.leave(conn, now);
                self.connections.remove(conn);
            }
            Input::Register { ticket, session, token, again } => {
                let away = Action::Registered { ticket, outcome: Registered::Away };
                self.submit_or(Request::Register { ticket, session, token, again }, away);
            }
            Input::Delete { ticket, session, token } => {
                let away = Action::Deleted { ticket, outcome: Deleted::Away };
                self.submit_or(Request::Delete { ticket, session, token }, away);
            }
            Input::Answered(answer) => self.on_answer(answer, now),
            Input::StoreBack => {
                self.sessions.on_store_back(now);
                self.check_all(now);
            }
            Input::Revived => self.on_revived(now),
            Input::Drain { told_by, until } => self.on_drain(told_by, until, now),
            Input::Due => self.on_due(now),
        }
        self.check_invariants();
    }

    /// What is to be done next.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Input::Due`] must come, and [`Relay::poll_publish`] be asked, at the latest.
    pub fn poll_timeout(&self) -> Option<Time> {
        let timers = [self.connections.next_due(), self.sessions.next_due(), self.nodes.next_tick()];
        let drain = self.next_drain_step();
        timers.into_iter().chain([self.nodes.ack_due(), drain]).flatten().min()
    }

    /// This node's id.
    pub const fn node(&self) -> NodeId {
        self.nodes.own()
    }

    /// True if no other node can be reached.
    pub const fn is_alone(&self) -> bool {
        self.nodes.is_alone()
    }

    /// How many connections have finished their upgrade.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// How many sessions this node holds a role of.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// True if a role of this session is held here and this is the digest of its token.
    pub fn knows(&self, session: SessionId, token: &TokenDigest) -> bool {
        self.sessions.knows(session, token)
    }

    /// How many timers are armed.
    pub fn timers(&self) -> usize {
        self.connections.timers() + self.sessions.timers() + usize::from(!self.is_alone())
    }

    /// How many links between two connections of this node stand.
    pub const fn links(&self) -> usize {
        self.sessions.joined_here()
    }

    /// How many links to other nodes stand.
    pub fn links_remote(&self) -> usize {
        self.nodes.links_open()
    }

    /// How many links to other nodes were asked for and are not accepted yet.
    pub fn links_opening(&self) -> usize {
        self.nodes.links_opening()
    }

    /// The streams to other nodes as they are now.
    pub fn node_counts(&self) -> NodeCounts {
        self.nodes.counts()
    }

    /// True if every stream to another node is acknowledged.
    pub fn is_bus_idle(&self) -> bool {
        self.nodes.is_idle()
    }

    /// How many other nodes there is a stream with.
    #[cfg(test)]
    pub(crate) fn nodes(&self) -> usize {
        self.nodes.counts().nodes
    }

    /// Bytes for other nodes that are not acknowledged.
    #[cfg(test)]
    pub(crate) fn unacknowledged(&self) -> usize {
        self.nodes.unacknowledged()
    }

    /// How long ago this node last heard its own probe, or began to listen for one.
    pub fn probe_age(&self, now: Time) -> Duration {
        self.nodes.probe_age(now)
    }

    fn on_opened(&mut self, conn: Conn, now: Time) {
        self.connections.open(conn, now);
        if self.draining.is_some() {
            self.refuse(conn, CloseCode::GoingAway, now);
        }
    }

    /// RFC 6455 §5.5.1: a Close frame is answered with its own code.
    fn on_left(&mut self, conn: Conn, said: Option<PeerClose>, now: Time) {
        let say = match said {
            None => Goodbye::Now(CloseCode::Normal),
            Some(PeerClose::Empty) => Goodbye::Echo(None),
            Some(PeerClose::Code(code)) => Goodbye::Echo(Some(code)),
            Some(PeerClose::Invalid(code)) => return self.refuse(conn, code, now),
        };
        self.close(conn, say, now);
    }

    fn on_answer(&mut self, answer: Answer, now: Time) {
        match answer {
            Answer::Registered { ticket, outcome } => self.push(Action::Registered { ticket, outcome }),
            Answer::Deleted { ticket, session, outcome } => self.on_deleted(ticket, session, outcome, now),
            Answer::Claimed { conn, session, role, outcome } => {
                self.on_claimed(conn, session, role, outcome, now);
            }
            Answer::Checked { session, role, generation, outcome } => {
                self.on_checked(session, role, generation, outcome, now);
                self.note_checked((session, role, generation), outcome, now);
            }
            Answer::Expired { session, outcome } => self.on_expired(session, outcome, now),
        }
    }

    /// Not all at once: what is left is due at once again, so that a crowd that came together does not hold
    /// up the others.
    fn on_due(&mut self, now: Time) {
        if self.next_drain_step().is_some_and(|at| at <= now) {
            self.tell_some_to_go(now);
        }
        for _ in 0..DUE_AT_ONCE {
            // In the order of time, whichever timer it is.
            let (connection, session, bus) =
                (self.connections.next_due(), self.sessions.next_due(), self.nodes.next_tick());
            let Some(next) = [connection, session, bus].into_iter().flatten().min().filter(|&at| at <= now)
            else {
                return;
            };
            if connection == Some(next) {
                self.connections.poll_due(now).into_iter().for_each(|conn| self.on_conn_due(conn, now));
            } else if session == Some(next) {
                self.sessions.poll_due(now).into_iter().for_each(|timer| self.on_session_due(timer, now));
            } else {
                self.on_bus_tick(now);
            }
        }
    }

    fn on_session_due(&mut self, timer: SessionTimer, now: Time) {
        match timer {
            SessionTimer::Session(session) => {
                let is_behind = self.is_catching_up();
                let requests = self.sessions.on_due(session, is_behind, now);
                requests.into_iter().flatten().for_each(|request| self.submit(request));
            }
            SessionTimer::Check => {
                let holds = self.sessions.some_holds(now);
                self.check(holds);
            }
            SessionTimer::Wanted => {
                for index in self.sessions.due_requests(now) {
                    self.ask_for_link(index, now);
                }
            }
        }
    }

    fn on_conn_due(&mut self, conn: Conn, now: Time) {
        let (is_paused, is_catching_up) = (self.is_paused(conn), self.is_catching_up());
        match self.connections.on_due(conn, is_paused, is_catching_up, now) {
            Finding::Nothing => {}
            Finding::Ping => self.push(Action::Ping { conn }),
            Finding::PausedPing => self.push(Action::PausedPing { conn }),
            Finding::TimedOut => self.refuse(conn, CloseCode::TimedOut, now),
            Finding::ClaimLost => self.refuse(conn, CloseCode::TryLater, now),
            Finding::CloseOverdue => {
                // The next look is far off: the socket's end comes before it.
                self.connections.set_state(conn, ConnState::Closing { until: now + CLOSE_WITHIN });
                self.push(Action::Abort { conn });
            }
        }
    }

    /// Every hold of this node is compared with the store.
    fn check_all(&mut self, now: Time) {
        let holds = self.sessions.all_holds(now);
        self.check(holds);
    }

    /// The holds of one session are compared with the store.
    fn check_session(&mut self, index: PairIndex, now: Time) {
        let Some(pair) = self.sessions.at(index) else { return };
        let holds: Vec<_> = pair.holds(now).collect();
        self.check(holds);
    }

    /// These holds are compared with the store.
    fn check(&mut self, holds: impl IntoIterator<Item = Hold>) {
        self.actions.extend(holds.into_iter().map(|hold| Action::Submit(Request::Check { hold })));
    }

    /// Closes with one of our codes, at once; a client of version 2 is told in words before.
    fn refuse(&mut self, conn: Conn, code: CloseCode, now: Time) {
        if self.connections.get(conn).is_some_and(|connection| !connection.is_closing()) {
            self.send(conn, Notice::Error { code });
            self.close(conn, Goodbye::Now(code), now);
        }
    }

    /// The connection's part in its session ends and its Close frame is queued. Nothing happens if it is
    /// closing.
    fn close(&mut self, conn: Conn, say: Goodbye, now: Time) {
        self.leave(conn, now);
        if self.connections.get(conn).is_none_or(Connection::is_closing) {
            return;
        }
        // What must be written first may take as long as the drain.
        let until = match (say, &self.draining) {
            (Goodbye::AfterAll(_), Some(drain)) => drain.until.max(now + CLOSE_WITHIN),
            _ => now + CLOSE_WITHIN,
        };
        self.connections.set_state(conn, ConnState::Closing { until });
        self.push(Action::Close { conn, say });
    }

    /// Queues a notice, unless it is of a type that this client did not ask for.
    fn send(&mut self, conn: Conn, notice: Notice) {
        let Some(connection) = self.connections.get(conn) else { return };
        if connection.knows_v2() || !notice.needs_v2() {
            self.push(Action::Send { conn, notice });
        }
    }

    fn submit(&mut self, request: Request) {
        self.push(Action::Submit(request));
    }

    /// Asks the store, or answers `away` while the process stops.
    fn submit_or(&mut self, request: Request, away: Action) {
        self.push(if self.draining.is_some() { away } else { Action::Submit(request) });
    }

    fn push(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    /// What must hold between any two calls. Debug builds only.
    fn check_invariants(&self) {
        // In a crowd, looking at all with each input would take the square of its size.
        if !cfg!(debug_assertions) || self.connections.slots() > CHECKED_SLOTS_MAX {
            return;
        }
        self.connections.check_invariants();
        self.sessions.check_invariants();
        self.nodes.check_invariants();
        let (mut holding, mut claiming) = (0, 0);
        for (conn, connection) in self.connections.iter() {
            if let Some((index, role)) = connection.holds() {
                let end = self.sessions.at(index).and_then(|pair| pair.end(role));
                assert_eq!(end.map(|end| end.conn), Some(conn), "a role is held by its connection");
                holding += 1;
            }
            if let ConnState::ExpectClaim { session, .. } = connection.state {
                assert!(self.claims.get(session, conn).is_some(), "a connection that waits has a claim");
                claiming += 1;
            }
        }
        assert_eq!(claiming, self.claims.len(), "each claim is a connection's");
        let ends: usize = self.sessions.iter().map(|(_, pair)| pair.ends().count()).sum();
        assert_eq!(holding, ends, "each role is a connection's");
        self.check_links();
    }
}

/// More connections than any simulated node has.
const CHECKED_SLOTS_MAX: usize = 1024;
