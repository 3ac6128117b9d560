//! A machine that lacks something, for the processes that are started on it: no IPv6, or no more threads.
//! Linux only.
//!
//! It is a library of our own that is loaded before theirs: the limit of threads does not bind a superuser,
//! and no machine gives up IPv6 for one process.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, fs, process};

use super::wall_clock::compile;

/// The library, in a folder that is gone with it.
#[derive(Debug)]
pub struct Scarce {
    dir: PathBuf,
}

impl Scarce {
    /// Compiles it.
    ///
    /// # Panics
    /// When there is no C compiler.
    #[expect(clippy::new_without_default, reason = "it does something")]
    pub fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("relay-test-scarce-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = env::temp_dir().join(name);
        fs::create_dir_all(&dir).unwrap();
        compile("scarce.c", &dir.join(LIBRARY));
        Self { dir }
    }

    /// What loads it into a process.
    pub fn env(&self) -> (String, String) {
        let path = self.dir.join(LIBRARY);
        ("LD_PRELOAD".to_owned(), path.to_str().expect("a temporary folder with a plain name").to_owned())
    }
}

impl Drop for Scarce {
    fn drop(&mut self) {
        // What is left lies among temporary files.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

const LIBRARY: &str = "scarce.so";
