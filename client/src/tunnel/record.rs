//! The plaintext: resume states and records. Pure bytes, numbers in network order; called by
//! the machine and the stream.

use protocol::ids::{SessionId, Token};
use zeroize::Zeroizing;

use super::credentials::Credentials;
use super::event::Fault;
use super::limits::{NAME_BYTES_MAX, PIECE_BYTES_MAX, WINDOW_MAX, WINDOW_MIN};
use super::secret::PairKey;

/// Names one epoch of an end: random, new for each process and session. All zeros stand for "none known".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Epoch(pub(super) [u8; 16]);

/// An end's state, sent in every handshake so that both resume: `epoch (16) | known (16) | received
/// (8) | window (4)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ResumeState {
    /// The sender's own epoch.
    pub(super) epoch: Epoch,
    /// The receiver's epoch as the sender knows it.
    pub(super) known: Option<Epoch>,
    /// The highest number of the epoch `known` that was taken in, in order.
    pub(super) received: u64,
    /// Bytes that the sender takes in unacknowledged; a piece counts
    /// [`PIECE_COST`](super::limits::PIECE_COST) more.
    pub(super) window: u32,
}

/// One record's plaintext.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Record<'a> {
    /// A piece of a message; `fin` on its last one.
    Data { number: u64, ack: u64, fin: bool, bytes: &'a [u8] },
    /// Everything up to here was taken by the app.
    Ack { ack: u64 },
    /// Answer with the same bytes.
    Ping { token: u64 },
    /// The answer.
    Pong { token: u64 },
    /// Nothing follows the piece with this number.
    Close { last: u64 },
    /// The phone's first record.
    Hello { state: ResumeState, name: &'a str },
    /// The workstation's user said yes; the pair goes on in another session, if one is named.
    Welcome { credentials: Option<Credentials> },
    /// The phone has stored the welcome.
    Settled,
    /// The workstation's user said no.
    Denied,
}

impl ResumeState {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.epoch.0);
        out.extend_from_slice(&self.known.map_or([0; 16], |known| known.0));
        out.extend_from_slice(&self.received.to_be_bytes());
        out.extend_from_slice(&self.window.to_be_bytes());
    }

    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (&epoch, rest) = bytes.split_first_chunk()?;
        let (&known, rest) = rest.split_first_chunk()?;
        let (&received, rest) = rest.split_first_chunk()?;
        let (&window, rest) = rest.split_first_chunk()?;
        let (received, window) = (u64::from_be_bytes(received), u32::from_be_bytes(window));
        let is_in_bounds = epoch != [0; 16] && (WINDOW_MIN..=WINDOW_MAX).contains(&window);
        let known = (known != [0; 16]).then_some(Epoch(known));
        is_in_bounds.then_some((ResumeState { epoch: Epoch(epoch), known, received, window }, rest))
    }
}

/// The payload of H2: the workstation's resume state, and under a code the pair key.
pub(super) fn answer(state: &ResumeState, key: Option<&PairKey>) -> Zeroizing<Vec<u8>> {
    // Filled without growing, as a growing vector leaves copies of the key behind.
    let mut out = Zeroizing::new(Vec::with_capacity(RESUME_BYTES + 32));
    state.write(&mut out);
    out.extend_from_slice(key.map_or(&[], |key| key.secret().bytes()));
    out
}

/// Reads the payload of H2.
pub(super) fn parse_answer(payload: &[u8]) -> Result<(ResumeState, Option<PairKey>), Fault> {
    let malformed = Fault::Malformed("answer to the handshake");
    let (state, rest) = ResumeState::read(payload).ok_or(malformed.clone())?;
    match rest {
        [] => Ok((state, None)),
        key => Ok((state, Some(PairKey::from_bytes(key.try_into().map_err(|_| malformed)?)))),
    }
}

impl<'a> Record<'a> {
    /// Appends the record's plaintext to `out`.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Record::Data { number, ack, fin, bytes } => {
                out.reserve(DATA_HEAD + bytes.len());
                out.push(DATA);
                out.extend_from_slice(&number.to_be_bytes());
                out.extend_from_slice(&ack.to_be_bytes());
                out.push(u8::from(*fin));
                out.extend_from_slice(bytes);
            }
            Record::Ack { ack } => with_number(ACK, *ack, out),
            Record::Ping { token } => with_number(PING, *token, out),
            Record::Pong { token } => with_number(PONG, *token, out),
            Record::Close { last } => with_number(CLOSE, *last, out),
            Record::Hello { state, name } => {
                out.push(HELLO);
                state.write(out);
                out.extend_from_slice(name.as_bytes());
            }
            Record::Welcome { credentials } => {
                out.push(WELCOME);
                if let Some(credentials) = credentials {
                    out.extend_from_slice(credentials.session.as_bytes());
                    out.extend_from_slice(credentials.token.reveal_bytes());
                }
            }
            Record::Settled => out.push(SETTLED),
            Record::Denied => out.push(DENIED),
        }
    }

    /// The record's plaintext.
    #[cfg(test)]
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// Reads a record's plaintext.
    pub(super) fn parse(plaintext: &'a [u8]) -> Result<Self, Fault> {
        let (&kind, rest) = plaintext.split_first().ok_or(Fault::Malformed("record"))?;
        let number = || rest.try_into().map(u64::from_be_bytes).ok();
        let record = match kind {
            DATA => Self::parse_data(rest),
            ACK => number().map(|ack| Record::Ack { ack }),
            PING => number().map(|token| Record::Ping { token }),
            PONG => number().map(|token| Record::Pong { token }),
            CLOSE => number().map(|last| Record::Close { last }),
            HELLO => Self::parse_hello(rest),
            WELCOME => Self::parse_welcome(rest),
            SETTLED => rest.is_empty().then_some(Record::Settled),
            DENIED => rest.is_empty().then_some(Record::Denied),
            _ => None,
        };
        record.ok_or(Fault::Malformed(name_of(kind)))
    }

    fn parse_data(rest: &'a [u8]) -> Option<Self> {
        let (&number, rest) = rest.split_first_chunk()?;
        let (&ack, rest) = rest.split_first_chunk()?;
        let (&flags, bytes) = rest.split_first()?;
        let (fin, is_known) = (flags & FIN != 0, flags & !FIN == 0);
        // A piece that neither carries nor ends anything would cost its receiver work for nothing.
        let is_useful = fin || bytes.len() == PIECE_BYTES_MAX;
        let is_in_bounds = is_known && is_useful && bytes.len() <= PIECE_BYTES_MAX;
        let (number, ack) = (u64::from_be_bytes(number), u64::from_be_bytes(ack));
        is_in_bounds.then_some(Record::Data { number, ack, fin, bytes })
    }

    fn parse_hello(rest: &'a [u8]) -> Option<Self> {
        let (state, name) = ResumeState::read(rest)?;
        let name = std::str::from_utf8(name).ok().filter(|name| name.len() <= NAME_BYTES_MAX)?;
        Some(Record::Hello { state, name })
    }

    fn parse_welcome(rest: &'a [u8]) -> Option<Self> {
        if rest.is_empty() {
            return Some(Record::Welcome { credentials: None });
        }
        let (&session, rest) = rest.split_first_chunk()?;
        let token = Token::from_bytes(rest.try_into().ok()?);
        Some(Record::Welcome {
            credentials: Some(Credentials { session: SessionId::from_bytes(session), token }),
        })
    }
}

fn with_number(kind: u8, number: u64, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(&number.to_be_bytes());
}

fn name_of(kind: u8) -> &'static str {
    match kind {
        DATA => "DATA record",
        ACK => "ACK record",
        PING => "PING record",
        PONG => "PONG record",
        CLOSE => "CLOSE record",
        HELLO => "HELLO record",
        WELCOME => "WELCOME record",
        SETTLED => "SETTLED record",
        DENIED => "DENIED record",
        _ => "record of unknown kind",
    }
}

const DATA: u8 = 1;
const ACK: u8 = 2;
const PING: u8 = 3;
const PONG: u8 = 4;
const CLOSE: u8 = 5;
const HELLO: u8 = 6;
const WELCOME: u8 = 7;
const SETTLED: u8 = 8;
const DENIED: u8 = 9;

/// The flag of a message's last piece.
const FIN: u8 = 1;

/// Kind, number, ack, flags.
pub(super) const DATA_HEAD: usize = 1 + 8 + 8 + 1;

const RESUME_BYTES: usize = 16 + 16 + 8 + 4;

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: ResumeState =
        ResumeState { epoch: Epoch([1; 16]), known: None, received: 7, window: WINDOW_MIN };

    #[test]
    fn what_is_written_is_read_back() {
        let credentials =
            Credentials { session: SessionId::from_bytes([3; 16]), token: Token::from_bytes([0xa4; 16]) };
        let full = vec![5; PIECE_BYTES_MAX];
        for record in [
            Record::Data { number: 1, ack: 2, fin: true, bytes: b"" },
            Record::Data { number: u64::MAX, ack: 2, fin: true, bytes: b"abc" },
            Record::Data { number: 9, ack: 0, fin: false, bytes: &full },
            Record::Ack { ack: 3 },
            Record::Ping { token: 4 },
            Record::Pong { token: 5 },
            Record::Close { last: 6 },
            Record::Hello { state: STATE, name: "Jürgen's phone" },
            Record::Hello { state: ResumeState { known: Some(Epoch([2; 16])), ..STATE }, name: "" },
            Record::Welcome { credentials: None },
            Record::Welcome { credentials: Some(credentials) },
            Record::Settled,
            Record::Denied,
        ] {
            assert_eq!(Record::parse(&record.to_bytes()).as_ref(), Ok(&record));
        }
    }

    #[test]
    fn every_other_byte_string_is_a_fault_that_names_the_record() {
        let long_name = "x".repeat(NAME_BYTES_MAX + 1);
        let data = |fin, bytes| Record::Data { number: 1, ack: 0, fin, bytes }.to_bytes();
        let mut flagged = data(true, b"x");
        flagged[17] = 3;
        let none = ResumeState { epoch: Epoch([0; 16]), ..STATE };
        let narrow = ResumeState { window: WINDOW_MIN - 1, ..STATE };
        let wide = ResumeState { window: WINDOW_MAX + 1, ..STATE };
        for (bytes, name) in [
            (vec![], "record"),
            (vec![0], "record of unknown kind"),
            (vec![10], "record of unknown kind"),
            (data(true, b"x")[..17].to_vec(), "DATA record"),
            (data(false, b"x"), "DATA record"),
            (data(false, b""), "DATA record"),
            (data(true, &[0; PIECE_BYTES_MAX + 1]), "DATA record"),
            (flagged, "DATA record"),
            (vec![ACK, 1], "ACK record"),
            (vec![PING; 10], "PING record"),
            (vec![SETTLED, 0], "SETTLED record"),
            (vec![WELCOME; 32], "WELCOME record"),
            (Record::Hello { state: STATE, name: &long_name }.to_bytes(), "HELLO record"),
            ([Record::Hello { state: STATE, name: "" }.to_bytes(), vec![0xff]].concat(), "HELLO record"),
            (Record::Hello { state: none, name: "" }.to_bytes(), "HELLO record"),
            (Record::Hello { state: narrow, name: "" }.to_bytes(), "HELLO record"),
            (Record::Hello { state: wide, name: "" }.to_bytes(), "HELLO record"),
        ] {
            assert_eq!(Record::parse(&bytes), Err(Fault::Malformed(name)), "{bytes:?}");
        }
    }

    #[test]
    fn an_answer_has_one_key_or_none() {
        let key = PairKey::from_bytes(&[9; 32]);
        assert_eq!(parse_answer(&answer(&STATE, None)), Ok((STATE, None)));
        let with_key = answer(&STATE, Some(&key));
        assert_eq!(parse_answer(&with_key), Ok((STATE, Some(key))));
        assert!(parse_answer(&with_key[..with_key.len() - 1]).is_err());
        assert!(parse_answer(&[]).is_err());
    }
}
