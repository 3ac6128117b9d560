//! Parses the bytes of a connection that subscribes (RESP2), up to the content of a packet. Pure.

use redis::{ServerError, Value};

use super::error::Fault;

/// One message or reply of Redis.
#[derive(Debug, PartialEq)]
pub(super) enum Received {
    /// A published packet.
    Packet(Vec<u8>),
    /// A packet longer than any that a node sends. It was dropped.
    TooLong,
    /// Confirms the first and only subscription.
    Subscribed,
    Number,
    Error(ServerError),
    /// Anything else: it only proves that the connection lives.
    Other,
}

/// The first thing in the bytes that came.
#[derive(Debug, PartialEq)]
pub(super) enum MessageHead {
    /// A packet of this length follows.
    Packet(usize),
    Whole(Received),
}

/// Reads the first head in `bytes`. Returns its length too, or `None` if it has not come whole.
pub(super) fn read_head(bytes: &[u8]) -> Result<Option<(MessageHead, usize)>, Fault> {
    let mut rest = bytes;
    let Some(first) = line(&mut rest) else { return Ok(None) };
    let head = match first.split_first() {
        Some((b'*', count)) => match array(number(count)?, &mut rest)? {
            Some(head) => head,
            None => return Ok(None),
        },
        Some((b':', _)) => MessageHead::Whole(Received::Number),
        Some((b'+', _)) => MessageHead::Whole(Received::Other),
        Some((b'-', _)) => MessageHead::Whole(error(&bytes[..bytes.len() - rest.len()])?),
        _ => return Err(Fault::unexpected()),
    };
    Ok(Some((head, bytes.len() - rest.len())))
}

/// Reads the elements of an array, up to a packet.
fn array(count: Option<usize>, rest: &mut &[u8]) -> Result<Option<MessageHead>, Fault> {
    let count = count.filter(|count| (1..=ELEMENTS_MAX).contains(count)).ok_or_else(Fault::unexpected)?;
    let (mut kind, mut number_last) = (&b""[..], None);
    for at in 0..count {
        let Some(element) = line(rest) else { return Ok(None) };
        match element.split_first() {
            Some((b':', digits)) => number_last = number(digits)?,
            Some((b'$', digits)) => {
                // A negative length: the string is missing.
                let Some(len) = number(digits)? else { continue };
                if at == 2 && count == 3 && kind == b"message" {
                    return Ok(Some(MessageHead::Packet(len)));
                }
                let Some(word) = string(len, rest)? else { return Ok(None) };
                kind = if at == 0 { word } else { kind };
            }
            _ => return Err(Fault::unexpected()),
        }
    }
    let is_confirmed = kind == b"subscribe" && number_last == Some(1);
    Ok(Some(MessageHead::Whole(if is_confirmed { Received::Subscribed } else { Received::Other })))
}

/// Takes a string of this length, and its line end.
fn string<'a>(len: usize, rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Fault> {
    let Some((word, behind)) = rest.split_at_checked(len) else { return Ok(None) };
    match behind.strip_prefix(LINE_END) {
        Some(behind) => {
            *rest = behind;
            Ok(Some(word))
        }
        None if behind.len() < LINE_END.len() => Ok(None),
        None => Err(Fault::unexpected()),
    }
}

/// Takes a line, without its end.
fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let at = rest.windows(LINE_END.len()).position(|window| window == LINE_END)?;
    let line = &rest[..at];
    *rest = &rest[at + LINE_END.len()..];
    Some(line)
}

/// A length or count. `None`: it is negative.
fn number(digits: &[u8]) -> Result<Option<usize>, Fault> {
    let number = str::from_utf8(digits).ok().and_then(|digits| digits.parse::<i64>().ok());
    number.map(|number| usize::try_from(number).ok()).ok_or_else(Fault::unexpected)
}

fn error(line: &[u8]) -> Result<Received, Fault> {
    match redis::parse_redis_value(line) {
        Ok(Value::ServerError(error)) => Ok(Received::Error(error)),
        _ => Err(Fault::unexpected()),
    }
}

/// Ends a line and a string.
pub(super) const LINE_END: &[u8] = b"\r\n";

/// Redis sends arrays of two and three elements.
const ELEMENTS_MAX: usize = 3;
