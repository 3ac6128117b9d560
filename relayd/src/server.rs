//! Builds a server from a configuration: binds the socket, opens the store, and hands both to the reactor.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};

use protocol::ids::{NodeId, RandomError};
use relayd_core::limits::Limits;
use relayd_core::relay::Relay;
use relayd_core::store::table::TableLimits;
use thiserror::Error;

use crate::acme::{self, AcmeStartError};
use crate::admin::AdminSettings;
use crate::admin::socket::{self, SocketError};
use crate::backend::detect::{self, StoreKind};
use crate::backend::{Backend, BackendError, RedisSettings};
use crate::config::{Config, RedisUrl};
use crate::inherited;
use crate::reactor::{self, AdminDoors, Reactor, ReactorSettings, Stopper, Wakeable};
use crate::tls::{self, Presenter, Reloader, TlsError};

/// A bound server that is not running yet.
pub struct Server {
    reactor: Reactor,
    stopper: Stopper,
    local_addr: SocketAddr,
}

/// Why the server could not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Listening on the address failed.
    #[error("can't listen on {}: {source}; {}", shown(*.address, *.port), remedy(.source))]
    Bind {
        /// The address asked for; `None`: every interface.
        address: Option<IpAddr>,
        /// The port asked for.
        port: u16,
        /// What the operating system said.
        source: io::Error,
    },
    /// Listening on the address for operators failed.
    #[error("can't listen on {address} for --admin-listen: {source}; {}", remedy(.source))]
    AdminBind {
        /// The address asked for.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The socket for `relayctl` could not be made.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The event loop could not be set up.
    #[error("the operating system gave no event queue: {0}; is the descriptor limit (ulimit -n) used up?")]
    Poll(#[from] io::Error),
    /// The store could not be set up.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// Signals could not be caught.
    #[error("signals can't be caught: {0}; is the descriptor limit (ulimit -n) used up?")]
    Signals(#[source] io::Error),
    /// No thread for the signals could be started.
    #[error("no thread for signals could be started ({0}); raise the process's thread or memory limit")]
    Thread(#[source] io::Error),
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Certificates by ACME could not be set up.
    #[error(transparent)]
    Acme(#[from] AcmeStartError),
    /// No random bits for the node's id.
    #[error("the operating system gave no random bits: {0}")]
    Random(#[from] RandomError),
}

impl Server {
    /// Binds the socket, or takes the one that was passed at start, and opens the store. A Redis that can't
    /// be reached is not an error: the server starts, is not ready, and retries. May take two seconds if no
    /// store was configured.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn bind(config: &Config) -> Result<Self, StartError> {
        Self::bind_on(config, Wakeable::new()?, &Reloader::default())
    }

    /// Does the same with an existing poll, whose [`Stopper`] may stop the server before it is bound.
    /// `reloader` has the certificates read again.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn bind_on(config: &Config, wakeable: Wakeable, reloader: &Reloader) -> Result<Self, StartError> {
        raise_descriptor_limit();
        let listener = match inherited::take_main() {
            Some(passed) => passed,
            None => bind(config.listen, config.port)?,
        };
        let local_addr = listener.local_addr()?;
        let doors = open_doors(&config.admin)?;
        let tls = start_tls(config, local_addr.port(), reloader)?;
        let (node, stopper) = (NodeId::random()?, wakeable.stopper());
        let descriptors_left = descriptors_left(config, doors.is_open());
        let backend = open_store(config, node, &wakeable)?;
        let settings = ReactorSettings {
            limits: limits(config),
            policy: config.policy.clone(),
            ws_url: config.ws_url(local_addr.port()),
            stop: config.stop,
            admission: config.admission,
            descriptors_left,
        };
        let is_alone = matches!(backend, Backend::Memory(_));
        let relay = |now| Relay::new(node, is_alone, limits(config), now);
        let reactor = Reactor::new(wakeable, listener, relay, backend, tls, doors, settings)?;
        tracing::info!(addr = %local_addr, ws = config.ws_url(local_addr.port()), %node, "listening");
        Ok(Server { reactor, stopper, local_addr })
    }

    /// The address on which it listens, with the port that was bound.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Stops the running server from another thread.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Serves on this thread until it is stopped.
    ///
    /// # Errors
    /// The operating system's event queue failed.
    pub fn run(self) -> io::Result<()> {
        self.reactor.run()
    }
}

fn open_doors(admin: &AdminSettings) -> Result<AdminDoors, StartError> {
    let bind = |address: SocketAddr| {
        reactor::bind(named(address.ip()), address.port())
            .map_err(|source| StartError::AdminBind { address, source })
    };
    let address = match inherited::take("admin") {
        Some(passed) => Some(passed),
        None => admin.listen.map(bind).transpose()?,
    };
    if let Some(listener) = &address {
        tracing::info!(addr = %listener.local_addr()?, "listening for operators");
    }
    let socket = admin.socket.as_deref().map(socket::bind).transpose()?;
    if let Some(path) = &admin.socket {
        tracing::info!(path = %path.display(), "listening for relayctl");
    }
    Ok(AdminDoors { address, socket, hosts: admin.hosts.clone() })
}

/// `None` for `::`, which stands for every interface, also on a machine without IPv6.
fn named(ip: IpAddr) -> Option<IpAddr> {
    Some(ip).filter(|ip| *ip != IpAddr::V6(Ipv6Addr::UNSPECIFIED))
}

fn bind(address: Option<IpAddr>, port: u16) -> Result<TcpListener, StartError> {
    reactor::bind(address, port).map_err(|source| StartError::Bind { address, port, source })
}

/// `None`: the listener is plain.
fn start_tls(config: &Config, port: u16, reloader: &Reloader) -> Result<Option<Presenter>, StartError> {
    let Some(settings) = &config.acme else {
        let is_tls = !config.tls.is_empty();
        return Ok(is_tls.then(|| tls::watch(&config.tls, reloader)).transpose()?);
    };
    let open = |port| inherited::take("http").map_or_else(|| bind(config.listen, port), Ok);
    let http = settings.http_port.map(open).transpose()?;
    Ok(Some(acme::start(settings, http, config.https_port(port), reloader)?))
}

pub(crate) fn shown(address: Option<IpAddr>, port: u16) -> String {
    match address {
        Some(address) => SocketAddr::new(address, port).to_string(),
        None => format!("port {port}"),
    }
}

/// Tells the operator how to fix a failure to listen.
pub(crate) fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        _ if reactor::is_family_unknown(error) => {
            "this machine has no IPv6: write an IPv4 address such as --listen 0.0.0.0, or leave --listen out"
        }
        ErrorKind::AddrInUse => {
            "another program has it, perhaps another relayd or a web server: stop that one (`ss -ltnp` names it), or choose another \
             --port or --http-port"
        }
        ErrorKind::AddrNotAvailable => {
            "this machine does not have that address: write one of its own, or leave --listen out"
        }
        ErrorKind::PermissionDenied => {
            "a port below 1024 needs a privilege: with a package, run `systemctl enable --now relayd-https.socket \
             relayd-http.socket`; elsewhere, run `setcap cap_net_bind_service=+ep` on the program, or write \
             AmbientCapabilities=CAP_NET_BIND_SERVICE into its unit, or choose a higher port with --port or --http-port"
        }
        ErrorKind::InvalidInput => "an address that needs a zone, such as fe80::1, can't be listened on",
        _ => "is the descriptor limit (ulimit -n) used up?",
    }
}

/// Each connection needs a descriptor, and most systems start a process with a limit of 1,024.
fn raise_descriptor_limit() {
    match rlimit::increase_nofile_limit(rlimit::INFINITY) {
        Ok(descriptors) => tracing::debug!(descriptors, "descriptor limit"),
        Err(error) => tracing::warn!(%error, "the descriptor limit could not be raised; see ulimit -n"),
    }
}

/// Descriptors that are still free. `None` if that is not known.
fn descriptors_left(config: &Config, has_operators: bool) -> Option<usize> {
    let limit = usize::try_from(rlimit::Resource::NOFILE.get_soft().ok()?).ok()?;
    let open = std::fs::read_dir("/dev/fd").ok()?.count();
    let for_acme = if config.acme.is_some() { acme::DESCRIPTORS_MAX } else { 0 };
    let for_operators = if has_operators { reactor::OPERATORS_MAX } else { 0 };
    Some(limit.saturating_sub(open + for_acme + for_operators))
}

pub(crate) fn limits(config: &Config) -> Limits {
    Limits {
        session_idle: config.session_idle,
        heartbeat_interval: config.heartbeat,
        message_bytes_max: config.message_bytes_max,
        stall: config.stall,
        bus_hold: config.bus_hold,
        memory_max: config.memory_max,
    }
}

pub(crate) fn table_limits(config: &Config) -> TableLimits {
    let sessions_max = Some(config.admission.sessions_max).filter(|max| *max > 0).unwrap_or(usize::MAX);
    TableLimits { sessions_max, ..TableLimits::default() }
}

fn open_store(config: &Config, node: NodeId, wakeable: &Wakeable) -> Result<Backend, BackendError> {
    if config.store.is_none() && config.redis_url.is_none() {
        tracing::info!(
            "looking for a Redis at {}, as REDIS_URL is not set; this takes up to two seconds",
            detect::DEFAULT_ADDRESS
        );
    }
    let decision = detect::decide(config.store, config.redis_url.as_ref().map(RedisUrl::reveal));
    tracing::info!("{}", decision.because);
    let idle_secs = config.session_idle.as_secs();
    match decision.store {
        StoreKind::Memory => Ok(Backend::memory(idle_secs, table_limits(config), node)),
        StoreKind::Redis => Backend::redis(redis_settings(config, decision.redis_url, node), wakeable.wake()),
    }
}

/// How this node reaches the Redis at `url`.
pub(crate) fn redis_settings(config: &Config, url: String, node: NodeId) -> RedisSettings {
    let (ca, prefix) = (config.redis_ca.clone(), config.redis_prefix.clone());
    let password = config.redis_password.clone();
    RedisSettings { url, password, ca, prefix, idle_secs: config.session_idle.as_secs(), node }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn every_interface_is_not_one_address() {
        let of = |ip: &str| named(ip.parse().unwrap()).map(|ip| ip.to_string());
        assert_eq!(of("::"), None);
        for ip in ["::1", "0.0.0.0", "127.0.0.1"] {
            assert_eq!(of(ip).as_deref(), Some(ip));
        }
    }

    #[test]
    fn clients_are_told_to_send_three_heartbeats_in_the_idle_time() {
        for (flags, told_secs) in [
            (&["--session-idle-secs=20", "--heartbeat-interval-secs=10"][..], 6),
            (&["--session-idle-secs=1"], 1),
            (&["--heartbeat-interval-secs=7"], 7),
        ] {
            let args = ["relayd"].iter().chain(flags).map(|arg| (*arg).into());
            let config = config::load(args).expect("these flags are good");
            assert_eq!(limits(&config).heartbeat_secs_told(), told_secs, "{flags:?}");
        }
    }
}
