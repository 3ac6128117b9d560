//! What the desk tells a viewer, besides updates of the screen.

use super::limits::{NOTICE_BYTES_MAX, SCROLLBACK_ROWS_MAX, SIDE_MAX};
use super::parts::split;
use super::row::Row;
use super::wire::{Malformed, Reader, put_number, put_rows, put_text};
use crate::app::cut;

/// The kinds of the desk's messages. [`super::update`] has the first.
pub(super) const UPDATE: u8 = 0x01;
const NOTICE: u8 = 0x02;
const SCROLLBACK: u8 = 0x03;
const SIZE_OWNER: u8 = 0x04;
const ENDED: u8 = 0x05;

/// A message that the program in the terminal raised for the user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// A short title; may be empty.
    pub title: String,
    /// The text.
    pub text: String,
}

/// Who decides the size of the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SizeOwner {
    /// Nobody: the size stays as it is until a viewer takes it.
    Nobody,
    /// The desk's window.
    Desk,
    /// This viewer.
    You,
    /// Another viewer, by its name.
    Other(String),
}

/// How the program in the terminal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this code.
    Code(u8),
    /// This signal ended it.
    Signal(u8),
    /// It could not be started, or its end could not be learned.
    Unknown,
}

/// Lines from above the top of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrollbackRows {
    /// The request that this answers.
    pub request: u32,
    /// The generation of the numbers; see [`super::History`].
    pub generation: u32,
    /// The number of the first row here. May be larger than what was asked for: older ones are gone.
    pub first: u64,
    /// The rows, with ascending numbers. May be fewer than what was asked for.
    pub rows: Vec<Row>,
}

/// What the desk tells a viewer, besides updates of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeskMessage {
    /// The program raised a notice.
    Notice(Notice),
    /// The answer to a request for scrollback.
    Scrollback(ScrollbackRows),
    /// Who decides the size now, and whether this viewer may type.
    SizeOwner {
        /// Who decides.
        owner: SizeOwner,
        /// False if this viewer only watches: what it types is dropped.
        may_type: bool,
    },
    /// The program ended. Nothing follows.
    Ended(Exit),
}

/// The messages for a viewer's channel: in this order and with nothing between them.
pub fn encode_desk_message(message: &DeskMessage) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let kind = match message {
        DeskMessage::Notice(notice) => {
            put_text(&mut out, cut(&notice.title, NOTICE_BYTES_MAX));
            put_text(&mut out, cut(&notice.text, NOTICE_BYTES_MAX));
            NOTICE
        }
        DeskMessage::Scrollback(answer) => {
            put_scrollback(&mut out, answer);
            SCROLLBACK
        }
        DeskMessage::SizeOwner { owner, may_type } => {
            out.push(u8::from(*may_type));
            put_owner(&mut out, owner);
            SIZE_OWNER
        }
        DeskMessage::Ended(exit) => {
            out.extend(match exit {
                Exit::Code(code) => [0, *code],
                Exit::Signal(signal) => [1, *signal],
                Exit::Unknown => [2, 0],
            });
            ENDED
        }
    };
    split(kind, &out)
}

fn put_owner(out: &mut Vec<u8>, owner: &SizeOwner) {
    match owner {
        SizeOwner::Nobody => out.push(0),
        SizeOwner::Desk => out.push(1),
        SizeOwner::You => out.push(2),
        SizeOwner::Other(name) => {
            out.push(3);
            put_text(out, cut(name, NOTICE_BYTES_MAX));
        }
    }
}

fn put_scrollback(out: &mut Vec<u8>, answer: &ScrollbackRows) {
    put_number(out, answer.request.into());
    put_number(out, answer.generation.into());
    put_number(out, answer.first);
    let rows = answer.rows.iter().take(usize::from(SCROLLBACK_ROWS_MAX)).enumerate();
    put_rows(out, &rows.collect::<Vec<_>>());
}

impl DeskMessage {
    /// `None` for a kind that this version does not know.
    pub(super) fn read(kind: u8, payload: &[u8]) -> Result<Option<Self>, Malformed> {
        let mut reader = Reader::new(payload);
        let message = match kind {
            NOTICE => DeskMessage::Notice(Notice {
                title: reader.text(NOTICE_BYTES_MAX)?.to_owned(),
                text: reader.text(NOTICE_BYTES_MAX)?.to_owned(),
            }),
            SCROLLBACK => DeskMessage::Scrollback(reader.scrollback()?),
            SIZE_OWNER => {
                let may_type = reader.byte()? == 1;
                DeskMessage::SizeOwner { owner: reader.owner()?, may_type }
            }
            ENDED => DeskMessage::Ended(reader.exit()?),
            _ => return Ok(None),
        };
        reader.end()?;
        Ok(Some(message))
    }
}

impl Reader<'_> {
    fn scrollback(&mut self) -> Result<ScrollbackRows, Malformed> {
        let (request, generation) = (self.word("request")?, self.word("generation")?);
        let first = self.number()?;
        let rows = self.rows(usize::from(SCROLLBACK_ROWS_MAX), usize::from(SIDE_MAX))?;
        let is_whole = rows.iter().enumerate().all(|(at, (number, _))| at == *number);
        if !is_whole {
            return Err(Malformed::Value("row"));
        }
        Ok(ScrollbackRows {
            request,
            generation,
            first,
            rows: rows.into_iter().map(|(_, row)| row).collect(),
        })
    }

    fn owner(&mut self) -> Result<SizeOwner, Malformed> {
        match self.byte()? {
            0 => Ok(SizeOwner::Nobody),
            1 => Ok(SizeOwner::Desk),
            2 => Ok(SizeOwner::You),
            3 => Ok(SizeOwner::Other(self.text(NOTICE_BYTES_MAX)?.to_owned())),
            _ => Err(Malformed::Value("owner")),
        }
    }

    fn exit(&mut self) -> Result<Exit, Malformed> {
        match (self.byte()?, self.byte()?) {
            (0, code) => Ok(Exit::Code(code)),
            (1, signal) => Ok(Exit::Signal(signal)),
            (2, _) => Ok(Exit::Unknown),
            _ => Err(Malformed::Value("exit")),
        }
    }
}
