//! What people and scripts are told while a command runs.
//!
//! `event` is what can happen, with its JSON for scripts; [`StatusLine`] makes one line for people of it and
//! is pure; [`Reporter`] writes: a line that is rewritten on a terminal, plain lines elsewhere, JSON with
//! `--json`.

mod clock;
mod event;
mod line;
mod plain;
mod reporter;

pub(crate) use event::{CodeEnd, Event, FileState, PhoneState, RelayState, TransferState};
pub(crate) use reporter::Reporter;
