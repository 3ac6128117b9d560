//! One certificate with its key, read from two PEM files.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use thiserror::Error;

use super::x509::{self, Details};

/// Where a certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate first, then those of the CAs between it and the root. PEM.
    pub certificate: PathBuf,
    /// Its private key. PEM.
    pub key: PathBuf,
}

/// A certificate that can be shown to clients.
#[derive(Clone)]
pub struct Identity {
    pub(super) certified: Arc<CertifiedKey>,
    /// What is read from it.
    pub details: Details,
}

/// Why files can't be used. Each message ends with what to do.
#[derive(Debug, Error)]
pub enum InvalidIdentity {
    /// A file can't be read.
    #[error("{} can't be read ({source}); name a PEM file that this process may read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The first file holds no certificate.
    #[error("{} holds no certificate; name a PEM file with BEGIN CERTIFICATE in it", .0.display())]
    NoCertificate(PathBuf),
    /// The second file holds no private key.
    #[error(
        "{} holds no private key that can be used; name a PEM file with BEGIN PRIVATE KEY in it, without a passphrase",
        .0.display()
    )]
    NoKey(PathBuf),
    /// The key is of another certificate.
    #[error(
        "{} is not the key of the certificate in {}; name the two files that were issued together",
        key.display(),
        certificate.display()
    )]
    Mismatch {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// The certificate is damaged.
    #[error("the certificate in {} is damaged; export it again", .0.display())]
    Damaged(PathBuf),
}

impl Identity {
    /// Reads both files. Blocks as long as they do.
    ///
    /// # Errors
    /// See [`InvalidIdentity`].
    pub fn read(files: &CertificateFiles) -> Result<Self, InvalidIdentity> {
        let (certificate, key) = (read(&files.certificate)?, read(&files.key)?);
        Self::from_pem(&certificate, &key, files)
    }

    /// From the files' contents. `files` is for messages.
    ///
    /// # Errors
    /// See [`InvalidIdentity`].
    pub fn from_pem(
        certificate: &[u8],
        key: &[u8],
        files: &CertificateFiles,
    ) -> Result<Self, InvalidIdentity> {
        let damaged = || InvalidIdentity::Damaged(files.certificate.clone());
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(certificate).collect::<Result<_, _>>().map_err(|_| damaged())?;
        let first = chain.first().ok_or_else(|| InvalidIdentity::NoCertificate(files.certificate.clone()))?;
        let details = x509::details(first).ok_or_else(damaged)?;
        let no_key = || InvalidIdentity::NoKey(files.key.clone());
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| no_key())?;
        let key = ring::sign::any_supported_type(&key).map_err(|_| no_key())?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
                Ok(Identity { certified: Arc::new(certified), details })
            }
            Err(rustls::Error::InconsistentKeys(_)) => Err(InvalidIdentity::Mismatch {
                certificate: files.certificate.clone(),
                key: files.key.clone(),
            }),
            Err(_) => Err(damaged()),
        }
    }

    /// What its CA calls it when a renewal is talked about (RFC 9773). `None` if it lacks what that needs.
    pub fn renewal_name(&self) -> Option<String> {
        x509::renewal_name(self.certified.cert.first()?)
    }

    /// A name for people: its first DNS name.
    pub fn name(&self) -> &str {
        self.details.names.first().map_or("unnamed", String::as_str)
    }
}

/// The key is not shown.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.details).finish()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, InvalidIdentity> {
    std::fs::read(path).map_err(|source| InvalidIdentity::Unreadable { path: path.to_owned(), source })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn files() -> CertificateFiles {
        CertificateFiles { certificate: "c.pem".into(), key: "k.pem".into() }
    }

    /// A certificate and a key, PEM.
    pub fn pem(names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let text = |label: &str, der: &[u8]| {
            use base64::Engine;
            let body = base64::engine::general_purpose::STANDARD.encode(der);
            format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
        };
        (text("CERTIFICATE", made.cert.der()), text("PRIVATE KEY", made.signing_key.serialized_der()))
    }

    pub fn identity(names: &[&str]) -> Identity {
        let (certificate, key) = pem(names);
        Identity::from_pem(certificate.as_bytes(), key.as_bytes(), &files()).unwrap()
    }

    #[test]
    fn each_mistake_is_named_with_its_file() {
        let ((certificate, key), (other, _)) = (pem(&["a.example"]), pem(&["b.example"]));
        let said = |certificate: &str, key: &str| {
            Identity::from_pem(certificate.as_bytes(), key.as_bytes(), &files()).unwrap_err().to_string()
        };
        assert!(said("", &key).starts_with("c.pem holds no certificate"));
        assert!(said(&key, &key).starts_with("c.pem holds no certificate"));
        assert!(said(&certificate, "").starts_with("k.pem holds no private key"));
        assert!(said(&certificate, &certificate).starts_with("k.pem holds no private key"));
        assert!(said(&other, &key).starts_with("k.pem is not the key of the certificate in c.pem"));
        let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(said(damaged, &key).contains("c.pem is damaged"));
        let absent = Identity::read(&CertificateFiles { certificate: "/absent".into(), key: "k".into() });
        assert!(absent.unwrap_err().to_string().starts_with("/absent can't be read ("));
    }

    #[test]
    fn a_key_is_never_shown() {
        let shown = format!("{:?}", identity(&["a.example"]));
        assert!(shown.contains("a.example") && shown.len() < 120, "{shown}");
    }
}
