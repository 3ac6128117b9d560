//! The events of the machine for its driver, and the reasons they name. Plain data.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use super::credentials::Credentials;
use super::words::Words;

/// One thing that happened, in the order it happened.
#[derive(PartialEq, Eq)]
pub enum TunnelEvent {
    /// Workstation: this phone has proven the code's key. Ask the user, and give
    /// [`Tunnel::answer`](super::Tunnel::answer) what they say. Comes again, as another question with other
    /// words, if the phone connects again; only the newest can be answered. While an answer is under way
    /// ([`Tunnel::begin_answer`](super::Tunnel::begin_answer)) it does not come again.
    Ask {
        /// Names this question, and with it the handshake that the words are of. Counts from 1.
        question: u64,
        /// The phone's name for itself, without control characters; at most 64 characters.
        name: String,
        /// What both screens may show.
        words: Words,
    },
    /// Workstation: this question is closed, and nothing about it will change.
    AskOver {
        /// As `Ask` named it.
        question: u64,
        /// The phone was let in; otherwise it was sent away.
        allowed: bool,
    },
    /// Phone: the workstation has taken the code's key and its user is being asked.
    Asked {
        /// What both screens may show.
        words: Words,
    },
    /// The state to keep has changed: keep [`Tunnel::saved`](super::Tunnel::saved), then call
    /// [`Tunnel::on_stored`](super::Tunnel::on_stored).
    Store,
    /// Leave the connection and connect to this session; [`Tunnel::on_link`](super::Tunnel::on_link) when the
    /// link is up there.
    Move(Credentials),
    /// Workstation: this session is no longer needed; DELETE it.
    Retire(Credentials),
    /// The tunnel is open: after each handshake, before anything that came through it.
    Opened {
        /// What both screens may show.
        words: Words,
    },
    /// The peer's process is new. Numbering has started again; nothing is sent again by itself.
    Restarted {
        /// Messages that were accepted for sending and that the old process's app may or may not have taken.
        unconfirmed: u64,
    },
    /// A whole message came. Call [`Tunnel::taken`](super::Tunnel::taken) with its number when the app has
    /// taken it: until then its bytes count against the window, and the sender's `flush` waits.
    Message(Message),
    /// The peer's app has taken every message up to this one, by the number that `try_send` gave.
    Acknowledged(u64),
    /// After `Full`: some room has come.
    Room,
    /// The answer to [`Tunnel::ping`](super::Tunnel::ping).
    Pong {
        /// How long it took.
        after: Duration,
    },
    /// The peer sends nothing more; everything it sent came before this.
    PeerClosed,
    /// A handshake was refused. The workstation tells its user and goes on; a phone stops until the next
    /// [`Tunnel::on_link`](super::Tunnel::on_link), which only its user should bring about. A phone that was
    /// welcomed once is told [`Fault::Refused`] instead, as nothing proves the refusal.
    Refused(Refusal),
    /// Phone: the workstation's user has ended the pair. It came encrypted, so it is proven.
    Removed,
    /// Workstation: the code has ended without a phone being accepted. Told once; only a new code
    /// helps.
    CodeSpent(Spent),
    /// A message arrived that is not one of this protocol: the peer speaks plain frames, or another protocol.
    Foreign,
    /// This connection is damaged: drop it and connect again. Nothing accepted is lost.
    Fault(Fault),
}

/// One message of the app. `Debug` shows no payload.
#[derive(PartialEq, Eq)]
pub struct Message {
    /// Counts from 1 in this process, over restarts of the peer.
    pub number: u64,
    /// The payload.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({}, {} bytes)", self.number, self.bytes.len())
    }
}

impl fmt::Debug for TunnelEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TunnelEvent::Ask { question, name, words } => write!(f, "Ask({question}, {name:?}, {words:?})"),
            TunnelEvent::AskOver { question, allowed } => write!(f, "AskOver({question}, allowed {allowed})"),
            TunnelEvent::Asked { words } => write!(f, "Asked({words:?})"),
            TunnelEvent::Store => f.write_str("Store"),
            TunnelEvent::Move(credentials) => write!(f, "Move({credentials:?})"),
            TunnelEvent::Retire(credentials) => write!(f, "Retire({credentials:?})"),
            TunnelEvent::Opened { words } => write!(f, "Opened({words:?})"),
            TunnelEvent::Restarted { unconfirmed } => write!(f, "Restarted({unconfirmed} unconfirmed)"),
            TunnelEvent::Message(message) => message.fmt(f),
            TunnelEvent::Acknowledged(number) => write!(f, "Acknowledged({number})"),
            TunnelEvent::Room => f.write_str("Room"),
            TunnelEvent::Pong { after } => write!(f, "Pong({after:?})"),
            TunnelEvent::PeerClosed => f.write_str("PeerClosed"),
            TunnelEvent::Refused(why) => write!(f, "Refused({why:?})"),
            TunnelEvent::Removed => f.write_str("Removed"),
            TunnelEvent::CodeSpent(why) => write!(f, "CodeSpent({why:?})"),
            TunnelEvent::Foreign => f.write_str("Foreign"),
            TunnelEvent::Fault(why) => write!(f, "Fault({why:?})"),
        }
    }
}

/// Why a code has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Spent {
    /// It expired unused.
    #[error("the code has expired, and nobody used it")]
    Expired,
    /// The user said no to the phone that used it.
    #[error("the phone that used the code was rejected")]
    Denied,
    /// The user gave no answer about the phone that used it, which is here and was sent away.
    #[error("the question about the phone was not answered in time, so the phone was rejected")]
    Unanswered,
    /// The phone that used it left before the user gave an answer, and did not come back.
    #[error("the phone that used the code left and did not come back")]
    PhoneGone,
}

/// Why a workstation does not shake hands with a phone. Both sides say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// No key of this workstation has the id that the phone named.
    #[error("the workstation does not know this phone's key: scan the code that it shows now")]
    UnknownKey,
    /// The code was used by a phone before.
    #[error("this code was used already and works only once: let the workstation show a new one")]
    CodeUsed,
    /// The code was shown too long ago.
    #[error("this code has expired: let the workstation show a new one")]
    CodeExpired,
    /// The workstation's user said no.
    #[error("the workstation's user did not allow this phone")]
    Denied,
    /// The phone speaks a version that this workstation does not.
    #[error("phone and workstation speak different versions of the tunnel: update the older one")]
    OtherVersion,
    /// The first message names a known key and was not made with it, or was damaged.
    #[error("the first message of the handshake was damaged: connect again")]
    Damaged,
}

impl Refusal {
    /// Every reason, in the order of its code on the wire.
    pub const ALL: [Refusal; 6] = [
        Refusal::UnknownKey,
        Refusal::CodeUsed,
        Refusal::CodeExpired,
        Refusal::Denied,
        Refusal::OtherVersion,
        Refusal::Damaged,
    ];

    pub(super) fn code(self) -> u8 {
        self as u8 + 1
    }

    pub(super) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code).checked_sub(1)?).copied()
    }
}

/// What spoilt a connection: damage on the way, or the peer's fault. The next connection resumes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// A record of this connection does not open: damaged, replayed, or one before it is missing.
    #[error("a record could not be decrypted: it was damaged, repeated or lost")]
    Unopenable,
    /// The answer to the handshake does not open.
    #[error("the workstation's answer to the handshake could not be decrypted: it was damaged")]
    BadAnswer,
    /// Phone that was welcomed once: the handshake was refused. The relay could have said it as well, so a
    /// later connection tries again.
    #[error("the workstation, or the relay in its name, refused this phone: {0}")]
    Refused(Refusal),
    /// The workstation did not answer the handshake.
    #[error("the workstation did not answer the handshake ({} tries): is its own connection dead?", .0)]
    Unanswered(u32),
    /// A piece is missing.
    #[error("piece {got} arrived where piece {expected} was expected")]
    Gap {
        /// The number expected.
        expected: u64,
        /// The number that came.
        got: u64,
    },
    /// The peer acknowledges or claims to have a piece that was never sent, or less than it had before.
    #[error("the peer names piece {got}, which is not within {from} to {to}")]
    BadNumber {
        /// The number it names.
        got: u64,
        /// The least that makes sense.
        from: u64,
        /// The most that makes sense.
        to: u64,
    },
    /// The peer sent more than the window that it was given.
    #[error("the peer sent more than the {window} bytes that this side takes in")]
    OverWindow {
        /// The window.
        window: u32,
    },
    /// A message is longer than half the window.
    #[error("the peer sent a message of more than {limit} bytes")]
    MessageTooLong {
        /// Half the window.
        limit: usize,
    },
    /// The peer's window is not the one it named before in the same life.
    #[error("the peer's window changed from {from} to {to} bytes without a restart")]
    WindowChanged {
        /// Before.
        from: u32,
        /// Now.
        to: u32,
    },
    /// A record that this peer may not send now.
    #[error("a {0} arrived where it is not allowed")]
    OutOfPlace(&'static str),
    /// A record that is never allowed.
    #[error("a malformed {0} arrived")]
    Malformed(&'static str),
    /// The peer's new process is here, and the app has not taken everything that the old one sent.
    #[error("the app has not yet read everything that the peer's former process sent")]
    Behind,
    /// The keys of the connection were used for longer than they may be.
    #[error("the keys of this connection were used for too long and the phone did not renew them")]
    KeysExhausted,
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    NoEntropy,
}

/// Why a message was not accepted for sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SendError {
    /// The tunnel has not been open yet in this process.
    #[error("not sent: the tunnel is not open yet")]
    NotOpen,
    /// [`Tunnel::close`](super::Tunnel::close) was called.
    #[error("not sent: this end is closed")]
    Closed,
    /// As much is unacknowledged as the peer takes in. `Room` follows.
    #[error("not sent: too much is waiting for the other side; try again when it has read some of it")]
    Full,
    /// Longer than half the peer's window.
    #[error(
        "not sent: the message has {len} bytes and the other side takes at most {limit}; send it in parts"
    )]
    TooLarge {
        /// Its bytes.
        len: usize,
        /// The longest message that the peer takes, in bytes.
        limit: usize,
    },
}
