//! What travels on the bus: packets of node links, and the probe by which a node hears that it hears.

use protocol::ids::NodeId;

/// One message of the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// A node to itself: the n-th.
    Probe(u64),
    /// A packet of the stream from another node.
    Packet {
        /// The node that sent it.
        from: NodeId,
        /// Header and items.
        bytes: &'a [u8],
    },
}

/// Bytes before a packet.
pub const PREFIX_BYTES: usize = 17;

/// Appends what stands before a packet of `from`.
pub fn begin_packet(out: &mut Vec<u8>, from: NodeId) {
    out.push(PACKET);
    out.extend_from_slice(from.as_bytes());
}

/// Appends the n-th probe.
pub fn write_probe(out: &mut Vec<u8>, number: u64) {
    out.push(PROBE);
    out.extend_from_slice(&number.to_be_bytes());
}

impl<'a> Message<'a> {
    /// Reads a message; `None` for bytes that are not a message of this version.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (&tag, rest) = bytes.split_first()?;
        match tag {
            PROBE => Some(Message::Probe(u64::from_be_bytes(rest.try_into().ok()?))),
            PACKET => {
                let (from, bytes) = rest.split_at_checked(16)?;
                Some(Message::Packet { from: NodeId::from_bytes(from.try_into().ok()?), bytes })
            }
            _ => None,
        }
    }
}

// The tags carry the version: another format takes other tags.
const PROBE: u8 = 0x11;
const PACKET: u8 = 0x12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_and_nonsense_does_not() {
        let from = NodeId::from_bytes([3; 16]);
        let mut bytes = Vec::new();
        begin_packet(&mut bytes, from);
        assert_eq!(bytes.len(), PREFIX_BYTES);
        bytes.extend_from_slice(b"rest");
        assert_eq!(Message::parse(&bytes), Some(Message::Packet { from, bytes: b"rest" }));
        let mut bytes = Vec::new();
        write_probe(&mut bytes, 77);
        assert_eq!(Message::parse(&bytes), Some(Message::Probe(77)));
        for nonsense in [&b""[..], b"\x11", b"\x12short", b"\x13"] {
            assert_eq!(Message::parse(nonsense), None);
        }
    }
}
