//! The opening handshake's fixed parts. RFC 6455 §4.2.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The subprotocol that asks for raw mode: binary messages are relayed bare.
pub const RAW_SUBPROTOCOL: &str = "relay.raw.v1";

/// The only version there is. RFC 6455 §4.1.
pub const VERSION: &str = "13";

/// True if the value of `Sec-WebSocket-Key` is base64 of 16 bytes. RFC 6455 §4.2.1.
pub fn key_is_valid(key: &str) -> bool {
    let mut nonce = [0; 18];
    key.len() == 24 && STANDARD.decode_slice(key, &mut nonce) == Ok(16)
}

/// The value of `Sec-WebSocket-Accept` that answers `key`. RFC 6455 §4.2.2.
pub fn accept_value(key: &str) -> String {
    tungstenite::handshake::derive_accept_key(key.as_bytes())
}

/// True if one of the comma-separated tokens of a header's value is `token`, ASCII case ignored.
pub fn has_token(value: &str, token: &str) -> bool {
    value.split(',').any(|one| one.trim_matches([' ', '\t']).eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        // RFC 6455 §1.3.
        assert!(key_is_valid("dGhlIHNhbXBsZSBub25jZQ=="));
        assert_eq!(accept_value("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_key_is_sixteen_bytes_in_base64() {
        for bad in ["", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZWUh", "!!!!IHNhbXBsZSBub25jZQ=="] {
            assert!(!key_is_valid(bad), "{bad}");
        }
    }

    #[test]
    fn tokens_are_compared_whole() {
        assert!(has_token("keep-alive, Upgrade", "upgrade"));
        assert!(!has_token("keep-alive, upgraded", "upgrade"));
    }
}
