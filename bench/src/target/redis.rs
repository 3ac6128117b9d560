//! A private Redis: started on a free port, without a file, and asked how often something was published.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};
use std::{env, thread};

use anyhow::{Context, bail, ensure};

use super::process::{self, Process, in_path};
use crate::affinity::Cores;

/// A private redis-server.
#[derive(Debug)]
pub(super) struct Redis {
    pub process: Process,
    pub addr: SocketAddr,
}

/// A connection that asks now and reads the answers later, so that asking never delays the load.
#[derive(Debug)]
pub(crate) struct PublishCount {
    stream: TcpStream,
    asked: usize,
}

/// From the start to the first answer, and the longest wait for any other.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

impl Redis {
    /// Starts one on the loopback that writes nothing to disk.
    ///
    /// # Errors
    /// redis-server is not in the PATH, or does not answer.
    pub fn start(cores: Cores) -> anyhow::Result<Self> {
        let file = in_path("redis-server").context(
            "redis-server is not in the PATH: install Redis 6.0 or later, or leave out what needs it",
        )?;
        // Another program may take the free port first: then try another port.
        for _ in 0..5 {
            let addr = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
            let mut command = process::command(&file);
            let port = addr.port().to_string();
            command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
            command.arg("--dir").arg(env::temp_dir());
            let mut process = Process::start(command, "redis", cores)?;
            let started = Instant::now();
            while !process.check_ended() && started.elapsed() < ANSWERS_WITHIN {
                if ping(addr) {
                    return Ok(Redis { process, addr });
                }
                thread::sleep(Duration::from_millis(10));
            }
        }
        bail!("{} does not answer on the loopback; try to start it by hand", file.display())
    }

    /// The address as relays want it.
    pub fn url(&self) -> String {
        format!("redis://{}", self.addr)
    }
}

impl PublishCount {
    /// # Errors
    /// Redis can't be reached.
    pub fn connect(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(addr)?;
        stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
        Ok(PublishCount { stream, asked: 0 })
    }

    /// Asks for the current count. The line fits into an idle socket, so this does not block.
    ///
    /// # Errors
    /// The connection broke.
    pub fn ask(&mut self) -> io::Result<()> {
        self.asked += 1;
        self.stream.write_all(b"INFO commandstats\r\n")
    }

    /// Reads the answers to all that was asked, in order.
    ///
    /// # Errors
    /// The connection broke, or Redis answered something else.
    pub fn read(mut self) -> anyhow::Result<Vec<u64>> {
        let mut came = Vec::new();
        let mut counts = Vec::new();
        while counts.len() < self.asked {
            if let Some((text, len)) = bulk_string(&came)? {
                counts.push(publish_calls(text));
                came.drain(..len);
                continue;
            }
            let mut chunk = [0; 4096];
            let count = self.stream.read(&mut chunk).context("Redis did not answer INFO")?;
            ensure!(count > 0, "Redis ended the connection instead of answering INFO");
            came.extend_from_slice(&chunk[..count]);
        }
        Ok(counts)
    }
}

fn ping(addr: SocketAddr) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(addr)?;
        stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        if &answer == b"+PONG" { Ok(()) } else { Err(io::Error::from(ErrorKind::InvalidData)) }
    };
    ask().is_ok()
}

/// A whole bulk string at the front and the bytes it took; `None` asks for more.
fn bulk_string(bytes: &[u8]) -> anyhow::Result<Option<(&str, usize)>> {
    let Some(line_len) = bytes.windows(2).position(|two| two == b"\r\n") else { return Ok(None) };
    let line = str::from_utf8(&bytes[..line_len])?;
    let len: usize = line
        .strip_prefix('$')
        .and_then(|len| len.parse().ok())
        .with_context(|| format!("Redis answered INFO with {line:?}"))?;
    let text = line_len + 2..line_len + 2 + len;
    if bytes.len() < text.end + 2 {
        return Ok(None);
    }
    Ok(Some((str::from_utf8(&bytes[text.clone()])?, text.end + 2)))
}

/// No line means that the command was never used.
fn publish_calls(info: &str) -> u64 {
    let line = info.lines().find_map(|line| line.strip_prefix("cmdstat_publish:calls="));
    line.and_then(|rest| rest.split(',').next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_a_whole_answer() {
        let info = "# Commandstats\r\ncmdstat_ping:calls=2,usec=1\r\ncmdstat_publish:calls=17,usec=30\r\n";
        let answer = format!("${}\r\n{info}\r\n", info.len());
        for len in 0..answer.len() {
            assert_eq!(bulk_string(&answer.as_bytes()[..len]).unwrap(), None);
        }
        let (text, len) = bulk_string(answer.as_bytes()).unwrap().unwrap();
        assert_eq!((publish_calls(text), len), (17, answer.len()));
        assert_eq!(publish_calls("# Commandstats\r\n"), 0);
        assert!(bulk_string(b"-ERR no\r\n").is_err());
    }
}
