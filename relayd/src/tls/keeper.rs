//! Keeps the certificates up to date: a thread looks at the files, and renewed ones are shown to new
//! connections.
//!
//! The reactor asks [`Presenter::current`] when a handshake begins, so nothing here is on the way of a frame.
//! Files that changed are read once they have not changed for one look, as a tool that renews them may write
//! one after the other. Files that can't be used are logged, and the earlier certificates stay.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

use thiserror::Error;

use super::identity::{CertificateFiles, Identity, InvalidIdentity};
use super::presenter::{Feed, Presenter, Reloader};

/// Between two looks at the files.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Why TLS can't be started.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The files can't be used.
    #[error(transparent)]
    Files(#[from] InvalidIdentity),
    /// The library refused.
    #[error("TLS can't be set up: {0}")]
    Library(#[from] rustls::Error),
    /// There is no thread to look at the files.
    #[error(
        "no thread for the certificates could be started ({0}); raise the process's thread or memory limit"
    )]
    Thread(#[from] io::Error),
}

/// Reads the files and starts to watch them.
///
/// # Errors
/// See [`TlsError`].
pub fn watch(files: &[CertificateFiles], reloader: &Reloader) -> Result<Presenter, TlsError> {
    let (presenter, feed) = Presenter::new()?;
    let stamps = stamps(files);
    let keeper = Keeper {
        files: files.to_vec(),
        tried: stamps.clone(),
        seen: stamps,
        feed,
        reloader: reloader.clone(),
    };
    log_all("certificate", &keeper.show()?);
    let thread = thread::Builder::new().name("certificates".into()).stack_size(STACK_BYTES);
    thread.spawn(move || keeper.run())?;
    Ok(presenter)
}

/// The thread's state.
struct Keeper {
    files: Vec<CertificateFiles>,
    /// The files as they were when they were last read.
    tried: Vec<Stamp>,
    /// The same at the last look.
    seen: Vec<Stamp>,
    feed: Feed,
    reloader: Reloader,
}

impl Keeper {
    fn run(mut self) {
        while self.feed.is_wanted() {
            let is_asked = self.reloader.wait(LOOK_EVERY);
            let stamps = stamps(&self.files);
            let is_still = std::mem::replace(&mut self.seen, stamps.clone()) == stamps;
            if is_asked || (is_still && stamps != self.tried) {
                self.tried = stamps;
                self.renew();
            }
        }
    }

    fn renew(&self) {
        match self.show() {
            Ok(renewed) => log_all("renewed certificate", &renewed),
            Err(error) => {
                tracing::error!("the renewed certificate can't be used, the earlier one stays: {error}");
            }
        }
    }

    fn show(&self) -> Result<Vec<(String, u64)>, TlsError> {
        let identities = self.files.iter().map(Identity::read).collect::<Result<Vec<_>, _>>()?;
        Ok(self.feed.show(&identities, &[])?)
    }
}

/// What shows that a file was replaced or written: its inode, length and time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    len: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    /// Of a file that is not there, all are zero.
    fn of(path: &Path) -> Self {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(path).map_or_else(
            |_| Stamp::default(),
            |it| Stamp { inode: it.ino(), len: it.len(), modified: it.modified().ok() },
        )
    }
}

fn stamps(files: &[CertificateFiles]) -> Vec<Stamp> {
    files.iter().flat_map(|it| [&it.certificate, &it.key]).map(|path| Stamp::of(path)).collect()
}

/// Logs the name and the end of validity of each certificate that is shown.
pub(crate) fn log_all(what: &str, certificates: &[(String, u64)]) {
    for (name, not_after) in certificates {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let days = not_after.saturating_sub(now) / 86_400;
        if *not_after <= now {
            tracing::error!(name, "{what}: it has expired, so clients refuse it; renew it");
        } else {
            tracing::info!(name, days, "{what}");
        }
    }
}

/// Enough for parsing certificates.
const STACK_BYTES: usize = 512 << 10;
