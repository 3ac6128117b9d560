//! Bytes to messages and messages to bytes, without a socket.
//!
//! [`inbound`] takes what a client sent apart, [`outbound`] queues what a client will get, [`pool`] lends
//! both their memory. A connection that is idle holds none.

pub mod inbound;
pub mod outbound;
pub mod pool;
mod utf8;
