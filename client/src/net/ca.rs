//! The CAs that are trusted: those of a file, or this machine's.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

/// The certificates of one's own authorities, at least one. Cheap to clone.
#[derive(Clone)]
pub struct Ca(Arc<ClientConfig>);

/// Why the CAs can't be loaded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CaError {
    /// The file is not there, or not for this process.
    #[error("the CA file {} can't be read ({why}): name a PEM file that this program may read", .path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The file has no certificate.
    #[error(
        "there is no certificate in {}: name a PEM file that holds the CA's, from BEGIN CERTIFICATE to END CERTIFICATE",
        .path.display()
    )]
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// One of the certificates is damaged, or of a kind that no authority's is.
    #[error("certificate {at} in {} can't be used ({why}): take it out or export it again", .path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// Which certificate, counted from 1.
        at: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A variable names something that leads to no certificate.
    #[error("{variable} is set to {}, which {why}: correct it or unset it", .path.display())]
    Variable {
        /// `SSL_CERT_FILE` or `SSL_CERT_DIR`.
        variable: &'static str,
        /// What it is set to.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl Ca {
    /// Reads a PEM file. Blocks as long as the file does.
    ///
    /// # Errors
    /// See [`CaError`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self, CaError> {
        let path = path.as_ref();
        let pem = fs::read(path)
            .map_err(|error| CaError::Unreadable { path: path.into(), why: error.to_string() })?;
        let mut roots = RootCertStore::empty();
        for (index, certificate) in CertificateDer::pem_slice_iter(&pem).enumerate() {
            let unusable = |why: String| CaError::Unusable { path: path.into(), at: index + 1, why };
            let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
            roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
        }
        if roots.is_empty() { Err(CaError::Empty { path: path.into() }) } else { Ok(Self::of(roots)) }
    }

    pub(crate) fn of(roots: RootCertStore) -> Self {
        Ca(config_with(roots))
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }
}

/// Equal if read at once.
impl PartialEq for Ca {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Ca {}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ca(..)")
    }
}

const FILE: &str = "SSL_CERT_FILE";
const DIR: &str = "SSL_CERT_DIR";

/// Trusts this machine's CAs; where it has no certificates of its own (a bare container, a phone),
/// what browsers trust. Loaded once for the process.
///
/// # Errors
/// `SSL_CERT_FILE` or `SSL_CERT_DIR` is set and leads to no certificate.
pub(crate) fn default_config() -> Result<Arc<ClientConfig>, CaError> {
    static CONFIG: OnceLock<Result<Arc<ClientConfig>, CaError>> = OnceLock::new();
    CONFIG.get_or_init(|| of_this_machine().map(config_with)).clone()
}

/// Trusts `roots` only.
fn config_with(roots: RootCertStore) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider supports the default versions");
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

/// This machine's CAs: `SSL_CERT_FILE` and `SSL_CERT_DIR` where one is set, else the system's own
/// store, else what browsers trust.
fn of_this_machine() -> Result<RootCertStore, CaError> {
    let (file, dir) = (env::var_os(FILE), env::var_os(DIR));
    check_variables(file.as_deref(), dir.as_deref())?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if !roots.is_empty() {
        return Ok(roots);
    }
    // If the user names a store, only that store is used.
    match (file, dir) {
        (Some(path), _) => Err(variable(FILE, &path, "holds no certificate")),
        (None, Some(path)) => Err(variable(DIR, &path, "holds no certificate")),
        (None, None) => {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            Ok(roots)
        }
    }
}

fn check_variables(file: Option<&OsStr>, dir: Option<&OsStr>) -> Result<(), CaError> {
    if let Some(path) = file {
        let opened = File::open(path).and_then(|file| file.metadata());
        match opened {
            Ok(found) if found.is_dir() => return Err(variable(FILE, path, "is a folder")),
            Ok(_) => {}
            Err(error) => return Err(variable(FILE, path, &cant_be_read(&error))),
        }
    }
    // Several folders may be named; one that is not there hides none of the others.
    if let Some(paths) = dir {
        let found = env::split_paths(paths).map(fs::read_dir).reduce(Result::or);
        if let Some(Err(error)) = found {
            return Err(variable(DIR, paths, &cant_be_read(&error)));
        }
    }
    Ok(())
}

fn cant_be_read(error: &io::Error) -> String {
    format!("can't be read ({error})")
}

fn variable(variable: &'static str, path: &OsStr, why: &str) -> CaError {
    CaError::Variable { variable, path: path.into(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate as RFC 7468 §5 has it.
    fn pem() -> String {
        use base64::Engine;
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let body = base64::engine::general_purpose::STANDARD.encode(made.cert.der());
        format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    }

    fn folder() -> PathBuf {
        let folder = env::temp_dir().join(format!("relay-ca-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_name() {
        let folder = folder();
        let good = pem();
        let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (name, text, words) in [
            ("none", None, "can't be read (No such file"),
            ("empty", Some(String::new()), "there is no certificate in "),
            (
                "key",
                Some("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".into()),
                "no certificate",
            ),
            ("second", Some(format!("{good}{damaged}")), "certificate 2 in "),
        ] {
            let path = folder.join(name);
            text.into_iter().for_each(|text| fs::write(&path, text).unwrap());
            let error = Ca::read(&path).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains(path.to_str().unwrap()), "{error}");
        }
        fs::write(folder.join("good"), &good).unwrap();
        assert!(Ca::read(folder.join("good")).is_ok());
    }

    #[test]
    fn a_variable_that_names_nothing_is_an_error_that_names_it() {
        let folder = folder();
        let missing = folder.join("missing");
        let said = |file: Option<&Path>, dir: Option<&OsStr>| {
            check_variables(file.map(Path::as_os_str), dir).map_err(|error| error.to_string())
        };
        assert_eq!(said(None, None), Ok(()));
        let file = said(Some(&missing), None).unwrap_err();
        assert!(
            file.starts_with("SSL_CERT_FILE is set to ") && file.contains("missing, which can't be"),
            "{file}"
        );
        assert!(said(Some(&folder), None).unwrap_err().contains("is a folder"));
        let dir = said(None, Some(missing.as_os_str())).unwrap_err();
        assert!(dir.starts_with("SSL_CERT_DIR is set to "), "{dir}");
        let both = env::join_paths([&missing, &folder]).unwrap();
        assert_eq!(said(None, Some(&both)), Ok(()));
    }
}
