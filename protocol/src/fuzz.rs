//! Fuzz bodies for the wire: what must hold of any bytes. Part of the library only in tests and for `fuzz/`.

#[path = "../../fuzz/support.rs"]
mod support;

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::OpCode as TheirOpCode;

use self::support::Input;
use crate::envelope;
use crate::ids::{NodeId, Role, SessionId, Token};
use crate::json;
use crate::message::{Frame, Hello, ServerMessage, is_heartbeat};
use crate::qr::Pairing;
use crate::ws::control::PeerClose;
use crate::ws::header::{self, Header, HeaderError, OpCode};
use crate::ws::mask;

/// A frame's header: a prefix never says other than the whole, and tungstenite reads what we read.
///
/// Meant to differ: we refuse a length that is not in its shortest form and, at the byte that proves it, what
/// is no client's frame; tungstenite takes the former and judges the latter later.
pub fn ws_header(bytes: &[u8]) {
    let whole = header::parse(bytes);
    for len in 0..bytes.len().min(header::HEADER_BYTES_MAX) {
        let part = header::parse(&bytes[..len]);
        assert!(part == Ok(None) || part == whole, "{part:?} of the first {len} bytes, {whole:?} of all");
    }
    let theirs = FrameHeader::parse(&mut Cursor::new(bytes));
    match (whole, theirs) {
        (Ok(Some(ours)), theirs) => agree(&ours, theirs.expect("valid").expect("whole")),
        (Ok(None), theirs) => assert!(matches!(theirs, Ok(None)), "{theirs:?} of a part"),
        (Err(HeaderError::ReservedOpcode(_)), theirs) => {
            assert!(!matches!(theirs, Ok(Some(_))), "{theirs:?} of a reserved opcode");
        }
        (Err(HeaderError::ReservedBit), Ok(Some((theirs, _)))) => {
            assert!(theirs.rsv1 || theirs.rsv2 || theirs.rsv3);
        }
        (Err(HeaderError::Unmasked), Ok(Some((theirs, _)))) => assert_eq!(theirs.mask, None),
        (Err(HeaderError::LengthTopBit), Ok(Some((_, len)))) => assert!(len >> 63 == 1),
        (Err(HeaderError::LongControl), Ok(Some((_, len)))) => assert!(bytes[1] & 0x7F > 125, "{len}"),
        (Err(HeaderError::FragmentedControl), Ok(Some((theirs, _)))) => assert!(!theirs.is_final),
        (Err(HeaderError::LongForm), Ok(Some((_, len)))) => assert!(len <= 0xFFFF),
        (Err(_), _) => {}
    }
    let mut copy = bytes.to_vec();
    let phase = bytes.first().map_or(0, |&byte| usize::from(byte));
    mask::apply(&mut copy, [1, 2, 3, 0x84], phase);
    mask::apply(&mut copy, [1, 2, 3, 0x84], phase);
    assert_eq!(copy, bytes);
    let _ = PeerClose::parse(bytes);
}

fn agree(ours: &Header, (theirs, len): (FrameHeader, u64)) {
    assert_eq!((ours.fin, Some(ours.mask), ours.payload_len), (theirs.is_final, theirs.mask, len));
    assert_eq!(TheirOpCode::from(ours.opcode as u8), theirs.opcode);
    let mut written = Vec::new();
    header::write(&mut written, ours.fin, ours.opcode, ours.payload_len as usize, Some(ours.mask));
    assert_eq!(header::parse(&written), Ok(Some(*ours)));
    assert_eq!(ours.opcode.is_control(), matches!(ours.opcode, OpCode::Close | OpCode::Ping | OpCode::Pong));
}

/// Everything that is read from JSON or from a text: no panic, and what was read is written so that it reads
/// back.
pub fn messages(bytes: &[u8]) {
    let _ = Hello::parse(bytes, false);
    if let Ok(hello) = Hello::parse(bytes, true)
        && let Some((session, token)) = hello.credentials
    {
        let written = Hello::to_json_as(hello.version, session, &token, hello.role, hello.instance);
        let again = Hello::parse(written.as_bytes(), true).expect("what was written parses");
        let (session_again, token_again) = again.credentials.expect("the ids are ids");
        assert_eq!((session, hello.role, hello.instance), (session_again, again.role, again.instance));
        assert_eq!(token.reveal(), token_again.reveal());
        assert_eq!(again.version, hello.version);
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        assert!(!is_heartbeat(bytes), "no text is no heartbeat");
        return;
    };
    if is_heartbeat(bytes) {
        let message = ServerMessage::parse(text);
        // If `type` is there twice, a heartbeat counts the last and a client refuses.
        let is_other = message.as_ref().is_ok_and(|message| !matches!(message, ServerMessage::Unknown(_)));
        assert!(!is_other, "a heartbeat that is a server's message: {message:?}");
    }
    let _ = ServerMessage::parse(text);
    if let Ok(pairing) = Pairing::parse(text) {
        let again = Pairing::parse(&pairing.to_json()).expect("what was written parses");
        assert_eq!((&pairing.ws, pairing.session), (&again.ws, again.session));
        assert_eq!(pairing.token.reveal(), again.token.reveal());
    }
    let session = SessionId::parse(text).map(|id| id.to_string());
    assert!(session.is_err() || session.as_deref() == Ok(text), "{session:?}");
    let token = Token::parse(text).map(|token| token.reveal());
    assert!(token.is_err() || token.as_deref() == Ok(text), "a token with two forms");
    assert!(Role::parse(text).is_none_or(|role| role.as_str() == text));
    let _ = NodeId::parse(text);
}

/// A frame's envelope, written in pieces, reads back as the payload; the escape is what a JSON parser takes.
pub fn envelopes(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let role = Role::ALL[usize::from(input.byte() % 2)];
    let (payload, pieces) = input.cut_rest();
    let mut out = Vec::new();
    let head = envelope::Head::new(&SessionId::from_bytes([7; 16]).hex(), role, b"1700000000000");
    head.write_to(&mut out);
    let (whole, tail) = payload.split_at(payload.len() / 2 / 3 * 3);
    envelope::binary(&mut out, whole);
    envelope::binary(&mut out, tail);
    envelope::close(&mut out, true);
    assert!(out.len() <= envelope::binary_bytes_max(payload.len()));
    assert_eq!(out.len(), envelope::binary_bytes(&head, payload.len()));
    assert_eq!(frame_of(&out), Frame::Binary(payload.to_vec()));

    let Ok(text) = std::str::from_utf8(payload) else { return };
    out.clear();
    head.write_to(&mut out);
    match pieces.iter().map(|piece| std::str::from_utf8(piece)).collect::<Result<Vec<_>, _>>() {
        Ok(pieces) => pieces.iter().for_each(|piece| envelope::text(&mut out, piece.as_bytes())),
        // Cut within a character.
        Err(_) => envelope::text(&mut out, payload),
    }
    envelope::close(&mut out, false);
    assert!(out.len() <= envelope::text_bytes_max(payload.len()));
    assert_eq!(frame_of(&out), Frame::Text(text.to_owned()));
    let (mut quoted, mut escaped) = (Vec::new(), Vec::new());
    json::write_quoted(&mut quoted, text);
    json::escape_into(&mut escaped, payload);
    let mut within = Vec::new();
    let taken = json::escape_within(&mut within, payload, escaped.len() / 2);
    assert!(within.len() <= escaped.len() / 2);
    json::escape_into(&mut within, &payload[taken..]);
    assert_eq!(within, escaped);
    assert_eq!(quoted[1..quoted.len() - 1], escaped, "the escape and the library's");
}

fn frame_of(envelope: &[u8]) -> Frame {
    let text = std::str::from_utf8(envelope).expect("an envelope is UTF-8");
    match ServerMessage::parse(text) {
        Ok(ServerMessage::Frame(frame)) => frame,
        other => panic!("{other:?} of {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        support::drive("ws_header", 100_000, ws_header);
    }

    #[test]
    fn texts() {
        support::drive("messages", 40_000, messages);
    }

    #[test]
    fn frames_in_envelopes() {
        support::drive("envelopes", 20_000, envelopes);
    }
}
