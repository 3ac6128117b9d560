//! Bodies of control frames. RFC 6455 §5.5 and §7.4.

use super::header::{self, OpCode};
use crate::close::CloseCode;

/// What a peer's Close frame said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerClose {
    /// No body. RFC 6455 §7.1.5.
    Empty,
    /// A valid code, with a valid reason.
    Code(u16),
    /// A body that must be answered with this code: 1002 for its code or length, 1007 for its reason.
    Invalid(CloseCode),
}

impl PeerClose {
    /// Reads the body of a Close frame.
    pub fn parse(body: &[u8]) -> Self {
        match body {
            [] => PeerClose::Empty,
            // RFC 6455 §5.5.1: if there is a body, its first two bytes are the code.
            [_] => PeerClose::Invalid(CloseCode::Protocol),
            [high, low, reason @ ..] => {
                let code = u16::from_be_bytes([*high, *low]);
                if !may_be_sent(code) {
                    PeerClose::Invalid(CloseCode::Protocol)
                } else if std::str::from_utf8(reason).is_err() {
                    PeerClose::Invalid(CloseCode::InvalidUtf8)
                } else {
                    PeerClose::Code(code)
                }
            }
        }
    }
}

/// RFC 6455 §7.4.1, §7.4.2 and the IANA registry: which codes a Close frame may have.
pub const fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Appends an unmasked Close frame. `code` `None` writes an empty body; `reason` is cut to 123 bytes by its
/// author.
pub fn write_close(out: &mut Vec<u8>, code: Option<u16>, reason: &str) {
    let Some(code) = code else {
        header::write(out, true, OpCode::Close, 0, None);
        return;
    };
    debug_assert!(reason.len() <= 123, "RFC 6455 §5.5: a control frame carries at most 125 bytes");
    header::write(out, true, OpCode::Close, 2 + reason.len(), None);
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_bodies() {
        assert_eq!(PeerClose::parse(&[]), PeerClose::Empty);
        assert_eq!(PeerClose::parse(&[3]), PeerClose::Invalid(CloseCode::Protocol));
        assert_eq!(PeerClose::parse(&[0x03, 0xE8, b'o', b'k']), PeerClose::Code(1000));
        assert_eq!(PeerClose::parse(&[0x03, 0xE8, 0xFF]), PeerClose::Invalid(CloseCode::InvalidUtf8));
        for code in [0u16, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
            assert_eq!(
                PeerClose::parse(&code.to_be_bytes()),
                PeerClose::Invalid(CloseCode::Protocol),
                "{code}"
            );
        }
    }

    #[test]
    fn a_close_frame_is_written_whole() {
        let mut out = Vec::new();
        write_close(&mut out, Some(4409), "x");
        assert_eq!(out, [0x88, 3, 0x11, 0x39, b'x']);
        out.clear();
        write_close(&mut out, None, "");
        assert_eq!(out, [0x88, 0]);
    }
}
