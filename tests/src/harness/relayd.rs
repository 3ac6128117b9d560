//! The real `relayd` process: found, started on a free port, read, stopped.

use std::env;
use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use super::json::Object;
use super::log::Log;
use super::process::Process;
use super::redis::{free_port, in_ten_tries};
use super::scarce::Scarce;
use super::wall_clock::WallClock;
use super::{guard, http};

/// Flags and environment of one start.
#[derive(Clone, Debug, Default)]
pub struct Options {
    args: Vec<String>,
    envs: Vec<(String, String)>,
    /// Arguments of `ulimit`, one call each.
    limits: Vec<String>,
    log_ends: Option<LogEnd>,
    listen: Option<String>,
}

/// What happens to the log's reader once the server listens, if it does not simply read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogEnd {
    /// It stops reading, so that the pipe fills up. [`Log::read_on`] ends that.
    Blocked,
    /// It is gone, so that every write fails.
    Closed,
    /// There is none: from the start, the log is on a full disk.
    Full,
}

impl Options {
    /// None: every default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a flag without a value.
    pub fn flag(mut self, name: &str) -> Self {
        self.args.push(name.to_owned());
        self
    }

    /// Adds a flag with a value.
    pub fn arg(self, name: &str, value: &str) -> Self {
        self.flag(name).flag(value)
    }

    /// Limits the server's descriptors.
    pub fn descriptors(mut self, count: u32) -> Self {
        self.limits.push(format!("-n {count}"));
        self
    }

    /// Limits the stack of the server's main thread, in KiB.
    pub fn stack_kib(mut self, count: u32) -> Self {
        self.limits.push(format!("-s {count}"));
        self
    }

    /// Limits the server's own memory, in KiB. Beyond that, its allocator fails.
    pub fn memory_kib(mut self, count: u64) -> Self {
        self.limits.push(format!("-d {count}"));
        self
    }

    /// Listens at this address of the machine, not at 127.0.0.1.
    pub fn listen(mut self, address: &str) -> Self {
        self.listen = Some(address.to_owned());
        self
    }

    /// Stops reading the log once the server listens.
    pub fn log_ends(mut self, how: LogEnd) -> Self {
        self.log_ends = Some(how);
        self
    }

    /// Runs it under this clock.
    pub fn wall_clock(mut self, clock: &WallClock) -> Self {
        self.envs.extend(clock.envs());
        self
    }

    /// Runs it on a machine without IPv6.
    pub fn without_ipv6(mut self, scarce: &Scarce) -> Self {
        self.envs.push(scarce.env());
        self.env("RELAY_TEST_NO_IPV6", "1")
    }

    /// Limits the server's threads, besides the first one.
    pub fn threads(mut self, scarce: &Scarce, count: usize) -> Self {
        self.envs.push(scarce.env());
        self.env("RELAY_TEST_THREADS", &count.to_string())
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.envs.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// The variables that the contract reads. They are removed from the environment, so that only a case's own
/// options count.
const CONTRACT_VARIABLES: [&str; 17] = [
    "PORT",
    "TLS_CERT",
    "TLS_KEY",
    "REDIS_URL",
    "REDIS_CA",
    "REDIS_PASSWORD_FILE",
    "REDIS_PASSWORD_COMMAND",
    "PUBLIC_WS_URL",
    "SESSION_IDLE_SECS",
    "HEARTBEAT_INTERVAL_SECS",
    "MAX_MESSAGE_BYTES",
    "ALLOWED_ORIGINS",
    "REGISTER_KEY",
    "REGISTER_KEY_FILE",
    "RELAY_CONFIG",
    "TRUSTED_PROXY",
    "RELAY_LOG",
];

/// A running server. Dropping it kills the process. The case fails if it had ended by itself, or its log
/// shows a panic.
#[derive(Debug)]
pub struct Relayd {
    process: Process,
    log: Log,
    addr: SocketAddr,
    /// The case killed it, or saw its end.
    is_ended: bool,
}

impl Relayd {
    /// Starts it on a free port of 127.0.0.1 and waits until it listens.
    pub fn start(options: &Options) -> Self {
        if options.log_ends == Some(LogEnd::Full) {
            return in_ten_tries("port for relayd", || Self::try_start_unheard(options));
        }
        let mut command = command(options, 0);
        command.stderr(Stdio::piped());
        let mut process = Process::spawn(&mut command).unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stderr = process.child().stderr.take().unwrap();
        let log = match options.log_ends {
            None => Log::collect(stderr),
            Some(how) => {
                Log::collect_until(stderr, |line| listening_addr(line).is_some(), how == LogEnd::Blocked)
            }
        };
        let addr = log.wait_for("line that says listening", listening_addr);
        let addr =
            addr.unwrap_or_else(|| panic!("relayd ended before it listened; its log:\n{}", log.text()));
        Self { process, log, addr, is_ended: false }
    }

    /// Its log is lost, so its port is chosen beforehand. `None` if another program took that port.
    fn try_start_unheard(options: &Options) -> Option<Self> {
        let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut command = command(options, addr.port());
        command.stderr(File::options().write(true).open("/dev/full").unwrap());
        let mut process = Process::spawn(&mut command).unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let is_up = guard::read_until("relayd to listen", || match process.ended() {
            Some(_) => Some(false),
            None => TcpStream::connect(addr).is_ok().then_some(true),
        });
        is_up.then(|| Self { process, log: Log::collect(io::empty()), addr, is_ended: false })
    }

    /// [`Relayd::start`], then waits until its store answers.
    pub fn start_ready(options: &Options) -> Self {
        let relayd = Self::start(options);
        relayd.wait_ready(200);
        relayd
    }

    /// This many servers with these options, started together.
    pub fn start_many(count: usize, options: &Options) -> Vec<Self> {
        thread::scope(|scope| {
            let starts: Vec<_> = (0..count).map(|_| scope.spawn(|| Self::start_ready(options))).collect();
            starts
                .into_iter()
                .map(|start| start.join().unwrap_or_else(|panic| resume_unwind(panic)))
                .collect()
        })
    }

    /// Waits until `/ready` answers with this status.
    pub fn wait_ready(&self, status: u16) {
        let what = format!("/ready to answer {status}");
        guard::read_until(&what, || (http::fetch(self.addr, "/ready").status == status).then_some(()));
    }

    /// Runs it to its end with exactly these options, for starts that must fail. Returns status, stdout and
    /// stderr.
    pub fn run_to_end(options: &Options) -> (ExitStatus, String, String) {
        let mut command = bare_command(options);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process::spawn(&mut command).unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let out = Log::collect(process.child().stdout.take().unwrap());
        let err = Log::collect(process.child().stderr.take().unwrap());
        let status = process.wait_end(guard::GUARD, "relayd to refuse its configuration");
        (status, out.whole(), err.whole())
    }

    /// Starts it on a free port without waiting, for cases about its start. Returns its process and its log.
    pub fn starting(options: &Options) -> (Process, Log) {
        let mut command = command(options, 0);
        command.stderr(Stdio::piped());
        let mut process = Process::spawn(&mut command).unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let log = Log::collect(process.child().stderr.take().unwrap());
        (process, log)
    }

    /// One sample of `/metrics`, with its labels as printed.
    ///
    /// # Panics
    /// When there is no such sample.
    pub fn metric(&self, sample: &str) -> u64 {
        let [value] = self.metrics([sample]);
        value
    }

    /// Samples of one moment.
    ///
    /// # Panics
    /// When one is missing.
    pub fn metrics<const COUNT: usize>(&self, samples: [&str; COUNT]) -> [u64; COUNT] {
        let page = http::fetch(self.addr, "/metrics").expect(200);
        samples.map(|sample| page.sample(sample))
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its log so far.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Its process, for signals and sizes.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// `kill -9`: ends it without a notice to its clients.
    pub fn kill(&mut self) {
        self.is_ended = true;
        self.process.kill();
    }

    /// Waits until it has ended by itself, and returns its status and whole log.
    pub fn wait_end(&mut self, within: Duration) -> (ExitStatus, String) {
        let status = self.process.wait_end(within, "relayd to end");
        self.is_ended = true;
        (status, self.log.whole())
    }
}

impl Drop for Relayd {
    fn drop(&mut self) {
        let ended = if self.is_ended { None } else { self.process.ended() };
        self.process.kill();
        self.log.read_on();
        let log = self.log.whole();
        if thread::panicking() {
            eprintln!("--- relayd had ended with {ended:?}; the end of its log:\n{}", self.log.tail(30));
        } else {
            assert!(!log.contains("panicked"), "relayd panicked:\n{log}");
            assert!(ended.is_none(), "relayd ended by itself with {ended:?}:\n{log}");
        }
    }
}

/// The command for a server that listens there and logs its address.
fn command(options: &Options, port: u16) -> Command {
    let address = options.listen.as_deref().unwrap_or("127.0.0.1");
    let mut command = bare_command(options);
    command.args(["--port", &port.to_string(), "--listen", address, "--log-format", "json"]);
    command.stdout(Stdio::null());
    command
}

fn bare_command(options: &Options) -> Command {
    let binary = binary("RELAYD_BIN", "relayd");
    let mut command = if options.limits.is_empty() {
        Command::new(binary)
    } else {
        let limits: String = options.limits.iter().map(|limit| format!("ulimit {limit} && ")).collect();
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("{limits}exec \"$0\" \"$@\"")).arg(binary);
        shell
    };
    for name in CONTRACT_VARIABLES {
        command.env_remove(name);
    }
    command.args(&options.args).envs(options.envs.iter().map(|(name, value)| (name, value)));
    command
}

/// The path of a binary of this workspace: from `variable`, or next to the test binary's folder.
///
/// # Panics
/// When nothing is there.
pub fn binary(variable: &str, name: &str) -> PathBuf {
    let beside = || {
        // target/<profile>/deps/<this test> → target/<profile>/<name>
        let profile = env::current_exe().ok()?.parent()?.parent()?.to_owned();
        Some(profile.join(name))
    };
    let path = env::var_os(variable).map(PathBuf::from).or_else(beside).unwrap_or_default();
    let path = if path.is_file() { path } else { path.with_extension(env::consts::EXE_EXTENSION) };
    assert!(
        path.is_file(),
        "{} is not there: build it with `cargo build --workspace --bins`, run ./run-test.sh, or set {variable}",
        path.display()
    );
    path
}

fn listening_addr(line: &str) -> Option<SocketAddr> {
    if !line.starts_with('{') || !line.contains("listening") {
        return None;
    }
    let line = Object::parse(line);
    let fields = if line.has("fields") { line.object("fields") } else { line };
    (fields.has("message") && fields.text("message") == "listening").then(|| {
        let addr = fields.text("addr");
        addr.parse().unwrap_or_else(|_| panic!("{addr:?} is not an address"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_nested_and_flat() {
        let addr = Some("127.0.0.1:4711".parse().unwrap());
        let nested =
            r#"{"timestamp":"x","level":"INFO","fields":{"message":"listening","addr":"127.0.0.1:4711"}}"#;
        assert_eq!(listening_addr(nested), addr);
        assert_eq!(listening_addr(r#"{"message":"listening","addr":"127.0.0.1:4711"}"#), addr);
        assert_eq!(listening_addr(r#"{"fields":{"message":"not listening"}}"#), None);
        assert_eq!(listening_addr("listening"), None);
    }
}
