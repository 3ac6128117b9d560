//! A shared terminal of a desk in this terminal: what is typed, what is drawn, and how text dumps show it.
//!
//! `typing` (by `sequences`) and `named_keys` make keys out of bytes and of words; `scrollback` decides which
//! lines are seen; `painter` draws them and `style` says how. All of them are pure. `raw_mode` is this
//! terminal itself; `window` and `dump` are the two faces of a terminal; `viewer` is its channel, and
//! `outbox` has what waits for it.

mod dump;
mod named_keys;
mod outbox;
mod painter;
mod raw_mode;
mod scrollback;
mod sequences;
mod style;
mod typing;
mod viewer;
mod window;

pub(crate) use dump::Dump;
pub(crate) use named_keys::parse_keys;
pub(crate) use viewer::{Face, Outcome, Viewer};
pub(crate) use window::Window;
