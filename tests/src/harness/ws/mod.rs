//! A raw WebSocket client: any bytes out, strictly checked frames in.

mod frame;
mod message;
mod upgrade;

pub use frame::{Breach, FrameSpec, Opcode, Received, decode, in_pieces};
pub use message::{Message, Ws};
pub use upgrade::Upgrade;
