//! Child processes: signals, memory, descriptors, and never leaving one behind.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::guard;

/// A child that does not outlive its owner.
#[derive(Debug)]
pub struct Process {
    child: Child,
    note: Option<PathBuf>,
}

impl Process {
    /// Starts `command`. Its id is noted, so that `run-test.sh` can end it if the test binary crashes.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        Self::noted(command.stdin(Stdio::null()))
    }

    /// [`Process::spawn`] with a pipe to its input and one from its output.
    pub fn spawn_piped(command: &mut Command) -> io::Result<Self> {
        Self::noted(command.stdin(Stdio::piped()).stdout(Stdio::piped()))
    }

    /// Starts `command` with its output piped; its input is what the caller set.
    pub fn spawn_reading(command: &mut Command) -> io::Result<Self> {
        Self::noted(command.stdout(Stdio::piped()))
    }

    /// [`Process::spawn`] with input and outputs as the caller set them.
    pub fn spawn_with(command: &mut Command) -> io::Result<Self> {
        Self::noted(command)
    }

    fn noted(command: &mut Command) -> io::Result<Self> {
        let child = command.spawn()?;
        let note = std::env::var_os("RELAY_TEST_PIDS").map(|dir| {
            let note = PathBuf::from(dir).join(child.id().to_string());
            // A missing note only costs the clean-up after a crash.
            let _ = fs::write(&note, b"");
            note
        });
        Ok(Self { child, note })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The child itself, to take its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Sends a signal by its name without `SIG`: `TERM`, `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -{name} {} failed", self.id());
    }

    /// `kill -9`, and waits for the end.
    pub fn kill(&mut self) {
        // An error here means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.forget_note();
    }

    /// The exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for the end.
    pub fn wait_end(&mut self, within: Duration, what: &str) -> ExitStatus {
        let status = guard::read_until_within(within, what, || self.ended());
        self.forget_note();
        status
    }

    /// Resident memory in KiB.
    pub fn resident_kib(&self) -> u64 {
        resident_kib(self.id())
    }

    /// The most resident memory since [`Process::forget_peak`], in KiB. Linux only.
    pub fn peak_kib(&self) -> u64 {
        self.status_kib("VmHWM:")
    }

    /// Resets [`Process::peak_kib`]. Linux only.
    pub fn forget_peak(&self) {
        // proc(5): 5 resets the peak resident set size.
        fs::write(format!("/proc/{}/clear_refs", self.id()), "5").unwrap();
    }

    /// Memory that was reserved, touched or not, in KiB. Linux only.
    pub fn reserved_kib(&self) -> u64 {
        self.status_kib("VmData:")
    }

    /// The names of its threads, sorted. Linux only.
    pub fn threads(&self) -> Vec<String> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.id())).expect("a process that runs");
        // One may end between the listing and the look.
        let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).ok();
        let mut names: Vec<String> = tasks.map_while(Result::ok).filter_map(name).collect();
        names.sort_unstable();
        names
    }

    fn status_kib(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("a process that runs");
        let value = status.lines().find_map(|line| line.strip_prefix(field));
        let digits = value.and_then(|value| value.trim().strip_suffix(" kB"));
        digits.and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("no {field} in {status}"))
    }

    /// User and system time so far, in clock ticks of a hundredth of a second. Linux only.
    pub fn cpu_ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap_or_default();
        // proc(5): fields 14 and 15; the name in field 2 may hold anything, so they are counted from its
        // bracket.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap_or_default()).sum()
    }

    /// How many descriptors it holds. Linux only.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.id())).map_or(0, Iterator::count)
    }

    /// Limits its descriptors from now on. Those it has already stay open. Linux only.
    pub fn limit_descriptors(&self, count: usize) {
        assert!(
            try_limit_descriptors(self.id(), count as u64),
            "prlimit --nofile={count}: {} failed",
            self.id()
        );
    }

    fn forget_note(&mut self) {
        if let Some(note) = self.note.take() {
            let _ = fs::remove_file(note);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Resident memory of a running process, in KiB.
pub fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status"));
    let found = match &status {
        Ok(text) => text.lines().find_map(|line| line.strip_prefix("VmRSS:")).map(str::to_owned),
        // Without /proc, ps tells the same.
        Err(_) => Command::new("ps")
            .args(["-o", "rss=", "-p", &pid.to_string()])
            .output()
            .ok()
            .map(|out| String::from_utf8_lossy(&out.stdout).into_owned()),
    };
    let digits: String = found.unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("no resident size of process {pid}: has it ended?"))
}

/// Makes sure that this process, and children it starts from now on, may have `count` descriptors.
///
/// # Panics If the limit is lower and cannot be raised.
pub fn allow_descriptors(count: u64) {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next());
    // Without /proc, or without a limit, the shell that started this has set it.
    let Some(soft) = soft.and_then(|number| number.parse::<u64>().ok()) else { return };
    if soft < count {
        let raised = try_limit_descriptors(std::process::id(), count);
        assert!(raised, "{count} descriptors are needed and {soft} allowed: run `ulimit -n {count}` first");
    }
}

/// Sets the soft limit of a running process, and leaves the hard limit.
fn try_limit_descriptors(pid: u32, count: u64) -> bool {
    let range = format!("--nofile={count}:");
    let set = Command::new("prlimit").args(["--pid", &pid.to_string(), &range]).status();
    set.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_process_is_gone() {
        let process = Process::spawn(Command::new("sleep").arg("1000")).unwrap();
        assert!(process.resident_kib() > 0);
        let id = process.id().to_string();
        drop(process);
        let there = Command::new("kill").args(["-0", &id]).stderr(Stdio::null()).status().unwrap();
        assert!(!there.success());
    }
}
