//! A network of a case's own, in which it may lose packets and have any address. Linux only.
//!
//! The case runs once more, alone in a process in a namespace: all that it starts there is in no other network.

use std::env;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::guard::GUARD;
use super::log::Log;
use super::process::Process;

/// The network. It has a loopback interface and nothing else.
#[derive(Debug)]
pub struct Namespace(());

impl Namespace {
    /// Plays the case of this name, which is the one that calls, in a network of its own.
    ///
    /// # Panics
    /// It fails there, or this kernel gives no namespace: `run-test.sh` leaves these cases out then.
    pub fn play(case: &str, body: impl FnOnce(&Self)) {
        if env::var_os(INSIDE).is_none() {
            return play_inside(case);
        }
        let namespace = Self(());
        namespace.ip(&["link", "set", "lo", "up"]);
        body(&namespace);
    }

    /// Adds an address, which only this network has.
    pub fn add_address(&self, address: &str) {
        // An IPv6 address is not to be tried first: there is nobody else.
        let try_not: &[&str] = if address.contains(':') { &["nodad"] } else { &[] };
        self.ip(&[&["address", "add", address, "dev", "lo"], try_not].concat());
    }

    /// Loses so many in a hundred packets from and to this port.
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
    let mut command = Command::new("unshare");
    command.args(if is_root() { ["--net"].as_slice() } else { &["--map-root-user", "--net"] });
    command.arg(env::current_exe().unwrap()).args([case, "--exact", "--nocapture", "--test-threads", "1"]);
    // A Redis of the other network is not in this one.
    command.env(INSIDE, "1").env_remove("RELAY_TEST_REDIS_URL").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process::spawn(&mut command).unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let out = Log::collect(process.child().stdout.take().unwrap());
    let err = Log::collect(process.child().stderr.take().unwrap());
    let status = process.wait_end(GUARDED, case);
    let out = out.whole();
    eprintln!("{out}\n{}", err.whole());
    // A name that is not there runs nothing, and that well.
    assert!(status.success() && out.contains("1 passed"), "{case} in a network of its own: {status}");
}

/// As root it takes no namespace of users, which some machines do not give.
fn is_root() -> bool {
    run(Command::new("id").arg("-u"), "").trim() == "0"
}

/// Runs a command with this input; what it said.
fn run(command: &mut Command, input: &str) -> String {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}: is it installed?"));
    // Who has ended does not read it, and says why by its status.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Set in the process that is in the namespace.
const INSIDE: &str = "RELAY_TEST_INSIDE";

/// The guards of the case itself come first.
const GUARDED: Duration = Duration::from_secs(4 * GUARD.as_secs());
