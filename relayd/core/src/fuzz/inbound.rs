//! What a client sends, cut anywhere, against tungstenite's reader.

use std::io::{self, Read, Write};

use protocol::close::CloseCode;
use protocol::limits::CONTROL_BYTES_MAX;
use protocol::ws::control::PeerClose;
use protocol::ws::header::{self, HEADER_BYTES_MAX, HeaderError};
use tungstenite::error::ProtocolError;
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

use super::support::Input;
use crate::wire::inbound::{Allowance, Cursor, Inbound, Kind, Step};
use crate::wire::pool::Pool;

/// Small, so that short inputs go over it.
const MESSAGE_BYTES_MAX: usize = 300;

/// What came out, in owned form.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    /// With a code or without.
    Close(bool),
}

/// How a reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    NeedMore,
    Closed,
    /// A Close frame whose body is wrong.
    BadClose,
    /// A length that tungstenite takes and we do not: RFC 6455 §5.2 wants the shortest form.
    LongForm,
    Breach(CloseCode),
}

/// Pieces read as their whole does, memory stays in proportion, and tungstenite sees the same messages in it.
///
/// Meant to differ: a length that is not in its shortest form, a text that is not UTF-8 and not complete
/// (tungstenite refuses it earlier), a breach that a header proves (tungstenite waits for the whole frame),
/// and which codes a Close frame may carry (we follow the registry of today).
pub fn ws_inbound(bytes: &[u8]) {
    let (whole, pieces) = Input::new(bytes).cut_rest();
    let (seen, end) = read(&[whole]);
    assert_eq!(read(&pieces), (seen.clone(), end), "in pieces, and whole");
    let (theirs, error) = read_theirs(whole, seen.len() + 1);
    if let Some(Error::Utf8(_)) = error {
        let ours = seen.strip_prefix(&theirs[..]).unwrap_or_else(|| panic!("{theirs:?}, we {seen:?}"));
        assert!(
            !ours.iter().any(|seen| matches!(seen, Seen::Text(_) | Seen::Binary(_))),
            "we alone: {ours:?}"
        );
        return;
    }
    assert!(theirs.len() >= seen.len(), "we saw {seen:?}, they {theirs:?} and {error:?}");
    assert_eq!(theirs[..seen.len()], seen, "{end:?}, {error:?}");
    match end {
        End::NeedMore => {
            assert_eq!(theirs.len(), seen.len(), "{error:?}");
            let is_the_end =
                matches!(error, Some(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)));
            assert!(is_the_end, "{error:?}");
        }
        End::Closed | End::Breach(_) => assert_eq!(theirs.len(), seen.len(), "{end:?}, {error:?}"),
        // They answer a code that may not be sent as if it were none.
        End::BadClose => assert!(matches!(theirs[seen.len()..], [] | [Seen::Close(_)]), "{theirs:?}"),
        End::LongForm => {}
    }
}

fn read(pieces: &[&[u8]]) -> (Vec<Seen>, End) {
    let allowed = Allowance { message_bytes_max: MESSAGE_BYTES_MAX, room: usize::MAX };
    let (mut inbound, mut pool, mut seen, mut parked) = (Inbound::default(), Pool::new(), vec![], vec![]);
    let mut end = End::NeedMore;
    for piece in pieces {
        parked.extend_from_slice(piece);
        let mut bytes = std::mem::take(&mut parked);
        let mut cursor = Cursor::new(&mut bytes);
        end = read_piece(&mut inbound, &mut cursor, allowed, &mut pool, &mut seen);
        let taken = cursor.taken();
        if let End::Breach(CloseCode::Protocol) = end {
            let why = header::parse(&bytes[taken..]);
            let is_long_form = matches!(why, Err(HeaderError::LongForm | HeaderError::LongControl));
            end = if is_long_form { End::LongForm } else { end };
        }
        if end != End::NeedMore {
            break;
        }
        assert!(inbound.held() <= 8 * MESSAGE_BYTES_MAX.max(4096), "{} bytes held", inbound.held());
        parked = bytes.split_off(taken);
        assert!(parked.len() < HEADER_BYTES_MAX + CONTROL_BYTES_MAX, "{} bytes parked", parked.len());
    }
    inbound.release(&mut pool);
    assert_eq!(pool.lent(), 0);
    (seen, end)
}

fn read_piece(
    inbound: &mut Inbound,
    cursor: &mut Cursor<'_>,
    allowed: Allowance,
    pool: &mut Pool,
    seen: &mut Vec<Seen>,
) -> End {
    loop {
        let found = match inbound.step(cursor, allowed, pool) {
            Step::Text(text) => Seen::Text(utf8(text.to_vec())),
            Step::Binary(bytes) => Seen::Binary(bytes.to_vec()),
            Step::Gathered(kind) => {
                let message = inbound.take_message();
                let copy = message.clone();
                pool.give_back(message);
                if kind == Kind::Text { Seen::Text(utf8(copy)) } else { Seen::Binary(copy) }
            }
            Step::Ping(payload) => Seen::Ping(payload.to_vec()),
            Step::Pong => Seen::Pong,
            Step::Close(PeerClose::Invalid(_)) => return End::BadClose,
            Step::Close(close) => {
                seen.push(Seen::Close(close != PeerClose::Empty));
                return End::Closed;
            }
            Step::NeedMore => return End::NeedMore,
            Step::Held => panic!("held without a bound"),
            Step::Breach(code) => return End::Breach(code),
        };
        seen.push(found);
    }
}

fn utf8(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("a text is UTF-8")
}

/// At most `count` messages of tungstenite's, and why there was none after them.
fn read_theirs(bytes: &[u8], count: usize) -> (Vec<Seen>, Option<Error>) {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let mut socket = WebSocket::from_raw_socket(OneWay(bytes), Role::Server, Some(config));
    let mut seen = Vec::new();
    while seen.len() < count {
        seen.push(match socket.read() {
            Ok(Message::Text(text)) => Seen::Text(text.as_str().to_owned()),
            Ok(Message::Binary(bytes)) => Seen::Binary(bytes.to_vec()),
            Ok(Message::Ping(payload)) => Seen::Ping(payload.to_vec()),
            Ok(Message::Pong(_)) => Seen::Pong,
            Ok(Message::Close(close)) => Seen::Close(close.is_some()),
            Ok(Message::Frame(frame)) => panic!("{frame:?}"),
            Err(error) => return (seen, Some(error)),
        });
    }
    (seen, None)
}

/// A socket whose other end says this and hears nothing.
struct OneWay<'a>(&'a [u8]);

impl Read for OneWay<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out)
    }
}

impl Write for OneWay<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
