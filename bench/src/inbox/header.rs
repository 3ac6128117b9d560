//! The header of one received frame. RFC 6455 §5.2.

use protocol::ws::header::{self, OpCode};
use thiserror::Error;

/// The server broke RFC 6455.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the server's frame breaks RFC 6455: {0}")]
pub(crate) struct Breach(pub(super) &'static str);

/// What a header says.
pub(super) struct Header {
    pub fin: bool,
    pub opcode: OpCode,
    pub header_len: usize,
    pub payload_len: usize,
}

/// As a client sent it. `Ok(None)` asks for more bytes.
pub(super) fn parse_masked(bytes: &[u8]) -> Result<Option<Header>, Breach> {
    let parsed = header::parse(bytes).map_err(|_| Breach("no frame of a client"))?;
    Ok(parsed.map(|header| Header {
        fin: header.fin,
        opcode: header.opcode,
        header_len: header.header_len,
        payload_len: header.payload_len as usize,
    }))
}

/// As a server must send it, and strictly so. `Ok(None)` asks for more bytes.
pub(super) fn parse_unmasked(bytes: &[u8]) -> Result<Option<Header>, Breach> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    if first & 0x70 != 0 {
        return Err(Breach("a reserved bit is set"));
    }
    // RFC 6455 §5.1: a server masks nothing.
    if second & 0x80 != 0 {
        return Err(Breach("a masked frame"));
    }
    let (fin, opcode) = (first & 0x80 != 0, opcode(first & 0x0F).ok_or(Breach("a reserved opcode"))?);
    let (payload_len, header_len) = match second {
        126 => match rest {
            [high, low, ..] => (u64::from(u16::from_be_bytes([*high, *low])), 4),
            _ => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(wide) => (u64::from_be_bytes(*wide), 10),
            None => return Ok(None),
        },
        short => (u64::from(*short), 2),
    };
    if (header_len == 4 && payload_len < 126) || (header_len == 10 && payload_len <= 0xFFFF) {
        return Err(Breach("a length that is not in its shortest form"));
    }
    // RFC 6455 §5.5.
    if opcode.is_control() && (!fin || payload_len > 125) {
        return Err(Breach("a control frame that is fragmented or long"));
    }
    // Six times the largest message, each byte of it escaped, and its envelope.
    if payload_len > 128 << 20 {
        return Err(Breach("a frame larger than any that was sent"));
    }
    Ok(Some(Header { fin, opcode, header_len, payload_len: payload_len as usize }))
}

fn opcode(nibble: u8) -> Option<OpCode> {
    use OpCode::{Binary, Close, Continuation, Ping, Pong, Text};
    [Continuation, Text, Binary, Close, Ping, Pong].into_iter().find(|known| *known as u8 == nibble)
}
