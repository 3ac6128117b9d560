//! A packet of the stream on the bus: a header, and the items of at most one batch.

/// What stands before the items. All numbers are big-endian on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The sender's incarnation.
    pub from: u64,
    /// The receiver's incarnation as the sender knows it; 0 if it does not.
    pub to: u64,
    /// The batch that follows; 0 if none does.
    pub number: u64,
    /// The last batch there is.
    pub last: u64,
    /// The last batch that the sender has taken in from the receiver.
    pub received: u64,
    /// The sender has seen a gap: everything after `received` is to come again.
    pub repeat: bool,
}

/// Bytes of a [`Header`].
pub const PACKET_OVERHEAD: usize = 41;

impl Header {
    /// Appends the header.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        for number in [self.from, self.to, self.number, self.last, self.received] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.push(u8::from(self.repeat));
    }

    /// Reads a header; gives what follows it. `None` if these bytes are none.
    pub fn parse(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (head, items) = bytes.split_at_checked(PACKET_OVERHEAD)?;
        let mut numbers =
            head.chunks_exact(8).map(|eight| u64::from_be_bytes(eight.try_into().unwrap_or_default()));
        let mut next = || numbers.next().unwrap_or_default();
        let (from, to, number, last, received) = (next(), next(), next(), next(), next());
        let repeat = match head[PACKET_OVERHEAD - 1] {
            0 => false,
            1 => true,
            _ => return None,
        };
        if from == 0 || number > last || (number == 0 && !items.is_empty()) {
            return None;
        }
        Some((Header { from, to, number, last, received, repeat }, items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back_and_nonsense_does_not() {
        let header = Header { from: 7, to: 0, number: 3, last: 9, received: 2, repeat: true };
        let mut bytes = Vec::new();
        header.write_to(&mut bytes);
        assert_eq!(bytes.len(), PACKET_OVERHEAD);
        bytes.extend_from_slice(b"items");
        assert_eq!(Header::parse(&bytes), Some((header, &b"items"[..])));
        for cut in 0..PACKET_OVERHEAD {
            assert_eq!(Header::parse(&bytes[..cut]), None);
        }
        bytes[40] = 2;
        assert_eq!(Header::parse(&bytes), None);
        for nonsense in
            [Header { from: 0, ..header }, Header { number: 10, ..header }, Header { number: 0, ..header }]
        {
            let mut bytes = Vec::new();
            nonsense.write_to(&mut bytes);
            bytes.extend_from_slice(b"items");
            assert_eq!(Header::parse(&bytes), None, "{nonsense:?}");
        }
    }
}
