//! relayd: pairs a workstation with a phone and passes frames between them.
//!
//! The shell around [`relayd_core`]: sockets, threads, stores, configuration. [`Server`] combines them all.

pub mod admission;
pub mod backend;
pub mod commands;
pub mod config;
pub mod http;
pub mod logging;
pub mod metrics;
pub mod reactor;
pub mod reload;
pub mod secrets;
mod server;
pub mod signals;
pub mod tls;

pub use server::{Server, StartError};

use std::io::{self, Write};
use std::process::ExitCode;

use crate::config::Loaded;
use crate::logging::{LogFilter, LogQueue};
use crate::reactor::Wakeable;
use crate::reload::{Reload, ReloadRequests};
use crate::signals::Signals;
use crate::tls::Reloader;

/// The program that `relayd` and `relay-server` both run.
pub fn main() -> ExitCode {
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
    let config = loaded.config.clone();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "relayd starts");
    let wakeable = Wakeable::new()?;
    let signals = Signals::catch().map_err(StartError::Signals)?;
    let reloader = Reloader::default();
    loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let reload = Reload {
        read: Box::new(|| commands::load(std::env::args_os()).map(|(_, loaded)| loaded)),
        in_force: loaded,
        updater: wakeable.updater(),
        certificates: Some(reloader.clone()).filter(|_| !config.tls.is_empty()),
        log: filter,
    };
    let requests = ReloadRequests::new(reload);
    signals.watch(wakeable.stopper(), config.stop, requests, log).map_err(StartError::Thread)?;
    Server::bind_on(&config, wakeable, &reloader)?.run()?;
    tracing::info!("stopped");
    Ok(())
}
