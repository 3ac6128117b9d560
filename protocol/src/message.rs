//! The messages themselves: the client's hello and heartbeat, and everything the server says.
//!
//! Server and clients share this one reading and one writing. Nothing here looks into a frame's payload.

mod heartbeat;
mod hello;
mod loose;
mod server;

pub use heartbeat::{HEARTBEAT, is_heartbeat};
pub use hello::{Hello, HelloError, InstanceClaim, Version};
pub use server::{Frame, KillReason, NOTICE_BYTES_MAX, Notice, ServerMessage, ServerMessageError};
