//! The app protocol: what `workstation`, the phone page and the `phone` example say to each other inside the
//! tunnel. Chat, files, terminals, the clipboard and notices travel in channels, each with its own credit.
//!
//! [`AppEnd`] is one pure machine for both roles. It never sees a socket, a thread, a clock or a random
//! source: messages of the tunnel are handed in, messages and events come out. [`crate::AppLink`] drives it
//! over an engine.
//!
//! Inside, top to bottom: `end` is the machine; `greeting` has the rules of hello; `channels` opens, answers,
//! ends and resets, and takes turns; `channel` and `flow` are one channel and its two directions, `pace` how
//! much of a file is under way; `control` and `wire` are the bytes. Kinds of channel have a module each:
//! [`chat`], [`terminal`], [`mod@file`], [`pipe`], [`clipboard`], [`notice`]. Every bound is in [`limits`].
//! The wire format is in `docs/app.md`.

mod channel;
mod channels;
pub mod chat;
pub mod clipboard;
mod control;
mod end;
mod event;
pub mod file;
mod flow;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod greeting;
mod hello;
mod kind;
pub mod limits;
#[cfg(test)]
mod model;
pub mod notice;
mod pace;
pub mod pipe;
mod reason;
mod rights;
pub mod terminal;
#[cfg(test)]
mod tests;
mod wire;

pub use end::{AppEnd, Ignored};
pub use event::{AppEvent, ChannelError, ChannelId, OpenError};
pub use hello::{DeskInfo, Hello, TerminalInfo, VERSION};
pub use kind::{Class, Kind};
pub use reason::Reason;
pub use rights::{Right, Rights};

/// At most `bytes_max` bytes of `text`, cut at a character's end.
fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
