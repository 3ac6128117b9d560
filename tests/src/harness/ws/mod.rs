//! A raw WebSocket client of our own: any bytes out, strictly judged frames in.

mod frame;
mod message;
mod upgrade;

pub use frame::{Breach, FrameSpec, Opcode, Received, decode, in_pieces};
pub use message::{Message, Ws};
pub use upgrade::Upgrade;
