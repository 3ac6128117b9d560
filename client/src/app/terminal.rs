//! The kind *terminal*: a desk's shared terminal as its viewers see it.
//!
//! The desk keeps a [`Screen`] (an emulator fills it) and one [`ScreenSender`] for each viewer. The sender
//! compares the screen with what it sent last and writes the difference as messages, paced by the viewer's
//! acknowledgements. A viewer keeps a [`ScreenReceiver`], whose screen equals the desk's after each update.
//! Back to the desk go [`ViewerMessage`]s: acknowledgements, keys, pasted text, the mouse and requests.
//!
//! Everything here is pure: values and time in, bytes and values out. No emulator is needed to show a screen:
//! each [`Run`] of text carries its column, and the desk alone decides how wide a character is.
//!
//! Inside, top to bottom: `sender` and `pace` decide when and what to send; `receiver` applies it; `message`
//! has the messages in both directions; `update` is a change of the screen and `difference` finds it; `wire`
//! is the bytes, with `parts` for what is longer than one message; `target` opens the channel. `keys`,
//! `mouse` and `paste` say what a child reads when a viewer types. The format byte by byte is in
//! `docs/app-terminal.md`.

mod difference;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod keys;
pub mod limits;
mod message;
mod mouse;
mod pace;
mod parts;
mod paste;
mod receiver;
mod row;
mod screen;
mod sender;
mod style;
mod target;
#[cfg(test)]
mod tests;
mod update;
mod viewer_message;
mod wire;

pub use keys::{Key, Modifiers, text_bytes};
pub use message::{DeskMessage, Exit, Notice, ScrollbackRows, SizeOwner, encode_desk_message};
pub use mouse::{Mouse, MouseAction, MouseButton};
pub use paste::paste_bytes;
pub use receiver::{Received, ScreenReceiver};
pub use row::{Row, RowBuilder, Run, RunWidth};
pub use screen::{Cursor, CursorShape, History, Modes, MouseEncoding, MouseReports, Screen, Size, SizeError};
pub use sender::{ScreenSender, Wait};
pub use style::{Attributes, Color, Link, Style, Underline};
pub use target::{Target, accepted_shell, accepting_shell};
pub use viewer_message::{ViewerInput, ViewerMessage, encode_viewer_message};
pub use wire::Malformed;

/// The version of this kind's messages: `"v"` in the parameters that open the channel.
pub const VERSION: u8 = 1;
