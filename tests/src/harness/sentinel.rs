//! Sentinels that watch a master, and a master with a replica to watch.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, fs, thread};

use super::authority::Authority;
use super::guard::read_until;
use super::log::Log;
use super::process::Process;
use super::redis::{Keep, Redis, connect, free_port, in_ten_tries, try_spawn};
use super::tls::tls_settings;

/// What the sentinels call the master.
pub const MASTER: &str = "the-master";

/// One sentinel, which alone is a quorum. Ended with its owner.
#[derive(Debug)]
pub struct Sentinel {
    port: u16,
    tls_port: u16,
    dir: PathBuf,
    log: Log,
    _process: Process,
}

/// A master, a replica that has caught up, and a sentinel that knows both.
#[derive(Debug)]
pub struct Watched {
    master: Redis,
    replica: Redis,
    sentinel: Sentinel,
}

impl Sentinel {
    /// Starts one that watches the master at this port.
    pub fn watch(master_port: u16) -> Self {
        Self::start(master_port, |_| Vec::new())
    }

    /// The same over TLS, with a certificate for 127.0.0.1, which is also its address for the master.
    pub fn watch_by_tls(authority: &Authority, master_port: u16) -> Self {
        let identity = authority.issue("127.0.0.1");
        Self::start(master_port, |port| {
            let tls = tls_settings(authority, &identity, port).map(|(name, value)| format!("{name} {value}"));
            tls.into_iter().chain(["tls-replication yes".to_owned()]).collect()
        })
    }

    fn start(master_port: u16, more: impl Fn(u16) -> Vec<String>) -> Self {
        in_ten_tries("sentinel", || {
            let (port, tls_port) = (free_port(), free_port());
            let dir = fresh_dir();
            let config = dir.join("sentinel.conf");
            let lines = [
                format!("port {port}\nbind 127.0.0.1\ndir {}", dir.display()),
                format!("sentinel monitor {MASTER} 127.0.0.1 {master_port} 1"),
                format!("sentinel down-after-milliseconds {MASTER} 1000"),
                format!("sentinel failover-timeout {MASTER} 3000"),
            ];
            fs::write(&config, [&lines[..], &more(tls_port)].concat().join("\n") + "\n").unwrap();
            let mut command = Command::new("redis-server");
            let (process, log) = try_spawn(command.arg(&config).arg("--sentinel"), &url_at(port))?;
            // Checks every 100 ms, not every 10 s. Older versions cannot, and take longer.
            let hasten = ["DEBUG", "INFO-PERIOD", "100", "PUBLISH-PERIOD", "100"];
            let _ = redis::cmd("SENTINEL").arg(&hasten).exec(&mut connect(&url_at(port)));
            Some(Self { port, tls_port, dir, log, _process: process })
        })
    }

    /// Its address without TLS.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its address with TLS.
    pub fn tls_address(&self) -> String {
        format!("127.0.0.1:{}", self.tls_port)
    }

    /// Asks it something about the master.
    fn ask<T: redis::FromRedisValue>(&self, question: &str) -> Option<T> {
        redis::cmd("SENTINEL").arg(question).arg(MASTER).query(&mut connect(&url_at(self.port))).ok()
    }

    /// True if it sees the master at this port.
    fn sees_master_at(&self, port: u16) -> bool {
        let seen: Option<(String, u16)> = self.ask("GET-MASTER-ADDR-BY-NAME");
        seen.is_some_and(|(_, seen)| seen == port)
    }

    /// Waits until it knows a replica that could take over.
    fn wait_for_replica(&self) {
        read_until("the sentinel to know the replica", || {
            let replicas: Vec<HashMap<String, String>> = self.ask("REPLICAS")?;
            let is_linked = |replica: &HashMap<String, String>| {
                replica.get("flags").is_some_and(|flags| flags == "slave")
                    && replica.get("master-link-status").is_some_and(|status| status == "ok")
            };
            replicas.iter().any(is_linked).then_some(())
        });
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
        if thread::panicking() {
            eprintln!("--- the end of the sentinel's log:\n{}", self.log.tail(30));
        }
    }
}

impl Watched {
    /// Starts all three and waits until the replica could take over.
    pub fn start() -> Self {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let master = Redis::start_with(Keep::Nothing, || words(&["--repl-diskless-sync-delay", "0"]));
        let port = master.port().to_string();
        let replica = Redis::start_with(Keep::Nothing, || words(&["--replicaof", "127.0.0.1", &port]));
        read_until("the replica to catch up", || {
            let info: String =
                redis::cmd("INFO").arg("replication").query(&mut connect(&replica.url())).ok()?;
            info.contains("master_link_status:up").then_some(())
        });
        let sentinel = Sentinel::watch(master.port());
        sentinel.wait_for_replica();
        Self { master, replica, sentinel }
    }

    /// A URL with two sentinels: one that is not there, then the real one.
    pub fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{},{}/{MASTER}", free_port(), self.sentinel.address())
    }

    /// The first master.
    pub fn master(&mut self) -> &mut Redis {
        &mut self.master
    }

    /// The server that takes over.
    pub fn successor(&self) -> &Redis {
        &self.replica
    }

    /// Waits until the replica has taken over.
    pub fn wait_for_failover(&self) {
        read_until("the sentinel to name the new master", || {
            self.sentinel.sees_master_at(self.replica.port()).then_some(())
        });
    }

    /// Makes the replica take over while the master lives.
    pub fn fail_over(&self) {
        read_until("the replica to take over", || {
            if self.sentinel.sees_master_at(self.replica.port()) {
                return Some(());
            }
            // It is refused while a takeover is under way, and given up if the sentinel thinks that the
            // replica is not ready.
            let _: Option<()> = self.sentinel.ask("FAILOVER");
            None
        });
    }
}

fn url_at(port: u16) -> String {
    format!("redis://127.0.0.1:{port}")
}

fn fresh_dir() -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let dir = env::temp_dir().join(format!("relay-test-sentinel-{}-{count}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    dir
}
