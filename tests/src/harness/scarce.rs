//! A machine that lacks something, for the processes that are started on it: no IPv6, or no more threads.
//! Linux only.
//!
//! A small library that is preloaded. A thread limit does not apply to root, and IPv6 cannot be switched off
//! for one process.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, fs, process};

use super::wall_clock::compile;

/// The library, in a folder that is deleted with it.
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

    /// The environment variable that loads it into a process.
    pub fn env(&self) -> (String, String) {
        let path = self.dir.join(LIBRARY);
        ("LD_PRELOAD".to_owned(), path.to_str().expect("a temporary folder with a plain name").to_owned())
    }
}

impl Drop for Scarce {
    fn drop(&mut self) {
        // What is left is a temporary file.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

const LIBRARY: &str = "scarce.so";
