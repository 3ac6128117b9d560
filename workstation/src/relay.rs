//! Which relay a command uses, and how a phone reaches it.

pub(crate) mod records;

use anyhow::Context;
use protocol::ids::Role;
use relay_client::engine::EngineSettings;
use relay_client::http::{self, HttpError, Registration};
use relay_client::tunnel::Credentials;
use relay_client::{Ca, Endpoint};

use crate::args::RelayArgs;

/// The relay, the key to register there, and the addresses that phones need.
#[derive(Clone)]
pub(crate) struct Relay {
    /// With the CAs to trust there, and the proxy that leads there.
    pub(crate) server: Endpoint,
    pub(crate) register_key: Option<String>,
    pub(crate) public_url: Option<Endpoint>,
    pub(crate) page_url: Option<Endpoint>,
}

impl Relay {
    /// As the command line says, or else its defaults.
    ///
    /// # Errors
    /// The file of the CAs can't be read.
    pub(crate) fn of(args: &RelayArgs) -> anyhow::Result<Self> {
        let server = match &args.server {
            Some(server) => server.clone(),
            None => Endpoint::parse_http(SERVER_DEFAULT).context(SERVER_DEFAULT)?,
        };
        let ca = args.ca.as_ref().map(Ca::read).transpose()?;
        Ok(Relay {
            server: server.with_ca(ca).with_proxy(args.proxy.clone().unwrap_or_default()),
            register_key: args.register_key.clone(),
            public_url: args.public_url.clone(),
            page_url: args.page_url.clone(),
        })
    }

    /// The settings of an engine at this relay.
    pub(crate) fn engine_settings(&self) -> EngineSettings {
        let mut settings = EngineSettings::new(Role::Workstation);
        // We reach the relay at this address; the one it calls its own may only be reachable from elsewhere.
        settings.endpoint = Some(self.server.web_socket());
        settings.server = Some(self.server.clone());
        settings.register_key.clone_from(&self.register_key);
        settings
    }

    /// Makes a session. What the relay refuses is put into words of the command line.
    ///
    /// # Errors
    /// The relay gave no session.
    pub(crate) fn register(&self) -> anyhow::Result<Registration> {
        self.in_words(http::register(&self.server, self.register_key.as_deref()))
    }

    /// Makes a session under ids of our own. An id that is taken is the relay's 409.
    ///
    /// # Errors
    /// The relay gave no session.
    pub(crate) fn register_own(
        &self,
        Credentials { session, token }: Credentials,
    ) -> anyhow::Result<Registration> {
        self.in_words(http::register_own(&self.server, self.register_key.as_deref(), session, &token))
    }

    fn in_words(&self, registered: Result<Registration, HttpError>) -> anyhow::Result<Registration> {
        let status = registered.as_ref().err().and_then(HttpError::status);
        let hint = match (status, &self.register_key) {
            (Some(401), Some(_)) => "--register-key (REGISTER_KEY) is wrong",
            (Some(401), None) => "the relay requires a key: give it with --register-key, or in REGISTER_KEY",
            (Some(404), _) => "--server (RELAY_SERVER) does not lead to a relay; check its path",
            _ => return Ok(registered?),
        };
        registered.context(hint)
    }
}

/// Where a relay listens that was started without options on this machine.
const SERVER_DEFAULT: &str = "http://localhost:3001";
