//! What a process costs, as the operating system counts it. Linux only; elsewhere nothing is known.

use std::fs;
use std::path::Path;

/// CPU time of all live threads of a process, in nanoseconds. The time of ended threads is not included, so
/// this fits a server whose threads stay.
pub(crate) fn process_cpu_ns(pid: u32) -> Option<u64> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let times = threads.flatten().filter_map(|thread| schedstat_ns(&thread.path().join("schedstat")));
    Some(times.sum())
}

/// CPU time of this thread, in nanoseconds.
pub(crate) fn own_cpu_ns() -> Option<u64> {
    schedstat_ns(Path::new("/proc/thread-self/schedstat"))
}

/// Resident memory of a process, in bytes.
pub(crate) fn resident_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Time for which these cores were busy or taken by the hypervisor, in nanoseconds. Counted in hundredths of
/// a second.
pub(crate) fn busy_ns(cores: &[usize]) -> Option<u64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let busy = |core: &usize| {
        let line = stat.lines().find_map(|line| line.strip_prefix(&format!("cpu{core} ")))?;
        let times: Vec<u64> = line.split(' ').map_while(|time| time.parse().ok()).collect();
        // proc_stat(5): idle and iowait are the fourth and the fifth; guests, from the ninth on, are in the
        // first two.
        Some(times.iter().take(8).sum::<u64>() - times.get(3)? - times.get(4)?)
    };
    let ticks: u64 = cores.iter().map(busy).sum::<Option<_>>()?;
    Some(ticks * NS_IN_TICK)
}

/// Linux reports hundredths of a second on every machine, whatever its kernel counts in.
const NS_IN_TICK: u64 = 10_000_000;

/// Retransmission timeouts of TCP on the whole machine.
pub(crate) fn tcp_timeouts() -> Option<u64> {
    let counters = fs::read_to_string("/proc/net/netstat").ok()?;
    let mut lines = counters.lines().filter_map(|line| line.strip_prefix("TcpExt: "));
    let (names, values) = (lines.next()?.split(' '), lines.next()?.split(' '));
    names.zip(values).find(|(name, _)| *name == "TCPTimeouts")?.1.parse().ok()
}

/// The first field is the time spent on a core: nanoseconds, where `stat` has hundredths of a second.
fn schedstat_ns(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.split_whitespace().next()?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn work_shows_in_every_meter() {
        let me = std::process::id();
        let before = own_cpu_ns().unwrap();
        while own_cpu_ns().unwrap() < before + 2_000_000 {}
        // This thread is one of the process.
        assert!(process_cpu_ns(me).unwrap() >= before + 2_000_000);
        assert!(resident_bytes(me).unwrap() > 100_000);
        assert_eq!(process_cpu_ns(u32::MAX), None);
        assert!(tcp_timeouts().is_some());
        assert!(busy_ns(&[0]).unwrap() > 0 && busy_ns(&[usize::MAX]).is_none());
    }
}
