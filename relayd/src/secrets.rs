//! Secrets that are kept outside of the settings: in a file, or printed by a command.
//!
//! Blocks, so only threads that may wait call it. No error holds what was read.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

/// Why a secret could not be had.
#[derive(Debug, Error)]
pub enum SecretError {
    /// The file is not there, or this process may not read it.
    #[error("it can't be read ({0}); name a file that this process may read")]
    Unreadable(#[source] io::Error),
    /// Too many bytes.
    #[error("it gave more than {SECRET_BYTES_MAX} bytes, which can't be a secret")]
    TooLong,
    /// Nothing but line ends.
    #[error("it gave nothing")]
    Empty,
    /// Not text.
    #[error("it gave bytes that are not UTF-8")]
    NotText,
    /// The command could not be started.
    #[error("it can't be started by /bin/sh ({0})")]
    NotStarted(#[source] io::Error),
    /// The command failed.
    #[error("it ended with {0}")]
    Failed(Ended),
    /// The command took too long, and was ended.
    #[error("it did not end within {} s, and was killed", .0.as_secs())]
    Late(Duration),
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    status: ExitStatus,
    /// The first line of its standard error.
    complaint: String,
}

/// Reads a secret from a file, without line ends at its end.
///
/// # Errors
/// See [`SecretError`].
pub fn read_file(path: &Path) -> Result<String, SecretError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(SecretError::Unreadable)?;
    file.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(SecretError::Unreadable)?;
    secret(bytes)
}

/// True if every user of this machine may read the file.
pub fn is_open_to_all(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|it| it.permissions().mode() & 0o004 != 0)
}

/// Runs a command with `/bin/sh -c`, and takes what it prints, without line ends at its end. It is killed
/// together with all that it started if it does not end `within` this time.
///
/// # Errors
/// See [`SecretError`].
pub fn run_command(command: &str, within: Duration) -> Result<String, SecretError> {
    let until = Instant::now() + within;
    let mut running = Running::start(command).map_err(SecretError::NotStarted)?;
    let printed = read_until(&mut running.out, SECRET_BYTES_MAX + 1, until);
    let complaint = match printed {
        // One that prints too much may not end by itself.
        Some(ref printed) if printed.len() as u64 <= SECRET_BYTES_MAX => {
            read_until(&mut running.err, COMPLAINT_BYTES_MAX, until)
        }
        _ => None,
    };
    let status = complaint.as_ref().and_then(|_| running.wait_until(until));
    match (printed, complaint, status) {
        (Some(printed), _, _) if printed.len() as u64 > SECRET_BYTES_MAX => Err(SecretError::TooLong),
        (Some(printed), _, Some(status)) if status.success() => secret(printed),
        (_, Some(complaint), Some(status)) => {
            Err(SecretError::Failed(Ended { status, complaint: first_line(&complaint) }))
        }
        _ => Err(SecretError::Late(within)),
    }
}

/// A command under way. Dropped, it is killed with all that it started.
struct Running {
    child: Child,
    /// Sockets, because reads from them can have a deadline.
    out: UnixStream,
    err: UnixStream,
}

impl Running {
    fn start(command: &str) -> io::Result<Self> {
        let ((out, its_out), (err, its_err)) = (UnixStream::pair()?, UnixStream::pair()?);
        let child = Command::new("/bin/sh")
            .args(["-c", command])
            .stdin(Stdio::null())
            .stdout(OwnedFd::from(its_out))
            .stderr(OwnedFd::from(its_err))
            .process_group(0)
            .spawn()?;
        Ok(Running { child, out, err })
    }

    fn wait_until(&mut self, until: Instant) -> Option<ExitStatus> {
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < until => thread::sleep(LOOK_EVERY),
                _ => return None,
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Those that ended are not there any more, which is no fault.
        #[cfg(target_os = "linux")]
        if let Ok(Some(group)) = i32::try_from(self.child.id()).map(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads to the end of the stream, or as many bytes as this. `None` if the time is over first.
fn read_until(stream: &mut UnixStream, most: u64, until: Instant) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut piece = [0; 1024];
    while (bytes.len() as u64) < most {
        let left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        stream.set_read_timeout(Some(left)).ok()?;
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    Some(bytes)
}

fn secret(bytes: Vec<u8>) -> Result<String, SecretError> {
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        return Err(SecretError::TooLong);
    }
    let text = String::from_utf8(bytes).map_err(|_| SecretError::NotText)?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() { Err(SecretError::Empty) } else { Ok(text.to_owned()) }
}

fn first_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(COMPLAINT_CHARS_MAX).collect()
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status.code() {
            Some(code) => write!(f, "exit code {code}")?,
            // "signal: 9 (SIGKILL)"
            None => write!(f, "{}", self.status)?,
        }
        match self.complaint.as_str() {
            "" => f.write_str(" and said nothing"),
            complaint => write!(f, ": {complaint}"),
        }
    }
}

/// Tokens of cloud providers have up to about 2,000.
const SECRET_BYTES_MAX: u64 = 16 << 10;

const COMPLAINT_BYTES_MAX: u64 = 4096;
const COMPLAINT_CHARS_MAX: usize = 200;

/// Between two looks at whether a command has ended.
const LOOK_EVERY: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    /// Generous, as the machine may be busy.
    const LONG: Duration = Duration::from_secs(60);

    fn said(command: &str, within: Duration) -> String {
        run_command(command, within).unwrap_err().to_string()
    }

    #[test]
    fn what_a_command_prints_is_the_secret() {
        assert_eq!(run_command("echo s3cret; echo noise >&2", LONG).unwrap(), "s3cret");
        assert_eq!(run_command("printf 's3 cret\\r\\n\\n'", LONG).unwrap(), "s3 cret");
    }

    #[test]
    fn a_command_that_fails_is_told_by_its_code_and_first_line_and_not_by_the_secret() {
        let failed = said("echo s3cret; printf '\\nno token\\nmore\\n' >&2; exit 7", LONG);
        assert_eq!(failed, "it ended with exit code 7: no token");
        assert_eq!(said("echo s3cret; exit 1", LONG), "it ended with exit code 1 and said nothing");
        assert!(said("kill -9 $$", LONG).contains("signal: 9"));
        assert!(said("/no/such/program", LONG).starts_with("it ended with exit code 127: "));
        assert_eq!(said("echo", LONG), "it gave nothing");
        assert_eq!(said("printf '\\377'", LONG), "it gave bytes that are not UTF-8");
    }

    #[test]
    fn a_command_that_does_not_end_is_killed_with_its_children() {
        let begun = Instant::now();
        for command in ["sleep 1000", "sleep 1000 & echo x", "exec >&- 2>&-; exec sleep 1000", "yes"] {
            let late = said(command, Duration::from_millis(300));
            assert!(late.contains("killed") || (command == "yes" && late.contains("more than")), "{late}");
        }
        assert!(begun.elapsed() < LONG);
    }

    #[test]
    fn a_file_gives_its_text_without_the_last_line_end() {
        let path = std::env::temp_dir().join(format!("relayd-secret-{}", std::process::id()));
        let read = |text: &[u8]| {
            std::fs::write(&path, text).unwrap();
            read_file(&path)
        };
        assert_eq!(read(b"one\ntwo\n").unwrap(), "one\ntwo");
        assert!(matches!(read(b"\n"), Err(SecretError::Empty)));
        assert!(matches!(read(&[b'x'; 20_000]), Err(SecretError::TooLong)));
        for (mode, is_open) in [(0o600, false), (0o640, false), (0o644, true)] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            assert_eq!(is_open_to_all(&path), is_open);
        }
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(read_file(&path), Err(SecretError::Unreadable(_))));
    }
}
