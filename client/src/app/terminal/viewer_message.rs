//! What a viewer tells the desk.

use std::fmt;

use super::keys::{Key, Modifiers};
use super::limits::{PASTE_BYTES_MAX, SCROLLBACK_ROWS_MAX};
use super::mouse::{Mouse, MouseAction, MouseButton};
use super::parts::{Joiner, split};
use super::screen::Size;
use super::wire::{Malformed, Reader, put_number, put_size, utf8};

const ACK: u8 = 0x01;
const TEXT: u8 = 0x02;
const KEY: u8 = 0x03;
const PASTE: u8 = 0x04;
const MOUSE: u8 = 0x05;
const TAKE_SIZE: u8 = 0x06;
const GIVE_BACK: u8 = 0x07;
const SCROLLBACK: u8 = 0x08;
const FOCUS: u8 = 0x09;

/// What a viewer tells the desk. `Debug` shows no text that was typed.
#[derive(Clone, PartialEq, Eq)]
pub enum ViewerMessage {
    /// It has drawn update `seq` and all before it. Goes out at once.
    Ack {
        /// The update's number.
        seq: u64,
    },
    /// Text that was typed.
    Text(String),
    /// A key, or a character with modifiers.
    Key(Key, Modifiers),
    /// Text that was pasted.
    Paste(String),
    /// An act of the mouse, or of a finger that stands for it.
    Mouse(Mouse),
    /// It wants to decide the size, and this one now. Also changes a size that it decides already.
    TakeSize(Size),
    /// It stops to decide the size.
    GiveBack,
    /// It wants lines from above the top, by their numbers.
    Scrollback {
        /// Comes back in the answer.
        request: u32,
        /// The number of the first line.
        first: u64,
        /// How many lines; at most [`SCROLLBACK_ROWS_MAX`] are answered.
        count: u16,
    },
    /// Whether its user looks at the terminal.
    Focus(bool),
}

impl fmt::Debug for ViewerMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ViewerMessage::Ack { seq } => write!(f, "Ack({seq})"),
            ViewerMessage::Text(text) => write!(f, "Text({} bytes)", text.len()),
            ViewerMessage::Key(..) => write!(f, "Key"),
            ViewerMessage::Paste(text) => write!(f, "Paste({} bytes)", text.len()),
            ViewerMessage::Mouse(mouse) => write!(f, "{mouse:?}"),
            ViewerMessage::TakeSize(size) => write!(f, "TakeSize({size:?})"),
            ViewerMessage::GiveBack => write!(f, "GiveBack"),
            ViewerMessage::Scrollback { request, first, count } => {
                write!(f, "Scrollback({request}, {first}, {count})")
            }
            ViewerMessage::Focus(has_focus) => write!(f, "Focus({has_focus})"),
        }
    }
}

/// The messages for the desk: in this order and with nothing between them.
pub fn encode_viewer_message(message: &ViewerMessage) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let kind = match message {
        ViewerMessage::Ack { seq } => {
            put_number(&mut out, *seq);
            ACK
        }
        ViewerMessage::Text(text) => {
            out.extend_from_slice(text.as_bytes());
            TEXT
        }
        ViewerMessage::Key(key, modifiers) => {
            out.push(modifiers.bits());
            key.put(&mut out);
            KEY
        }
        ViewerMessage::Paste(text) => {
            out.extend_from_slice(text.as_bytes());
            PASTE
        }
        ViewerMessage::Mouse(mouse) => {
            out.extend([mouse.action as u8, mouse.button as u8, mouse.modifiers.bits()]);
            put_number(&mut out, mouse.column.into());
            put_number(&mut out, mouse.row.into());
            MOUSE
        }
        ViewerMessage::TakeSize(size) => {
            put_size(&mut out, *size);
            TAKE_SIZE
        }
        ViewerMessage::GiveBack => GIVE_BACK,
        ViewerMessage::Scrollback { request, first, count } => {
            put_number(&mut out, (*request).into());
            put_number(&mut out, *first);
            put_number(&mut out, (*count).into());
            SCROLLBACK
        }
        ViewerMessage::Focus(has_focus) => {
            out.push(u8::from(*has_focus));
            FOCUS
        }
    };
    split(kind, &out)
}

/// Reads one viewer's messages. Never panics, whatever comes.
#[derive(Debug, Default)]
pub struct ViewerInput {
    joiner: Joiner,
}

impl ViewerInput {
    /// Nothing came yet.
    pub fn new() -> Self {
        ViewerInput::default()
    }

    /// Takes the next message of the channel. `None` if more parts follow, or for a kind that this version
    /// does not know.
    ///
    /// # Errors
    /// It is not a message of this kind.
    pub fn on_message(&mut self, message: &[u8]) -> Result<Option<ViewerMessage>, Malformed> {
        let Some((kind, payload)) = self.joiner.add(message, PASTE_BYTES_MAX)? else { return Ok(None) };
        ViewerMessage::read(kind, &payload)
    }
}

impl ViewerMessage {
    fn read(kind: u8, payload: &[u8]) -> Result<Option<Self>, Malformed> {
        let mut reader = Reader::new(payload);
        let message = match kind {
            ACK => ViewerMessage::Ack { seq: reader.number()? },
            TEXT => ViewerMessage::Text(utf8(reader.rest())?.to_owned()),
            KEY => {
                let modifiers = Modifiers::from_bits(reader.byte()?);
                ViewerMessage::Key(reader.key()?, modifiers)
            }
            PASTE => ViewerMessage::Paste(utf8(reader.rest())?.to_owned()),
            MOUSE => ViewerMessage::Mouse(reader.mouse()?),
            TAKE_SIZE => ViewerMessage::TakeSize(reader.size()?),
            GIVE_BACK => ViewerMessage::GiveBack,
            SCROLLBACK => ViewerMessage::Scrollback {
                request: reader.word("request")?,
                first: reader.number()?,
                count: reader.short("count")?.min(SCROLLBACK_ROWS_MAX),
            },
            FOCUS => ViewerMessage::Focus(reader.byte()? == 1),
            _ => return Ok(None),
        };
        reader.end()?;
        Ok(Some(message))
    }
}

impl Reader<'_> {
    fn mouse(&mut self) -> Result<Mouse, Malformed> {
        let action = MouseAction::from_code(self.byte()?).ok_or(Malformed::Value("mouse"))?;
        let button = MouseButton::from_code(self.byte()?).ok_or(Malformed::Value("mouse"))?;
        let modifiers = Modifiers::from_bits(self.byte()?);
        let (column, row) = (self.short("column")?, self.short("row")?);
        Ok(Mouse { action, button, modifiers, column, row })
    }
}
