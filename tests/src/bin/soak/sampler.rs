//! Samples the size of a node, to see whether it keeps growing.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use relay_tests::harness::process::resident_kib;

/// Looks until it is told to stop.
#[derive(Debug)]
pub struct Sampler {
    stop: Sender<()>,
    thread: JoinHandle<Vec<u64>>,
}

/// Between two looks.
const EVERY: Duration = Duration::from_secs(10);

impl Sampler {
    /// Samples the process with this id, which must outlive the sampler.
    pub fn start(process: u32) -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut sizes = vec![resident_kib(process)];
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                sizes.push(resident_kib(process));
            }
            sizes
        });
        Self { stop, thread }
    }

    /// What was seen, in KiB.
    pub fn done(self) -> Vec<u64> {
        drop(self.stop);
        self.thread.join().expect("the process runs")
    }
}
