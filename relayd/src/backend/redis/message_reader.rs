//! Reads a connection that subscribes (RESP2). A packet is read straight into the buffer that the reactor
//! gets. Only the bytes that come in one read with its head are copied. Pure: it sees no socket.

use std::io::IoSliceMut;

use super::batch::PACKET_BYTES_MAX;
use super::error::Fault;
use super::message_head::{LINE_END, MessageHead, Received, read_head};

/// Bytes that came and were not read yet, and the packet under way.
pub(super) struct MessageReader {
    /// `buffer[start..end]` was not read yet. `start <= end <= buffer.len()`
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    under_way: Option<Partial>,
    /// Bytes of an overlong packet that are still to be dropped. Zero while a packet is under way.
    to_skip: usize,
}

/// A packet with its line end. Its first `filled` bytes have come.
struct Partial {
    packet: Vec<u8>,
    filled: usize,
}

impl MessageReader {
    pub(super) fn new() -> Self {
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        MessageReader { buffer, start: 0, end: 0, under_way: None, to_skip: 0 }
    }

    /// The next message that has come whole, or `None` if more must be read. `lend` gives the buffer for a
    /// packet; its content does not matter.
    pub(super) fn next(&mut self, lend: impl FnOnce() -> Vec<u8>) -> Result<Option<Received>, Fault> {
        if self.under_way.is_none() && self.to_skip == 0 {
            let Some((head, len)) = read_head(&self.buffer[self.start..self.end])? else { return Ok(None) };
            self.start += len;
            match head {
                MessageHead::Whole(received) => return Ok(Some(received)),
                MessageHead::Packet(len) if len <= PACKET_BYTES_MAX => self.begin(len, lend()),
                MessageHead::Packet(len) => self.to_skip = len.saturating_add(LINE_END.len()),
            }
        }
        if self.to_skip > 0 { Ok(self.skip()) } else { self.take_whole() }
    }

    /// Where to read to: the rest of the packet under way, and then the buffer.
    ///
    /// # Errors
    /// A head is longer than any of Redis.
    pub(super) fn room(&mut self) -> Result<[IoSliceMut<'_>; 2], Fault> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.end == self.buffer.len() {
            return Err(Fault::unexpected());
        }
        let rest = self.under_way.as_mut().map(|Partial { packet, filled }| &mut packet[*filled..]);
        Ok([IoSliceMut::new(rest.unwrap_or_default()), IoSliceMut::new(&mut self.buffer[self.end..])])
    }

    /// This many bytes were read into [`MessageReader::room`].
    pub(super) fn on_read(&mut self, mut count: usize) {
        if let Some(Partial { packet, filled }) = &mut self.under_way {
            let taken = count.min(packet.len() - *filled);
            *filled += taken;
            count -= taken;
        }
        self.end += count;
    }

    /// A packet of this length begins. Takes the part that is in the buffer.
    fn begin(&mut self, len: usize, mut packet: Vec<u8>) {
        let len = len + LINE_END.len();
        packet.reserve_exact(len.saturating_sub(packet.len()));
        packet.resize(len, 0);
        let filled = len.min(self.end - self.start);
        packet[..filled].copy_from_slice(&self.buffer[self.start..self.start + filled]);
        self.start += filled;
        self.under_way = Some(Partial { packet, filled });
    }

    /// The packet under way, if all of it has come.
    fn take_whole(&mut self) -> Result<Option<Received>, Fault> {
        let is_whole = |partial: &mut Partial| partial.filled == partial.packet.len();
        let Some(Partial { mut packet, .. }) = self.under_way.take_if(is_whole) else { return Ok(None) };
        if !packet.ends_with(LINE_END) {
            return Err(Fault::unexpected());
        }
        packet.truncate(packet.len() - LINE_END.len());
        Ok(Some(Received::Packet(packet)))
    }

    /// Drops the part of an overlong packet that has come.
    fn skip(&mut self) -> Option<Received> {
        let skipped = self.to_skip.min(self.end - self.start);
        self.start += skipped;
        self.to_skip -= skipped;
        (self.to_skip == 0).then_some(Received::TooLong)
    }
}

/// Bytes that a packet's buffer has room for beyond the packet.
pub(super) const BESIDES_PACKET: usize = LINE_END.len();

/// Holds many small messages, and a small part of a large one. Longer than any head.
const BUFFER_BYTES: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads a stream that comes in pieces of these lengths, over and over.
    fn read(stream: &[u8], lengths: &[usize]) -> Result<Vec<Received>, Fault> {
        let (mut reader, mut all, mut rest) = (MessageReader::new(), Vec::new(), stream);
        for len in lengths.iter().cycle() {
            while let Some(received) = reader.next(|| b"what was here before".to_vec())? {
                all.push(received);
            }
            if rest.is_empty() {
                break;
            }
            let mut count = 0;
            for room in &mut reader.room()? {
                let taken = room.len().min(rest.len()).min(*len - count);
                room[..taken].copy_from_slice(&rest[..taken]);
                (rest, count) = (&rest[taken..], count + taken);
            }
            assert!(count > 0, "there is always room");
            reader.on_read(count);
        }
        Ok(all)
    }

    fn message(packet: &[u8]) -> Vec<u8> {
        let head = format!("*3\r\n$7\r\nmessage\r\n$6\r\nno\r\nde\r\n${}\r\n", packet.len());
        [head.as_bytes(), packet, b"\r\n"].concat()
    }

    fn packets(lengths: &[usize]) -> Vec<Vec<u8>> {
        let packet = |(at, &len): (usize, &usize)| (0..len).map(|byte| (byte * 7 + at) as u8).collect();
        lengths.iter().enumerate().map(packet).collect()
    }

    #[test]
    fn everything_that_a_subscriber_is_told_is_read() {
        let stream = [
            b":1\r\n*3\r\n$9\r\nsubscribe\r\n$4\r\nnode\r\n:1\r\n".to_vec(),
            message(b"a\r\nb"),
            b"*2\r\n$4\r\npong\r\n$0\r\n\r\n+PONG\r\n*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n".to_vec(),
            message(&vec![9; PACKET_BYTES_MAX + 1]),
            message(b""),
            b"-NOPERM no\r\n*3\r\n$9\r\nsubscribe\r\n$4\r\nnode\r\n:2\r\n".to_vec(),
        ];
        let stream = stream.concat();
        for len in [1, 2, 3, 4096, stream.len()] {
            let all = read(&stream, &[len]).unwrap();
            let [number, subscribed, first, others @ .., empty, error, twice] = &all[..] else {
                panic!("{all:?}")
            };
            assert_eq!((number, subscribed), (&Received::Number, &Received::Subscribed));
            assert_eq!(first, &Received::Packet(b"a\r\nb".to_vec()));
            assert_eq!(others, [Received::Other, Received::Other, Received::Other, Received::TooLong]);
            assert_eq!(empty, &Received::Packet(Vec::new()));
            assert!(matches!(error, Received::Error(error) if error.code() == "NOPERM"), "{error:?}");
            assert_eq!(twice, &Received::Other, "a second subscription is not ours");
        }
    }

    #[test]
    fn what_redis_does_not_say_is_a_fault() {
        for nonsense in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            b"\r\n",
            b"*0\r\n",
            b"*-1\r\n",
            b"*4\r\n",
            b"*3\r\n*1\r\n",
            b"*3\r\n$x\r\n",
            b"*3\r\n$99999999999999999999\r\n",
            b"*2\r\n$4\r\npongs\r\n",
            b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nabc",
            &[b'+'; BUFFER_BYTES + 1],
        ] {
            let shown = String::from_utf8_lossy(&nonsense[..nonsense.len().min(80)]);
            assert_eq!(read(nonsense, &[nonsense.len()]), Err(Fault::unexpected()), "{shown:?}");
        }
    }

    #[test]
    fn a_packet_lies_in_the_buffer_that_was_lent_which_is_no_longer_than_it_must_be() {
        let stream = message(&[3; 100]);
        let mut reader = MessageReader::new();
        reader.room().unwrap()[1][..50].copy_from_slice(&stream[..50]);
        reader.on_read(50);
        let lent = Vec::with_capacity(100 + BESIDES_PACKET);
        let (place, capacity) = (lent.as_ptr(), lent.capacity());
        assert_eq!(reader.next(|| lent), Ok(None));
        reader.room().unwrap()[0].copy_from_slice(&stream[50..]);
        reader.on_read(stream.len() - 50);
        let Ok(Some(Received::Packet(packet))) = reader.next(Vec::new) else { panic!("it is whole") };
        assert_eq!((packet.as_ptr(), packet.capacity(), packet), (place, capacity, vec![3; 100]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn packets_come_whole_however_the_stream_is_cut(
            sizes in prop::collection::vec(0..3 * BUFFER_BYTES, 1..6),
            cuts in prop::collection::vec(1..2 * BUFFER_BYTES, 1..6),
        ) {
            let packets = packets(&sizes);
            let stream: Vec<u8> = packets.iter().flat_map(|packet| message(packet)).collect();
            let expected = packets.into_iter().map(Received::Packet).collect();
            prop_assert_eq!(read(&stream, &cuts), Ok(expected));
        }

        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>, cut in 1..100_usize) {
            let _ = read(&bytes, &[cut]);
            let _ = read(&[b"*3\r\n$7\r\nmessage\r\n", &bytes[..]].concat(), &[cut]);
        }
    }
}
