//! All that may enter the session machine, and all that may leave it. Plain data.

use std::time::Duration;

use protocol::ids::{Role, SessionId, Token};
use protocol::message::ServerMessage;
use tungstenite::Bytes;

use crate::event::{ClientEvent, Lost, Stop};

/// Who this client is to the relay, the same in every hello.
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
    /// The WebSocket stands.
    Connected,
    /// The relay sent this text.
    Message(ServerMessage),
    /// The relay sent a bare binary message (raw mode).
    Binary(Bytes),
    /// Bytes came, or nobody listened for them.
    Heard,
    /// The relay's close frame came.
    Closed(Option<u16>),
    /// The connection broke or never came about.
    Lost(Lost),
    /// What is at the other end can't be talked to, now or later.
    Impossible(Stop),
    /// What answered is no relay, or what it sent can't be read: of a relay that was met before a passing fault.
    Odd(String),
    /// The app goes on with a pair that has stood before.
    Stood,
    /// Bytes were written that are not answered yet.
    Sent,
    /// Answers `Look`: so many bytes of this connection have left the kernel's send queue.
    Delivered(u64),
    /// What the app made of the frames shows that they were damaged on their way.
    Spoilt(String),
    /// The other end does not want this client, or nobody can prove that it does: another try may help, but
    /// not soon.
    Refused(Lost),
    /// From now on this client comes back so many times after another one took its role: it still waits for a
    /// word that only the true one of the two will get.
    MayReturn(u32),
    /// The machine slept for so long, and with it every timer.
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
    /// The link stands: accept frames for it, then tell the app.
    Link { missed: u64, message_bytes_max: Option<u64> },
    /// The link ended: drop frames not yet written and tell the app how many.
    Unlink,
    /// Tell the app.
    Tell(ClientEvent),
    /// Give this bare binary message to the app.
    Deliver(Bytes),
    /// Write what was accepted, then close with 1000.
    CloseWhenWritten,
    /// Drop the connection, or the connect, without a word.
    Disconnect,
    /// The relay has no such session (any more). Answer with `Move`, `Registered`, `NotRegistered` or
    /// `Impossible(Stop)`.
    SessionGone(Stop),
    /// The end: drop what was not written, tell the app, drive no more.
    Stop(Stop),
}
