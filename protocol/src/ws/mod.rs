//! RFC 6455, piece by piece: the frame header, the mask, control frames and the opening handshake. Pure.

pub mod control;
pub mod header;
pub mod mask;
pub mod upgrade;
