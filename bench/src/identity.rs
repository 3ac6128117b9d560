//! The certificate that servers under TLS show, and how the load trusts it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::client::{ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, NamedGroup, RootCertStore};

/// A certificate for this machine, made once, as files for servers. Its folder is in the system's temporary
/// one.
#[derive(Debug)]
pub(crate) struct Identity {
    pub certificate: PathBuf,
    pub key: PathBuf,
    fresh: Arc<ClientConfig>,
    resuming: Arc<ClientConfig>,
}

impl Identity {
    /// How a client trusts this certificate; with `resumes` it uses the tickets of earlier ones.
    pub fn client(&self, resumes: bool) -> Arc<ClientConfig> {
        Arc::clone(if resumes { &self.resuming } else { &self.fresh })
    }

    /// The folder of the files.
    pub fn folder(&self) -> &Path {
        self.key.parent().unwrap_or(Path::new("."))
    }
}

/// The certificate of this process.
///
/// # Errors
/// The temporary folder can't be written.
pub(crate) fn identity() -> anyhow::Result<&'static Identity> {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    if IDENTITY.get().is_none() {
        // Only the main thread comes here, so it is made once.
        let _ = IDENTITY.set(make_identity().context("a certificate for the load could not be made")?);
    }
    IDENTITY.get().context("a certificate was made")
}

fn make_identity() -> anyhow::Result<Identity> {
    let made = rcgen::generate_simple_self_signed(["localhost", "127.0.0.1"].map(str::to_owned))?;
    let folder = std::env::temp_dir().join(format!("relay-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let file = |name: &str, label: &str, der: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, pem(label, der)).map(|()| path)
    };
    let certificate = file("certificate.pem", "CERTIFICATE", made.cert.der())?;
    let key = file("key.pem", "PRIVATE KEY", made.signing_key.serialized_der())?;
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone())?;
    let roots = Arc::new(roots);
    let config = |resumption| -> anyhow::Result<Arc<ClientConfig>> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let mut config = builder.with_root_certificates(Arc::clone(&roots)).with_no_client_auth();
        config.resumption = resumption;
        Ok(Arc::new(config))
    };
    let fresh = config(Resumption::disabled())?;
    let resuming = config(Resumption::store(Arc::new(Tickets::default())))?;
    Ok(Identity { certificate, key, fresh, resuming })
}

/// In lines of 64 columns, as some servers want it.
fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// All tickets of TLS 1.3 that came, each used once. rustls's own store keeps eight, and 64 connections begin
/// at once here.
#[derive(Default)]
struct Tickets {
    kept: Mutex<Vec<Tls13ClientSessionValue>>,
}

/// More are dropped: each connection brings several and uses one.
const TICKETS_MAX: usize = 1024;

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < TICKETS_MAX {
            kept.push(ticket);
        }
    }

    /// The newest, because an earlier server's are of no use to the next one.
    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

/// Shows no ticket.
impl std::fmt::Debug for Tickets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tickets")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_short_lines_and_all_bytes() {
        let text = pem("KEY", &[7; 100]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.iter().all(|line| line.len() <= 64), "{text}");
        assert_eq!(STANDARD.decode(lines[1..lines.len() - 1].concat()).unwrap(), [7; 100]);
    }
}
