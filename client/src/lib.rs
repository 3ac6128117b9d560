//! What both clients share: a pure session machine and the thread that drives it, and the two HTTP requests around
//! a session's life.
//!
//! [`Client`] is the way in. Inside, top to bottom: `client` (the handle) and `mailbox` (two bounded queues) face
//! the app's threads; `driver` owns the one thread, poll and socket; `session` decides everything and knows neither
//! sockets nor a clock; `net` is addresses, TCP and TLS; [`http`] makes and ends sessions; [`lines`] puts events into words. Nothing
//! here prints or keeps state on disk.

mod client;
mod driver;
pub mod engine;
mod event;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
pub mod http;
pub mod lines;
mod mailbox;
mod net;
mod outbox;
mod session;
mod settings;
pub mod tunnel;

pub use client::{Client, ConnectError};
pub use event::{Event, Lost, Stop};
pub use mailbox::SendError;
pub use net::endpoint::{Endpoint, EndpointError};
pub use settings::Settings;
