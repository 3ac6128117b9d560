//! A private certificate authority and its certificates, as files for servers and clients.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};

/// An authority. Its files are deleted with it.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: PathBuf,
}

/// The files of one server.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its certificate, PEM.
    pub certificate: String,
    /// Its key, PEM.
    pub key: String,
}

impl Authority {
    /// A new one, not trusted by any program yet.
    pub fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("relay-test-ca-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(&name);
        fs::create_dir_all(&dir).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        write_pem(&dir.join("ca.pem"), "CERTIFICATE", issuer.der());
        Self { issuer, dir }
    }

    /// Its own certificate, for programs that should trust it.
    pub fn file(&self) -> String {
        self.path("ca.pem")
    }

    /// Signs for a server of this name or address.
    pub fn issue(&self, name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        let identity = Identity {
            certificate: self.path(&format!("{name}.pem")),
            key: self.path(&format!("{name}.key")),
        };
        write_pem(Path::new(&identity.certificate), "CERTIFICATE", signed.der());
        write_pem(Path::new(&identity.key), "PRIVATE KEY", key.serialized_der());
        identity
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).to_str().expect("a temporary folder with a plain name").to_owned()
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// RFC 7468 §2: lines of 64 characters.
fn write_pem(path: &Path, label: &str, der: &[u8]) {
    let body = STANDARD.encode(der);
    let lines: String = body.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line) + "\n").collect();
    fs::write(path, format!("-----BEGIN {label}-----\n{lines}-----END {label}-----\n")).unwrap();
}
