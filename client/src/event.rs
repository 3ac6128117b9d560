//! The events of a client, and the reasons they name. Plain data; made by the session machine, read by
//! the apps.

use std::time::{Duration, SystemTime};

use protocol::ids::Role;
use protocol::message::KillReason;
use thiserror::Error;

use crate::text::utc;
use crate::tunnel::Refusal;

/// One thing that happened, in the order it happened.
///
/// `Joined` opens a link; `Left` or `Stopped` ends it. `Text` and `Binary` come only in between. Nothing
/// follows `Stopped`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// The relay accepted this client. The other role may still be absent.
    Connected,
    /// The other role is here: from now on frames are accepted for sending.
    Joined {
        /// Frames of ours that the relay dropped since the last `Left`, because the other end was absent.
        missed: u64,
    },
    /// The link to the other role ended, or the connection under it.
    Left {
        /// Messages that were accepted for sending and had not been written; they are dropped.
        unsent: usize,
    },
    /// The other role sent a text message.
    Text(String),
    /// The other role sent a binary message.
    Binary(Vec<u8>),
    /// The connection is gone, or could not be made; the next try is automatic.
    Reconnecting {
        /// How long until the next try.
        after: Duration,
        /// What happened.
        why: Lost,
    },
    /// This client is done and will never connect again.
    Stopped {
        /// What ended it.
        why: Stop,
        /// Messages that were accepted for sending and had not been written; they are dropped.
        unsent: usize,
    },
}

/// Why a connection ended that is tried again.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Lost {
    /// No connection came about; the text names address, cause and remedy.
    #[error("{0}")]
    Unreachable(String),
    /// No connection came about in time.
    #[error("no connection in {} s", .0.as_secs())]
    ConnectTimedOut(Duration),
    /// The hello was not answered in time.
    #[error("the relay did not answer the hello in {} s", .0.as_secs())]
    HelloTimedOut(Duration),
    /// Not one byte came for this long.
    #[error("nothing came from the relay for {} s", .0.as_secs())]
    Silent(Duration),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The relay closed with this code; `None` if its close frame had none.
    #[error("the relay closed the connection ({})", code_words(*.0))]
    Closed(Option<u16>),
    /// Its data was damaged, or out of the tunnel's order.
    #[error("{0}; what was accepted is sent again")]
    Damaged(String),
    /// This machine slept for longer than the relay bears a silent client.
    #[error("this machine slept for {} s", .0.as_secs())]
    Slept(Duration),
    /// What answered does not speak the relay's contract: a proxy that is being reloaded, a captive portal.
    /// Of a relay that has answered before this is taken for a passing fault.
    #[error("{0}; a proxy or a portal in between?")]
    Odd(String),
    /// The relay has no such session at the moment.
    #[error("the relay does not know the session; the other side may bring it back")]
    SessionUnknown,
    /// The relay made the session again, and did not know it right after.
    #[error(
        "the relay registered the session and then did not know it: are several relays without a common Redis behind \
         this address?"
    )]
    RegisteredAndUnknown,
    /// For a phone: the relay has not known the session since then, so the workstation is not connected
    /// either.
    #[error("the workstation has been away since {}; waiting for it", utc(*.since))]
    WorkstationAway {
        /// When this was first found out.
        since: SystemTime,
    },
    /// For a workstation: the relay has no such session since then, and did not make it again.
    #[error("no session at the relay since {}: {why}", utc(*.since))]
    NotRegistered {
        /// When this was first found out.
        since: SystemTime,
        /// The answer of the relay, or of the way to it.
        why: String,
    },
    /// The workstation refused a phone that it knew, or the relay did so in its name: nothing proves which.
    #[error("the workstation, or the relay in its name, refused this phone: {0}; trying again")]
    Refused(Refusal),
    /// Another phone took this one's role while the workstation's user is asked about this one.
    #[error(
        "another phone took this one's role at the relay while the workstation's user is asked about this one"
    )]
    Displaced,
    /// No connection was begun, as the app has left its events unread.
    #[error("the app has too many unread events; they must be read first")]
    EventsUnread,
}

impl Lost {
    /// The relay has no such session since then, and `why` there is none again, in the words of each role.
    pub(crate) fn away(role: Role, since: SystemTime, why: String) -> Self {
        match role {
            Role::Phone => Lost::WorkstationAway { since },
            Role::Workstation => Lost::NotRegistered { since, why },
        }
    }
}

/// Why a client stopped.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Stop {
    /// The app asked for it.
    #[error("closed")]
    Closed,
    /// Another program took over the role.
    #[error("another program uses this pair and took over its role: end one of the two")]
    Replaced,
    /// The session ended for all.
    #[error("the session was {}: pair again", kill_word(*.reason))]
    Killed {
        /// Why, where the relay said.
        reason: Option<KillReason>,
    },
    /// The relay refused with a code that makes a second try pointless.
    #[error("the relay refused ({code}): {message}")]
    Refused {
        /// The close code.
        code: u16,
        /// The relay's words, or the meaning of the code.
        message: String,
    },
    /// The workstation refused this phone, which it has not let in yet.
    #[error("{0}")]
    Unpaired(Refusal),
    /// The other end's user has ended the pair.
    #[error("removed at the {}{}: pair again", .at, said_by(*.is_proven))]
    Removed {
        /// The end whose user did it.
        at: Role,
        /// That end has said so itself; otherwise the relay says that the session was deleted.
        is_proven: bool,
    },
    /// What makes the pair could not be kept by the app, so it would be lost with this process.
    #[error("the pairing could not be kept: {0}")]
    NotKept(String),
    /// What answered at the first contact does not speak the relay's contract.
    #[error("{0}; is this the address of a relay?")]
    NotARelay(String),
    /// A fault of this client itself.
    #[error("internal fault of the client: {0}")]
    Fault(String),
}

fn code_words(code: Option<u16>) -> String {
    match (code, code.and_then(protocol::close::CloseCode::parse)) {
        (Some(code), Some(known)) => format!("{code} {}", known.name()),
        (Some(code), None) => code.to_string(),
        (None, _) => "without a code".to_owned(),
    }
}

fn said_by(is_proven: bool) -> &'static str {
    if is_proven { "" } else { ", or so the relay says" }
}

fn kill_word(reason: Option<KillReason>) -> &'static str {
    match reason {
        Some(KillReason::Deleted) => "deleted",
        Some(KillReason::Expired) => "not used for too long and expired",
        None => "ended",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_read_as_sentences() {
        assert_eq!(Lost::Closed(Some(1001)).to_string(), "the relay closed the connection (1001 going_away)");
        assert_eq!(Lost::Closed(None).to_string(), "the relay closed the connection (without a code)");
        assert_eq!(
            Lost::Silent(Duration::from_secs(130)).to_string(),
            "nothing came from the relay for 130 s"
        );
        let killed = Stop::Killed { reason: Some(KillReason::Deleted) };
        assert_eq!(killed.to_string(), "the session was deleted: pair again");
        let removed = |at, is_proven| Stop::Removed { at, is_proven }.to_string();
        assert_eq!(removed(Role::Workstation, true), "removed at the workstation: pair again");
        assert_eq!(
            removed(Role::Workstation, false),
            "removed at the workstation, or so the relay says: pair again"
        );
        assert_eq!(removed(Role::Phone, false), "removed at the phone, or so the relay says: pair again");
        let refused = Lost::Refused(Refusal::OtherVersion).to_string();
        assert!(
            refused.starts_with("the workstation, or the relay in its name, refused this phone: ")
                && refused.ends_with("; trying again")
        );
    }
}
