//! Bytes to and from a relay: addresses, TCP, TLS. Knows nothing of WebSocket or HTTP messages.

pub(crate) mod endpoint;
pub(crate) mod stream;
pub(crate) mod tls;
