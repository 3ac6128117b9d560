//! All that may enter the core and all that may leave it: two closed enums.
//!
//! The contract of a driver: one [`Input`] into `Relay::handle`, then `Relay::poll_action` until it is
//! `None`, each [`Action`] carried out in order, before the next input; but for [`Input::Gone`], which may
//! come as soon as a socket is closed. Frames do not come this way; see `Relay::route`.

use protocol::close::CloseCode;
use protocol::ids::{Role, SessionId, TokenDigest};
use protocol::message::{Hello, HelloError, Notice};
use protocol::ws::control::PeerClose;

use crate::note::Note;
use crate::store::{Answer, Conn, Deleted, Registered, Request, Ticket};
use crate::time::Time;
use crate::wire::inbound::Kind;

/// Something happened.
#[derive(Clone, Copy, Debug)]
pub enum Input {
    /// A connection finished its upgrade. Its slot is free for the core.
    Opened {
        /// The new connection.
        conn: Conn,
    },
    /// A connection's first message came whole.
    Hello {
        /// The connection that sent it.
        conn: Conn,
        /// The hello, or why the message is not one.
        hello: Result<Hello, HelloError>,
        /// Too many hellos of this client's address have failed: if this one does, it gets 4429 instead of
        /// 4401.
        is_doubted: bool,
    },
    /// The client sent a Close frame, or ended its stream (`None`).
    Left {
        /// Which connection.
        conn: Conn,
        /// What its Close frame said.
        said: Option<PeerClose>,
    },
    /// The connection is to be closed with this code: the client broke the protocol, its notices found no
    /// room, or it holds too much memory.
    Fault {
        /// Which connection.
        conn: Conn,
        /// The code.
        code: CloseCode,
    },
    /// The socket is closed. The slot may be used again.
    Gone {
        /// Which connection.
        conn: Conn,
    },
    /// A client asks for a session.
    Register {
        /// The request to answer.
        ticket: Ticket,
        /// The id, fresh or the caller's.
        session: SessionId,
        /// Its token's digest.
        token: TokenDigest,
        /// The ids are the caller's.
        again: bool,
    },
    /// A client ends a session.
    Delete {
        /// The request to answer.
        ticket: Ticket,
        /// Which.
        session: SessionId,
        /// The token that must match, where given.
        token: Option<TokenDigest>,
    },
    /// The store answered.
    Answered(Answer),
    /// The store is back after an absence: all holds are compared with it.
    StoreBack,
    /// The process stood still for longer than `relay::STOPPED_AFTER`: no client is read until what was
    /// missed is known.
    Revived,
    /// The process stops: clients are told and closed, behind what waits for them. Again: they are told by an
    /// earlier time.
    Drain {
        /// By when all are told; until then some at a time, both ends of a pair together.
        told_by: Time,
        /// When the process ends.
        until: Time,
    },
    /// Time passed: whatever is due is done.
    Due,
}

/// Something is to be done.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// What came of a connection's hello, said once. A hello that fails for a reason that is not listed there
    /// only closes its connection.
    HelloDone {
        /// The connection that sent it.
        conn: Conn,
        /// What came of it.
        outcome: HelloOutcome,
    },
    /// Queue a notice.
    Send {
        /// The connection that gets it.
        conn: Conn,
        /// What.
        notice: Notice,
    },
    /// Queue a ping.
    Ping {
        /// The connection that gets it.
        conn: Conn,
    },
    /// Queue a ping, if nothing waits for its socket: a paused client hears that the relay lives.
    PausedPing {
        /// The connection that gets it.
        conn: Conn,
    },
    /// Queue a Close frame, write what waits, shut down, drain, close. The connection is not read for frames
    /// again.
    Close {
        /// Which.
        conn: Conn,
        /// What the Close frame says.
        say: Goodbye,
    },
    /// Close the socket now, whatever waits.
    Abort {
        /// Which.
        conn: Conn,
    },
    /// The connection may be readable again after it was not: look at what is parked and at its socket.
    Resume {
        /// Which.
        conn: Conn,
    },
    /// Ask the store.
    Submit(Request),
    /// A claim of this connection that is not sent yet need not be.
    CancelClaim {
        /// Which.
        conn: Conn,
    },
    /// Answer a register.
    Registered {
        /// The request to answer.
        ticket: Ticket,
        /// What came of it.
        outcome: Registered,
    },
    /// Answer a delete.
    Deleted {
        /// The request to answer.
        ticket: Ticket,
        /// What came of it.
        outcome: Deleted,
    },
    /// Write it into the log, or don't.
    Note(Note),
}

/// What came of a hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelloOutcome {
    /// The connection holds a role: from here on its messages are frames.
    Joined {
        /// The session it joined.
        session: SessionId,
        /// The role it holds.
        role: Role,
    },
    /// It named no live session, or not its token: one more failed hello of its address.
    Wrong,
    /// Its address is past the limit of failed hellos, and it was wrong too or found no room to wait. It
    /// counts as turned away and not as one more failed hello.
    TurnedAway,
}

/// The sender of frames: a connection that holds a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The session it joined.
    pub session: SessionId,
    /// The role it holds.
    pub role: Role,
    /// The longest message that it may send to the connection it is linked with, in bytes.
    pub message_bytes_max: usize,
}

/// What a Close frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goodbye {
    /// One of ours, at once: a large message under way is cut off.
    Now(CloseCode),
    /// One of ours, behind everything that waits.
    AfterAll(CloseCode),
    /// The client's own code, or none, given back. RFC 6455 §5.5.1.
    Echo(Option<u16>),
}

/// A frame, or a piece of one, that came from another node.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The connection that gets it.
    pub conn: Conn,
    /// Over which link. Pieces of one message come over one link.
    pub link: u32,
    /// The session of both ends.
    pub session: SessionId,
    /// The role of the sender.
    pub from: Role,
    /// Text or binary.
    pub kind: Kind,
    /// The last piece.
    pub is_last: bool,
    /// The payload.
    pub bytes: &'a [u8],
}

/// Where a message of a connection goes: a look-up, nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// To this connection.
    Peer(Conn),
    /// To another node, by this handle: `Relay::put_frame`.
    Remote(u32),
    /// It is the first message: [`Input::Hello`].
    Core,
    /// Nobody is there: it is dropped, and counted.
    Absent,
    /// The connection is closing: it is dropped.
    Closing,
}
