//! The integration suite's harness: starts real processes, speaks raw bytes to them and judges what comes
//! back.
//!
//! It is written against the wire contract and shares no code with the server, so that a mistake in the
//! shared wire code cannot hide on both sides. The cases are in `cases/`, one behaviour a file.

pub mod dead_path;
pub mod harness;
pub mod loud;
pub mod slow_reader;
pub mod storm;
pub mod stuck_readers;
pub mod tunnel_run;
