//! Shared terminals at the desk: `run`, `attach` and `terminals`, in windows of their own.

mod detach;
mod endings;
mod faults;
mod lists;
mod unread;
mod viewers;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use relay_tests::harness::guard::read_until;
use relay_tests::harness::json::Object;
use relay_tests::harness::relayd::binary;
use relay_tests::harness::window::Window;

/// A user's folders, with the terminals in them. Dropping it kills what runs there.
struct Desk {
    folder: PathBuf,
}

impl Desk {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("desk-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self { folder }
    }

    /// The program with these arguments.
    fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(binary("WORKSTATION_BIN", "relay-workstation"));
        command.args(args).env("XDG_RUNTIME_DIR", &self.folder).env("XDG_STATE_HOME", &self.folder);
        command
            .env_remove("RELAY_PROFILE")
            .env("REGISTER_KEY", "secret")
            .env("TERM", "xterm")
            .env("SHELL", "/bin/sh");
        command
    }

    /// The program with these arguments, in a window of 80×24.
    fn window(&self, args: &[&str]) -> Window {
        Window::open(&self.command(args), 80, 24)
    }

    /// A shell script that is shared, in a window of 80×24.
    fn run(&self, script: &str) -> Window {
        self.window(&["run", "--", "sh", "-c", script])
    }

    /// What a command writes to standard output.
    fn output(&self, args: &[&str]) -> String {
        let output = self.command(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What `terminals --json` prints. On a busy machine a terminal may not answer in time, which its exit
    /// code tells.
    fn listing(&self) -> String {
        let output = self.command(&["terminals", "--json"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// What `terminals --json` lists.
    fn terminals(&self) -> Vec<Object> {
        self.listing().lines().map(Object::parse).collect()
    }

    /// Waits until there are that many terminals.
    fn until_terminals(&self, count: usize) -> Vec<Object> {
        read_until("another number of terminals", || Some(self.terminals()).filter(|all| all.len() == count))
    }

    /// A terminal's socket.
    fn socket(&self, name: &str) -> PathBuf {
        self.folder.join(format!("relay-workstation/default/terminals/{name}.sock"))
    }

    /// A file that scripts may use.
    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Desk {
    /// Kills what runs.
    fn kill_all(&self) {
        self.terminals().iter().for_each(|terminal| signal("KILL", pid(terminal)));
        self.until_terminals(0);
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.kill_all();
        } else if let Ok(output) = self.command(&["terminals", "--json"]).output() {
            let listed = String::from_utf8_lossy(&output.stdout).into_owned();
            listed.lines().for_each(|terminal| signal("KILL", pid(&Object::parse(terminal))));
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The host's process of a terminal that is listed.
fn pid(terminal: &Object) -> u32 {
    terminal.number("pid").try_into().unwrap()
}

/// Sends a signal by its name without `SIG`.
fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status();
    assert!(sent.is_ok_and(|status| status.success()), "kill -{name} {pid} failed");
}

/// Waits until a file has this text.
fn until_file(path: &Path, text: &str) {
    let what = format!("{text:?} in {}", path.display());
    read_until(&what, || fs::read_to_string(path).ok().filter(|found| found.contains(text)).map(|_| ()));
}
