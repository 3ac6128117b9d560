//! The events of an engine, and the reasons they name. Plain data.

use std::time::Duration;

use thiserror::Error;

use crate::event::{Lost, Stop};
use crate::http::HttpError;
use crate::net::ca::CaError;
use crate::net::endpoint::EndpointError;
use crate::net::proxy::ProxyError;
use crate::tunnel::{Message, RandomError, Refusal, SavedError, Spent, Words};

/// One thing that happened, in the order it happened. Nothing follows `Stopped`.
///
/// Some unread events are merged: tries, acknowledgements and restarts into the newest of each,
/// and of the comings and goings of connections only the newest 64 are kept. Messages never are.
#[derive(Debug, PartialEq, Eq)]
pub enum EngineEvent {
    /// The relay accepted this end. The other one may still be absent.
    Connected,
    /// Workstation: a phone has proven the code's key. Show the user its name and the words, and call
    /// [`Engine::allow`](super::Engine::allow) or [`Engine::deny`](super::Engine::deny) with the question's
    /// number. Comes again, as another question with other words, if the phone connects again: only the
    /// newest can be answered. While `allow` is under way it does not come again; the answer goes for that
    /// phone.
    Ask {
        /// Names the question, and with it the handshake that the words are of.
        question: u64,
        /// The phone's name for itself, without control characters.
        name: String,
        /// What both screens may show.
        words: Words,
    },
    /// Workstation: this question is over, and nothing about it will change. Take it off
    /// the screen.
    AskOver {
        /// As `Ask` named it.
        question: u64,
        /// The phone is let in; otherwise it was sent away.
        allowed: bool,
    },
    /// Phone: the workstation's user is being asked.
    Asked {
        /// What both screens may show.
        words: Words,
    },
    /// The tunnel is open: after each handshake.
    Opened {
        /// What both screens may show.
        words: Words,
    },
    /// A message came. It counts as taken, and the sender's `flush` hears of it, with the next call of
    /// [`Engine::next_events`](super::Engine::next_events).
    Message(Message),
    /// The other app has taken every message up to this number of [`Engine::send`](super::Engine::send).
    Acknowledged(u64),
    /// The other end's process is new. Nothing is sent again by itself.
    Restarted {
        /// Messages that were accepted for sending and that the old process may or may not have taken.
        unconfirmed: u64,
    },
    /// The other end sends nothing more; everything it sent came before this.
    PeerClosed,
    /// The other end, or the connection, is gone: after `Opened`, `Ask` or `Asked`. A question stays open all
    /// the same until `AskOver`, and its phone comes back by itself. Messages accepted for sending are kept.
    Left,
    /// There is no connection; the next try is automatic.
    Reconnecting {
        /// How long until the next try.
        after: Duration,
        /// What happened.
        why: Lost,
    },
    /// Workstation: a phone tried to pair or to connect, and was refused.
    Refused(Refusal),
    /// Workstation: the code has ended without a phone being accepted. This engine is of no more
    /// use: close it, and pair with a new code and a new engine.
    CodeSpent(Spent),
    /// Workstation: the session that the code shows could not be deleted. It expires by itself; its key is
    /// used up.
    NotDeleted(HttpError),
    /// The holder of the other role sent something that is not a tunnel message. It was ignored, and
    /// nothing is said to that peer. Told once for each link, and only before the tunnel is open on it.
    Foreign,
    /// The end.
    Stopped {
        /// What ended it.
        why: Stop,
        /// Messages that were accepted for sending and not acknowledged: the other app may or may not have
        /// taken them.
        unacknowledged: u64,
    },
}

/// The state of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineState {
    /// There is no connection to the relay; one is being made, or the next try is automatic.
    Connecting,
    /// The relay is there, the other end is not.
    Waiting,
    /// Both are there and shake hands.
    ShakingHands,
    /// The workstation's user is being asked.
    Asking,
    /// Messages go through.
    Open,
    /// It is over.
    Stopped,
}

/// Why an engine could not be started.
#[derive(Debug, Error)]
pub enum StartError {
    /// The code has no key.
    #[error(
        "this code has no key: the workstation speaks plain frames only, which anybody at the relay can read"
    )]
    NoKey,
    /// The address can't be used.
    #[error(transparent)]
    Address(#[from] EndpointError),
    /// There is nothing to resume.
    #[error("no pairing is kept: pair first")]
    NothingKept,
    /// The kept pair is damaged.
    #[error(transparent)]
    Damaged(#[from] SavedError),
    /// The kept pair can't be read.
    #[error("the kept pairing can't be read: {0}")]
    Unreadable(std::io::Error),
    /// Another engine uses the kept pair.
    #[error("another program uses this pair: end it first ({0})")]
    InUse(std::io::Error),
    /// Nothing could be kept.
    #[error("the pairing can't be kept: {0}")]
    NotKept(std::io::Error),
    /// The CAs for a TLS address can't be loaded.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// The environment names something that is not a proxy.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The system gave no random bytes.
    #[error("the system gave no random bytes: {0}")]
    Random(RandomError),
    /// The system gave no thread or no poll.
    #[error("can't start an engine: {0}")]
    System(#[from] std::io::Error),
}

/// The answer came too late, and nothing was done for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("this question is over: it was answered, or a newer one replaced it")]
pub struct NotAsked;

/// Why a phone was not let in.
#[derive(Debug, Error)]
pub enum AllowError {
    /// The relay gave no fresh session. The question stays open.
    #[error(transparent)]
    NoSession(#[from] HttpError),
    /// The question is over, or never existed.
    #[error(transparent)]
    NotAsked(#[from] NotAsked),
}

impl StartError {
    /// Why a keeper did not take its place.
    pub(super) fn not_claimed(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::ResourceBusy => StartError::InUse(error),
            _ => StartError::NotKept(error),
        }
    }
}

/// Not everything was acknowledged in time, or ever will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the other side has not taken {unacknowledged} messages yet")]
pub struct FlushError {
    /// Messages that were accepted and not acknowledged.
    pub unacknowledged: u64,
}
