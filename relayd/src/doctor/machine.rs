//! What the machine gives: descriptors for connections, and memory for the sum that the server may need.

use std::fs;
use std::path::{Path, PathBuf};

use super::Finding;
use crate::backend::detect::StoreKind;
use crate::config::Config;
use crate::server;
use crate::sizing::Load;

/// Descriptors that connections never take. See `docs/operations.md`.
const DESCRIPTORS_RESERVED: u64 = 24;

/// Fewer connections than this are too few for most, if the operator did not choose so.
const CONNECTIONS_FEW: u64 = 1000;

/// What the sum is computed for where the descriptors allow more, as in `docs/operations.md`.
const CONNECTIONS_ASSUMED: u64 = 10_000;

pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let hard = rlimit::Resource::NOFILE.get_hard().unwrap_or(u64::MAX);
    let wanted = config.admission.connections_max as u64;
    let mut found = vec![descriptors(wanted, hard), memory(config, hard, Path::new("/"))];
    if Path::new(SYSTEMD).exists() {
        found.iter_mut().for_each(|finding| finding.words += OWN_LIMITS);
    }
    found
}

/// There is such a folder where systemd runs services. A container has the same limits for all inside.
const SYSTEMD: &str = "/run/systemd/system";

/// What a shell may have is not what a unit has.
const OWN_LIMITS: &str = "; that is by the limits of this process, and a unit has its own";

/// `wanted`: `--connections-max`, 0 if it is not set. `hard`: the hard limit of descriptors.
fn descriptors(wanted: u64, hard: u64) -> Finding {
    let room = hard.saturating_sub(DESCRIPTORS_RESERVED);
    let raise = "raise the hard limit: LimitNOFILE= in the unit, `--ulimit nofile=` in a container";
    match wanted {
        0 if room < CONNECTIONS_FEW => Finding::bad(
            "descriptors",
            format!("the limit of {hard} descriptors allows {room} connections"),
            raise,
        ),
        0 => Finding::ok("descriptors", format!("the limit of {hard} allows {room} connections")),
        _ if wanted > room => Finding::bad(
            "descriptors",
            format!("--connections-max is {wanted}, and the limit of {hard} descriptors allows {room}"),
            raise,
        ),
        _ => Finding::ok("descriptors", format!("the limit of {hard} allows --connections-max {wanted}")),
    }
}

fn memory(config: &Config, hard: u64, root: &Path) -> Finding {
    let room = hard.saturating_sub(DESCRIPTORS_RESERVED);
    let connections = match config.admission.connections_max as u64 {
        0 => room.min(CONNECTIONS_ASSUMED),
        wanted => wanted.min(room),
    };
    let is_redis =
        config.store == Some(StoreKind::Redis) || (config.store.is_none() && config.redis_url.is_some());
    let load = Load {
        limits: server::limits(config),
        connections: usize::try_from(connections).unwrap_or(usize::MAX),
        sessions: (!is_redis).then(|| server::table_limits(config).sessions_max),
    };
    let (sum, cgroup, machine) = (load.sum() as u64, cgroup_limit(root), machine_bytes(root));
    let may = format!("the server may need {} MiB with {connections} connections", mib(sum));
    let lower = "lower --memory-max, --connections-max or --sessions-max";
    match (cgroup, machine) {
        (Some(limit), _) if sum > limit => Finding::bad(
            "memory",
            format!("{may}, and is killed at {} MiB, the limit of its control group", mib(limit)),
            format!("raise that limit (MemoryMax=), or {lower}"),
        ),
        (_, Some(machine)) if config.memory_max as u64 > machine => Finding::bad(
            "memory",
            format!(
                "--memory-max is {} MiB, and the machine has {}",
                mib(config.memory_max as u64),
                mib(machine)
            ),
            "lower --memory-max to a half of the machine's memory",
        ),
        (_, Some(machine)) if sum > machine => Finding::warn(
            "memory",
            format!("{may} if all limits are used up, and the machine has {}", mib(machine)),
            lower,
        ),
        _ => Finding::ok("memory", may),
    }
}

fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

fn machine_bytes(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    total.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

/// The least limit of this process's control group and of those around it. Version 2, else version 1.
fn cgroup_limit(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let limits = text.lines().flat_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (kinds, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let (base, file) = if kinds.is_empty() {
            ("sys/fs/cgroup", "memory.max")
        } else if kinds.split(',').any(|kind| kind == "memory") {
            ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
        } else {
            return Vec::new();
        };
        // Inside a container the path may be the host's, which is not there.
        let path = PathBuf::from(path.trim_start_matches('/'));
        path.ancestors().filter_map(|path| limit_in(&root.join(base).join(path).join(file))).collect()
    });
    limits.min()
}

/// `max`, or a number so large that it means the same, is no limit.
fn limit_in(file: &Path) -> Option<u64> {
    let limit = fs::read_to_string(file).ok()?.trim().parse::<u64>().ok()?;
    (limit < 1 << 60).then_some(limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    fn config(flags: &[&str]) -> Config {
        let args = ["relayd", "--store", "redis"].iter().chain(flags).map(|arg| (*arg).into());
        crate::config::load(args).unwrap()
    }

    /// A machine with these files, below a folder of its own.
    fn machine(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("relayd-doctor-{name}-{}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn too_few_descriptors_are_named() {
        for (wanted, hard, level, words) in [
            (0, 1_048_576, Level::Ok, "allows 1048552 connections"),
            (0, 1023, Level::Bad, "the limit of 1023 descriptors allows 999 connections"),
            (10_000, 10_024, Level::Ok, "allows --connections-max 10000"),
            (10_000, 10_023, Level::Bad, "--connections-max is 10000, and the limit of 10023"),
            (500, 1024, Level::Ok, "allows --connections-max 500"),
        ] {
            let finding = descriptors(wanted, hard);
            assert!(finding.level == level && finding.words.contains(words), "{finding:?}");
            assert_eq!(finding.remedy.contains("LimitNOFILE"), level == Level::Bad);
        }
    }

    #[test]
    fn a_sum_over_a_limit_is_named() {
        let (gib, big) = ("1073741824\n", "MemTotal:       16000000 kB\nMemFree: 1 kB\n");
        let v2: &[_] = &[
            ("proc/self/cgroup", "0::/system.slice/relayd.service\n"),
            ("sys/fs/cgroup/system.slice/relayd.service/memory.max", "max\n"),
            ("sys/fs/cgroup/system.slice/memory.max", gib),
            ("proc/meminfo", big),
        ];
        let v1: &[_] = &[
            ("proc/self/cgroup", "11:pids:/x\n4:cpu,memory:/docker/abc\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", gib),
            ("proc/meminfo", big),
        ];
        let free: &[_] = &[
            ("proc/self/cgroup", "4:memory:/\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("proc/meminfo", big),
        ];
        let small: &[_] = &[("proc/meminfo", "MemTotal:        1000000 kB\n")];
        for (name, files, flags, level, words) in [
            (
                "v2",
                v2,
                &[][..],
                Level::Bad,
                "may need 1316 MiB with 10000 connections, and is killed at 1024 MiB",
            ),
            ("v2-lower", v2, &["--connections-max=1000"], Level::Ok, "may need 745 MiB"),
            ("v1", v1, &[], Level::Bad, "is killed at 1024 MiB"),
            ("free", free, &[], Level::Ok, "may need 1316 MiB"),
            ("small", small, &[], Level::Warn, "the machine has 977"),
            ("too-much", small, &["--memory-max=1GiB"], Level::Bad, "--memory-max is 1024 MiB"),
        ] {
            let root = machine(name, files);
            let finding = memory(&config(flags), 1 << 20, &root);
            fs::remove_dir_all(root).unwrap();
            assert!(finding.level == level && finding.words.contains(words), "{name}: {finding:?}");
        }
    }
}
