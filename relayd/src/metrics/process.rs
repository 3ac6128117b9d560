//! The process as the operating system sees it, under the names that Prometheus clients use. Linux only.

use super::page::{COUNTER, GAUGE, Page};

/// What the operating system says of this process. What it does not say is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessFigures {
    /// When it started, in seconds since 1970.
    pub started_secs: u64,
    /// Time on all processors, in seconds.
    pub cpu_secs: Option<f64>,
    /// Bytes in memory.
    pub resident: Option<u64>,
    /// Bytes of address space.
    pub virtual_size: Option<u64>,
    /// Open descriptors.
    pub open_fds: Option<u64>,
    /// Descriptors that may be open.
    pub max_fds: Option<u64>,
}

impl ProcessFigures {
    /// Looks. `are_few`: there are few enough descriptors to count them one by one.
    pub fn read(started_secs: u64, are_few: bool) -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        ProcessFigures {
            started_secs,
            cpu_secs: cpu_secs(),
            resident: kib_in(&status, "VmRSS:"),
            virtual_size: kib_in(&status, "VmSize:"),
            open_fds: open_fds(are_few),
            max_fds: rlimit::Resource::NOFILE.get_soft().ok(),
        }
    }

    pub(super) fn write(&self, page: &mut Page<'_>) {
        if let Some(secs) = self.cpu_secs {
            page.family("process_cpu_seconds_total", COUNTER, "Time on all processors, in seconds.");
            page.value(secs);
        }
        for (name, help, value) in [
            ("process_resident_memory_bytes", "Bytes in memory.", self.resident),
            ("process_virtual_memory_bytes", "Bytes of address space.", self.virtual_size),
            ("process_open_fds", "Open descriptors.", self.open_fds),
            ("process_max_fds", "Descriptors that may be open.", self.max_fds),
            ("process_start_time_seconds", "The start, in seconds since 1970.", Some(self.started_secs)),
        ] {
            if let Some(value) = value {
                page.single(name, GAUGE, help, value);
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn cpu_secs() -> Option<f64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    std::time::Duration::try_from(time).ok().map(|time| time.as_secs_f64())
}

#[cfg(not(target_os = "linux"))]
fn cpu_secs() -> Option<f64> {
    None
}

/// Linux 6.2 gives their number as the folder's size. Before that they are listed, if they are few.
fn open_fds(are_few: bool) -> Option<u64> {
    let folder = std::path::Path::new("/proc/self/fd");
    match folder.metadata().ok()?.len() {
        0 if are_few => Some(folder.read_dir().ok()?.count() as u64),
        0 => None,
        count => Some(count),
    }
}

/// A line such as `VmRSS:     1234 kB`, in bytes.
fn kib_in(status: &str, name: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
    rest.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_are_figures() {
        let status = "Name:\tx\nVmSize:\t  10 kB\nVmRSS:\t   7 kB\n";
        assert_eq!((kib_in(status, "VmRSS:"), kib_in(status, "VmSize:")), (Some(7 * 1024), Some(10 * 1024)));
        for bad in ["", "VmRSS:", "VmRSS: x kB", "VmRSS: 7", "VmRSS: 99999999999999999999 kB"] {
            assert_eq!(kib_in(bad, "VmRSS:"), None, "{bad}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_all_figures() {
        let before = ProcessFigures::read(5, true);
        assert!(before.resident > Some(1 << 20) && before.virtual_size >= before.resident, "{before:?}");
        assert!(before.open_fds >= Some(3) && before.max_fds >= before.open_fds, "{before:?}");
        let mut sum = 0u64;
        while ProcessFigures::read(5, true).cpu_secs <= before.cpu_secs {
            sum = sum.wrapping_add(std::hint::black_box(1));
        }
    }
}
