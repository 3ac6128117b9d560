//! The process that owns a shared terminal: its child, its screen and its viewers.

#[allow(dead_code, reason = "the host is about to use all of it")]
pub(crate) mod emulator;
