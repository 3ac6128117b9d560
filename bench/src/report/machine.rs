//! The machine on which it was measured.

use std::fs;
use std::thread;

use serde::Serialize;

use crate::affinity::Cores;

/// The machine, and which core the servers and the load used.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub processor: String,
    pub cores: usize,
    pub system: String,
    pub server_core: Option<usize>,
    pub load_core: Option<usize>,
    /// The load average of the last minute, when the run began.
    pub busy: Option<f64>,
}

impl Machine {
    /// This one, now.
    pub fn look(cores: Cores) -> Self {
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        let (info, kernel, load) =
            (read("/proc/cpuinfo"), read("/proc/sys/kernel/osrelease"), read("/proc/loadavg"));
        let model = info.lines().find_map(|line| line.strip_prefix("model name"));
        let model = model.and_then(|rest| rest.split_once(':')).map(|(_, name)| name.trim().to_owned());
        Machine {
            processor: model.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: thread::available_parallelism().map_or(1, usize::from),
            system: format!("{} {}", std::env::consts::OS, kernel.trim()).trim().to_owned(),
            server_core: cores.server,
            load_core: cores.load,
            busy: load.split(' ').next().and_then(|first| first.parse().ok()),
        }
    }

    /// Which core each side uses.
    pub fn cores_words(&self) -> String {
        match (self.server_core, self.load_core) {
            (Some(server), Some(load)) => format!("servers on core {server}, load on core {load}"),
            _ => "servers and load share their cores, so the figures are noisy".to_owned(),
        }
    }
}
