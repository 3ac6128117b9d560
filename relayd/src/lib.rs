//! relayd: pairs a workstation with a phone and passes frames between them.
//!
//! The shell around [`relayd_core`]: sockets, threads, stores, configuration. [`Server`] combines them all.

pub mod acme;
pub mod admin;
pub mod admission;
pub mod ask;
pub mod backend;
pub mod commands;
pub mod config;
pub mod doctor;
pub mod http;
pub mod inherited;
pub mod logging;
pub mod metrics;
pub mod notify;
pub mod reactor;
pub mod reload;
pub mod secrets;
mod server;
pub mod signals;
pub mod sizing;
pub mod tls;

pub use server::{Server, StartError};

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use crate::config::Loaded;
use crate::logging::{LogFilter, LogQueue};
use crate::notify::{ServiceManager, Watchdog};
use crate::reactor::Wakeable;
use crate::reload::{Reload, ReloadRequests};
use crate::signals::Signals;
use crate::tls::Reloader;

/// The program that `relayd` and `relay-server` both run.
pub fn main() -> ExitCode {
    inherited::adopt();
    match commands::load(std::env::args_os()) {
        Ok((None, loaded)) => run_server(loaded),
        Ok((Some(command), loaded)) => commands::run(&command, &loaded),
        Err(stop) => stop.report(),
    }
}

fn run_server(loaded: Loaded) -> ExitCode {
    let config = &loaded.config;
    let (log, filter) = match logging::start(&config.log_filter, config.log_format) {
        Ok(started) => started,
        Err(error) => {
            // A closed standard error must not cause a panic.
            let _ = writeln!(io::stderr(), "relayd: {error}");
            return ExitCode::FAILURE;
        }
    };
    match serve(loaded, log.queue(), filter) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(loaded: Loaded, log: LogQueue, filter: LogFilter) -> Result<(), StartError> {
    let started = Instant::now();
    let config = loaded.config.clone();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "relayd starts");
    let wakeable = Wakeable::new()?;
    let signals = Signals::catch().map_err(StartError::Signals)?;
    let reloader = Reloader::default();
    loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let manager = ServiceManager::from_env();
    let reload = Reload {
        read: Box::new(|| commands::load(std::env::args_os()).map(|(_, loaded)| loaded)),
        in_force: loaded,
        updater: wakeable.updater(),
        certificates: Some(reloader.clone()).filter(|_| !config.tls.is_empty() || config.acme.is_some()),
        log: filter,
        manager: manager.clone(),
    };
    let requests = ReloadRequests::new(reload);
    let watchdog = Watchdog::from_env(manager.clone(), wakeable.pulse());
    signals.watch(wakeable.stopper(), config.stop, requests, watchdog, log).map_err(StartError::Thread)?;
    let server = Server::bind_on(&config, wakeable, &reloader)?;
    inherited::drop_rest();
    manager.ready(&format!("listening on {}", server.local_addr()));
    server.run()?;
    tracing::info!(uptime_secs = started.elapsed().as_secs(), "stopped");
    Ok(())
}
