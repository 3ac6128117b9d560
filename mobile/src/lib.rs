//! The phone's end for iOS and Android apps: pair with what the camera read, then send and receive.
//!
//! [`engine`] is the end-to-end encrypted tunnel: [`engine::parse_pairing`] reads the QR code,
//! [`engine::Engine`] pairs, goes on with a kept pair, sends and is read. Apps in Swift and Kotlin reach it
//! through the C interface of `include/relay.h`.
//!
//! Peers without encryption: [`parse_pairing`] reads their code, [`connect`] starts a [`Phone`], a
//! [`Listener`] is told what happens. All of it is `relay-client`'s; this crate holds nothing but its shape
//! for apps.

mod ffi;
mod listener;
mod phone;

pub use listener::Listener;
pub use phone::{ConnectError, Phone, connect, connect_believing, connect_through};
pub use protocol::ids::Role;
pub use protocol::message::KillReason;
pub use protocol::qr::{Pairing, PairingError};
use relay_client::pasted::Pasted;
pub use relay_client::tunnel::{Code, CodeError};
pub use relay_client::{
    Ca, CaError, ClientSendError, Endpoint, EndpointError, Lost, Proxy, ProxyError, Stop, engine, lines,
};

/// Reads a code for [`connect`], which does not encrypt; a key in it is not looked at. Does not block.
///
/// # Errors
/// It is not a pairing code, or a damaged one; the message says what to do.
pub fn parse_pairing(text: &str) -> Result<Pairing, PairingError> {
    // A code is at most 4 KiB; what is longer is refused as it is.
    if text.len() > engine::limits::PAIRING_BYTES_MAX {
        return Pairing::parse(text);
    }
    let pasted = Pasted::new(text);
    Pairing::parse(pasted.json().unwrap_or(pasted.text()))
}
