//! The command line and the environment: names and help. Values are not checked here.

use std::ffi::OsString;

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Parser};

/// Every setting as text. [`super::Config`] checks and reads the values.
#[derive(Debug, Parser)]
#[command(
    name = "relayd",
    version,
    about = "Pairs a workstation with a phone over WebSockets and passes frames between them.",
    after_help = "A flag overrides its variable, and a variable overrides the settings file. An empty variable counts as \
                  unset. A bad value ends the program with one line on standard error and exit code 2.",
    args_override_self = true,
    next_line_help = true
)]
pub(super) struct Flags {
    /// Settings file: TOML, with the names of these flags as keys [default: /etc/relayd/relayd.toml, if it
    /// exists]
    #[arg(long, env = "RELAY_CONFIG", hide_env_values = true, value_name = "FILE")]
    pub(super) config: Option<OsString>,

    /// Port to listen on; with a domain it is 443 by default. 0 takes any free port, which is logged
    /// [default: 3001]
    #[arg(long, env = "PORT", hide_env_values = true, value_name = "PORT")]
    pub(super) port: Option<OsString>,

    /// Address to listen on [default: :: for IPv6 and IPv4, or 0.0.0.0 without IPv6]
    #[arg(long, value_name = "IP")]
    pub(super) listen: Option<OsString>,

    /// The WebSocket address that clients are told, with its path. With several nodes: the address of the
    /// service, not of one node [default: ws://localhost:PORT/ws, or wss:// with the certificate's name]
    #[arg(long, env = "PUBLIC_WS_URL", hide_env_values = true, value_name = "URL")]
    pub(super) public_ws_url: Option<OsString>,

    /// PEM file of the certificate to show, its CA's behind it: the listener speaks TLS. Repeat it with
    /// --tls-key for more names; the variable takes files separated by commas [default: plain]
    #[arg(long, env = "TLS_CERT", hide_env_values = true, value_name = "FILE", value_delimiter = ',')]
    pub(super) tls_cert: Vec<OsString>,

    /// PEM file of the private key of each --tls-cert, in the same order. Renewed files are picked up
    /// [default: none]
    #[arg(long, env = "TLS_KEY", hide_env_values = true, value_name = "FILE", value_delimiter = ',')]
    pub(super) tls_key: Vec<OsString>,

    /// This server's public name: the listener speaks TLS, with a certificate that it gets from a CA by ACME
    /// and renews. Repeat it for more names, or separate them by commas [default: none]
    #[arg(long, env = "DOMAIN", hide_env_values = true, value_name = "NAME", value_delimiter = ',')]
    pub(super) domain: Vec<OsString>,

    /// Agree to the terms of that CA, which --domain requires
    #[arg(long, env = "ACME_AGREE_TOS", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub(super) acme_agree_tos: bool,

    /// Address that the CA may write to, about its terms for example [default: none]
    #[arg(long, env = "ACME_EMAIL", hide_env_values = true, value_name = "ADDRESS")]
    pub(super) acme_email: Option<OsString>,

    /// The CA: the URL of its ACME directory [default: Let's Encrypt]
    #[arg(long, env = "ACME_DIRECTORY", hide_env_values = true, value_name = "URL")]
    pub(super) acme_directory: Option<OsString>,

    /// PEM file of the CA that signed the certificate of that directory [default: this machine's CAs]
    #[arg(long, env = "ACME_CA_CERT", hide_env_values = true, value_name = "FILE")]
    pub(super) acme_ca_cert: Option<OsString>,

    /// How the CA checks the names: tls-alpn-01 at port 443, or http-01 at port 80 [default: tls-alpn-01]
    #[arg(long, env = "ACME_CHALLENGE", hide_env_values = true, value_name = "KIND")]
    pub(super) acme_challenge: Option<OsString>,

    /// Port for http-01 and for redirects to https. 0: no such listener [default: none, or 80
    /// for a domain]
    #[arg(long, env = "HTTP_PORT", hide_env_values = true, value_name = "PORT")]
    pub(super) http_port: Option<OsString>,

    /// Folder for the account at the CA and for the certificate [default: STATE_DIRECTORY of systemd]
    #[arg(long, env = "STATE_DIR", hide_env_values = true, value_name = "DIR")]
    pub(super) state_dir: Option<OsString>,

    /// The Redis that all nodes share. rediss:// uses TLS, redis+sentinel://host,host/master-name uses
    /// Sentinel. Unset: redis://127.0.0.1:6379, or memory if nothing listens there
    #[arg(long, env = "REDIS_URL", hide_env_values = true, value_name = "URL")]
    pub(super) redis_url: Option<OsString>,

    /// File with the password of Redis, which is read for each connection, so it can change at any time
    /// [default: none]
    #[arg(long, env = "REDIS_PASSWORD_FILE", hide_env_values = true, value_name = "FILE")]
    pub(super) redis_password_file: Option<OsString>,

    /// Command that prints the password of Redis. It runs with /bin/sh for each connection, for 5 seconds at
    /// most [default: none]
    #[arg(long, env = "REDIS_PASSWORD_COMMAND", hide_env_values = true, value_name = "CMD")]
    pub(super) redis_password_command: Option<OsString>,

    /// PEM file of the CA that signed the certificate of Redis [default: this machine's CAs]
    #[arg(long, env = "REDIS_CA", hide_env_values = true, value_name = "FILE")]
    pub(super) redis_ca: Option<OsString>,

    /// Where sessions are kept: redis or memory [default: see --redis-url]
    #[arg(long, value_name = "STORE")]
    pub(super) store: Option<OsString>,

    /// Prefix of every key and channel in Redis [default: relay:]
    #[arg(long, value_name = "PREFIX")]
    pub(super) redis_prefix: Option<OsString>,

    /// Seconds without activity after which a session ends [default: 7200]
    #[arg(long, env = "SESSION_IDLE_SECS", hide_env_values = true, value_name = "SECS")]
    pub(super) session_idle_secs: Option<OsString>,

    /// Seconds between the heartbeats of a client. A silent client of version 3 is closed after one interval
    /// and 15 s, an older one after three intervals and at least 16 s [default: 30]
    #[arg(long, env = "HEARTBEAT_INTERVAL_SECS", hide_env_values = true, value_name = "SECS")]
    pub(super) heartbeat_interval_secs: Option<OsString>,

    /// Seconds after which a connection that does not read its data is closed [default: 120]
    #[arg(long, value_name = "SECS")]
    pub(super) stall_secs: Option<OsString>,

    /// Seconds that links to other nodes survive while Redis is away [default: 60]
    #[arg(long, value_name = "SECS")]
    pub(super) bus_hold_secs: Option<OsString>,

    /// Seconds from SIGTERM to the drain. Meanwhile /ready answers 503, and new connections are served
    /// [default: 0]
    #[arg(long, value_name = "SECS")]
    pub(super) ready_delay_secs: Option<OsString>,

    /// Seconds that a shutdown waits for queued frames and for clients to close. The process ends at most two
    /// seconds later [default: 5]
    #[arg(long, value_name = "SECS")]
    pub(super) drain_secs: Option<OsString>,

    /// Bytes of the largest message [default: 16777216]
    #[arg(long, env = "MAX_MESSAGE_BYTES", hide_env_values = true, value_name = "BYTES")]
    pub(super) max_message_bytes: Option<OsString>,

    /// Bytes that all waiting and queued data may take. Units: KiB, MiB, GiB [default: 512MiB]
    #[arg(long, value_name = "BYTES")]
    pub(super) memory_max: Option<OsString>,

    /// Web pages that may connect: scheme://host[:port] or null, separated by commas, or * for all [default:
    /// *]
    #[arg(long, env = "ALLOWED_ORIGINS", hide_env_values = true, value_name = "LIST")]
    pub(super) allowed_origins: Option<OsString>,

    /// Key that is required to register a session. Prefer the variable or the file: other users can see a
    /// command line. Give two while you change it: repeat the flag, or write one a line [default: none]
    #[arg(long, env = "REGISTER_KEY", hide_env_values = true, value_name = "KEY", action = ArgAction::Append)]
    pub(super) register_key: Vec<OsString>,

    /// File with that key, or with two, one a line [default: none]
    #[arg(long, env = "REGISTER_KEY_FILE", hide_env_values = true, value_name = "FILE")]
    pub(super) register_key_file: Option<OsString>,

    /// Proxies trusted to report the client's address, in X-Forwarded-For or a PROXY v2 header: addresses and
    /// ranges, separated by commas [default: none]
    #[arg(long, env = "TRUSTED_PROXY", hide_env_values = true, value_name = "CIDR,...")]
    pub(super) trusted_proxy: Option<OsString>,

    /// Connections in all. 0: as many as the descriptor limit allows [default: 0]
    #[arg(long, value_name = "COUNT")]
    pub(super) connections_max: Option<OsString>,

    /// Connections of one address. 0: no limit [default: 10000]
    #[arg(long, value_name = "COUNT")]
    pub(super) connections_per_address: Option<OsString>,

    /// Registrations of one address per minute. 0: no limit [default: 600]
    #[arg(long, value_name = "COUNT")]
    pub(super) registers_per_minute: Option<OsString>,

    /// TLS handshakes of one address per minute. 0: no limit [default: 6000]
    #[arg(long, value_name = "COUNT")]
    pub(super) tls_handshakes_per_minute: Option<OsString>,

    /// Hellos and deletes of one address per minute with an unknown session or a wrong token. Beyond that,
    /// all of its hellos and deletes wait for their turn, 50 a second. 0: no limit [default: 600]
    #[arg(long, value_name = "COUNT")]
    pub(super) failed_hellos_per_minute: Option<OsString>,

    /// Sessions in the embedded store. 0: no limit [default: 1000000]
    #[arg(long, value_name = "COUNT")]
    pub(super) sessions_max: Option<OsString>,

    /// Require the session's token to delete it
    #[arg(long)]
    pub(super) delete_needs_token: bool,

    /// Do not serve the page for phones at /p
    #[arg(long)]
    pub(super) no_page: bool,

    /// Show /metrics to everyone, not only to programs on this machine
    #[arg(long)]
    pub(super) metrics_public: bool,

    /// Never show /metrics at the public port. See --admin-listen
    #[arg(long)]
    pub(super) no_public_metrics: bool,

    /// Address and port of a listener for operators: /metrics, /health, /ready and pages at /debug that say
    /// what the server does. Plain HTTP, such as 127.0.0.1:9300 [default: none]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(super) admin_listen: Option<OsString>,

    /// Names that may stand in the Host of requests to --admin-listen, besides addresses and localhost,
    /// separated by commas [default: none]
    #[arg(long, value_name = "NAME,...")]
    pub(super) admin_host: Option<OsString>,

    /// Unix socket for relayctl, with mode 0600
    /// [default: relayctl.sock in $RUNTIME_DIRECTORY, if that is set]
    #[arg(long, value_name = "PATH")]
    pub(super) admin_socket: Option<OsString>,

    /// Log level: off, error, warn, info, debug or trace, or target=level, separated by commas
    /// [default: info]
    #[arg(long, env = "RELAY_LOG", hide_env_values = true, value_name = "FILTER")]
    pub(super) log: Option<OsString>,

    /// Format of log lines: text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub(super) log_format: Option<OsString>,
}
