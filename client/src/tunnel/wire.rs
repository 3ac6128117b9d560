//! The messages between the two as the relay sees them: a type byte, four bytes `c` that name a handshake,
//! and what the type says. Pure bytes; called by the machine.

use super::event::Refusal;
use super::limits::WIRE_BYTES_MAX;
use super::noise::{NOISE_MIN, TAG};
use super::secret::KeyId;

/// The version of the protocol in H1.
pub(super) const VERSION: u8 = 1;

/// Names a handshake and the connection it opens: random, chosen by the phone in H1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag(pub(super) [u8; 4]);

/// One message, borrowed from the bytes that came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outer<'a> {
    /// `01 | c | version | key id (8) | Noise (48)`.
    H1 { c: Tag, key_id: KeyId, noise: &'a [u8] },
    /// `02 | c | Noise (≥ 48)`.
    H2 { c: Tag, noise: &'a [u8] },
    /// `03 | c | sealed (≥ 17)`.
    Record { c: Tag, sealed: &'a [u8] },
    /// `04 | c | reason`: the answer to an H1 that is refused. In clear and not proven, as there is no common
    /// key.
    Refused { c: Tag, why: Refusal },
    /// An H1 of another version of this protocol.
    OtherVersion { c: Tag, version: u8 },
}

impl<'a> Outer<'a> {
    /// Takes a message apart; `None` if it is not a message of this protocol.
    pub(super) fn parse(message: &'a [u8]) -> Option<Self> {
        if message.len() > WIRE_BYTES_MAX {
            return None;
        }
        let (&kind, rest) = message.split_first()?;
        let (&c, rest) = rest.split_first_chunk()?;
        let c = Tag(c);
        match kind {
            H1 => Self::parse_h1(c, rest),
            H2 if rest.len() >= NOISE_MIN => Some(Outer::H2 { c, noise: rest }),
            RECORD if rest.len() > TAG => Some(Outer::Record { c, sealed: rest }),
            REFUSED => match rest {
                [code] => Some(Outer::Refused { c, why: Refusal::from_code(*code)? }),
                _ => None,
            },
            _ => None,
        }
    }

    fn parse_h1(c: Tag, rest: &'a [u8]) -> Option<Self> {
        let (&version, rest) = rest.split_first()?;
        if version != VERSION {
            return Some(Outer::OtherVersion { c, version });
        }
        let (&key_id, noise) = rest.split_first_chunk()?;
        (noise.len() == NOISE_MIN).then_some(Outer::H1 { c, key_id: KeyId::from_bytes(key_id), noise })
    }
}

/// H1 with the Noise part `noise`.
pub(super) fn h1(c: Tag, key_id: KeyId, noise: &[u8]) -> Vec<u8> {
    [&[H1], c.0.as_slice(), &[VERSION], key_id.as_bytes(), noise].concat()
}

/// H2 with the Noise part `noise`.
pub(super) fn h2(c: Tag, noise: &[u8]) -> Vec<u8> {
    [&[H2], c.0.as_slice(), noise].concat()
}

/// The refusal of the H1 that chose `c`.
pub(super) fn refused(c: Tag, why: Refusal) -> Vec<u8> {
    [&[REFUSED], c.0.as_slice(), &[why.code()]].concat()
}

/// The start of a record of the connection `c`, with room for `len` bytes of plaintext.
pub(super) fn record_head(c: Tag, len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + c.0.len() + len + TAG);
    out.push(RECORD);
    out.extend_from_slice(&c.0);
    out
}

const H1: u8 = 1;
const H2: u8 = 2;
const RECORD: u8 = 3;
const REFUSED: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    const C: Tag = Tag([9, 8, 7, 6]);

    #[test]
    fn what_is_written_is_read_back() {
        let key_id = KeyId::from_bytes(*b"key id 8");
        let noise = [5; NOISE_MIN];
        assert_eq!(Outer::parse(&h1(C, key_id, &noise)), Some(Outer::H1 { c: C, key_id, noise: &noise }));
        assert_eq!(Outer::parse(&h2(C, &noise)), Some(Outer::H2 { c: C, noise: &noise }));
        for why in Refusal::ALL {
            assert_eq!(Outer::parse(&refused(C, why)), Some(Outer::Refused { c: C, why }));
        }
        let mut record = record_head(C, 1);
        record.extend_from_slice(&[4; 17]);
        assert_eq!(Outer::parse(&record), Some(Outer::Record { c: C, sealed: &[4; 17] }));
    }

    #[test]
    fn what_nobody_sends_is_nothing() {
        let h1 = h1(C, KeyId::from_bytes([0; 8]), &[5; NOISE_MIN]);
        for len in 0..h1.len() {
            let cut = Outer::parse(&h1[..len]);
            assert_eq!(cut, None, "{len}");
        }
        assert_eq!(Outer::parse(&[h1.as_slice(), &[0]].concat()), None);
        assert_eq!(Outer::parse(&[1, 9, 8, 7, 6, 2]), Some(Outer::OtherVersion { c: C, version: 2 }));
        for wrong in [
            b"{\"type\":\"x\"}".as_slice(),
            &[2, 9, 8, 7, 6],
            &[3; 21],
            &[4, 9, 8, 7, 6, 99],
            &[4, 9, 8, 7, 6],
        ] {
            assert_eq!(Outer::parse(wrong), None, "{wrong:?}");
        }
        assert_eq!(Outer::parse(&[3; WIRE_BYTES_MAX + 1]), None);
    }
}
