//! relayd: pairs a workstation with a phone and passes frames between them.
//!
//! The shell around [`relayd_core`]: sockets, threads, stores, configuration. [`Server`] is the whole of it.

pub mod admission;
pub mod backend;
pub mod config;
pub mod http;
pub mod logging;
pub mod memory;
pub mod metrics;
pub mod reactor;
mod server;

pub use server::{Server, StartError};

use std::process::ExitCode;

/// The program: what `relayd` and `relay-server` both run.
pub fn main() -> ExitCode {
    let config = match config::load(std::env::args_os()) {
        Ok(config) => config,
        Err(stop) => return stop.report(),
    };
    let _log = match logging::start(&config.log_filter, config.log_format) {
        Ok(guard) => guard,
        Err(error) => {
            eprintln!("relayd: logging could not be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    match serve(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(config: &config::Config) -> Result<(), StartError> {
    let mut server = Server::bind(config)?;
    server.stop_on_signals()?;
    server.run()?;
    tracing::info!("stopped");
    Ok(())
}
