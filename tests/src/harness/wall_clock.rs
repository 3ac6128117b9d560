//! A wall clock that a case can set, for processes that are started under it. Linux only.
//!
//! Their monotonic clocks do not change, as when a machine's date is set. It uses a small preloaded library,
//! because libfaketime cannot start a Redis with jemalloc.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, process};

/// A clock, and the folder of its files, which is deleted with it.
#[derive(Debug)]
pub struct WallClock {
    dir: PathBuf,
    /// The seconds by which it is ahead, as the library reads them.
    file: File,
}

impl WallClock {
    /// One that is right at first.
    pub fn right() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("relay-test-clock-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = env::temp_dir().join(name);
        fs::create_dir_all(&dir).unwrap();
        compile("wall_clock.c", &dir.join(LIBRARY));
        let file = File::create(dir.join(FILE)).unwrap();
        let clock = Self { dir, file };
        clock.set_ahead(0);
        clock
    }

    /// Sets it this many seconds ahead of the real time, or behind. Processes see this the next time they
    /// read the clock.
    pub fn set_ahead(&self, secs: i64) {
        self.file.write_all_at(&secs.to_ne_bytes(), 0).unwrap();
    }

    /// The environment variables that put a process under it.
    pub fn envs(&self) -> [(String, String); 2] {
        let path =
            |name| self.dir.join(name).to_str().expect("a temporary folder with a plain name").to_owned();
        [("LD_PRELOAD".to_owned(), path(LIBRARY)), ("RELAY_TEST_CLOCK".to_owned(), path(FILE))]
    }
}

impl Drop for WallClock {
    fn drop(&mut self) {
        // What is left is a temporary file.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Compiles a source in this folder to a library that can be preloaded.
pub(super) fn compile(source: &str, out: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/harness").join(source);
    let mut command = Command::new("cc");
    command.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC"]);
    let status = command.arg(source).arg("-o").arg(out).status();
    let status = status.unwrap_or_else(|error| {
        panic!("this case needs a C compiler named cc ({error}): install gcc or clang, or run ./run-test.sh")
    });
    assert!(status.success(), "{command:?} failed");
}

const LIBRARY: &str = "wall_clock.so";
const FILE: &str = "ahead";

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn who_runs_under_it_sees_it_move() {
        let clock = WallClock::right();
        let year = |ahead| {
            clock.set_ahead(ahead);
            let out = Command::new("date").args(["-u", "+%Y"]).envs(clock.envs()).output().unwrap();
            String::from_utf8_lossy(&out.stdout).trim().parse::<i64>().unwrap()
        };
        let now = year(0);
        assert_eq!([year(2 * 366 * 86_400) - now >= 2, year(-2 * 366 * 86_400) - now <= -2], [true, true]);
    }
}
