//! Encodes several PUBLISH commands for one write. Packets are written from the buffers in which they came.
//! Only the few bytes around them are collected here.

use std::io::{IoSlice, Write};

use protocol::ids::NodeId;
use relayd_core::node_link::{BATCH_BYTES_MAX, PACKET_OVERHEAD};

use super::keys::Keys;

/// The longest packet that is carried, in bytes.
pub const PACKET_BYTES_MAX: usize = 66 * 1024;

const _: () = assert!(BATCH_BYTES_MAX + PACKET_OVERHEAD <= PACKET_BYTES_MAX, "a whole batch must fit");

/// Packets that one write carries at most.
pub(super) const PACKETS_PER_WRITE: usize = 32;

/// The commands of one write. Its buffers are allocated once.
pub(super) struct Batch {
    /// The start of each command, up to the node's id.
    head: Vec<u8>,
    /// All bytes except the packets: those before the first one, those between two, and the last line end.
    around: Vec<u8>,
    /// `packets.len() <= PACKETS_PER_WRITE`
    packets: Vec<Placed>,
    /// The length of the write.
    len: usize,
}

/// A packet and its place in the write.
struct Placed {
    /// The end, in [`Batch::around`], of the bytes before it.
    after: usize,
    packet: Vec<u8>,
}

impl Batch {
    pub(super) fn new(keys: &Keys) -> Self {
        let channel_len = keys.inbox(NodeId::from_bytes([0; 16])).len();
        let head = format!("*3\r\n$7\r\nPUBLISH\r\n${channel_len}\r\n{}", keys.inboxes()).into_bytes();
        let around = Vec::with_capacity(PACKETS_PER_WRITE * (head.len() + BEHIND_HEAD));
        Batch { head, around, packets: Vec::with_capacity(PACKETS_PER_WRITE), len: 0 }
    }

    /// Appends the command that puts a packet into a node's channel. Call only while [`Batch::has_room`].
    pub(super) fn push(&mut self, to: NodeId, packet: Vec<u8>) {
        let before = self.around.len();
        self.around.extend_from_slice(&self.head);
        // Writing to a Vec can't fail.
        let _ = write!(self.around, "{to}\r\n${}\r\n", packet.len());
        let after = self.around.len();
        self.around.extend_from_slice(b"\r\n");
        self.len += self.around.len() - before + packet.len();
        self.packets.push(Placed { after, packet });
    }

    /// False once the write is long enough.
    pub(super) fn has_room(&self) -> bool {
        self.len < WRITE_BYTES && self.packets.len() < PACKETS_PER_WRITE
    }

    /// How many packets there are.
    pub(super) fn packets(&self) -> usize {
        self.packets.len()
    }

    /// Hands all commands to `write`, as the pieces of one vectored write.
    pub(super) fn write_with<T>(&self, write: impl FnOnce(&mut [IoSlice<'_>]) -> T) -> T {
        let mut pieces = [IoSlice::new(&[]); 2 * PACKETS_PER_WRITE + 1];
        let (mut count, mut start) = (0, 0);
        for Placed { after, packet } in &self.packets {
            pieces[count] = IoSlice::new(&self.around[start..*after]);
            pieces[count + 1] = IoSlice::new(packet);
            (count, start) = (count + 2, *after);
        }
        pieces[count] = IoSlice::new(&self.around[start..]);
        write(&mut pieces[..=count])
    }

    /// Empties the batch, and returns the buffers of its packets.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Vec<u8>> {
        self.around.clear();
        self.len = 0;
        self.packets.drain(..).map(|placed| placed.packet)
    }
}

/// A write of this many bytes takes no further command. Its last command may exceed it.
const WRITE_BYTES: usize = 192 * 1024;

/// The most that a node's id, a length and three line ends take.
const BEHIND_HEAD: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(batch: &Batch) -> Vec<u8> {
        batch.write_with(|pieces| pieces.iter().flat_map(|piece| piece.to_vec()).collect())
    }

    #[test]
    fn commands_are_equal_to_those_of_the_client_library() {
        let keys = Keys::new("it:");
        let mut batch = Batch::new(&keys);
        let nodes = [NodeId::from_bytes([0xab; 16]), NodeId::from_bytes([1; 16])];
        let all: Vec<u8> = (0..=255).collect();
        let mut expected = Vec::new();
        let packets = [(nodes[0], &b""[..]), (nodes[1], b"\r\n$1\r\n"), (nodes[0], &all)];
        for (to, packet) in packets {
            batch.push(to, packet.to_vec());
            redis::cmd("PUBLISH").arg(keys.inbox(to)).arg(packet).write_packed_command(&mut expected);
        }
        assert_eq!(bytes(&batch), expected);
        assert_eq!(batch.packets(), 3);
        assert!(batch.drain().eq(packets.map(|(_, packet)| packet.to_vec())));
        assert_eq!((bytes(&batch), batch.packets()), (Vec::new(), 0));
        batch.push(nodes[1], b"again".to_vec());
        let again = redis::cmd("PUBLISH").arg(keys.inbox(nodes[1])).arg(b"again").get_packed_command();
        assert_eq!(bytes(&batch), again, "nothing is left of the last write");
    }

    #[test]
    fn a_batch_is_bounded_by_bytes_and_by_packets_and_never_grows_its_buffers() {
        let mut batch = Batch::new(&Keys::new(&"p".repeat(100)));
        let capacities = |batch: &Batch| (batch.around.capacity(), batch.packets.capacity());
        let before = capacities(&batch);
        for (len, count) in [(PACKET_BYTES_MAX, 3), (32 * 1024, 6), (0, PACKETS_PER_WRITE)] {
            for _ in 0..2 {
                while batch.has_room() {
                    batch.push(NodeId::from_bytes([2; 16]), vec![7; len]);
                }
                assert_eq!(batch.drain().count(), count, "packets of {len} bytes");
            }
        }
        assert_eq!(capacities(&batch), before);
    }

    #[test]
    fn a_write_takes_commands_until_it_is_long_enough() {
        let (mut batch, to) = (Batch::new(&Keys::new("it:")), NodeId::from_bytes([2; 16]));
        batch.push(to, vec![7; 10_000]);
        // Around a packet whose length has five digits.
        let around = bytes(&batch).len() - 10_000;
        batch.drain().for_each(drop);
        for (missing, has_room) in [(1, true), (0, false)] {
            for len in [65_000, 65_000, WRITE_BYTES - 130_000 - 3 * around - missing] {
                batch.push(to, vec![7; len]);
            }
            assert_eq!((bytes(&batch).len(), batch.has_room()), (WRITE_BYTES - missing, has_room));
            batch.drain().for_each(drop);
        }
    }
}
