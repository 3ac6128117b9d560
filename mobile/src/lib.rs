//! The phone's end for iOS and Android apps: pair with what the camera read, then send and receive.
//!
//! [`parse_pairing`] reads the QR code, [`connect`] starts a [`Phone`], a [`Listener`] is told what happens. The
//! connection itself is `relay-client`'s; this crate holds nothing but its shape for apps.

mod listener;
mod phone;

pub use listener::Listener;
pub use phone::{ConnectError, Phone, connect};
pub use protocol::message::KillReason;
pub use protocol::qr::{Pairing, PairingError};
pub use relay_client::{Lost, SendError, Stop, lines};

/// Reads what the camera saw or the user pasted. Does not block.
///
/// # Errors
/// It is no pairing code, or a damaged one; the message says what to do.
pub fn parse_pairing(text: &str) -> Result<Pairing, PairingError> {
    Pairing::parse(text)
}
