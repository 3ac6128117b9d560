//! The settings of an engine, besides the code.

use std::sync::Arc;

use protocol::ids::Role;

use super::clock::{Clock, SystemClock};
use crate::net::ca::Ca;
use crate::net::endpoint::Endpoint;
use crate::net::proxy::Proxy;
use crate::tunnel::Options;

/// How an engine connects. [`EngineSettings::new`] is enough for a phone; a workstation sets `endpoint`,
/// `server` and `register_key`.
#[derive(Clone)]
pub struct EngineSettings {
    /// The tunnel's window, this end's name, the code's time.
    pub options: Options,
    /// The WebSocket address, where it is not the code's (or the kept one).
    pub endpoint: Option<Endpoint>,
    /// The relay's HTTP address, where it is not the one above the WebSocket's.
    pub server: Option<Endpoint>,
    /// The CAs trusted at both addresses instead of this machine's.
    pub ca: Option<Ca>,
    /// The proxy that leads to both addresses.
    pub proxy: Proxy,
    /// The key that the relay requires to register a session.
    pub register_key: Option<String>,
    /// A clock that goes on while the machine sleeps.
    pub clock: Arc<dyn Clock>,
}

impl EngineSettings {
    /// The defaults of a role.
    pub fn new(role: Role) -> Self {
        EngineSettings {
            options: Options::new(role),
            endpoint: None,
            server: None,
            ca: None,
            proxy: Proxy::FromEnvironment,
            register_key: None,
            clock: Arc::new(SystemClock),
        }
    }
}

/// Shows no key.
impl std::fmt::Debug for EngineSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let EngineSettings { options, endpoint, server, proxy, .. } = self;
        let mut out = f.debug_struct("EngineSettings");
        out.field("options", options)
            .field("endpoint", endpoint)
            .field("server", server)
            .field("proxy", proxy);
        out.finish_non_exhaustive()
    }
}
