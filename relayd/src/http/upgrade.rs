//! The server's side of the opening handshake. RFC 6455 §4.2.

use protocol::ws::upgrade::{RAW_SUBPROTOCOL, VERSION, accept_value, key_is_valid};

use super::refusal::Refusal;

/// The fields of a head that concern the handshake. `Sec-WebSocket-Extensions` is not among them: no
/// extension is accepted, and one that is not echoed is declined (RFC 6455 §9.1).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct UpgradeFields<'a> {
    /// `Connection` has the token `upgrade`.
    pub(super) connection: bool,
    pub(super) http_1_0: bool,
    /// There is an `Upgrade` field, whatever it names.
    pub(super) wanted: bool,
    /// `Upgrade` names WebSocket.
    pub(super) websocket: bool,
    key: Option<&'a [u8]>,
    version: Option<&'a [u8]>,
    raw: bool,
}

/// A handshake that succeeds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    /// The value of `Sec-WebSocket-Accept`.
    pub(super) accept: String,
    /// Raw mode was asked for, and is granted.
    pub(super) raw: bool,
}

impl<'a> UpgradeFields<'a> {
    /// Takes a field if it belongs here. Returns true if the field is repeated and must not be.
    pub(super) fn take(&mut self, name: &str, value: &'a [u8]) -> bool {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("Upgrade") {
            self.wanted = true;
            self.websocket |= has_token(value, "websocket");
        } else if is("Sec-WebSocket-Key") {
            return self.key.replace(value).is_some();
        } else if is("Sec-WebSocket-Version") {
            return self.version.replace(value).is_some();
        } else if is("Sec-WebSocket-Protocol") {
            // RFC 6455 §11.3.4: the list may be split over several fields. Names are compared with case.
            self.raw |=
                value.split(|byte| *byte == b',').any(|one| one.trim_ascii() == RAW_SUBPROTOCOL.as_bytes());
        }
        false
    }

    /// Checks a GET against the RFC's list.
    pub(super) fn judge(&self, has_body: bool) -> Result<Accepted, Refusal> {
        if !self.websocket {
            return Err(self.without_websocket());
        }
        // RFC 6455 §4.2.1: HTTP/1.1 or higher, and `Connection` with the token `upgrade`. If one is missing,
        // a proxy most often lacks a directive.
        match (self.http_1_0, self.connection) {
            (true, true) => return Err(Refusal::UPGRADE_IN_1_0),
            (true, false) => return Err(Refusal::UPGRADE_IN_1_0_ALONE),
            (false, false) => return Err(Refusal::UPGRADE_ALONE),
            (false, true) => {}
        }
        // A body would come where the first frame is expected.
        if has_body {
            return Err(Refusal::UPGRADE_WITH_BODY);
        }
        if self.version != Some(VERSION.as_bytes()) {
            return Err(Refusal::WRONG_VERSION);
        }
        let key = self.key.and_then(|key| std::str::from_utf8(key).ok()).filter(|key| key_is_valid(key));
        let accept = accept_value(key.ok_or(Refusal::BAD_KEY)?);
        Ok(Accepted { accept, raw: self.raw })
    }

    /// Tells a plain request from a handshake whose `Upgrade` field a proxy dropped: the other fields of a
    /// WebSocket client are there.
    fn without_websocket(&self) -> Refusal {
        let is_lost = !self.wanted && (self.key.is_some() || self.version.is_some());
        match (is_lost, self.http_1_0) {
            (true, true) => Refusal::UPGRADE_LOST_IN_1_0,
            (true, false) => Refusal::UPGRADE_LOST,
            (false, _) => Refusal::UPGRADE_REQUIRED,
        }
    }
}

/// True if one of the comma-separated tokens of `value` is `token`, ASCII case ignored.
pub(super) fn has_token(value: &[u8], token: &str) -> bool {
    std::str::from_utf8(value).is_ok_and(|value| protocol::ws::upgrade::has_token(value, token))
}
