//! Bytes to and from a relay: addresses, TCP, TLS. Knows nothing of WebSocket or HTTP messages.

pub(crate) mod ca;
pub(crate) mod endpoint;
mod queue;
pub(crate) mod stream;
pub(crate) mod tls;
mod tls_words;
