//! The wire: what relayd and its clients say to each other, and nothing else.
//!
//! Owns the ids, the messages, the frame envelope, the close codes, the pairing payload and the pieces of RFC
//! 6455. Contains no I/O, no clock and no state that outlives a call (but for [`ids`] asking the operating
//! system for random bits). The server's core and the clients' engine both call it.

pub mod close;
pub mod envelope;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
pub mod ids;
pub mod json;
pub mod limits;
pub mod message;
pub mod qr;
pub mod ws;
