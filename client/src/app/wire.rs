//! The messages of the app protocol in the tunnel: their first byte says which sort they are.

use super::control::Control;
use super::limits::{DATA_BYTES_MAX, DATA_HEADER_BYTES};

/// The first byte of a data message. A control message begins with `{`.
pub(super) const DATA: u8 = 0x01;

/// A message as it was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming<'a> {
    Control(Control),
    Data {
        ch: u32,
        payload: &'a [u8],
    },
    /// A sort or a type of a later version.
    Unknown,
}

/// Why a message can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// Nothing at all, or a data message without a whole header.
    Short,
    TooLong,
    Json,
    /// This member is missing or out of its bounds.
    Member(&'static str),
}

/// Reads one message of the tunnel.
pub(super) fn parse(message: &[u8]) -> Result<Incoming<'_>, Damage> {
    match message.first() {
        None => Err(Damage::Short),
        Some(b'{') => {
            Control::parse(message).map(|control| control.map_or(Incoming::Unknown, Incoming::Control))
        }
        Some(&DATA) => parse_data(message),
        Some(_) => Ok(Incoming::Unknown),
    }
}

fn parse_data(message: &[u8]) -> Result<Incoming<'_>, Damage> {
    if message.len() > DATA_BYTES_MAX {
        return Err(Damage::TooLong);
    }
    let (header, payload) = message.split_at_checked(DATA_HEADER_BYTES).ok_or(Damage::Short)?;
    let number = header[1..].try_into().map_err(|_| Damage::Short)?;
    Ok(Incoming::Data { ch: u32::from_be_bytes(number), payload })
}

/// A data message.
pub(super) fn data(ch: u32, payload: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(DATA_HEADER_BYTES + payload.len());
    message.extend_from_slice(&header(ch));
    message.extend_from_slice(payload);
    message
}

/// Makes a data message out of one that has room for the header.
pub(super) fn set_header(ch: u32, message: &mut Vec<u8>) {
    if message.len() < DATA_HEADER_BYTES {
        message.resize(DATA_HEADER_BYTES, 0);
    }
    message[..DATA_HEADER_BYTES].copy_from_slice(&header(ch));
}

fn header(ch: u32) -> [u8; DATA_HEADER_BYTES] {
    let [a, b, c, d] = ch.to_be_bytes();
    [DATA, a, b, c, d]
}
