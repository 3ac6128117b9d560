//! All that may enter the session machine, and all that may leave it. Plain data.

use std::time::Duration;

use protocol::ids::{Role, SessionId, Token};
use protocol::message::ServerMessage;
use tungstenite::Bytes;

use crate::event::{ClientEvent, Lost, Stop};

/// How this client identifies itself to the relay, the same in every hello.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) session: SessionId,
    pub(crate) token: Token,
    pub(crate) role: Role,
    /// 64 random bits of this client instance: the relay tells its stragglers from a rival by it.
    pub(crate) instance: u64,
}

/// All that may enter the machine. An input that does not fit the state is ignored.
#[derive(Debug)]
pub(crate) enum Input {
    /// The WebSocket is open.
    Connected,
    /// The relay sent this text.
    Message(ServerMessage),
    /// The relay sent a bare binary message (raw mode).
    Binary(Bytes),
    /// Bytes came, or the socket was not read.
    Heard,
    /// The relay's close frame came.
    Closed(Option<u16>),
    /// The connection broke or never came about.
    Lost(Lost),
    /// The server can't be used, now or later.
    Impossible(Stop),
    /// The server is not a relay, or its answer can't be read: of a relay that was met before a passing
    /// fault.
    Odd(String),
    /// The app resumes a pair that was open before.
    WasPaired,
    /// Bytes were written that are not answered yet.
    Sent,
    /// The app got further over this connection: something new came, or what it had sent was taken.
    Progress,
    /// Answers `Look`: this many bytes of this connection have left the kernel's send queue.
    Delivered(u64),
    /// The app found that the frames were damaged.
    Damaged(String),
    /// The other end refused this client, which nothing proves: another try may help, but
    /// not soon.
    Refused(Lost),
    /// From now on this client comes back this many times after another one took its role: it still waits for
    /// a word that only the true one of the two will get.
    MayReturn(u32),
    /// The machine slept for this long, and with it every timer.
    Woke(Duration),
    /// The network under the connection is another one.
    NetworkChanged,
    /// The app went out of sight (`false`) or came back into it.
    Foreground(bool),
    /// Go over to this session. Also an answer to `SessionGone`.
    Move { session: SessionId, token: Token },
    /// An answer to `SessionGone`: it is there again.
    Registered,
    /// An answer to `SessionGone`: it is not there yet, but may come.
    NotRegistered(Lost),
    /// The user does not want to wait for the next try.
    RetryNow,
    /// The app wants to end.
    Close,
    /// Time went on.
    Tick,
}

/// All that may leave the machine.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Begin a connect. Answer with `Connected`, `Lost`, `Odd` or `Impossible`.
    Connect,
    /// See how much has left the kernel's send queue. Answer with `Delivered`.
    Look,
    /// Send this control text.
    Send(String),
    /// The link is up: accept frames for it, then tell the app.
    Link { missed: u64, message_bytes_max: Option<u64> },
    /// The link ended: drop frames not yet written and tell the app how many.
    Unlink,
    /// Tell the app.
    Tell(ClientEvent),
    /// Give this bare binary message to the app.
    Deliver(Bytes),
    /// Write the accepted messages, then close with 1000.
    CloseWhenWritten,
    /// Drop the connection, or the connect, without a word.
    Disconnect,
    /// The relay does not know the session. Answer with `Move`, `Registered`, `NotRegistered` or
    /// `Impossible(Stop)`.
    SessionGone(Stop),
    /// The end: drop unwritten messages, tell the app, and stop.
    Stop(Stop),
}
