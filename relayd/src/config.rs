//! The configuration: read once at start from flags and environment, checked whole, never changed.
//!
//! Owns every default and bound that an operator can set. Holds secrets, and shows none in `Debug`, in messages or in
//! help. `main` calls [`load`]; everything else is handed the [`Config`].

mod flags;
mod redis_url;
mod settings;
mod values;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::net::IpAddr;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches};
use protocol::limits::MESSAGE_BYTES_DEFAULT;

use crate::admission::{AdmissionLimits, TrustedProxies};
use crate::backend::CaBundle;
use crate::backend::detect::StoreKind;
use crate::http::{AllowedOrigins, Policy};
use crate::logging::LogFormat;
use crate::reactor::StopTimes;

use flags::Flags;
use settings::Settings;

pub use redis_url::{InvalidRedisUrl, RedisUrl};
pub use settings::Stop;

/// Everything an operator can set, within its bounds.
#[derive(Clone, Debug)]
pub struct Config {
    /// Port to listen on; 0 is any free one.
    pub port: u16,
    /// Address to listen on; `None` is `::` with IPv4 included, else `0.0.0.0`.
    pub listen: Option<IpAddr>,
    /// Where sessions are kept; `None`: decided once at start by looking for a Redis.
    pub store: Option<StoreKind>,
    /// The Redis that was named.
    pub redis_url: Option<RedisUrl>,
    /// The authority that vouches for it, instead of this machine's. Only where it is reached by TLS.
    pub redis_ca: Option<CaBundle>,
    /// What every key and channel in Redis starts with.
    pub redis_prefix: String,
    /// How long a session lives without activity; whole seconds, at least 1.
    pub session_idle: Duration,
    /// How often the server expects to hear from a client; whole seconds, at least 1.
    pub heartbeat: Duration,
    /// How long a connection may leave what waits for it unread; at least 1 s.
    pub stall: Duration,
    /// How long links to other nodes outlast the absence of Redis; at least 5 s.
    pub bus_hold: Duration,
    /// How long each step of a shutdown may take.
    pub stop: StopTimes,
    /// Bytes of the largest message; `1 <= message_bytes_max <= memory_max / 2`.
    pub message_bytes_max: usize,
    /// Bytes that all parked and queued data may take.
    pub memory_max: usize,
    /// How many may come in.
    pub admission: AdmissionLimits,
    /// What the HTTP endpoints follow.
    pub policy: Policy,
    /// What is logged, as [`crate::logging::start`] takes it.
    pub log_filter: String,
    /// How log lines look.
    pub log_format: LogFormat,
    /// As configured; [`Config::ws_url`] knows the default.
    public_ws_url: Option<String>,
}

/// Reads the arguments, the program's name first, and the environment.
///
/// # Errors
/// A bad value, or a call for help: what to print and the exit code.
pub fn load(args: impl IntoIterator<Item = OsString>) -> Result<Config, Stop> {
    Config::read(&Flags::command(), args)
}

impl Config {
    fn read(command: &clap::Command, args: impl IntoIterator<Item = OsString>) -> Result<Self, Stop> {
        let matches = command.clone().try_get_matches_from(args).map_err(|error| Stop::of(&error))?;
        let flags = Flags::from_arg_matches(&matches).map_err(|error| Stop::of(&error))?;
        let config = Self::judge(&flags, &Settings::new(command, &matches))?;
        Ok(config)
    }

    fn judge(flags: &Flags, settings: &Settings<'_>) -> Result<Self, Stop> {
        let seconds = |id, given, default, range| {
            settings
                .read(id, given, |text| values::number(text, range))
                .map(|secs| Duration::from_secs(secs.unwrap_or(default)))
        };
        let port = settings.read("port", &flags.port, |text| values::number(text, 0..=65535))?;
        let (message_bytes_max, memory_max) = judge_sizes(flags, settings)?;
        let (store, redis_url, redis_ca) = judge_store(flags, settings)?;
        Ok(Config {
            port: port.and_then(|port| u16::try_from(port).ok()).unwrap_or(PORT_DEFAULT),
            listen: settings.read("listen", &flags.listen, values::ip)?,
            store,
            redis_url,
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
            admission: judge_admission(flags, settings)?,
            policy: judge_policy(flags, settings)?,
            log_filter: settings
                .read("log", &flags.log, values::log_filter)?
                .unwrap_or_else(|| "info".to_owned()),
            log_format: settings
                .read("log_format", &flags.log_format, |text| {
                    values::word(text, &[("text", LogFormat::Text), ("json", LogFormat::Json)])
                })?
                .unwrap_or_default(),
            public_ws_url: settings.read("public_ws_url", &flags.public_ws_url, values::ws_url)?,
        })
    }

    /// The WebSocket address that clients are told, given the port that was bound.
    pub fn ws_url(&self, bound_port: u16) -> String {
        self.public_ws_url.clone().unwrap_or_else(|| format!("ws://localhost:{bound_port}/ws"))
    }

    /// The heartbeat interval that clients are told, in seconds: at most a third of the idle time, so that heartbeats
    /// keep a session alive, and at least 1.
    pub fn client_heartbeat_secs(&self) -> u64 {
        self.heartbeat.as_secs().min(self.session_idle.as_secs() / 3).max(1)
    }
}

/// A bundle is given to have the server's certificate verified, so that it must not be forgotten where there is none.
fn judge_store(flags: &Flags, settings: &Settings<'_>) -> Result<StoreChoice, Stop> {
    let store = settings.read("store", &flags.store, |text| {
        values::word(text, &[("redis", StoreKind::Redis), ("memory", StoreKind::Memory)])
    })?;
    let url: Option<RedisUrl> = settings.read_secret("redis_url", &flags.redis_url)?;
    let ca = settings
        .read("redis_ca", &flags.redis_ca, |path| CaBundle::read(path).map_err(|error| error.to_string()))?;
    let is_verified = url.as_ref().is_some_and(RedisUrl::is_tls);
    if ca.is_some() && !is_verified && store != Some(StoreKind::Memory) {
        return Err(Stop::bad_value(
            "REDIS_CA is set and REDIS_URL asks for no TLS: write rediss:// or rediss+sentinel://, or leave REDIS_CA out",
        ));
    }
    Ok((store, url, ca))
}

type StoreChoice = (Option<StoreKind>, Option<RedisUrl>, Option<CaBundle>);

fn judge_policy(flags: &Flags, settings: &Settings<'_>) -> Result<Policy, Stop> {
    let origins = settings.read("allowed_origins", &flags.allowed_origins, |text| {
        text.parse::<AllowedOrigins>().map_err(|error| error.to_string())
    })?;
    let trusted_proxies = settings.read("trusted_proxy", &flags.trusted_proxy, |text| {
        text.parse::<TrustedProxies>().map_err(|error| error.to_string())
    })?;
    Ok(Policy {
        origins: origins.unwrap_or_default(),
        register_key: settings.read_secret("register_key", &flags.register_key)?,
        delete_needs_token: flags.delete_needs_token,
        metrics_public: flags.metrics_public,
        trusted_proxies: trusted_proxies.unwrap_or_default(),
    })
}

fn judge_admission(flags: &Flags, settings: &Settings<'_>) -> Result<AdmissionLimits, Stop> {
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
        failed_hellos_per_minute: rate("failed_hellos_per_minute", &flags.failed_hellos_per_minute)?
            .unwrap_or(default.failed_hellos_per_minute),
        sessions_max: size("sessions_max", &flags.sessions_max)?.unwrap_or(default.sessions_max),
    })
}

/// A message is held whole before it is passed on, and may be waiting on both sides: two must fit.
fn judge_sizes(flags: &Flags, settings: &Settings<'_>) -> Result<(usize, usize), Stop> {
    let size = |text: &str, least| values::size(text, least..=MEMORY_BYTES_MAX);
    let memory = settings.read("memory_max", &flags.memory_max, |text| size(text, MEMORY_BYTES_MIN))?;
    let memory = memory.unwrap_or(MEMORY_BYTES_DEFAULT);
    let message = settings.read("max_message_bytes", &flags.max_message_bytes, |text| size(text, 1))?;
    let message = message.unwrap_or(MESSAGE_BYTES_DEFAULT as u64);
    if message > memory / 2 {
        return Err(Stop::bad_value(format_args!(
            "MAX_MESSAGE_BYTES is {message}, which is over half of --memory-max, {memory}: lower the one or raise the other"
        )));
    }
    let bytes = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    Ok((bytes(message), bytes(memory)))
}

const PORT_DEFAULT: u16 = 3001;
const MEMORY_BYTES_DEFAULT: u64 = 512 << 20;
const MEMORY_BYTES_MIN: u64 = 1 << 20;
const MEMORY_BYTES_MAX: u64 = 1 << 40;
/// Connections or sessions.
const COUNT_MAX: u64 = u32::MAX as u64;
/// Of one address.
const RATE_MAX: u64 = 1_000_000;
const DAY_SECS: u64 = 24 * 60 * 60;
const TEN_YEARS_SECS: u64 = 3650 * DAY_SECS;
