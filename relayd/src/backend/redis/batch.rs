//! PUBLISH commands as Redis reads them, several in one piece.

use std::io::Write;

use protocol::ids::NodeId;
use relayd_core::node_link::{BATCH_BYTES_MAX, PACKET_OVERHEAD};

use super::keys::Keys;

/// The longest packet that is carried, in bytes.
pub const PACKET_BYTES_MAX: usize = 66 * 1024;

const _: () = assert!(BATCH_BYTES_MAX + PACKET_OVERHEAD <= PACKET_BYTES_MAX, "a whole batch must fit");

/// The commands of one write. Its buffer is allocated once.
pub(super) struct Batch {
    /// What stands before the node's id in each command.
    head: Vec<u8>,
    bytes: Vec<u8>,
    packets: usize,
}

impl Batch {
    pub(super) fn new(keys: &Keys) -> Self {
        let channel_len = keys.inbox(NodeId::from_bytes([0; 16])).len();
        let head = format!("*3\r\n$7\r\nPUBLISH\r\n${channel_len}\r\n{}", keys.inboxes()).into_bytes();
        let one_more = head.len() + PACKET_BYTES_MAX + AROUND_PACKET;
        Batch { head, bytes: Vec::with_capacity(WRITE_BYTES + one_more), packets: 0 }
    }

    /// Appends the command that puts a packet into a node's channel.
    pub(super) fn push(&mut self, to: NodeId, packet: &[u8]) {
        self.bytes.extend_from_slice(&self.head);
        // Writing to a Vec can't fail.
        let _ = write!(self.bytes, "{to}\r\n${}\r\n", packet.len());
        self.bytes.extend_from_slice(packet);
        self.bytes.extend_from_slice(b"\r\n");
        self.packets += 1;
    }

    /// False once the write is long enough.
    pub(super) fn has_room(&self) -> bool {
        self.bytes.len() < WRITE_BYTES
    }

    /// All commands, in order.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Empties it, and says how many packets there were.
    pub(super) fn clear(&mut self) -> usize {
        self.bytes.clear();
        std::mem::take(&mut self.packets)
    }
}

/// A write of this many bytes takes no further command. The last one may go over it.
const WRITE_BYTES: usize = 192 * 1024;

/// A node's id, a length and three line ends, at most.
const AROUND_PACKET: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_what_the_client_library_would_write() {
        let keys = Keys::new("it:");
        let mut batch = Batch::new(&keys);
        let nodes = [NodeId::from_bytes([0xab; 16]), NodeId::from_bytes([1; 16])];
        let all: Vec<u8> = (0..=255).collect();
        let mut expected = Vec::new();
        for (to, packet) in [(nodes[0], &b""[..]), (nodes[1], b"\r\n$1\r\n"), (nodes[0], &all)] {
            batch.push(to, packet);
            redis::cmd("PUBLISH").arg(keys.inbox(to)).arg(packet).write_packed_command(&mut expected);
        }
        assert_eq!(batch.bytes(), expected);
        assert_eq!(batch.clear(), 3);
        assert_eq!(batch.bytes(), b"");
        assert_eq!(batch.clear(), 0);
    }

    #[test]
    fn a_batch_is_bounded_and_never_grows_its_buffer() {
        let mut batch = Batch::new(&Keys::new(&"p".repeat(100)));
        let (before, packet) = (batch.bytes.capacity(), vec![7; PACKET_BYTES_MAX]);
        while batch.has_room() {
            batch.push(NodeId::from_bytes([2; 16]), &packet);
        }
        assert_eq!(batch.clear(), 3);
        while batch.has_room() {
            batch.push(NodeId::from_bytes([2; 16]), &packet[..packet.len() / 2 - 700]);
        }
        assert_eq!(batch.bytes.capacity(), before);
    }
}
