//! The configuration. It is read from flags, variables and the settings file, and checked as a whole. It is
//! read at start, and again at a SIGHUP.
//!
//! Owns the default and the bounds of every setting. Holds secrets, and shows none in `Debug`, in messages or
//! in help. `main` calls [`load`]; all other code gets the [`Config`].

mod acme;
mod admin;
mod file;
mod flags;
mod listing;
mod redis_url;
mod secrets;
mod settings;
mod sources;
mod values;

#[cfg(test)]
mod sources_tests;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::net::IpAddr;
use std::time::Duration;

use clap::{ArgMatches, CommandFactory, FromArgMatches};
use protocol::limits::MESSAGE_BYTES_DEFAULT;

use crate::acme::{AcmeSettings, ChallengeKind};
use crate::admin::AdminSettings;
use crate::admission::{AdmissionLimits, TrustedProxies};
use crate::backend::RedisPassword;
use crate::backend::detect::StoreKind;
use crate::http::{AllowedOrigins, Policy};
use crate::logging::LogFormat;
use crate::reactor::{LiveSettings, StopTimes};
use crate::tls::{CaBundle, CertificateFiles, Identity};

use flags::Flags;
use settings::SettingReader;
use sources::{Places, Sources};

pub use admin::default_socket as default_admin_socket;
pub use file::{is_switch, keys, value_name};
pub use listing::{Origin, Setting, default_in_help};
pub use redis_url::{InvalidRedisUrl, RedisUrl};
pub use settings::EarlyExit;

/// Everything an operator can set, within its bounds.
#[derive(Clone, Debug)]
pub struct Config {
    /// Port to listen on; 0 takes any free one.
    pub port: u16,
    /// Address to listen on. `None`: `::` for IPv6 and IPv4, or `0.0.0.0` without IPv6.
    pub listen: Option<IpAddr>,
    /// The certificates to show, by their names. Empty: the listener is plain. All can be used.
    pub tls: Vec<CertificateFiles>,
    /// How to get a certificate from a CA. `None`: not at all. Never together with `tls`.
    pub acme: Option<AcmeSettings>,
    /// Where sessions are kept. `None`: decided once at start, by looking for a Redis.
    pub store: Option<StoreKind>,
    /// The configured Redis.
    pub redis_url: Option<RedisUrl>,
    /// Where its password is kept.
    pub redis_password: RedisPassword,
    /// The CA of its certificate, instead of this machine's CAs. Only with TLS.
    pub redis_ca: Option<CaBundle>,
    /// The start of every key and channel in Redis.
    pub redis_prefix: String,
    /// How long a session lives without activity. Whole seconds, at least 1.
    pub session_idle: Duration,
    /// How often the server expects to hear from a client. Whole seconds, at least 1.
    pub heartbeat: Duration,
    /// How long a connection may leave its data unread. At least 1 s.
    pub stall: Duration,
    /// How long links to other nodes survive while Redis is away. At least 5 s.
    pub bus_hold: Duration,
    /// How long each step of a shutdown may take.
    pub stop: StopTimes,
    /// Bytes of the largest message. `1 <= message_bytes_max <= memory_max / 2`
    pub message_bytes_max: usize,
    /// Bytes that all parked and queued data may take.
    pub memory_max: usize,
    /// Limits on connections, sessions and rates.
    pub admission: AdmissionLimits,
    /// The rules of the HTTP endpoints.
    pub policy: Policy,
    /// Where operators look in.
    pub admin: AdminSettings,
    /// The log filter, for [`crate::logging::start`].
    pub log_filter: String,
    /// The format of log lines.
    pub log_format: LogFormat,
    /// The configured value. `policy.origins` adds the page's own.
    allowed_origins: AllowedOrigins,
    /// The configured value. [`Config::ws_url`] adds the default.
    public_ws_url: Option<String>,
    /// The name of the first certificate. `None` without TLS.
    tls_host: Option<String>,
    /// The port that clients reach. `None`: the one that is listened on.
    public_port: Option<u16>,
}

/// Reads the arguments, beginning with the program's name, and the environment.
///
/// # Errors
/// A bad value or a request for help: the text to print, and the exit code.
pub fn load(args: impl IntoIterator<Item = OsString>) -> Result<Config, EarlyExit> {
    load_for(&command(), args).map(|(loaded, _)| loaded.config)
}

/// Does the same for a command line with more than the settings, and gives what it matched.
///
/// # Errors
/// See [`load`].
pub fn load_for(
    command: &clap::Command,
    args: impl IntoIterator<Item = OsString>,
) -> Result<(Loaded, ArgMatches), EarlyExit> {
    load_at(command, args.into_iter().collect(), &Places::of_this_machine())
}

fn load_at(
    command: &clap::Command,
    args: Vec<OsString>,
    places: &Places,
) -> Result<(Loaded, ArgMatches), EarlyExit> {
    let sources = Sources::find(command, args, places)?;
    let matches = sources::matches(command, &sources.args)?;
    let flags = Flags::from_arg_matches(&matches).map_err(|error| EarlyExit::of(&error))?;
    let reader = SettingReader::new(command, &sources.origins);
    let config = Config::check(&flags, &reader)?;
    let mut settings = listing::list(command, &matches, &reader);
    listing::show_default(&mut settings, "port", config.port);
    let mut warnings = reader.into_warnings();
    warnings.extend(secrets::warning_of_file(&settings));
    Ok((Loaded { config, settings, warnings }, matches))
}

/// The names and the help of all settings.
pub fn command() -> clap::Command {
    Flags::command()
}

/// The settings as they were read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Their meaning.
    pub config: Config,
    /// Each with its value for people and its origin, in the order of the help.
    pub settings: Vec<Setting>,
    /// What an operator should know, though the settings can be used.
    pub warnings: Vec<String>,
}

impl Config {
    fn check(flags: &Flags, settings: &SettingReader<'_>) -> Result<Self, EarlyExit> {
        let seconds = |id, given, default, range| {
            settings
                .read(id, given, |text| values::number(text, range))
                .map(|secs| Duration::from_secs(secs.unwrap_or(default)))
        };
        let port = settings.read("port", &flags.port, |text| values::number(text, 0..=65535))?;
        let (message_bytes_max, memory_max) = read_sizes(flags, settings)?;
        let (store, redis_url, redis_ca) = read_store(flags, settings)?;
        let redis_password = secrets::redis_password(flags, settings, redis_url.as_ref())?;
        let acme = acme::read(flags, settings)?;
        let default_port = if acme.is_some() { HTTPS_PORT } else { PORT_DEFAULT };
        let port = port.and_then(|port| u16::try_from(port).ok()).unwrap_or(default_port);
        let (tls, tls_host) = read_tls(flags, settings)?;
        if acme.is_some() && !tls.is_empty() {
            return Err(EarlyExit::bad_value(
                "--domain and --tls-cert are both set: leave --tls-cert out to have a CA issue the certificate, or \
                 --domain to use the files",
            ));
        }
        let tls_host = acme.as_ref().and_then(|acme| acme.names.first().cloned()).or(tls_host);
        // The CA itself comes to this port.
        let is_at_443 = acme.as_ref().is_some_and(|acme| acme.challenge == ChallengeKind::TlsAlpn01);
        let public_port = is_at_443.then_some(HTTPS_PORT);
        let given_ws_url = settings.read("public_ws_url", &flags.public_ws_url, values::ws_url)?;
        let told_port = public_port.unwrap_or(port);
        let own_ws_url = tls_host.as_ref().filter(|_| told_port != 0).map(|host| wss_url(host, told_port));
        let public_ws_url = given_ws_url.or(own_ws_url);
        let allowed_origins = read_origins(flags, settings)?;
        Ok(Config {
            port,
            tls,
            tls_host,
            acme,
            public_port,
            listen: settings.read("listen", &flags.listen, values::ip)?,
            store,
            redis_url,
            redis_password,
            redis_ca,
            redis_prefix: settings
                .read("redis_prefix", &flags.redis_prefix, values::key_prefix)?
                .unwrap_or_else(|| "relay:".to_owned()),
            session_idle: seconds("session_idle_secs", &flags.session_idle_secs, 7200, 1..=TEN_YEARS_SECS)?,
            heartbeat: seconds("heartbeat_interval_secs", &flags.heartbeat_interval_secs, 30, 1..=DAY_SECS)?,
            stall: seconds("stall_secs", &flags.stall_secs, 120, 1..=DAY_SECS)?,
            bus_hold: seconds("bus_hold_secs", &flags.bus_hold_secs, 60, 5..=DAY_SECS)?,
            stop: StopTimes {
                ready_delay: seconds("ready_delay_secs", &flags.ready_delay_secs, 0, 0..=DAY_SECS)?,
                drain: seconds("drain_secs", &flags.drain_secs, 5, 0..=DAY_SECS)?,
            },
            message_bytes_max,
            memory_max,
            admission: read_admission(flags, settings)?,
            policy: read_policy(flags, settings, &allowed_origins, public_ws_url.as_deref())?,
            allowed_origins,
            admin: admin::read(flags, settings)?,
            log_filter: settings
                .read("log", &flags.log, values::log_filter)?
                .unwrap_or_else(|| "info".to_owned()),
            log_format: settings
                .read("log_format", &flags.log_format, |text| {
                    values::word(text, &[("text", LogFormat::Text), ("json", LogFormat::Json)])
                })?
                .unwrap_or_default(),
            public_ws_url,
        })
    }

    /// What of these settings a server takes over that runs with `running`. Its own page stays where it is.
    pub fn live(&self, running: &Config) -> LiveSettings {
        let page_url = running.policy.page_url.clone();
        let own = self.allowed_origins.clone();
        let origins = page_url.as_ref().map_or_else(|| own.clone(), |page| own.clone().with_own_page(page));
        let serves_page = running.policy.serves_page;
        let policy = Policy { origins, page_url, serves_page, ..self.policy.clone() };
        LiveSettings { policy, admission: self.admission }
    }

    /// Why a server can't start with these settings, which other commands can use.
    pub fn missing_for_server(&self) -> Option<EarlyExit> {
        acme::missing_state_dir(self.acme.as_ref())
    }

    /// True if the listener speaks TLS.
    pub fn is_tls(&self) -> bool {
        self.tls_host.is_some()
    }

    /// The WebSocket address that clients are told. The default contains the bound port.
    pub fn ws_url(&self, bound_port: u16) -> String {
        let default = || match &self.tls_host {
            Some(host) => wss_url(host, self.https_port(bound_port)),
            None => format!("ws://localhost:{bound_port}/ws"),
        };
        self.public_ws_url.clone().unwrap_or_else(default)
    }

    /// The port at which clients reach TLS.
    pub fn https_port(&self, bound_port: u16) -> u16 {
        self.public_port.unwrap_or(bound_port)
    }
}

/// The address of this node under TLS.
fn wss_url(host: &str, port: u16) -> String {
    match port {
        443 => format!("wss://{host}/ws"),
        port => format!("wss://{host}:{port}/ws"),
    }
}

/// The files of the certificates, and the name of the first. All are read once here, so that a mistake ends
/// the program at once.
fn read_tls(
    flags: &Flags,
    settings: &SettingReader<'_>,
) -> Result<(Vec<CertificateFiles>, Option<String>), EarlyExit> {
    let certificates = settings.read_paths("tls_cert", &flags.tls_cert);
    let keys = settings.read_paths("tls_key", &flags.tls_key);
    if certificates.len() != keys.len() {
        return Err(EarlyExit::bad_value(format_args!(
            "--tls-cert names {} files and --tls-key {}: give one key for each certificate, in the same order",
            certificates.len(),
            keys.len()
        )));
    }
    let pair = |(certificate, key)| CertificateFiles { certificate, key };
    let files: Vec<_> = certificates.into_iter().zip(keys).map(pair).collect();
    let read = |files: &CertificateFiles| {
        Identity::read(files).map_err(|error| EarlyExit::bad_value(format_args!("TLS: {error}")))
    };
    let identities = files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let host = |first: &Identity| {
        let name = first.details.names.iter().find(|name| !name.starts_with('*'));
        name.cloned().unwrap_or_else(|| "localhost".to_owned())
    };
    Ok((files, identities.first().map(host)))
}

/// A CA bundle without TLS is an error: the operator expects a verified certificate.
fn read_store(flags: &Flags, settings: &SettingReader<'_>) -> Result<StoreChoice, EarlyExit> {
    let store = settings.read("store", &flags.store, |text| {
        values::word(text, &[("redis", StoreKind::Redis), ("memory", StoreKind::Memory)])
    })?;
    let url: Option<RedisUrl> = settings.read_secret("redis_url", &flags.redis_url)?;
    let ca = settings
        .read("redis_ca", &flags.redis_ca, |path| CaBundle::read(path).map_err(|error| error.to_string()))?;
    let is_verified = url.as_ref().is_some_and(RedisUrl::is_tls);
    if ca.is_some() && !is_verified && store != Some(StoreKind::Memory) {
        return Err(EarlyExit::bad_value(
            "REDIS_CA is set, but REDIS_URL does not use TLS: write rediss:// or rediss+sentinel://, or leave REDIS_CA out",
        ));
    }
    Ok((store, url, ca))
}

type StoreChoice = (Option<StoreKind>, Option<RedisUrl>, Option<CaBundle>);

fn read_origins(flags: &Flags, settings: &SettingReader<'_>) -> Result<AllowedOrigins, EarlyExit> {
    let origins = settings.read("allowed_origins", &flags.allowed_origins, |text| {
        text.parse::<AllowedOrigins>().map_err(|error| error.to_string())
    })?;
    Ok(origins.unwrap_or_default())
}

fn read_policy(
    flags: &Flags,
    settings: &SettingReader<'_>,
    origins: &AllowedOrigins,
    public_ws_url: Option<&str>,
) -> Result<Policy, EarlyExit> {
    let trusted_proxies = settings.read("trusted_proxy", &flags.trusted_proxy, |text| {
        text.parse::<TrustedProxies>().map_err(|error| error.to_string())
    })?;
    let page_url = public_ws_url.and_then(values::page_beside).filter(|_| !flags.no_page);
    Ok(Policy {
        origins: page_url
            .as_ref()
            .map_or_else(|| origins.clone(), |page| origins.clone().with_own_page(page)),
        page_url,
        register_keys: secrets::register_keys(flags, settings)?,
        delete_needs_token: flags.delete_needs_token,
        serves_page: !flags.no_page,
        metrics_public: flags.metrics_public,
        metrics_hidden: flags.no_public_metrics,
        trusted_proxies: trusted_proxies.unwrap_or_default(),
    })
}

fn read_admission(flags: &Flags, settings: &SettingReader<'_>) -> Result<AdmissionLimits, EarlyExit> {
    let count = |id, given, most| settings.read(id, given, |text| values::number(text, 0..=most));
    let rate = |id, given| Ok(count(id, given, RATE_MAX)?.and_then(|count| u32::try_from(count).ok()));
    let size = |id, given| Ok(count(id, given, COUNT_MAX)?.and_then(|count| usize::try_from(count).ok()));
    let default = AdmissionLimits::default();
    Ok(AdmissionLimits {
        connections_max: size("connections_max", &flags.connections_max)?.unwrap_or(default.connections_max),
        connections_per_address: rate("connections_per_address", &flags.connections_per_address)?
            .unwrap_or(default.connections_per_address),
        registers_per_minute: rate("registers_per_minute", &flags.registers_per_minute)?
            .unwrap_or(default.registers_per_minute),
        tls_handshakes_per_minute: rate("tls_handshakes_per_minute", &flags.tls_handshakes_per_minute)?
            .unwrap_or(default.tls_handshakes_per_minute),
        failed_hellos_per_minute: rate("failed_hellos_per_minute", &flags.failed_hellos_per_minute)?
            .unwrap_or(default.failed_hellos_per_minute),
        sessions_max: size("sessions_max", &flags.sessions_max)?.unwrap_or(default.sessions_max),
    })
}

/// A message is held whole before it is passed on, and may wait on both sides, so two must fit.
fn read_sizes(flags: &Flags, settings: &SettingReader<'_>) -> Result<(usize, usize), EarlyExit> {
    let size = |text: &str, least| values::size(text, least..=MEMORY_BYTES_MAX);
    let memory = settings.read("memory_max", &flags.memory_max, |text| size(text, MEMORY_BYTES_MIN))?;
    let memory = memory.unwrap_or(MEMORY_BYTES_DEFAULT);
    let message = settings.read("max_message_bytes", &flags.max_message_bytes, |text| size(text, 1))?;
    let message = message.unwrap_or(MESSAGE_BYTES_DEFAULT as u64);
    if message > memory / 2 {
        return Err(EarlyExit::bad_value(format_args!(
            "MAX_MESSAGE_BYTES is {message}, which is over half of --memory-max, {memory}: lower it or raise --memory-max"
        )));
    }
    let bytes = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    Ok((bytes(message), bytes(memory)))
}

/// The setting that names the settings file. It is not in the file itself.
const CONFIG_ID: &str = "config";
const PORT_DEFAULT: u16 = 3001;
const HTTPS_PORT: u16 = 443;
const MEMORY_BYTES_DEFAULT: u64 = 512 << 20;
const MEMORY_BYTES_MIN: u64 = 1 << 20;
const MEMORY_BYTES_MAX: u64 = 1 << 40;
/// For connections and for sessions.
const COUNT_MAX: u64 = u32::MAX as u64;
/// For the rates of one address.
const RATE_MAX: u64 = 1_000_000;
const DAY_SECS: u64 = 24 * 60 * 60;
const TEN_YEARS_SECS: u64 = 3650 * DAY_SECS;
