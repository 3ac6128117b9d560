//! What both clients share: the session machine and the thread that drives it.

mod event;
mod session;

pub use event::{Event, Lost, Stop};
