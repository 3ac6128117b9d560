//! What survives a restart: the account's key, and the certificate with its key. One folder for each CA.
//!
//! Every file is for its owner alone, and is replaced as a whole: a crash leaves the earlier one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::account_key::AccountKey;
use super::error::AcmeError;
use super::url::HttpsUrl;
use crate::tls::{CertificateFiles, Identity};

/// Why the folder can't be used.
#[derive(Debug, Error)]
#[error(
    "{} can't be {verb} ({source}); name a folder that this process may write with --state-dir, or write \
     StateDirectory=relayd into the systemd unit",
    path.display()
)]
pub struct StateError {
    path: PathBuf,
    verb: &'static str,
    source: io::Error,
}

/// The folder of one CA.
#[derive(Clone, Debug)]
pub(super) struct StateFolder {
    path: PathBuf,
}

impl StateFolder {
    /// Makes it if it is missing, and tries to write into it.
    pub fn open(state_dir: &Path, directory: &HttpsUrl) -> Result<Self, StateError> {
        let path = state_dir.join("acme").join(folder_name(directory));
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.map_err(|source| StateError { path: path.clone(), verb: "made", source })?;
        let folder = StateFolder { path };
        folder.write(PROBE_FILE, "")?;
        let _ = fs::remove_file(folder.path.join(PROBE_FILE));
        Ok(folder)
    }

    /// The account's key; a new one if there is none, or if it is damaged.
    pub fn account_key(&self) -> Result<AccountKey, AcmeError> {
        match self.read(ACCOUNT_FILE)?.map(|text| AccountKey::from_pem(&text)) {
            Some(Ok(key)) => Ok(key),
            Some(Err(_)) => {
                let path = self.path.join(ACCOUNT_FILE);
                tracing::warn!("{} is damaged: a new account is registered", path.display());
                self.new_account_key()
            }
            None => self.new_account_key(),
        }
    }

    /// Replaces the account's key.
    pub fn new_account_key(&self) -> Result<AccountKey, AcmeError> {
        let key = AccountKey::generate().map_err(|_| AcmeError::Crypto("make a key"))?;
        self.write(ACCOUNT_FILE, &key.to_pem())?;
        Ok(key)
    }

    /// The certificate of an earlier run. A damaged one counts as none, and is logged.
    pub fn certificate(&self) -> Result<Option<Identity>, StateError> {
        let Some(text) = self.read(CERTIFICATE_FILE)? else { return Ok(None) };
        match Identity::from_pem(&text, &text, &self.files()) {
            Ok(identity) => Ok(Some(identity)),
            Err(error) => {
                tracing::error!("the kept certificate can't be used, so a new one is asked for: {error}");
                Ok(None)
            }
        }
    }

    /// Keeps a certificate: one text with its key and its chain.
    pub fn keep_certificate(&self, text: &str) -> Result<(), StateError> {
        self.write(CERTIFICATE_FILE, text)
    }

    /// What [`StateFolder::certificate`] makes of such a text.
    pub fn parse_certificate(&self, text: &str) -> Result<Identity, AcmeError> {
        let identity = Identity::from_pem(text.as_bytes(), text.as_bytes(), &self.files());
        identity.map_err(|error| AcmeError::BadCertificate(error.to_string()))
    }

    fn files(&self) -> CertificateFiles {
        let path = self.path.join(CERTIFICATE_FILE);
        CertificateFiles { certificate: path.clone(), key: path }
    }

    /// `None` if it is not there.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StateError> {
        let path = self.path.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StateError { path, verb: "read", source }),
        }
    }

    fn write(&self, name: &str, text: &str) -> Result<(), StateError> {
        let (path, draft) = (self.path.join(name), self.path.join(format!("{name}.new")));
        let written = (|| {
            // A draft that a crash left may have another mode.
            match fs::remove_file(&draft) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&draft, &path)?;
            File::open(&self.path)?.sync_all()
        })();
        written.map_err(|source| StateError { path, verb: "written", source })
    }
}

/// Host and path, so that a trial with another directory has files of its own.
fn folder_name(directory: &HttpsUrl) -> String {
    let place = format!("{}{}", directory.authority(), directory.target());
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '_' };
    let name: String = place.trim_end_matches('/').chars().map(plain).take(NAME_CHARS_MAX).collect();
    // Never `.`, `..` or hidden.
    format!("ca-{name}")
}

const ACCOUNT_FILE: &str = "account.key";
const CERTIFICATE_FILE: &str = "certificate.pem";
const PROBE_FILE: &str = "probe";
const NAME_CHARS_MAX: usize = 200;

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// A folder that is deleted at the end.
    pub struct Scratch(pub PathBuf);

    impl Scratch {
        pub fn new() -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let name =
                format!("relayd-acme-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            Scratch(std::env::temp_dir().join(name))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn url(text: &str) -> HttpsUrl {
        text.parse().unwrap()
    }

    #[test]
    fn each_ca_has_a_folder_and_files_are_for_their_owner_alone() {
        let scratch = Scratch::new();
        let folder = StateFolder::open(&scratch.0, &url("https://ca.example:14000/dir")).unwrap();
        assert!(folder.path.ends_with("acme/ca-ca.example_14000_dir"), "{:?}", folder.path);
        let key = folder.account_key().unwrap();
        assert_eq!(folder.account_key().unwrap().authorize("t"), key.authorize("t"));
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&folder.path), mode(&folder.path.join(ACCOUNT_FILE))), (0o700, 0o600));
        let other = StateFolder::open(&scratch.0, &url("https://ca.example/..")).unwrap();
        assert_ne!(other.account_key().unwrap().authorize("t"), key.authorize("t"));
        assert!(!folder.path.join(PROBE_FILE).exists());
    }

    #[test]
    fn damaged_files_are_replaced_and_a_draft_does_no_harm() {
        let scratch = Scratch::new();
        let folder = StateFolder::open(&scratch.0, &url("https://ca.example/dir")).unwrap();
        fs::write(folder.path.join(ACCOUNT_FILE), "nonsense").unwrap();
        fs::write(folder.path.join("account.key.new"), "half").unwrap();
        let key = folder.account_key().unwrap();
        assert_eq!(folder.account_key().unwrap().authorize("t"), key.authorize("t"));
        assert!(folder.certificate().unwrap().is_none());
        fs::write(folder.path.join(CERTIFICATE_FILE), "nonsense").unwrap();
        assert!(folder.certificate().unwrap().is_none());
        assert!(folder.parse_certificate("nonsense").is_err());
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let error = StateFolder::open(Path::new("/proc/relayd"), &url("https://ca.example/dir")).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("/proc/relayd/acme/ca-ca.example_dir can't be made (")
                && text.contains("--state-dir")
        );
    }
}
