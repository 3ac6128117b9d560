//! The relay itself: who may speak to whom.
//!
//! Two planes. *Control*: one [`Input`] into [`Relay::handle`], then [`Relay::poll_action`] until `None`.
//! *Data*: for each message [`Relay::route`] says where it goes, a table look-up without allocation, and the
//! `note_*` calls keep clocks and marks. Owns every connection's state, the sessions held here and the
//! timers; never a byte of a frame.

mod checks;
mod claims;
mod frames;
mod link;
mod nodes;
mod remote;
mod report;
mod revival;
mod sessions;
mod settling;
mod wanted;

use self::link::Ending;
use self::nodes::Nodes;
use self::remote::Remote;
pub use self::report::NodeCounts;
use self::revival::Revival;
pub use self::revival::STOPPED_AFTER;
use self::wanted::WantedLinks;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use protocol::close::CloseCode;
use protocol::ids::{NodeId, SessionId};
use protocol::message::{Notice, Version};
use protocol::ws::control::PeerClose;

use crate::deadlines::Deadlines;
use crate::event::{Action, Goodbye, Input};
use crate::limits::{CHECK_EVERY, CHECK_PARTS, CLOSE_WITHIN, HELLO_WITHIN, Limits, PAUSED_PING, RETRY_AFTER};
use crate::node_link::NodeLink;
use crate::pairs::Pairs;
use crate::peer::{Finding, Peer, State};
use crate::store::{Answer, Conn, Deleted, Registered, Request};
use crate::time::Time;

/// The pure core of one node.
#[derive(Debug)]
pub struct Relay {
    node: NodeId,
    limits: Limits,
    /// [`Limits::touch_every`], looked at with each message.
    touch_every: Duration,
    /// By [`Conn::slot`].
    peers: Vec<Option<Peer>>,
    pairs: Pairs,
    /// Who waits for the answer to its claim, by session and slot.
    claiming: BTreeSet<(SessionId, u32)>,
    /// The embedded store is used: there are no other nodes.
    is_alone: bool,
    nodes: Nodes,
    wanted: WantedLinks,
    /// Ends of links to other nodes, by this node's handle, which is never reused.
    remotes: BTreeMap<u32, Remote>,
    /// `handles` = { (remotes[handle].node, handle) }
    handles: BTreeSet<(NodeId, u32)>,
    next_handle: u32,
    /// Set while no client is read because the node was stopped for long.
    revival: Option<Revival>,
    /// The store could be asked before.
    had_store: bool,
    /// The last session whose holds were compared with the store; `None`: from the first on.
    checked_to: Option<SessionId>,
    /// When every node has had the time to write again what a store lost.
    settled_at: Time,
    /// Each peer's one timer, by slot: due at [`Peer::due`], and taken back when the peer goes.
    conn_deadlines: Deadlines<u32>,
    /// All others.
    deadlines: Deadlines<Timer>,
    actions: VecDeque<Action>,
    /// Set while the process stops: when it ends.
    draining: Option<Time>,
}

/// Timers that fire before others are served again.
const DUE_AT_ONCE: usize = 256;

/// What can be due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// A session's idle time may be over, or its activity worth telling the store.
    Session(SessionId),
    /// Some of the holds are compared with the store. Where it is this process's own there is nothing to
    /// compare.
    Check,
    /// The probe, the keepalives, and who is silent.
    Bus,
    /// Some of the links that are wanted and do not stand are asked for again.
    Wanted,
}

impl Relay {
    /// A relay without connections, on node `node`. `is_alone`: no other node can be reached.
    pub fn new(node: NodeId, is_alone: bool, limits: Limits, now: Time) -> Self {
        let mut deadlines = Deadlines::new();
        if !is_alone {
            deadlines.arm(Timer::Check, now + CHECK_EVERY / CHECK_PARTS);
            deadlines.arm(Timer::Bus, now);
        }
        Relay {
            node,
            limits,
            touch_every: limits.touch_every(),
            peers: Vec::new(),
            pairs: Pairs::default(),
            claiming: BTreeSet::new(),
            is_alone,
            nodes: Nodes::new(now),
            wanted: WantedLinks::default(),
            remotes: BTreeMap::new(),
            handles: BTreeSet::new(),
            next_handle: 0,
            revival: None,
            had_store: false,
            checked_to: None,
            settled_at: now,
            conn_deadlines: Deadlines::new(),
            deadlines,
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
            Input::Gone { conn } => self.on_gone(conn, now),
            Input::Register { ticket, session, token, again } => {
                self.submit_or(Request::Register { ticket, session, token, again }, |relay| {
                    relay.push(Action::Registered { ticket, outcome: Registered::Away });
                });
            }
            Input::Delete { ticket, session, token } => {
                self.submit_or(Request::Delete { ticket, session, token }, |relay| {
                    relay.push(Action::Deleted { ticket, outcome: Deleted::Away });
                });
            }
            Input::Answered(answer) => self.on_answer(answer, now),
            Input::StoreBack => self.on_store_back(now),
            Input::Revived => self.on_revived(now),
            Input::Drain { until } => self.on_drain(until, now),
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
        let acks = self.nodes.streams().filter_map(NodeLink::ack_due);
        acks.chain(self.conn_deadlines.next()).chain(self.deadlines.next()).min()
    }

    /// How many connections have finished their upgrade.
    pub fn connections(&self) -> usize {
        self.peers.iter().flatten().count()
    }

    /// How many sessions this node holds a role of.
    pub fn sessions(&self) -> usize {
        self.pairs.len()
    }

    /// True if no other node can be reached.
    pub const fn is_alone(&self) -> bool {
        self.is_alone
    }

    /// How many timers are armed.
    pub fn timers(&self) -> usize {
        self.conn_deadlines.len() + self.deadlines.len()
    }

    /// How many links between two connections of this node stand.
    pub const fn links(&self) -> usize {
        self.pairs.joined_here()
    }

    fn on_opened(&mut self, conn: Conn, now: Time) {
        let slot = conn.slot as usize;
        if self.peers.len() <= slot {
            self.peers.resize_with(slot + 1, || None);
        }
        debug_assert!(self.peers[slot].is_none(), "slot {slot} was not given back");
        let peer = Peer::new(conn.name, now, now + HELLO_WITHIN);
        self.conn_deadlines.arm(conn.slot, peer.due);
        self.peers[slot] = Some(peer);
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

    fn on_gone(&mut self, conn: Conn, now: Time) {
        self.leave(conn, now);
        if let Some(peer) = self.peers.get_mut(conn.slot as usize)
            && let Some(gone) = peer.take_if(|peer| peer.name == conn.name)
        {
            self.conn_deadlines.disarm(conn.slot, gone.due);
            if let Some(session) = gone.claims() {
                self.claiming.remove(&(session, conn.slot));
            }
        }
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
                self.note_checked(session, role, generation, outcome, now);
            }
            Answer::Expired { session, outcome } => self.on_expired(session, outcome, now),
        }
    }

    /// Everybody is told and closed; what was read is written first.
    fn on_drain(&mut self, until: Time, now: Time) {
        self.draining = Some(until);
        for slot in 0..self.peers.len() {
            let Some(peer) = &self.peers[slot] else { continue };
            let conn = Conn { slot: slot as u32, name: peer.name };
            if matches!(peer.state, State::Closing { .. }) {
                continue;
            }
            self.send(conn, Notice::GoingAway);
            if let Some((place, role)) = self.peer(conn).and_then(Peer::holds)
                && self.pairs.at(place).is_some_and(|pair| pair.target(role).is_some())
            {
                self.end_link(place, Ending::BothStay, now);
            }
            self.close(conn, Goodbye::AfterAll(CloseCode::GoingAway), now);
        }
    }

    /// Not all at once: what is left is due at once again, so that a crowd that came together does not hold
    /// up the others.
    fn on_due(&mut self, now: Time) {
        for _ in 0..DUE_AT_ONCE {
            // In the order of time, whichever set they stand in.
            let conn_at = self.conn_deadlines.next();
            if conn_at.is_some_and(|at| self.deadlines.next().is_none_or(|other| at <= other)) {
                let Some(slot) = self.conn_deadlines.poll(now) else { return };
                self.on_conn_due(slot, now);
                continue;
            }
            let Some(timer) = self.deadlines.poll(now) else { return };
            match timer {
                Timer::Session(session) => self.on_session_due(session, now),
                Timer::Bus => self.on_bus_tick(now),
                Timer::Wanted => self.repeat_some_requests(now),
                Timer::Check => {
                    self.deadlines.arm(Timer::Check, now + CHECK_EVERY / CHECK_PARTS);
                    self.check_some(now);
                }
            }
        }
    }

    fn on_conn_due(&mut self, slot: u32, now: Time) {
        let Some(Some(peer)) = self.peers.get(slot as usize) else { return };
        let conn = Conn { slot, name: peer.name };
        let (paused, limits) = (self.is_paused(conn), self.limits);
        let is_catching_up = self.is_catching_up();
        let Some(peer) = self.peer_mut(conn) else { return };
        if is_catching_up && let State::ExpectHello { until } = &mut peer.state {
            // Its hello may have come: it is not read yet.
            *until = (*until).max(now + RETRY_AFTER);
        }
        // While this node stood still it asked nobody for a sign of life.
        peer.note_late(now.since(peer.due), now);
        let finding = peer.on_due(paused, &limits, now);
        let due = match finding {
            Finding::PausedPing => peer.next_due(&limits).min(now + PAUSED_PING),
            _ => peer.next_due(&limits),
        };
        peer.due = due;
        self.conn_deadlines.arm(slot, due);
        match finding {
            Finding::Nothing => {}
            Finding::Ping => self.push(Action::Ping { conn }),
            Finding::PausedPing => self.push(Action::PausedPing { conn }),
            Finding::TimedOut => self.refuse(conn, CloseCode::TimedOut, now),
            Finding::ClaimLost => self.refuse(conn, CloseCode::TryLater, now),
            Finding::CloseOverdue => {
                // The next look is far off: the socket's end comes before it.
                self.set_state(conn, State::Closing { until: now + CLOSE_WITHIN });
                self.push(Action::Abort { conn });
            }
        }
    }

    /// Closes with one of our codes, at once; a client of version 2 is told in words before.
    fn refuse(&mut self, conn: Conn, code: CloseCode, now: Time) {
        if self.peer(conn).is_some_and(|peer| !matches!(peer.state, State::Closing { .. })) {
            self.send(conn, Notice::Error { code });
            self.close(conn, Goodbye::Now(code), now);
        }
    }

    /// The connection's part in its session ends and its Close frame is queued. Nothing happens if it is
    /// closing.
    fn close(&mut self, conn: Conn, say: Goodbye, now: Time) {
        self.leave(conn, now);
        let Some(peer) = self.peer(conn) else { return };
        if matches!(peer.state, State::Closing { .. }) {
            return;
        }
        // What must be written first may take as long as the drain.
        let until = match (say, self.draining) {
            (Goodbye::AfterAll(_), Some(until)) => until.max(now + CLOSE_WITHIN),
            _ => now + CLOSE_WITHIN,
        };
        self.set_state(conn, State::Closing { until });
        self.push(Action::Close { conn, say });
    }

    /// Queues a notice, unless it is of a type that this client did not ask for.
    fn send(&mut self, conn: Conn, notice: Notice) {
        let Some(peer) = self.peer(conn) else { return };
        if peer.version >= Version::V2 || !notice.needs_v2() {
            self.push(Action::Send { conn, notice });
        }
    }

    fn submit_or(&mut self, request: Request, refuse: impl FnOnce(&mut Self)) {
        if self.draining.is_some() {
            refuse(self);
        } else {
            self.push(Action::Submit(request));
        }
    }

    fn push(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    fn peer(&self, conn: Conn) -> Option<&Peer> {
        self.peers.get(conn.slot as usize)?.as_ref().filter(|peer| peer.name == conn.name)
    }

    fn peer_mut(&mut self, conn: Conn) -> Option<&mut Peer> {
        self.peers.get_mut(conn.slot as usize)?.as_mut().filter(|peer| peer.name == conn.name)
    }

    /// Changes a connection's state and arms its timer for what the new one waits for.
    fn set_state(&mut self, conn: Conn, state: State) {
        let Some(peer) = self.peer_mut(conn) else { return };
        let claimed = peer.claims();
        peer.state = state;
        let claims = peer.claims();
        if let Some(session) = claimed {
            self.claiming.remove(&(session, conn.slot));
        }
        if let Some(session) = claims {
            self.claiming.insert((session, conn.slot));
        }
        self.rearm(conn);
    }

    fn rearm(&mut self, conn: Conn) {
        let limits = self.limits;
        let Some(peer) = self.peer_mut(conn) else { return };
        let (was, due) = (peer.due, peer.next_due(&limits));
        // The next ping of a pause is not put off by anything else.
        if due < was || (due > was && !peer.is_unread) {
            peer.due = due;
            self.conn_deadlines.disarm(conn.slot, was);
            self.conn_deadlines.arm(conn.slot, due);
        }
    }
}
