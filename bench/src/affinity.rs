//! One core for the server and another for the load, so that they do not compete for CPU time.
//!
//! A child inherits its parent's cores, so the parent moves to the server's core to start it and then to its
//! own.

/// The core of each side. Both are `None` if there is only one core, or the system has no such call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cores {
    pub load: Option<usize>,
    pub server: Option<usize>,
}

#[cfg(target_os = "linux")]
mod linux {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    use super::Cores;

    impl Cores {
        /// The first core that this process may use is the load's, the last one the server's.
        pub fn of_this_process() -> Self {
            let Ok(allowed) = sched_getaffinity(None) else { return Cores::default() };
            let mut cores = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core));
            match (cores.next(), cores.next_back()) {
                (load, server @ Some(_)) => Cores { load, server },
                _ => Cores::default(),
            }
        }
    }

    /// Moves this thread, and what it starts from now on, to one core. False if that is not possible.
    pub fn move_to(core: usize) -> bool {
        let mut only = CpuSet::new();
        only.set(core);
        sched_setaffinity(None, &only).is_ok()
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    impl super::Cores {
        /// None is known here.
        pub fn of_this_process() -> Self {
            Self::default()
        }
    }

    /// Never.
    pub fn move_to(_: usize) -> bool {
        false
    }
}

#[cfg(not(target_os = "linux"))]
use elsewhere::move_to;
#[cfg(target_os = "linux")]
use linux::move_to;

impl Cores {
    /// Both, or none.
    pub fn both(self) -> Vec<usize> {
        self.load.into_iter().chain(self.server).collect()
    }

    /// What this thread starts from now on runs on the server's core.
    pub fn start_servers(self) {
        follow(self.server);
    }

    /// This thread is the load from now on.
    pub fn drive_load(self) {
        follow(self.load);
    }
}

fn follow(core: Option<usize>) {
    if let Some(core) = core
        && !move_to(core)
    {
        eprintln!("bench: could not move to core {core}; the figures will be noisier");
    }
}
