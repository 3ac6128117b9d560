//! Keeps the certificates up to date: a thread looks at the files, and renewed ones are shown to new
//! connections.
//!
//! The reactor asks [`Presenter::current`] when a handshake begins, so nothing here is on the way of a frame.
//! Files that changed are read once they have not changed for one look, as a tool that renews them may write
//! one after the other. Files that can't be used are logged, and the earlier certificates stay.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, SystemTime};

use rustls::crypto::ring;
use rustls::server::ProducesTickets;
use thiserror::Error;

use super::identity::{CertificateFiles, Identity, InvalidIdentity};
use super::presented::Presented;

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

/// The certificates to show now. Owned by the reactor.
#[derive(Debug)]
pub struct Presenter {
    current: Presented,
    renewed: Receiver<Presented>,
    /// The thread ends with it.
    _alive: Arc<()>,
}

impl Presenter {
    /// Reads the files and starts to watch them.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn start(files: &[CertificateFiles], reloader: &Reloader) -> Result<Self, TlsError> {
        let tickets = ring::Ticketer::new()?;
        let stamps = stamps(files);
        let current = read(files, &tickets)?;
        let (sender, renewed) = mpsc::channel();
        let alive = Arc::new(());
        let keeper = Keeper {
            files: files.to_vec(),
            tickets,
            tried: stamps.clone(),
            seen: stamps,
            sender,
            alive: Arc::downgrade(&alive),
            reloader: reloader.clone(),
        };
        log_all("certificate", &current);
        let thread = thread::Builder::new().name("certificates".into()).stack_size(STACK_BYTES);
        thread.spawn(move || keeper.run())?;
        Ok(Presenter { current, renewed, _alive: alive })
    }

    /// What to show to a new connection.
    pub fn current(&mut self) -> &Presented {
        while let Ok(renewed) = self.renewed.try_recv() {
            self.current = renewed;
        }
        &self.current
    }
}

/// Asks for the files to be read now, from any thread.
#[derive(Clone, Debug, Default)]
pub struct Reloader {
    asked: Arc<(Mutex<bool>, Condvar)>,
}

impl Reloader {
    /// Returns at once.
    pub fn reload(&self) {
        *self.asked.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.asked.1.notify_all();
    }

    /// Waits for so long at most. True if it was asked for.
    fn wait(&self, within: Duration) -> bool {
        let asked = self.asked.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.asked.1.wait_timeout_while(asked, within, |asked| !*asked);
        let (mut asked, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *asked)
    }
}

/// The thread's state.
struct Keeper {
    files: Vec<CertificateFiles>,
    tickets: Arc<dyn ProducesTickets>,
    /// The files as they were when they were last read.
    tried: Vec<Stamp>,
    /// The same at the last look.
    seen: Vec<Stamp>,
    sender: Sender<Presented>,
    alive: Weak<()>,
    reloader: Reloader,
}

impl Keeper {
    fn run(mut self) {
        while self.alive.strong_count() > 0 {
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
        match read(&self.files, &self.tickets) {
            Ok(renewed) => {
                log_all("renewed certificate", &renewed);
                // The reactor may be gone.
                let _ = self.sender.send(renewed);
            }
            Err(error) => {
                tracing::error!("the renewed certificate can't be used, the earlier one stays: {error}");
            }
        }
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

fn read(files: &[CertificateFiles], tickets: &Arc<dyn ProducesTickets>) -> Result<Presented, TlsError> {
    let identities = files.iter().map(Identity::read).collect::<Result<Vec<_>, _>>()?;
    Ok(Presented::new(&identities, Arc::clone(tickets), rustls::ALL_VERSIONS)?)
}

fn log_all(what: &str, presented: &Presented) {
    for (name, not_after) in &presented.certificates {
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
