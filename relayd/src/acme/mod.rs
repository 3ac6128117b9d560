//! Certificates from a CA by ACME (RFC 8555): `--domain`.
//!
//! A blocking client on a thread of its own. It hands what it gets to the reactor's [`Presenter`], and never
//! holds up a connection: while the CA is away, the earlier certificate stays. A second thread serves the
//! port for plain HTTP: redirects, and the CA's checks by HTTP-01. Owns the folder with the account and the
//! certificate.

mod account_key;
mod answer;
mod certificate;
mod challenges;
mod client;
mod error;
mod http;
mod http_answer;
mod http_port;
mod order;
mod pem;
mod problem;
mod schedule;
mod settings;
mod state;
mod times;
mod url;
mod worker;

#[cfg(test)]
mod tests;

use std::io;
use std::net::TcpListener;
use std::thread;

use thiserror::Error;

use self::challenges::HttpTokens;
use self::http::{EXCHANGE_MAX, HttpClient};
use self::http_port::HttpPort;
use self::schedule::Schedule;
use self::state::StateFolder;
use self::worker::Worker;
use crate::tls::{self, Presenter, Reloader};

pub use error::AcmeError;
pub use http::HttpError;
pub use http_port::DESCRIPTORS_MAX;
pub use settings::{AcmeSettings, ChallengeKind, NAMES_MAX};
pub use state::StateError;
pub use url::HttpsUrl;

/// Why it could not be started.
#[derive(Debug, Error)]
pub enum AcmeStartError {
    /// The folder, or what is in it, can't be used.
    #[error(transparent)]
    Acme(#[from] AcmeError),
    /// No folder is set. The program checks this before it starts a server.
    #[error("a certificate from a CA needs a folder to be kept in: name one with --state-dir")]
    NoStateDir,
    /// TLS could not be set up.
    #[error("TLS can't be set up: {0}")]
    Library(#[from] rustls::Error),
    /// There is no thread.
    #[error("no thread for the CA could be started ({0}); raise the process's thread or memory limit")]
    Thread(#[from] io::Error),
}

/// Shows the kept certificate, if there is one, and starts the threads. `http` is the bound port for HTTP,
/// and `https_port` where its redirects lead to.
///
/// # Errors
/// See [`AcmeStartError`].
pub fn start(
    settings: &AcmeSettings,
    http: Option<TcpListener>,
    https_port: u16,
    reloader: &Reloader,
) -> Result<Presenter, AcmeStartError> {
    let state_dir = settings.state_dir.as_deref().ok_or(AcmeStartError::NoStateDir)?;
    let folder = StateFolder::open(state_dir, &settings.directory).map_err(AcmeError::State)?;
    let (presenter, feed) = Presenter::new()?;
    let tokens = HttpTokens::default();
    let client = HttpClient::new(tls::client_config(settings.ca.as_ref()), EXCHANGE_MAX);
    let mut worker = Worker {
        settings: settings.clone(),
        folder,
        http: client,
        feed,
        tokens: tokens.clone(),
        reloader: reloader.clone(),
        current: None,
        unkept: None,
        schedule: Schedule::default(),
    };
    worker.take_up()?;
    if let Some(listener) = http {
        let port = HttpPort::new(listener, settings.names.clone(), https_port, tokens);
        thread::Builder::new().name("http-port".into()).stack_size(STACK_BYTES).spawn(move || port.run())?;
    }
    thread::Builder::new().name("acme".into()).stack_size(STACK_BYTES).spawn(move || worker.run())?;
    Ok(presenter)
}

/// Enough for TLS and for parsing.
const STACK_BYTES: usize = 1 << 20;
