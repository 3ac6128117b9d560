//! The settings of a client.

use protocol::ids::{Role, SessionId, Token};
use protocol::limits::MESSAGE_BYTES_DEFAULT;
use protocol::qr::Pairing;

use crate::net::endpoint::{Endpoint, EndpointError};

/// Where a client connects to, in which role, and how. `Debug` redacts the token.
#[derive(Clone, Debug)]
pub struct ConnectionSettings {
    /// The WebSocket address; by [`Endpoint::with_ca`] the CAs to trust there, and by
    /// [`Endpoint::with_proxy`] the proxy that leads there.
    pub endpoint: Endpoint,
    /// The session to join.
    pub session: SessionId,
    /// The session's secret.
    pub token: Token,
    /// The role to hold in it.
    pub role: Role,
    /// Raw mode (`relay.raw.v1`): binary messages travel bare, a quarter smaller. Off by default. A relay
    /// that does not offer it at the first contact ends the client with `Stop::NotARelay`.
    pub raw: bool,
    /// The largest message that is taken from the other role, in bytes; 16 MiB by default. A larger one ends
    /// the client with `Stop::Refused` and code 1009, as taking it would cost that much memory at once.
    pub message_bytes_max: usize,
}

impl ConnectionSettings {
    /// The default settings for a pairing.
    ///
    /// # Errors
    /// The pairing's address is not a WebSocket address.
    pub fn new(pairing: &Pairing, role: Role) -> Result<Self, EndpointError> {
        Ok(ConnectionSettings {
            endpoint: Endpoint::parse_ws(&pairing.ws)?,
            session: pairing.session,
            token: pairing.token,
            role,
            raw: false,
            message_bytes_max: MESSAGE_BYTES_DEFAULT,
        })
    }
}
