//! The agent's log: a file of bounded size, for the user. It holds no key, no token and no message.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// A longer log is put aside, in the place of the one that was put aside before.
const LOG_BYTES_MAX: u64 = 256 * 1024;

/// The log. Where it can't be written, nothing is: there is no other place to say so.
pub(super) struct Log {
    path: PathBuf,
    file: Option<File>,
    written: u64,
}

impl Log {
    pub(super) fn open(path: &Path) -> Self {
        let mut log = Log { path: path.to_owned(), file: None, written: 0 };
        log.reopen();
        log
    }

    fn reopen(&mut self) {
        self.written = fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        if self.written > LOG_BYTES_MAX {
            drop(fs::rename(&self.path, self.path.with_extension("log.old")));
            self.written = 0;
        }
        self.file = File::options().append(true).create(true).mode(0o600).open(&self.path).ok();
    }

    /// Adds a line, with the time in seconds since 1970.
    pub(super) fn line(&mut self, words: &str) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let line = format!("{} {}: {}\n", since.as_secs(), std::process::id(), words.replace('\n', " "));
        self.written += line.len() as u64;
        if let Some(file) = &mut self.file {
            drop(file.write_all(line.as_bytes()));
        }
        if self.written > LOG_BYTES_MAX {
            self.reopen();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_put_aside_once_and_stays_bounded() {
        let folder = std::env::temp_dir().join(format!("rw-log-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("agent.log");
        let mut log = Log::open(&path);
        for _ in 0..700 {
            log.line(&"x".repeat(1000));
        }
        log.line("two\nlines");
        assert!(fs::read_to_string(&path).unwrap().ends_with(": two lines\n"));
        let size = |path: &Path| fs::metadata(path).unwrap().len();
        assert!(
            size(&path) <= LOG_BYTES_MAX + 2000
                && size(&path.with_extension("log.old")) <= LOG_BYTES_MAX + 2000
        );
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
        fs::remove_dir_all(&folder).unwrap();
    }
}
