//! A private network for a case, in which packets can be lost and any address can be used. Linux only.
//!
//! The case runs once more, alone, in a process in a namespace. All that it starts there is in this network
//! only.

use std::env;
use std::fs;
use std::io::Write;
use std::net::SocketAddrV4;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use super::guard::{GUARD, read_until};
use super::log::Log;
use super::process::Process;

/// The packets that vanish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// All of them.
    Both,
    /// Those to the server.
    ToServer,
    /// Those to the client.
    ToClient,
}

/// The network. It has a loopback interface and nothing else.
#[derive(Debug)]
pub struct Namespace(());

impl Namespace {
    /// Runs the calling case, whose name this is, in its own network.
    ///
    /// # Panics It fails there, or this kernel has no namespaces. `run-test.sh` skips these cases then.
    pub fn play(case: &str, body: impl FnOnce(&Self)) {
        if env::var_os(INSIDE).is_none() {
            return play_inside(case);
        }
        let namespace = Self(());
        namespace.ip(&["link", "set", "lo", "up"]);
        body(&namespace);
    }

    /// Runs the calling program in its own network. Returns its exit code.
    pub fn run_program(body: impl FnOnce(&Self)) -> ExitCode {
        if env::var_os(INSIDE).is_some() {
            let namespace = Self(());
            namespace.ip(&["link", "set", "lo", "up"]);
            body(&namespace);
            return ExitCode::SUCCESS;
        }
        let mut command = unshare();
        command.arg(env::current_exe().unwrap()).args(env::args_os().skip(1)).env(INSIDE, "1");
        let status =
            command.status().unwrap_or_else(|error| panic!("{command:?}: {error}: is it installed?"));
        ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1))
    }

    /// Drops every packet of the TCP connection from this port to this server, or those of one direction.
    /// Other connections are not affected.
    pub fn cut(&self, client_port: u16, server: SocketAddrV4, way: Way) {
        let ip = server.ip();
        let to_server = (way != Way::ToClient).then(|| format!("ip daddr {ip} tcp sport {client_port} drop"));
        let to_client = (way != Way::ToServer).then(|| format!("ip saddr {ip} tcp dport {client_port} drop"));
        let rules: Vec<String> = to_server.into_iter().chain(to_client).collect();
        self.nft(&format!(
            "table ip cut_{client_port}_{} {{
                chain arriving {{
                    type filter hook input priority filter
                    {}
                }}
            }}",
            u32::from(*ip),
            rules.join("\n")
        ));
    }

    /// The client ports of the open connections to this IPv4 address.
    pub fn client_ports(&self, server: SocketAddrV4) -> Vec<u16> {
        let list = fs::read_to_string("/proc/self/net/tcp").unwrap();
        let ip = u32::from_ne_bytes(server.ip().octets());
        let (wanted, established) = (format!("{ip:08X}:{:04X}", server.port()), "01");
        let columns = list.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
        let theirs = columns.filter(|line| line.len() > 3 && line[2] == wanted && line[3] == established);
        theirs.map(|line| u16::from_str_radix(line[1].rsplit(':').next().unwrap(), 16).unwrap()).collect()
    }

    /// Adds an address, which only this network has.
    pub fn add_address(&self, address: &str) {
        // No duplicate address detection for IPv6: there is no other machine.
        let try_not: &[&str] = if address.contains(':') { &["nodad"] } else { &[] };
        self.ip(&[&["address", "add", address, "dev", "lo"], try_not].concat());
        // The kernel makes the route to an IPv6 address a little later, on a thread of its own.
        let (ip, _) = address.split_once('/').unwrap_or((address, ""));
        read_until("the route to an address of its own", || {
            let known = Command::new("ip").args(["route", "get", ip]).output().unwrap();
            // Until then the route of its network may answer, which leads nowhere.
            known.stdout.starts_with(b"local ").then_some(())
        });
    }

    /// Drops this percentage of the packets from and to this port.
    pub fn lose(&self, percent: u8, port: u16) {
        let rule = |way| format!("tcp {way} {port} numgen random mod 100 < {percent} counter name lost drop");
        self.nft(&format!(
            "table inet relay {{
                counter lost {{ }}
                chain arriving {{
                    type filter hook input priority filter
                    {}
                    {}
                }}
            }}",
            rule("sport"),
            rule("dport")
        ));
    }

    /// How many were lost.
    pub fn lost(&self) -> u64 {
        let said = self.nft("list counter inet relay lost");
        let mut words = said.split_whitespace().skip_while(|word| *word != "packets");
        words.nth(1).and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no count: {said}"))
    }

    fn ip(&self, arguments: &[&str]) {
        run(Command::new("ip").args(arguments), "");
    }

    fn nft(&self, script: &str) -> String {
        run(Command::new("nft").args(["-f", "-"]), script)
    }
}

/// Runs the test binary once more, for this case alone.
fn play_inside(case: &str) {
    let mut command = unshare();
    command.arg(env::current_exe().unwrap()).args([case, "--exact", "--nocapture", "--test-threads", "1"]);
    // A Redis of the other network is not in this one.
    command.env(INSIDE, "1").env_remove("RELAY_TEST_REDIS_URL").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process::spawn(&mut command).unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let out = Log::collect(process.child().stdout.take().unwrap());
    let err = Log::collect(process.child().stderr.take().unwrap());
    let status = process.wait_end(GUARDED, case);
    let out = out.whole();
    eprintln!("{out}\n{}", err.whole());
    // For an unknown name, the test binary runs nothing and succeeds.
    assert!(status.success() && out.contains("1 passed"), "{case} in a network of its own: {status}");
}

fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args(if is_root() { ["--net"].as_slice() } else { &["--map-root-user", "--net"] });
    command
}

/// As root, without a user namespace, which some machines do not allow.
fn is_root() -> bool {
    run(Command::new("id").arg("-u"), "").trim() == "0"
}

/// Runs a command with this input. Returns its output.
fn run(command: &mut Command, input: &str) -> String {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}: is it installed?"));
    // A command that has ended does not read it; its status says why.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Set in the process that is in the namespace.
const INSIDE: &str = "RELAY_TEST_INSIDE";

/// Longer than the case's own guards.
const GUARDED: Duration = Duration::from_secs(4 * GUARD.as_secs());
