//! Everything the server says: written here for it, read here for its clients.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::borrow::Cow;
use std::io::{self, Write};
use thiserror::Error;

use crate::close::CloseCode;
use crate::ids::{Role, SessionId};
use crate::json;
use crate::limits::JSON_DEPTH_MAX;

/// Why a session ended for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillReason {
    /// Somebody asked for it.
    Deleted,
    /// Nobody used it for `SESSION_IDLE_SECS`.
    Expired,
}

impl KillReason {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            KillReason::Deleted => "deleted",
            KillReason::Expired => "expired",
        }
    }
}

/// One control message from the server. `Copy`, without a payload: frames have an envelope of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The hello was accepted.
    HelloAck {
        /// The session that was joined.
        session: SessionId,
        /// The link to the other role is already up.
        peer: bool,
        /// Seconds of idleness after which the session ends.
        ttl_secs: u64,
        /// Seconds between the heartbeats that the client should send.
        heartbeat_secs: u64,
        /// The largest message, in bytes.
        message_bytes_max: u64,
        /// Seconds between the pings that the client gets while it is paused, where it gets any.
        paused_ping_secs: Option<u64>,
    },
    /// Answers a heartbeat.
    HbAck,
    /// The other role is here; `missed` frames were dropped while it was not.
    PeerJoined {
        /// The role that is here.
        role: Role,
        /// Frames of this client dropped since its last `peer-left`.
        missed: u64,
        /// The largest message to this peer in bytes, where that is less than `hello-ack` said.
        message_bytes_max: Option<u64>,
    },
    /// The link to the other role ended.
    PeerLeft {
        /// The role that left.
        role: Role,
    },
    /// The session ended; a close with 4410 follows.
    SessionKilled {
        /// Why.
        reason: KillReason,
    },
    /// Version 2: said before a close that refuses.
    Error {
        /// The code of the close that follows.
        code: CloseCode,
    },
    /// Version 2: the first frame of an absence was dropped.
    PeerAbsent,
    /// Version 2: said before 4409.
    Replaced {
        /// The newer connection is of the same client instance.
        same: bool,
    },
    /// Version 2: said before a drain's 1001.
    GoingAway,
}

/// The longest text that a [`Notice`] writes.
pub const NOTICE_BYTES_MAX: usize = 256;

impl Notice {
    /// Appends the JSON.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        // Writing into memory can't fail.
        let written = match *self {
            Notice::HelloAck {
                session,
                peer,
                ttl_secs,
                heartbeat_secs,
                message_bytes_max,
                paused_ping_secs,
            } => write!(
                out,
                r#"{{"type":"hello-ack","sessionId":"{session}","peer":{peer},"ttl":{ttl_secs},"hb":{heartbeat_secs},"maxMessage":{message_bytes_max}"#
            )
            .and_then(|()| match paused_ping_secs {
                Some(secs) => write!(out, r#","pausedPing":{secs}}}"#),
                None => out.write_all(b"}"),
            }),
            Notice::HbAck => out.write_all(br#"{"type":"hb-ack"}"#),
            Notice::PeerJoined { role, missed, message_bytes_max } => {
                write_peer_joined(out, role, missed, message_bytes_max)
            }
            Notice::PeerLeft { role } => write!(out, r#"{{"type":"peer-left","role":"{role}"}}"#),
            Notice::SessionKilled { reason } => {
                write!(out, r#"{{"type":"session-killed","reason":"{}"}}"#, reason.as_str())
            }
            Notice::Error { code } => {
                let (name, reason) = (code.name(), code.reason());
                write!(out, r#"{{"type":"error","code":"{name}","message":"{reason}"}}"#)
            }
            Notice::PeerAbsent => out.write_all(br#"{"type":"peer-absent"}"#),
            Notice::Replaced { same } => write!(out, r#"{{"type":"replaced","same":{same}}}"#),
            Notice::GoingAway => out.write_all(br#"{"type":"going-away"}"#),
        };
        debug_assert!(written.is_ok());
    }

    /// True for the types that only a client of version 2 may be sent.
    pub const fn needs_v2(&self) -> bool {
        matches!(
            self,
            Notice::Error { .. } | Notice::PeerAbsent | Notice::Replaced { .. } | Notice::GoingAway
        )
    }
}

fn write_peer_joined(out: &mut Vec<u8>, role: Role, missed: u64, max: Option<u64>) -> io::Result<()> {
    write!(out, r#"{{"type":"peer-joined","role":"{role}""#)?;
    if missed > 0 {
        write!(out, r#","missed":{missed}"#)?;
    }
    if let Some(max) = max {
        write!(out, r#","maxMessage":{max}"#)?;
    }
    out.write_all(b"}")
}

/// A text message from the server as a client reads it. Unknown types are kept apart, not refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerMessage {
    /// `hello-ack`.
    HelloAck {
        /// The link to the other role is already up.
        peer: bool,
        /// Seconds between heartbeats, where the server says.
        heartbeat_secs: Option<u64>,
        /// Seconds of idleness after which the session ends, where the server says.
        ttl_secs: Option<u64>,
        /// The largest message in bytes, where the server says.
        message_bytes_max: Option<u64>,
        /// Seconds between the pings that come while this client is paused, where the server says.
        paused_ping_secs: Option<u64>,
    },
    /// `hb-ack`.
    HbAck,
    /// `peer-joined`.
    PeerJoined {
        /// Who.
        role: Role,
        /// How many frames of ours were dropped in the absence.
        missed: u64,
        /// The largest message to this peer in bytes, where that is less than `hello-ack` said.
        message_bytes_max: Option<u64>,
    },
    /// `peer-left`.
    PeerLeft {
        /// Who.
        role: Role,
    },
    /// `session-killed`.
    SessionKilled {
        /// Why, where the server says.
        reason: Option<KillReason>,
    },
    /// `error`, before a close that refuses.
    Error {
        /// The word that names it.
        code: String,
        /// What to do about it.
        message: String,
    },
    /// `peer-absent`.
    PeerAbsent,
    /// `replaced`.
    Replaced {
        /// By this very client instance.
        same: bool,
    },
    /// `going-away`.
    GoingAway,
    /// A frame of the other role.
    Frame(Frame),
    /// A type this version does not know. Ignore it.
    Unknown(String),
}

/// A frame as it came out of its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
}

/// Why a text from the server can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ServerMessageError {
    /// Not a JSON object with a `type`, or a member of the wrong kind.
    #[error("the server sent an unknown message; is this a relay?")]
    Malformed,
    /// `b64` is true and the payload is not base64.
    #[error("the server sent a binary frame that is not base64")]
    BadBase64,
}

#[derive(Deserialize)]
struct MessageFields<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    role: Option<Cow<'a, str>>,
    #[serde(borrow)]
    frame: Option<Cow<'a, str>>,
    b64: Option<bool>,
    peer: Option<bool>,
    ttl: Option<u64>,
    hb: Option<u64>,
    #[serde(rename = "maxMessage")]
    max_message: Option<u64>,
    #[serde(rename = "pausedPing")]
    paused_ping: Option<u64>,
    missed: Option<u64>,
    #[serde(borrow)]
    reason: Option<Cow<'a, str>>,
    #[serde(borrow)]
    code: Option<Cow<'a, str>>,
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
    same: Option<bool>,
}

impl ServerMessage {
    /// Reads one text message of the server.
    pub fn parse(text: &str) -> Result<Self, ServerMessageError> {
        if !json::nesting_within(text.as_bytes(), JSON_DEPTH_MAX) {
            return Err(ServerMessageError::Malformed);
        }
        let raw: MessageFields<'_> = sonic_rs::from_str(text).map_err(|_| ServerMessageError::Malformed)?;
        let role = || raw.role.as_deref().and_then(Role::parse).ok_or(ServerMessageError::Malformed);
        Ok(match &*raw.kind {
            "frame" => ServerMessage::Frame(Frame::from_envelope(&raw)?),
            "hello-ack" => ServerMessage::HelloAck {
                peer: raw.peer.unwrap_or(false),
                heartbeat_secs: raw.hb,
                ttl_secs: raw.ttl,
                message_bytes_max: raw.max_message,
                paused_ping_secs: raw.paused_ping,
            },
            "hb-ack" => ServerMessage::HbAck,
            "peer-joined" => ServerMessage::PeerJoined {
                role: role()?,
                missed: raw.missed.unwrap_or(0),
                message_bytes_max: raw.max_message,
            },
            "peer-left" => ServerMessage::PeerLeft { role: role()? },
            "session-killed" => ServerMessage::SessionKilled {
                reason: match raw.reason.as_deref() {
                    Some("deleted") => Some(KillReason::Deleted),
                    Some("expired") => Some(KillReason::Expired),
                    _ => None,
                },
            },
            "error" => ServerMessage::Error {
                code: raw.code.as_deref().unwrap_or_default().to_owned(),
                message: raw.message.as_deref().unwrap_or_default().to_owned(),
            },
            "peer-absent" => ServerMessage::PeerAbsent,
            "replaced" => ServerMessage::Replaced { same: raw.same.unwrap_or(false) },
            "going-away" => ServerMessage::GoingAway,
            other => ServerMessage::Unknown(other.to_owned()),
        })
    }
}

impl Frame {
    fn from_envelope(raw: &MessageFields<'_>) -> Result<Self, ServerMessageError> {
        let payload = raw.frame.as_deref().ok_or(ServerMessageError::Malformed)?;
        if raw.b64.unwrap_or(false) {
            STANDARD.decode(payload).map(Frame::Binary).map_err(|_| ServerMessageError::BadBase64)
        } else {
            Ok(Frame::Text(payload.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(notice: Notice) -> String {
        let mut out = Vec::new();
        notice.write_to(&mut out);
        assert!(out.len() <= NOTICE_BYTES_MAX);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn notices_are_the_contracts_to_the_letter() {
        let session = SessionId::from_bytes([0x11; 16]);
        let ack = |paused_ping_secs| Notice::HelloAck {
            session,
            peer: true,
            ttl_secs: 7200,
            heartbeat_secs: 30,
            message_bytes_max: 16 << 20,
            paused_ping_secs,
        };
        assert_eq!(
            written(ack(None)),
            r#"{"type":"hello-ack","sessionId":"11111111111111111111111111111111","peer":true,"ttl":7200,"hb":30,"maxMessage":16777216}"#
        );
        assert_eq!(
            written(ack(Some(5))),
            r#"{"type":"hello-ack","sessionId":"11111111111111111111111111111111","peer":true,"ttl":7200,"hb":30,"maxMessage":16777216,"pausedPing":5}"#
        );
        assert_eq!(written(Notice::HbAck), r#"{"type":"hb-ack"}"#);
        let role = Role::Phone;
        let joined =
            |missed, message_bytes_max| written(Notice::PeerJoined { role, missed, message_bytes_max });
        assert_eq!(joined(0, None), r#"{"type":"peer-joined","role":"phone"}"#);
        assert_eq!(joined(3, None), r#"{"type":"peer-joined","role":"phone","missed":3}"#);
        assert_eq!(joined(0, Some(9)), r#"{"type":"peer-joined","role":"phone","maxMessage":9}"#);
        assert_eq!(written(Notice::PeerLeft { role }), r#"{"type":"peer-left","role":"phone"}"#);
        let reason = KillReason::Expired;
        assert_eq!(
            written(Notice::SessionKilled { reason }),
            r#"{"type":"session-killed","reason":"expired"}"#
        );
    }

    #[test]
    fn a_client_reads_back_what_the_server_writes() {
        let parse = |notice| ServerMessage::parse(&written(notice)).unwrap();
        assert_eq!(parse(Notice::HbAck), ServerMessage::HbAck);
        assert_eq!(parse(Notice::GoingAway), ServerMessage::GoingAway);
        assert_eq!(parse(Notice::PeerAbsent), ServerMessage::PeerAbsent);
        assert_eq!(parse(Notice::Replaced { same: true }), ServerMessage::Replaced { same: true });
        let role = Role::Workstation;
        assert_eq!(
            parse(Notice::PeerJoined { role, missed: 2, message_bytes_max: Some(7) }),
            ServerMessage::PeerJoined { role, missed: 2, message_bytes_max: Some(7) }
        );
        for code in CloseCode::ALL {
            let ServerMessage::Error { code: word, .. } = parse(Notice::Error { code }) else {
                panic!("{code:?}")
            };
            assert_eq!(word, code.name());
        }
    }

    #[test]
    fn frames_unknown_types_and_nonsense() {
        let text = r#"{"type":"frame","sid":"x","fromRole":"phone","at":1,"frame":"a\"\u00e9","b64":false}"#;
        assert_eq!(ServerMessage::parse(text), Ok(ServerMessage::Frame(Frame::Text("a\"é".into()))));
        let binary = r#"{"type":"frame","frame":"AP8=","b64":true}"#;
        assert_eq!(ServerMessage::parse(binary), Ok(ServerMessage::Frame(Frame::Binary(vec![0, 255]))));
        let bad = r#"{"type":"frame","frame":"%","b64":true}"#;
        assert_eq!(ServerMessage::parse(bad), Err(ServerMessageError::BadBase64));
        assert_eq!(
            ServerMessage::parse(r#"{"type":"new-thing"}"#),
            Ok(ServerMessage::Unknown("new-thing".into()))
        );
        for nonsense in ["", "[]", "{}", r#"{"type":"peer-left"}"#, &"[".repeat(100_000)] {
            assert_eq!(ServerMessage::parse(nonsense), Err(ServerMessageError::Malformed));
        }
    }
}
