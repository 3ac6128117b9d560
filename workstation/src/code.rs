//! The code on the screen: made, drawn, and replaced when it has ended.
//!
//! `made` makes a code for a session of its own; `layout` decides what a window shows of it, and is pure;
//! `picture` is the QR code; [`Shown`] is the code as it stands in the terminal.

mod layout;
mod made;
mod picture;
mod shown;

pub(crate) use made::MadeCode;
pub(crate) use shown::{ShowOptions, Shown};
