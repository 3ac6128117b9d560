//! What clients and server say to one another: the hello, the envelope, the notices.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// The subprotocol of a client that wants binary frames bare.
pub const RAW_SUBPROTOCOL: &str = "relay.raw.v1";

pub const HEARTBEAT_ACK: &str = r#"{"type":"hb-ack"}"#;

const HEARTBEAT_BYTES_MAX: usize = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Workstation,
    Phone,
}

#[derive(Debug, Deserialize)]
pub struct Hello {
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "s")]
    pub session: String,
    #[serde(rename = "t")]
    pub token: String,
    #[serde(rename = "r")]
    pub role: Role,
}

#[derive(Serialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    sid: &'a str,
    #[serde(rename = "fromRole")]
    from_role: Role,
    at: u128,
    frame: &'a str,
    b64: bool,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Role::Workstation => "workstation",
            Role::Phone => "phone",
        }
    }

    pub fn other(self) -> Role {
        match self {
            Role::Workstation => Role::Phone,
            Role::Phone => Role::Workstation,
        }
    }
}

impl Hello {
    pub fn parse(text: &str) -> Option<Hello> {
        serde_json::from_str(text).ok().filter(|hello: &Hello| hello.kind == "hello")
    }
}

pub fn hello_ack(session: &str) -> String {
    format!(r#"{{"type":"hello-ack","sessionId":"{session}"}}"#)
}

pub fn notice(kind: &str, role: Role) -> String {
    format!(r#"{{"type":"{kind}","role":"{}"}}"#, role.name())
}

/// Only short text that could be a heartbeat is parsed.
pub fn is_heartbeat(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
    }
    text.len() <= HEARTBEAT_BYTES_MAX
        && text.contains("\"hb\"")
        && serde_json::from_str(text).is_ok_and(|typed: Typed<'_>| typed.kind == "hb")
}

pub fn text_envelope(session: &str, from_role: Role, text: &str) -> String {
    envelope(session, from_role, text, false)
}

pub fn binary_envelope(session: &str, from_role: Role, bytes: &[u8]) -> String {
    envelope(session, from_role, &STANDARD.encode(bytes), true)
}

fn envelope(session: &str, from_role: Role, frame: &str, b64: bool) -> String {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let envelope = Envelope { kind: "frame", sid: session, from_role, at, frame, b64 };
    serde_json::to_string(&envelope).expect("strings and numbers can be written as JSON")
}
