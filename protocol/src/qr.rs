//! The pairing payload that the QR code carries: `{"u","s","t"}`.

use serde::Deserialize;
use std::borrow::Cow;
use thiserror::Error;

use crate::ids::{SessionId, Token};
use crate::json;
use crate::limits::{HELLO_BYTES_MAX, JSON_DEPTH_MAX};

/// What a phone needs to join: where, which session, and the secret. `Debug` redacts the secret.
#[derive(Debug, Clone)]
pub struct Pairing {
    /// The WebSocket URL of the service (`ws://` or `wss://`).
    pub ws: String,
    /// The session.
    pub session: SessionId,
    /// The session's token.
    pub token: Token,
}

/// Why a text is not a pairing payload.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PairingError {
    /// Not the JSON of a pairing payload.
    #[error(
        "this is not a pairing code: expected JSON with \"u\", \"s\" and \"t\"; scan or paste the whole code"
    )]
    NotPairing,
    /// The URL is not a WebSocket URL.
    #[error("the pairing code names {0:?}, which is not a ws:// or wss:// address")]
    BadUrl(String),
    /// The session or the token is not an id.
    #[error("the pairing code is damaged: \"{0}\" is not 32 lower-case hex digits; scan it again")]
    BadId(&'static str),
}

impl Pairing {
    /// Parses a payload as read from a QR code. Members it does not know are ignored.
    pub fn parse(text: &str) -> Result<Self, PairingError> {
        #[derive(Deserialize)]
        struct CodeFields<'a> {
            #[serde(borrow)]
            u: Cow<'a, str>,
            #[serde(borrow)]
            s: Cow<'a, str>,
            #[serde(borrow)]
            t: Cow<'a, str>,
        }
        let text = text.trim();
        if text.len() > HELLO_BYTES_MAX || !json::nesting_within(text.as_bytes(), JSON_DEPTH_MAX) {
            return Err(PairingError::NotPairing);
        }
        let raw: CodeFields<'_> = sonic_rs::from_str(text).map_err(|_| PairingError::NotPairing)?;
        if !(raw.u.starts_with("ws://") || raw.u.starts_with("wss://")) {
            return Err(PairingError::BadUrl(raw.u.chars().take(80).collect()));
        }
        Ok(Pairing {
            session: SessionId::parse(&raw.s).map_err(|_| PairingError::BadId("s"))?,
            token: Token::parse(&raw.t).map_err(|_| PairingError::BadId("t"))?,
            ws: raw.u.into_owned(),
        })
    }

    /// The JSON that goes into the picture, members in the order `u`, `s`, `t`.
    pub fn to_json(&self) -> String {
        let mut out = b"{\"u\":".to_vec();
        json::write_quoted(&mut out, &self.ws);
        out.extend_from_slice(b",\"s\":\"");
        out.extend_from_slice(&self.session.hex());
        out.extend_from_slice(b"\",\"t\":\"");
        out.extend_from_slice(self.token.reveal().as_bytes());
        out.extend_from_slice(b"\"}");
        String::from_utf8_lossy(&out).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: &str = "00112233445566778899aabbccddeeff";

    #[test]
    fn a_payload_comes_back_and_extra_members_are_ignored() {
        let text = format!(r#"{{"u":"ws://h:1/ws","s":"{S}","t":"{S}","k":{{"x":[1]}}}}"#);
        let pairing = Pairing::parse(&text).unwrap();
        assert_eq!(pairing.to_json(), format!(r#"{{"u":"ws://h:1/ws","s":"{S}","t":"{S}"}}"#));
        assert!(!format!("{pairing:?}").contains("0011"), "{pairing:?}");
    }

    #[test]
    fn each_kind_of_damage_has_its_own_word() {
        assert_eq!(Pairing::parse("https://example.org").unwrap_err(), PairingError::NotPairing);
        assert_eq!(Pairing::parse(&"[".repeat(4000)).unwrap_err(), PairingError::NotPairing);
        let http = format!(r#"{{"u":"http://h","s":"{S}","t":"{S}"}}"#);
        assert_eq!(Pairing::parse(&http).unwrap_err(), PairingError::BadUrl("http://h".into()));
        let short = format!(r#"{{"u":"ws://h","s":"{S}","t":"12"}}"#);
        assert_eq!(Pairing::parse(&short).unwrap_err(), PairingError::BadId("t"));
    }
}
