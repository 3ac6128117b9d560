//! Where a pair outlives the process: the app's own secret store, behind a small trait.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use zeroize::Zeroizing;

use super::event::StartError;
use crate::net::endpoint::Endpoint;
use crate::tunnel::{Saved, SavedError};

/// An app's secret store, with room for one pair. `load` is called within
/// [`Engine::resume`](super::Engine::resume), on its thread; the others on the engine's own, which waits for
/// them and may hold its lock: they must not call the engine.
///
/// The text is one line of JSON of at most 8 KiB with the pair's key, its session and the relay's address: a
/// reader of it is this end. No counter is in it, so an old copy does no harm.
pub trait Keeper: Send {
    /// Called first, once: from now on only this engine uses the kept pair. A store that only one program can
    /// reach needs nothing here.
    ///
    /// # Errors
    /// Another engine uses it (`ErrorKind::ResourceBusy`), or nothing can be kept there.
    fn claim(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Called when the engine has stopped: another one may use the kept pair. Only `forget` may follow.
    fn release(&mut self) {}

    /// The text stored last; `None` if there is none or it was erased.
    ///
    /// # Errors
    /// The store can't be read.
    fn load(&mut self) -> io::Result<Option<Zeroizing<String>>>;

    /// Replaces the kept text by `text`, whole or not at all. It must be safe when this returns.
    ///
    /// # Errors
    /// It could not be kept. The engine then stops, as the pair would be lost with the process.
    fn store(&mut self, text: &str) -> io::Result<()>;

    /// Erases the kept pair.
    ///
    /// # Errors
    /// It is still there.
    fn forget(&mut self) -> io::Result<()>;
}

/// Keeps nothing: the pair ends with the process.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeepNothing;

impl Keeper for KeepNothing {
    fn load(&mut self) -> io::Result<Option<Zeroizing<String>>> {
        Ok(None)
    }

    fn store(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn forget(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps the pair in a file that only this user can read. A new text replaces the old one in one step. A lock
/// on a second file beside it, `FILE.lock`, which stays there, keeps other programs of this machine away from
/// the pair.
#[derive(Debug)]
pub struct FileKeeper {
    path: PathBuf,
    /// Locked while it is open.
    lock: Option<File>,
}

impl FileKeeper {
    /// A store at `path`; the folder must exist. Touches nothing yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        FileKeeper { path: path.into(), lock: None }
    }

    fn beside(&self) -> PathBuf {
        self.with_suffix(".new")
    }

    fn with_suffix(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    }
}

impl Keeper for FileKeeper {
    fn claim(&mut self) -> io::Result<()> {
        let path = self.with_suffix(".lock");
        let mut options = File::options();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let file = options.open(&path).map_err(named)?;
        lock(&file).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => {
                io::Error::new(io::ErrorKind::ResourceBusy, format!("{} is locked", path.display()))
            }
            _ => named(error),
        })?;
        self.lock = Some(file);
        Ok(())
    }

    fn release(&mut self) {
        self.lock = None;
    }

    fn load(&mut self) -> io::Result<Option<Zeroizing<String>>> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(Some(Zeroizing::new(text))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn store(&mut self, text: &str) -> io::Result<()> {
        let beside = self.beside();
        let stored = write_private(&beside, text).and_then(|()| fs::rename(&beside, &self.path));
        if stored.is_err() {
            // No half of a secret is left lying about; the first error is the one that counts.
            let _ = remove(&beside);
        }
        stored?;
        sync_folder(&self.path)
    }

    fn forget(&mut self) -> io::Result<()> {
        // A crash may have left the other one behind.
        remove(&self.path).and(remove(&self.beside()))
    }
}

/// Locks a file until it is closed, by its owner or with its process.
#[cfg(unix)]
fn lock(file: &File) -> io::Result<()> {
    Ok(rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive)?)
}

#[cfg(not(unix))]
fn lock(_: &File) -> io::Result<()> {
    Ok(())
}

/// Removes a file; none there is as good.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = create_private(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// A rename is durable only when its folder is synced.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// A new file that only this user can read; one that lies there already is not trusted with its rights.
fn create_private(path: &Path) -> io::Result<File> {
    remove(path)?;
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The text that a keeper keeps: the tunnel's own, and before it the relay's address and whether the ends
/// speak the app protocol.
pub(super) fn to_text(endpoint: &Endpoint, app: bool, saved: &Saved) -> Zeroizing<String> {
    let rest = saved.to_json();
    let mut text = Zeroizing::new(Vec::with_capacity(TEXT_BYTES_MAX));
    text.extend_from_slice(br#"{"u":"#);
    protocol::json::write_quoted(&mut *text, &endpoint.to_string());
    text.extend_from_slice(if app { br#","a":1,"#.as_slice() } else { b"," });
    text.extend_from_slice(rest.as_bytes().strip_prefix(b"{").unwrap_or_default());
    Zeroizing::new(String::from_utf8_lossy(&text).into_owned())
}

/// Reads what [`to_text`] wrote. Text of an older version has no `a`, which means bare messages.
pub(super) fn from_text(text: &str) -> Result<(Endpoint, bool, Saved), StartError> {
    #[derive(Deserialize)]
    struct StoredFields<'a> {
        #[serde(borrow)]
        u: Cow<'a, str>,
        #[serde(default)]
        a: u32,
    }
    let saved = Saved::parse(text)?;
    // Parsed once already, so it is JSON and not nested too deep.
    let raw: StoredFields<'_> = sonic_rs::from_str(text).map_err(|_| SavedError::at("u, a"))?;
    let endpoint = Endpoint::parse_ws(&raw.u).map_err(|_| SavedError::at("u"))?;
    match raw.a {
        0 => Ok((endpoint, false, saved)),
        1 => Ok((endpoint, true, saved)),
        _ => Err(SavedError::at("a").into()),
    }
}

const TEXT_BYTES_MAX: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tunnel::{Credentials, PairKey};
    use protocol::ids::{Role, SessionId, Token};

    fn saved() -> Saved {
        let home = Credentials { session: SessionId::from_bytes([1; 16]), token: Token::from_bytes([2; 16]) };
        let key = PairKey::from_bytes(&[3; 32]);
        let (role, name) = (Role::Phone, "x".into());
        Saved { role, home, other: None, key, welcomed: true, name, used: None }
    }

    #[test]
    fn the_text_carries_the_address_and_the_pair() {
        let endpoint = Endpoint::parse_ws("wss://relay.example.org/ws").unwrap();
        let text = to_text(&endpoint, false, &saved());
        assert!(!text.contains("\"a\""), "as an older version wrote it");
        assert_eq!(from_text(&text).unwrap(), (endpoint.clone(), false, saved()));
        let app = to_text(&endpoint, true, &saved());
        assert_eq!(from_text(&app).unwrap(), (endpoint, true, saved()));
        assert!(from_text(&app.replace("\"a\":1", "\"a\":2")).is_err());
        for (from, to) in [("\"u\"", "\"v\""), ("wss:", "x:"), ("\"role\"", "\"rule\"")] {
            assert!(from_text(&text.replacen(from, to, 1)).is_err(), "{from}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn one_engine_alone_uses_a_file() {
        let folder = std::env::temp_dir().join(format!("relay-keeper-lock-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("pair");
        let claimed = || {
            let mut keeper = FileKeeper::new(&path);
            keeper.claim().map(|()| keeper)
        };
        let mut first = claimed().unwrap();
        let error = claimed().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
        let words = StartError::not_claimed(error).to_string();
        assert!(
            words.starts_with("another program uses this pair: end it first (")
                && words.contains("pair.lock")
        );
        // A new text changes nothing about it.
        first.store("x").unwrap();
        assert!(claimed().is_err());
        first.release();
        let second = claimed().unwrap();
        first.forget().unwrap();
        assert!(claimed().is_err(), "the second has it");
        drop(second);
        assert!(claimed().is_ok());
        let nowhere = FileKeeper::new(folder.join("none/pair")).claim().unwrap_err();
        assert!(matches!(StartError::not_claimed(nowhere), StartError::NotKept(_)));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_file_is_private_whole_and_gone_when_forgotten() {
        let folder = std::env::temp_dir().join(format!("relay-keeper-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("pair");
        let mut keeper = FileKeeper::new(&path);
        assert_eq!(keeper.load().unwrap(), None);
        keeper.store("old").unwrap();
        // The state that a crash between the two steps leaves.
        fs::write(keeper.beside(), "half").unwrap();
        keeper.store("new").unwrap();
        assert_eq!(keeper.load().unwrap().as_deref().map(String::as_str), Some("new"));
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::write(keeper.beside(), "half").unwrap();
        keeper.forget().unwrap();
        keeper.forget().unwrap();
        assert!(!keeper.beside().exists());
        assert_eq!(keeper.load().unwrap(), None);
        assert!(FileKeeper::new(folder.join("none/pair")).store("x").is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
