//! Which CAs are trusted when this program is the client: those of a file, or this machine's.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error as ThisError;

/// The certificates of an operator's own CAs, at least one, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct CaBundle(Vec<u8>);

/// Why a file can't be used as a bundle.
#[derive(Debug, ThisError)]
pub enum InvalidCaBundle {
    /// It does not exist, or this process may not read it.
    #[error("it can't be read ({0}); name a PEM file that this process may read")]
    Unreadable(#[from] io::Error),
    /// It holds no certificate.
    #[error(
        "there is no certificate in it; name a PEM file with the CA's certificate, from BEGIN CERTIFICATE to END CERTIFICATE"
    )]
    Empty,
    /// One of its certificates is damaged, or is not that of a CA.
    #[error("certificate {at} in it can't be used ({reason}); remove it or export it again")]
    Unusable {
        /// Which, counted from 1.
        at: usize,
        /// The reason.
        reason: String,
    },
}

impl CaBundle {
    /// Reads a PEM file. Blocks as long as the file does.
    ///
    /// # Errors
    /// See [`InvalidCaBundle`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self, InvalidCaBundle> {
        Self::from_pem(std::fs::read(path)?)
    }

    /// Its certificates. All of them were checked when the bundle was read.
    fn roots(&self) -> RootCertStore {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(CertificateDer::pem_slice_iter(&self.0).flatten());
        store
    }

    fn from_pem(pem: Vec<u8>) -> Result<Self, InvalidCaBundle> {
        let mut store = RootCertStore::empty();
        for (index, certificate) in CertificateDer::pem_slice_iter(&pem).enumerate() {
            let unusable = |reason: &dyn fmt::Display| InvalidCaBundle::Unusable {
                at: index + 1,
                reason: reason.to_string(),
            };
            let certificate = certificate.map_err(|error| unusable(&error))?;
            store.add(certificate).map_err(|error| unusable(&error))?;
        }
        if store.is_empty() { Err(InvalidCaBundle::Empty) } else { Ok(CaBundle(pem)) }
    }
}

impl fmt::Debug for CaBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CaBundle").field(&format_args!("{} bytes", self.0.len())).finish()
    }
}

/// Trusts `ca`, or else the CAs that this machine trusts, or else those that browsers trust.
pub fn client_config(ca: Option<&CaBundle>) -> Arc<ClientConfig> {
    // It fails only if a default is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let believed = if ca.is_some() { ca } else { platform_roots() };
    let roots = match believed {
        Some(bundle) => bundle.roots(),
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
    };
    Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

/// The CAs that this machine trusts, read once. `None` if there are none, as in a bare container.
fn platform_roots() -> Option<&'static CaBundle> {
    static ROOTS: OnceLock<Option<CaBundle>> = OnceLock::new();
    let read = || {
        let mut store = RootCertStore::empty();
        // A certificate that can't be used must not spoil the others.
        let found = rustls_native_certs::load_native_certs().certs.into_iter();
        let usable = found.filter(|certificate| store.add(certificate.clone()).is_ok());
        CaBundle::from_pem(usable.flat_map(|certificate| pem(&certificate)).collect()).ok()
    };
    ROOTS.get_or_init(read).as_ref()
}

/// RFC 7468 §5.
fn pem(certificate: &CertificateDer<'_>) -> Vec<u8> {
    let body = STANDARD.encode(certificate);
    format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> Vec<u8> {
        pem(rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.der())
    }

    #[test]
    fn a_bundle_holds_one_certificate_or_more() {
        let two = [certificate(), b"a remark\n".to_vec(), certificate()].concat();
        assert!(CaBundle::from_pem(two).is_ok());
        for nothing in
            [&b""[..], b"\n", b"not PEM", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
        {
            assert!(matches!(CaBundle::from_pem(nothing.to_vec()), Err(InvalidCaBundle::Empty)));
        }
    }

    #[test]
    fn a_damaged_certificate_is_named_by_its_place() {
        for damaged in [&b"AAAA"[..], b"!"] {
            let damaged =
                [b"-----BEGIN CERTIFICATE-----\n", damaged, b"\n-----END CERTIFICATE-----\n"].concat();
            let error = CaBundle::from_pem([certificate(), damaged].concat()).unwrap_err();
            assert!(error.to_string().starts_with("certificate 2 in it can't be used ("), "{error}");
        }
    }
}
