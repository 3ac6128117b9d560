//! What both clients share: a pure session machine and the thread that drives it, the tunnel above it, and
//! the HTTP requests around a session's life.
//!
//! [`engine::Engine`] is the way in: messages end to end through the tunnel. [`Client`] passes plain frames.
//! [`AppLink`] speaks the app protocol ([`app`]) over an engine: chat, terminals, files.
//! Inside, top to bottom: `engine` and `client` with its `mailbox` face the app's threads; `driver` owns the
//! one thread, poll and socket and serves either of them; `session` decides about the connection, [`tunnel`]
//! about what goes through it, and neither knows sockets or a clock; `net` is addresses, proxies, TCP, TLS;
//! [`http`] makes and ends sessions; [`lines`] puts events into words. Nothing here prints; a kept pair is on
//! disk is the [`engine::Keeper`]'s.

pub mod app;
mod app_link;
mod client;
mod driver;
pub mod engine;
mod event;
#[cfg(unix)]
pub mod folder;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
pub mod http;
pub mod lines;
mod mailbox;
mod net;
mod outbox;
pub mod pasted;
mod session;
mod settings;
mod text;
#[cfg(unix)]
pub mod transfer;
pub mod tunnel;

pub use app_link::{AppLink, LinkError, LinkEvent, Listener};
pub use client::{Client, ConnectError};
pub use event::{ClientEvent, Lost, Stop};
pub use net::ca::{Ca, CaError};
pub use net::endpoint::{Endpoint, EndpointError};
pub use net::proxy::{Proxy, ProxyError, ProxyUrl};
pub use outbox::ClientSendError;
pub use settings::ConnectionSettings;
