//! Bytes to and from a relay: addresses, proxies, TCP, TLS. Knows nothing of what is said to a relay.

pub(crate) mod ca;
pub(crate) mod endpoint;
pub(crate) mod proxy;
mod queue;
pub(crate) mod stream;
pub(crate) mod tls;
mod tls_words;
pub(crate) mod way;
