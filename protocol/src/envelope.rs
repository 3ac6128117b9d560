//! The frame envelope, written around a payload straight into a buffer.
//!
//! `{"type":"frame","sid":"…","fromRole":"…","at":<ms>,"frame":"<text or base64>","b64":false|true}`. The
//! reading side is [`crate::message::ServerMessage`].

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::ids::Role;
use crate::json;

/// Bytes of an envelope around an empty payload, at most (20 digits of time, the longer role).
pub const OVERHEAD_MAX: usize = 144;

/// Everything up to the payload: the same for all frames of one sender in one millisecond, so made once for
/// many.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    bytes: [u8; HEAD_BYTES],
    /// How many of them count.
    len: u8,
}

/// Room for any head. Of a fixed size, so that copying it is a few wide moves.
const HEAD_BYTES: usize = 128;

impl Head {
    /// `session_hex` is [`crate::ids::SessionId::hex`]; `at` are the decimal digits of the time, at most 20.
    pub fn new(session_hex: &[u8; 32], from: Role, at: &[u8]) -> Self {
        let from: &[u8] = match from {
            Role::Workstation => b"\",\"fromRole\":\"workstation\",\"at\":",
            Role::Phone => b"\",\"fromRole\":\"phone\",\"at\":",
        };
        let (mut bytes, mut len) = ([0; HEAD_BYTES], 0);
        for part in [&b"{\"type\":\"frame\",\"sid\":\""[..], session_hex, from, at, b",\"frame\":\""] {
            bytes[len..len + part.len()].copy_from_slice(part);
            len += part.len();
        }
        Head { bytes, len: len as u8 }
    }

    /// Appends it. Allocates nothing if `out` has 128 bytes to spare.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        let end = out.len() + usize::from(self.len);
        out.extend_from_slice(&self.bytes);
        out.truncate(end);
    }
}

/// Appends a piece of a text payload, which must be UTF-8. Pieces must be cut between characters. Allocates
/// nothing if `out` has the room of [`text_bytes_max`] to spare.
pub fn text(out: &mut Vec<u8>, piece: &[u8]) {
    json::escape_into(out, piece);
}

/// Appends a text payload until the next character might go over `room` bytes. Gives how many bytes of
/// `payload` are done: all, or up to the start of a character. Allocates nothing if `out` has `room` and
/// [`OVERHEAD_MAX`] bytes to spare.
pub fn text_within(out: &mut Vec<u8>, payload: &[u8], room: usize) -> usize {
    json::escape_within(out, payload, room)
}

/// Appends a piece of a binary payload in standard base64. Every piece but the last must be a multiple of 3
/// bytes.
pub fn binary(out: &mut Vec<u8>, piece: &[u8]) {
    let at = out.len();
    out.resize(at + piece.len().div_ceil(3) * 4, 0);
    // The room is exact, so encoding can't fail.
    let written = STANDARD.encode_slice(piece, &mut out[at..]);
    debug_assert_eq!(written.ok(), Some(out.len() - at));
}

/// Appends everything behind the payload.
pub fn close(out: &mut Vec<u8>, b64: bool) {
    out.extend_from_slice(tail(b64));
}

const fn tail(b64: bool) -> &'static [u8] {
    if b64 { b"\",\"b64\":true}" } else { b"\",\"b64\":false}" }
}

/// The bytes of an envelope around `len` bytes of binary.
pub const fn binary_bytes(head: &Head, len: usize) -> usize {
    head.len as usize + len.div_ceil(3) * 4 + tail(true).len()
}

/// The most bytes that an envelope around `len` bytes of text can take: every byte as `\u00XX`.
pub const fn text_bytes_max(len: usize) -> usize {
    len * json::GROWTH_MAX + OVERHEAD_MAX
}

/// The most bytes that an envelope around `len` bytes of binary can take.
pub const fn binary_bytes_max(len: usize) -> usize {
    len.div_ceil(3) * 4 + OVERHEAD_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SessionId;

    fn envelope(from: Role, payload: Result<&str, &[u8]>) -> String {
        let mut out = Vec::new();
        let id = SessionId::from_bytes([0xab; 16]);
        let head = Head::new(&id.hex(), from, b"1700000000000");
        head.write_to(&mut out);
        match payload {
            Ok(words) => text(&mut out, words.as_bytes()),
            Err(bytes) => binary(&mut out, bytes),
        }
        close(&mut out, payload.is_err());
        if let Err(bytes) = payload {
            assert_eq!(out.len(), binary_bytes(&head, bytes.len()));
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_envelope_is_the_contracts_to_the_letter() {
        let sid = "ab".repeat(16);
        assert_eq!(
            envelope(Role::Workstation, Ok("a\"b\n")),
            format!(
                r#"{{"type":"frame","sid":"{sid}","fromRole":"workstation","at":1700000000000,"frame":"a\"b\n","b64":false}}"#
            )
        );
        assert_eq!(
            envelope(Role::Phone, Err(&[0, 255, 7, 8])),
            format!(
                r#"{{"type":"frame","sid":"{sid}","fromRole":"phone","at":1700000000000,"frame":"AP8HCA==","b64":true}}"#
            )
        );
    }

    #[test]
    fn the_bounds_hold() {
        let worst = "\u{1}".repeat(50);
        assert!(envelope(Role::Workstation, Ok(&worst)).len() <= text_bytes_max(50));
        assert!(envelope(Role::Workstation, Ok("")).len() <= OVERHEAD_MAX - 7);
        assert!(envelope(Role::Workstation, Err(&[1; 50])).len() <= binary_bytes_max(50));
    }
}
