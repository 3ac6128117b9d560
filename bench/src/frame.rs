//! The frames of one pair. To make one, a number is patched into prepared bytes. To recognise one, every
//! other byte is compared.

mod payload;

use protocol::envelope::{self, Head};
use protocol::ids::{Role, SessionId};
use protocol::ws::header::{self, OpCode};
use protocol::ws::mask;

use self::payload::DIGITS;
use crate::workload::{Mode, Workload};

pub(crate) use self::payload::size_min;

/// A client's frame, masked, but for its number.
#[derive(Debug)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    /// Where the number's digits stand.
    number_at: usize,
    digit_mask: DigitMask,
}

/// What must arrive for it.
#[derive(Debug)]
pub(crate) struct Pattern {
    opcode: OpCode,
    body: Vec<u8>,
    /// Where the envelope's time stands: any digits. Empty where there is none.
    clock: std::ops::Range<usize>,
    number_at: usize,
    digit_mask: DigitMask,
}

/// How what arrives differs from what was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Passage {
    /// Relayed for this session, as the mode says.
    Relayed(SessionId),
    /// As it was sent, the mask included.
    Copied,
}

/// The envelope's time has as many digits until the year 2286.
const CLOCK: &[u8] = b"0000000000000";

/// The mask may be any; a fixed one lets frames be made beforehand. RFC 6455 §5.3 wants it random against
/// caches between browser and server, and none is used here.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

type DigitMask = [u8; DIGITS];

/// What the `pair`th pair sends and must receive.
pub(crate) fn for_pair(workload: &Workload, pair: usize, passage: Passage) -> (Template, Pattern) {
    let opcode = match workload.mode {
        Mode::Enveloped => OpCode::Text,
        Mode::Raw => OpCode::Binary,
    };
    let (payload, number_at) = payload::make(workload.mode, workload.size, pair);
    let template = Template::new(opcode, &payload, number_at);
    let pattern = match (passage, workload.mode) {
        (Passage::Relayed(session), Mode::Enveloped) => enveloped(session, &payload, number_at),
        (Passage::Relayed(_), Mode::Raw) => bare(opcode, payload, number_at, [0; DIGITS]),
        (Passage::Copied, _) => {
            let digit_mask = template.digit_mask;
            let mut masked = payload;
            mask::apply(&mut masked, MASK, 0);
            bare(opcode, masked, number_at, digit_mask)
        }
    };
    (template, pattern)
}

impl Template {
    fn new(opcode: OpCode, payload: &[u8], number_at: usize) -> Self {
        let mut bytes = Vec::new();
        header::write(&mut bytes, true, opcode, payload.len(), Some(MASK));
        let body = bytes.len();
        bytes.extend_from_slice(payload);
        mask::apply(&mut bytes[body..], MASK, 0);
        let digit_mask = std::array::from_fn(|at| MASK[(number_at + at) % 4]);
        Template { bytes, number_at: body + number_at, digit_mask }
    }

    /// Appends the frame of this number.
    pub fn write(&self, number: u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        let (mut left, at) = (number, start + self.number_at);
        for (digit, mask) in out[at..at + DIGITS].iter_mut().zip(&self.digit_mask).rev() {
            *digit = (b'0' + (left % 10) as u8) ^ mask;
            left /= 10;
        }
    }
}

impl Pattern {
    /// The number of a message, if all else of it is as it must be.
    pub fn number_of(&self, opcode: OpCode, body: &[u8]) -> Option<u64> {
        let (clock, number) = (&self.clock, self.number_at..self.number_at + DIGITS);
        let is_same = |range: std::ops::Range<usize>| body[range.clone()] == self.body[range];
        let fits = opcode == self.opcode
            && body.len() == self.body.len()
            && is_same(0..clock.start)
            && body[clock.clone()].iter().all(u8::is_ascii_digit)
            && is_same(clock.end..number.start)
            && is_same(number.end..body.len());
        if !fits {
            return None;
        }
        body[number].iter().zip(&self.digit_mask).try_fold(0, |number, (digit, mask)| {
            let digit = digit ^ mask;
            digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0'))
        })
    }
}

fn bare(opcode: OpCode, body: Vec<u8>, number_at: usize, digit_mask: DigitMask) -> Pattern {
    Pattern { opcode, body, clock: 0..0, number_at, digit_mask }
}

/// The envelope as in the contract, around the escaped payload.
fn enveloped(session: SessionId, payload: &[u8], number_at: usize) -> Pattern {
    let mut body = Vec::new();
    Head::new(&session.hex(), Role::Workstation, CLOCK).write_to(&mut body);
    let clock_end = body.len() - ",\"frame\":\"".len();
    let (before, rest) = payload.split_at(number_at);
    envelope::text(&mut body, before);
    let number_at = body.len();
    envelope::text(&mut body, rest);
    envelope::close(&mut body, false);
    let clock = clock_end - CLOCK.len()..clock_end;
    Pattern { opcode: OpCode::Text, body, clock, number_at, digit_mask: [0; DIGITS] }
}

#[cfg(test)]
mod tests {
    use crate::workload::{Pace, Setup};

    use super::*;

    fn workload(mode: Mode, size: usize) -> Workload {
        Workload { setup: Setup::Local, pairs: 1, size, mode, pace: Pace::Window(1) }
    }

    /// A frame taken apart: what a server reads.
    fn sent(template: &Template, number: u64) -> (OpCode, Vec<u8>) {
        let mut out = Vec::new();
        template.write(number, &mut out);
        let header = header::parse(&out).unwrap().unwrap();
        let mut payload = out.split_off(header.header_len);
        assert_eq!(header.payload_len, payload.len() as u64);
        mask::apply(&mut payload, header.mask, 0);
        (header.opcode, payload)
    }

    fn relayed(session: SessionId, opcode: OpCode, payload: &[u8], at: &[u8]) -> Vec<u8> {
        if opcode == OpCode::Binary {
            return payload.to_vec();
        }
        let mut out = Vec::new();
        Head::new(&session.hex(), Role::Workstation, at).write_to(&mut out);
        envelope::text(&mut out, payload);
        envelope::close(&mut out, false);
        out
    }

    #[test]
    fn every_number_survives_the_relay_at_every_size() {
        let session = SessionId::from_bytes([7; 16]);
        for (mode, size) in [Mode::Enveloped, Mode::Raw]
            .into_iter()
            .flat_map(|mode| [0, 1, 7, 60, 140, 70_000].map(|more| (mode, size_min(mode) + more)))
        {
            let (template, pattern) = for_pair(&workload(mode, size), 3, Passage::Relayed(session));
            for number in [0, 1, 9, 10, 1_234_567_890, 9_999_999_999] {
                let (opcode, payload) = sent(&template, number);
                assert_eq!(payload.len(), size);
                let came = relayed(session, opcode, &payload, b"1700000000000");
                assert_eq!(pattern.number_of(opcode, &came), Some(number));
            }
        }
    }

    #[test]
    fn a_copied_frame_keeps_its_mask() {
        let (template, pattern) = for_pair(&workload(Mode::Raw, 200), 3, Passage::Copied);
        let mut out = Vec::new();
        template.write(42, &mut out);
        let header = header::parse(&out).unwrap().unwrap();
        assert_eq!(pattern.number_of(header.opcode, &out[header.header_len..]), Some(42));
    }

    #[test]
    fn one_wrong_byte_anywhere_makes_it_foreign() {
        let session = SessionId::from_bytes([7; 16]);
        let (template, pattern) = for_pair(&workload(Mode::Enveloped, 200), 3, Passage::Relayed(session));
        let (opcode, payload) = sent(&template, 5);
        let good = relayed(session, opcode, &payload, b"1700000000000");
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] = b'#';
            assert_eq!(pattern.number_of(opcode, &bad), None, "byte {at}");
        }
        assert_eq!(pattern.number_of(OpCode::Binary, &good), None);
        assert_eq!(pattern.number_of(opcode, &good[1..]), None);
        assert_eq!(pattern.number_of(opcode, &[]), None);
    }

    #[test]
    fn another_pair_or_session_is_foreign() {
        let (mine, other) = (SessionId::from_bytes([7; 16]), SessionId::from_bytes([8; 16]));
        let load = workload(Mode::Enveloped, 200);
        let (template, pattern) = for_pair(&load, 3, Passage::Relayed(mine));
        let (opcode, payload) = sent(&template, 5);
        assert_eq!(pattern.number_of(opcode, &relayed(other, opcode, &payload, b"1700000000000")), None);
        let (_, payload) = sent(&for_pair(&load, 4, Passage::Relayed(mine)).0, 5);
        assert_eq!(pattern.number_of(opcode, &relayed(mine, opcode, &payload, b"1700000000000")), None);
    }
}
