//! What the two ends say: records, of which one message has one or more.
//!
//! A record is `type (1 byte) | length of the body (number) | body`. Types that are not known, and bytes
//! behind the known values of a body, are of a later version and ignored.

use std::borrow::Cow;
use std::fmt;

use super::limits::{HOLE_BYTES_MAX, INLINE_BYTES_MAX, NAME_BYTES_MAX, REASON_BYTES_MAX, SIZE_MAX};
use super::wire::{Malformed, Reader, number_len, put_number, put_text};
use crate::app::Reason;

/// The SHA-256 of a file, or of its first bytes.
pub type FileHash = [u8; 32];

/// Names a file at its sender: the same file in the same state has the same id in each try.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub [u8; 16]);

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A file that its sender offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// See [`FileId`].
    pub id: FileId,
    /// A relative name, with `/` between folders. The receiver must make it safe.
    pub name: String,
    /// Its length.
    pub size: u64,
    /// When it was changed, in milliseconds since 1970.
    pub mtime_ms: u64,
    /// Its permissions, if they are to be kept: nine bits.
    pub mode: Option<u32>,
    /// Its hash, where the sender knows it.
    pub hash: Option<FileHash>,
    /// Its data follows at once. At most [`INLINE_BYTES_MAX`] bytes.
    pub is_inline: bool,
}

const HAS_MODE: u8 = 1;
const HAS_HASH: u8 = 1 << 1;
const IS_INLINE: u8 = 1 << 2;

/// A record of the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SenderRecord<'a> {
    Offer(u32, Offer),
    Data(u32, &'a [u8]),
    Hole(u32, u64),
    End(u32, FileHash),
    Again(u32),
    Fail(u32, Reason),
    Total(u32),
    Wait,
}

/// A record of the receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ReceiverRecord {
    /// With the hash of that many bytes, unless there are none.
    Accept(u32, u64, Option<FileHash>),
    Written(u32, u64),
    Done(u32, String),
    Failed(u32, Reason),
    Taken {
        done: u32,
        failed: u32,
        bytes: u64,
    },
    Wait,
}

const WAIT: u8 = 8;

impl SenderRecord<'_> {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        match self {
            SenderRecord::Offer(number, offer) => put_record(out, 1, *number, |body| put_offer(body, offer)),
            SenderRecord::Data(number, bytes) => {
                out.push(2);
                put_number(out, (number_len((*number).into()) + bytes.len()) as u64);
                put_number(out, (*number).into());
                out.extend_from_slice(bytes);
            }
            SenderRecord::Hole(number, len) => put_record(out, 3, *number, |body| put_number(body, *len)),
            SenderRecord::End(number, hash) => {
                put_record(out, 4, *number, |body| body.extend_from_slice(hash));
            }
            SenderRecord::Again(number) => put_record(out, 5, *number, |_| ()),
            SenderRecord::Fail(number, reason) => {
                put_record(out, 6, *number, |body| put_reason(body, reason));
            }
            SenderRecord::Total(files) => put_record(out, 7, *files, |_| ()),
            SenderRecord::Wait => out.extend([WAIT, 0]),
        }
    }

    /// Takes the first record off `bytes`; `None` for a type of a later version.
    pub(super) fn take<'a>(bytes: &mut &'a [u8]) -> Result<Option<SenderRecord<'a>>, Malformed> {
        let (kind, mut body) = take_body(bytes)?;
        Ok(Some(match kind {
            1 => SenderRecord::Offer(body.word("file")?, read_offer(&mut body)?),
            2 => SenderRecord::Data(body.word("file")?, body.rest()),
            3 => SenderRecord::Hole(body.word("file")?, body.number(HOLE_BYTES_MAX, "hole")?),
            4 => SenderRecord::End(body.word("file")?, body.array()?),
            5 => SenderRecord::Again(body.word("file")?),
            6 => SenderRecord::Fail(body.word("file")?, read_reason(&mut body)?),
            7 => SenderRecord::Total(body.word("files")?),
            WAIT => SenderRecord::Wait,
            _ => return Ok(None),
        }))
    }
}

impl ReceiverRecord {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        match self {
            ReceiverRecord::Accept(number, offset, hash) => put_record(out, 1, *number, |body| {
                put_number(body, *offset);
                body.extend(hash.iter().flatten());
            }),
            ReceiverRecord::Written(number, bytes) => {
                put_record(out, 2, *number, |body| put_number(body, *bytes));
            }
            ReceiverRecord::Done(number, name) => put_record(out, 3, *number, |body| put_text(body, name)),
            ReceiverRecord::Failed(number, reason) => {
                put_record(out, 4, *number, |body| put_reason(body, reason));
            }
            ReceiverRecord::Taken { done, failed, bytes } => put_record(out, 5, *done, |body| {
                put_number(body, (*failed).into());
                put_number(body, *bytes);
            }),
            ReceiverRecord::Wait => out.extend([WAIT, 0]),
        }
    }

    /// Takes the first record off `bytes`; `None` for a type of a later version.
    pub(super) fn take(bytes: &mut &[u8]) -> Result<Option<ReceiverRecord>, Malformed> {
        let (kind, mut body) = take_body(bytes)?;
        Ok(Some(match kind {
            1 => {
                let (number, offset) = (body.word("file")?, body.number(SIZE_MAX, "offset")?);
                let hash = if offset > 0 { Some(body.array()?) } else { None };
                ReceiverRecord::Accept(number, offset, hash)
            }
            2 => ReceiverRecord::Written(body.word("file")?, body.number(SIZE_MAX, "written")?),
            3 => ReceiverRecord::Done(body.word("file")?, body.text(2 * NAME_BYTES_MAX)?.to_owned()),
            4 => ReceiverRecord::Failed(body.word("file")?, read_reason(&mut body)?),
            5 => ReceiverRecord::Taken {
                done: body.word("files")?,
                failed: body.word("files")?,
                bytes: body.number(u64::MAX, "bytes")?,
            },
            WAIT => ReceiverRecord::Wait,
            _ => return Ok(None),
        }))
    }
}

/// `type | length | number | the rest of the body`.
fn put_record(out: &mut Vec<u8>, kind: u8, number: u32, rest: impl FnOnce(&mut Vec<u8>)) {
    let mut body = Vec::with_capacity(64);
    put_number(&mut body, number.into());
    rest(&mut body);
    out.push(kind);
    put_number(out, body.len() as u64);
    out.extend_from_slice(&body);
}

fn take_body<'a>(bytes: &mut &'a [u8]) -> Result<(u8, Reader<'a>), Malformed> {
    let mut reader = Reader::new(bytes);
    let kind = reader.byte()?;
    let len = reader.number(u32::MAX.into(), "length of a record")?;
    let body = reader.bytes(usize::try_from(len).map_err(|_| Malformed::Short)?)?;
    *bytes = reader.rest();
    Ok((kind, Reader::new(body)))
}

fn put_offer(out: &mut Vec<u8>, offer: &Offer) {
    let flags =
        [(offer.mode.is_some(), HAS_MODE), (offer.hash.is_some(), HAS_HASH), (offer.is_inline, IS_INLINE)];
    out.push(flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag).sum());
    out.extend_from_slice(&offer.id.0);
    put_number(out, offer.size);
    put_number(out, offer.mtime_ms);
    if let Some(mode) = offer.mode {
        put_number(out, mode.into());
    }
    out.extend(offer.hash.iter().flatten());
    put_text(out, super::super::cut(&offer.name, NAME_BYTES_MAX));
}

fn read_offer(body: &mut Reader<'_>) -> Result<Offer, Malformed> {
    let flags = body.byte()?;
    let (id, size) = (FileId(body.array()?), body.number(SIZE_MAX, "size of a file")?);
    let mtime_ms = body.number(SIZE_MAX, "time of a file")?;
    let mode = if flags & HAS_MODE != 0 { Some(body.word("mode")? & 0o777) } else { None };
    let hash = if flags & HAS_HASH != 0 { Some(body.array()?) } else { None };
    let is_inline = flags & IS_INLINE != 0;
    if is_inline && size > INLINE_BYTES_MAX {
        return Err(Malformed::Value("size of an inline file"));
    }
    let name = body.text(NAME_BYTES_MAX)?.to_owned();
    Ok(Offer { id, name, size, mtime_ms, mode, hash, is_inline })
}

fn put_reason(out: &mut Vec<u8>, reason: &Reason) {
    put_text(out, reason.token());
    put_text(out, reason.words());
}

fn read_reason(body: &mut Reader<'_>) -> Result<Reason, Malformed> {
    let token = body.text(REASON_BYTES_MAX)?.to_owned();
    Ok(Reason::read(Cow::Owned(token), body.text(REASON_BYTES_MAX)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::file::limits::RECORD_BYTES_MAX;
    use crate::app::limits::{TOKEN_BYTES_MAX, WORDS_BYTES_MAX};

    #[test]
    fn every_record_but_data_fits_its_room() {
        const TOKEN: &str = "abcdefghijklmnopqrstuvwxyzabcdef";
        assert_eq!(TOKEN.len(), TOKEN_BYTES_MAX);
        let reason = Reason::new(TOKEN, "w".repeat(2 * WORDS_BYTES_MAX));
        let offer = Offer {
            id: FileId([9; 16]),
            name: "n".repeat(2 * NAME_BYTES_MAX),
            size: SIZE_MAX,
            mtime_ms: SIZE_MAX,
            mode: Some(0o777),
            hash: Some([7; 32]),
            is_inline: false,
        };
        for record in [SenderRecord::Offer(u32::MAX, offer), SenderRecord::Fail(u32::MAX, reason)] {
            let mut out = Vec::new();
            record.put(&mut out);
            assert!(out.len() <= RECORD_BYTES_MAX, "{} bytes", out.len());
        }
    }

    #[test]
    fn a_later_version_is_ignored() {
        let mut bytes: &[u8] = &[0x60, 2, 1, 2, WAIT, 1, 9];
        assert_eq!(SenderRecord::take(&mut bytes), Ok(None));
        assert_eq!(SenderRecord::take(&mut bytes), Ok(Some(SenderRecord::Wait)));
        assert!(bytes.is_empty());
        assert_eq!(SenderRecord::take(&mut &[2, 9, 1][..]), Err(Malformed::Short));
    }
}
