//! What is asked of a store and what it answers. Both stores, and the simulator's, speak this.
//!
//! A store keeps, per session: the token's digest, when it was last active, and the holder of each role.
//! Every request is about one session and is carried out as one step. Answers come later, in the order of the
//! requests that have one; the core never waits.

pub mod table;

use protocol::ids::{NodeId, Role, SessionId, TokenDigest};
use protocol::message::{InstanceClaim, KillReason};

/// A connection, named for ever: `name` is never reused in a process, `slot` is its place in tables and is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Conn {
    /// Place in the reactor's and the core's tables.
    pub slot: u32,
    /// Never reused. Comparing it tells a connection from a later one in the same slot.
    pub name: u64,
}

/// Ties the answer of a register or delete to the HTTP exchange that asked.
pub type Ticket = Conn;

/// The holder of a role, as the store knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The process that has the connection.
    pub node: NodeId,
    /// The connection's [`Conn::name`] there.
    pub conn: u64,
    /// Rises with every claim of this role; tells a holder from an earlier or later one.
    pub generation: u64,
}

/// A role that this node holds, with all that the store needs to write it again after losing it.
#[derive(Clone, Copy, Debug)]
pub struct Hold {
    /// The session.
    pub session: SessionId,
    /// Its token's digest.
    pub token: TokenDigest,
    /// The role.
    pub role: Role,
    /// The connection's [`Conn::name`].
    pub conn: u64,
    /// The generation under which it was claimed.
    pub generation: u64,
    /// The client instance, if it said.
    pub instance: Option<InstanceClaim>,
    /// How long ago the session was active, as far as this node knows.
    pub idle_ms: u64,
}

/// One request. Each is a single atomic step on one session.
#[derive(Clone, Copy, Debug)]
pub enum Request {
    /// Make a session. `again`: with ids of the caller's, allowed only where none exists or it expired.
    Register {
        /// The request to answer.
        ticket: Ticket,
        /// The session's id.
        session: SessionId,
        /// Its token's digest.
        token: TokenDigest,
        /// The ids were chosen by the client.
        again: bool,
    },
    /// End a session for all.
    Delete {
        /// The request to answer.
        ticket: Ticket,
        /// The session.
        session: SessionId,
        /// Must match where given.
        token: Option<TokenDigest>,
    },
    /// Take a role for a connection of this node. Refreshes the session's life.
    Claim {
        /// The connection.
        conn: Conn,
        /// The session.
        session: SessionId,
        /// Must match.
        token: TokenDigest,
        /// The role.
        role: Role,
        /// The client instance, if it said.
        instance: Option<InstanceClaim>,
    },
    /// Compare one hold with the store, mending what the store lost. Does not refresh the session's life.
    Check {
        /// What this node believes.
        hold: Hold,
    },
    /// The session's time is over as far as this node knows: end it if the store agrees.
    Expire {
        /// The session.
        session: SessionId,
    },
    /// Give a role back, if it is still held under this generation. No answer.
    Release {
        /// The session.
        session: SessionId,
        /// The role.
        role: Role,
        /// Its generation.
        generation: u64,
    },
    /// The session was active this long ago. No answer.
    Touch {
        /// The session.
        session: SessionId,
        /// How long ago, in ms.
        idle_ms: u64,
    },
}

impl Request {
    /// The session that the request is about.
    pub const fn session(&self) -> SessionId {
        match *self {
            Request::Register { session, .. }
            | Request::Delete { session, .. }
            | Request::Claim { session, .. }
            | Request::Expire { session }
            | Request::Release { session, .. }
            | Request::Touch { session, .. } => session,
            Request::Check { hold } => hold.session,
        }
    }
}

/// The answer to one [`Request`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To [`Request::Register`].
    Registered {
        /// The request that asked.
        ticket: Ticket,
        /// What came of it.
        outcome: Registered,
    },
    /// To [`Request::Delete`].
    Deleted {
        /// The request that asked.
        ticket: Ticket,
        /// Which session.
        session: SessionId,
        /// What came of it.
        outcome: Deleted,
    },
    /// To [`Request::Claim`].
    Claimed {
        /// The connection that claimed.
        conn: Conn,
        /// The session.
        session: SessionId,
        /// The role.
        role: Role,
        /// What came of it.
        outcome: Claimed,
    },
    /// To [`Request::Check`].
    Checked {
        /// The session.
        session: SessionId,
        /// The role.
        role: Role,
        /// The generation that was compared.
        generation: u64,
        /// What came of it.
        outcome: Checked,
    },
    /// To [`Request::Expire`].
    Expired {
        /// The session.
        session: SessionId,
        /// What came of it.
        outcome: Expired,
    },
}

/// What came of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// The session exists now, or did already with the same token (`again` only).
    Made,
    /// A live session of this id has another token.
    Exists,
    /// A session of this id was deleted; it stays dead.
    WasDeleted,
    /// The store has no room.
    Full,
    /// The store can't be reached, or too much is waiting for it.
    Away,
}

/// What came of a delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone; these held its roles (indexed by [`Role::index`]).
    Gone {
        /// The holders of the roles then.
        holders: [Option<Holder>; 2],
    },
    /// It was deleted already, and these held its roles then. Also where a token is given: it is not kept
    /// that long.
    Before {
        /// The holders of the roles then.
        holders: [Option<Holder>; 2],
    },
    /// No live session of that id, or the token given does not match.
    Missing,
    /// The store can't be reached, or too much is waiting for it.
    Away,
}

/// What came of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The connection holds the role.
    Granted {
        /// The generation of this claim.
        generation: u64,
        /// The holder of the role until now.
        replaced: Option<Holder>,
        /// `replaced` was of the same client instance.
        same_instance: bool,
        /// The holder of the other role.
        peer: Option<Holder>,
    },
    /// No live session of that id, or the wrong token.
    Unauthorized,
    /// The holder's own instance, with a later attempt, is there already.
    Straggler,
    /// More than five takeovers of this role in ten seconds.
    TooMany,
    /// The store can't be reached, or too much is waiting for it.
    Away,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// The hold stands, written again if it had to be.
    Held {
        /// The holder of the other role.
        peer: Option<Holder>,
    },
    /// A later claim took the role.
    Replaced,
    /// The session ended.
    Killed {
        /// Why.
        reason: KillReason,
    },
    /// The store can't be reached.
    Away,
}

/// What came of an expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expired {
    /// It was active meanwhile: its time is over in this many milliseconds.
    Alive {
        /// Milliseconds left, at least 1.
        left_ms: u64,
    },
    /// It is over; these held its roles (indexed by [`Role::index`]).
    Over {
        /// Why: expired, unless it was deleted before.
        reason: KillReason,
        /// The holders of the roles then.
        holders: [Option<Holder>; 2],
    },
    /// The store can't be reached.
    Away,
}

/// More takeovers of one role than this within [`TAKEOVER_WINDOW_MS`] are refused.
pub const TAKEOVERS_MAX: usize = 5;

/// The span over which takeovers are counted, in ms.
pub const TAKEOVER_WINDOW_MS: u64 = 10_000;

/// How long an ended session is remembered, in ms, so that nothing brings it back.
pub const TOMBSTONE_MS: u64 = 24 * 60 * 60 * 1000;

/// How much longer than its idle time a store keeps a session that was not ended, in ms. A backstop.
pub const EXPIRY_GRACE_MS: u64 = 60_000;
