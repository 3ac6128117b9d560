//! The port for plain HTTP: redirects to https, and what a CA asks for by HTTP-01.
//!
//! One thread with few connections. Each has one request and a deadline. When all places are taken, the
//! address with the most of them loses its oldest one: so neither slow clients nor a fast one hold up a CA.

use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::challenges::HttpTokens;
use super::http_answer::{self, Rules};
use crate::admission::Address;

/// The thread's state.
pub(super) struct HttpPort {
    listener: TcpListener,
    rules: Rules,
    /// The oldest first. `len() <= CONNECTIONS_MAX`
    connections: VecDeque<Connection>,
    faults: FaultLog,
}

/// A request that comes, or an answer that goes.
struct Connection {
    socket: TcpStream,
    address: Address,
    deadline: Instant,
    /// `len() <= http_answer::REQUEST_BYTES_MAX`
    request: Vec<u8>,
    /// Once the request is whole.
    answer: Option<Vec<u8>>,
    /// Bytes of the answer that the socket took.
    sent: usize,
    is_over: bool,
}

/// Connections that it may have open.
const CONNECTIONS_MAX: usize = 64;

/// Descriptors that this folder takes at most: these connections, the listener, and what the thread for the
/// CA has open.
pub const DESCRIPTORS_MAX: usize = CONNECTIONS_MAX + 8;

impl HttpPort {
    /// `listener` does not block.
    pub fn new(listener: TcpListener, names: Vec<String>, https_port: u16, tokens: HttpTokens) -> Self {
        let rules = Rules { names, https_port, tokens };
        HttpPort { listener, rules, connections: VecDeque::new(), faults: FaultLog::default() }
    }

    /// Serves until the process ends.
    pub fn run(mut self) {
        loop {
            if let Err(error) = self.turn() {
                self.faults.log(&error, Instant::now());
                thread::sleep(FAULT_PAUSE);
            }
        }
    }

    fn turn(&mut self) -> io::Result<()> {
        self.wait()?;
        let now = Instant::now();
        for connection in &mut self.connections {
            connection.serve(&self.rules);
        }
        self.connections.retain(|connection| !connection.is_over && connection.deadline > now);
        self.accept(now)
    }

    /// Until a socket has something, or the next deadline.
    fn wait(&self) -> io::Result<()> {
        let mut polled = vec![PollFd::new(&self.listener, PollFlags::IN)];
        polled.extend(self.connections.iter().map(|it| PollFd::new(&it.socket, it.interest())));
        let next = self.connections.iter().map(|it| it.deadline).min();
        let left = next.map(|at| at.saturating_duration_since(Instant::now()) + Duration::from_millis(1));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut polled, timeout.as_ref()) {
            Err(rustix::io::Errno::INTR) => Ok(()),
            other => Ok(other.map(drop)?),
        }
    }

    fn accept(&mut self, now: Instant) -> io::Result<()> {
        for _ in 0..ACCEPTS_PER_TURN {
            let (socket, peer) = match self.listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock) => return Ok(()),
                // The client was gone already.
                Err(error)
                    if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) =>
                {
                    continue;
                }
                Err(error) => return Err(error),
            };
            socket.set_nonblocking(true)?;
            if self.connections.len() == CONNECTIONS_MAX {
                let addresses: Vec<Address> = self.connections.iter().map(|it| it.address).collect();
                self.connections.remove(to_evict(&addresses));
            }
            let mut connection = Connection {
                socket,
                address: Address::of(peer.ip()),
                deadline: now + CONNECTION_MAX,
                request: Vec::new(),
                answer: None,
                sent: 0,
                is_over: false,
            };
            // The request is often there already.
            connection.serve(&self.rules);
            if !connection.is_over {
                self.connections.push_back(connection);
            }
        }
        Ok(())
    }
}

/// The place of the oldest connection of the address that has the most. `addresses` begins with the oldest.
fn to_evict(addresses: &[Address]) -> usize {
    let mut counts: HashMap<Address, usize> = HashMap::new();
    addresses.iter().for_each(|address| *counts.entry(*address).or_default() += 1);
    let most = counts.values().max();
    addresses.iter().position(|address| counts.get(address) == most).unwrap_or(0)
}

impl Connection {
    fn interest(&self) -> PollFlags {
        let is_writing = self.answer.as_ref().is_some_and(|answer| self.sent < answer.len());
        if is_writing { PollFlags::OUT } else { PollFlags::IN }
    }

    /// Goes on as far as the socket allows.
    fn serve(&mut self, rules: &Rules) {
        match self.try_serve(rules) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.is_over = true,
        }
    }

    fn try_serve(&mut self, rules: &Rules) -> io::Result<()> {
        while self.answer.is_none() {
            self.read_more()?;
            self.answer = http_answer::answer(&self.request, rules);
        }
        let Some(answer) = &self.answer else { return Ok(()) };
        while self.sent < answer.len() {
            self.sent += self.socket.write(&answer[self.sent..])?;
            if self.sent == answer.len() {
                self.socket.shutdown(Shutdown::Write)?;
            }
        }
        // A close with unread bytes would be a reset, which could overtake the answer.
        let mut rest = [0; 1024];
        for _ in 0..READS_PER_TURN {
            if self.socket.read(&mut rest)? == 0 {
                self.is_over = true;
                return Ok(());
            }
        }
        Ok(())
    }

    fn read_more(&mut self) -> io::Result<()> {
        let mut bytes = [0; 1024];
        let count = self.socket.read(&mut bytes)?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.request.extend_from_slice(&bytes[..count]);
        Ok(())
    }
}

/// Logs that the operating system refuses something: at most one line a minute.
#[derive(Debug, Default)]
struct FaultLog {
    last_at: Option<Instant>,
}

impl FaultLog {
    /// True if it was time for a line.
    fn log(&mut self, error: &io::Error, now: Instant) -> bool {
        let is_due = self.last_at.is_none_or(|at| now >= at + WARN_EVERY);
        if is_due {
            self.last_at = Some(now);
            tracing::warn!(
                %error,
                "the port for HTTP can't be served for a moment; is the descriptor limit (ulimit -n) used up?"
            );
        }
        is_due
    }
}

/// For the request and its answer.
const CONNECTION_MAX: Duration = Duration::from_secs(10);

const ACCEPTS_PER_TURN: usize = 64;
const READS_PER_TURN: usize = 16;

/// When the operating system refuses: no descriptors, for example.
const FAULT_PAUSE: Duration = Duration::from_millis(200);

const WARN_EVERY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    #[test]
    fn the_address_with_the_most_places_loses_its_oldest_one() {
        let evicted = |last: &[&str]| {
            let of = |text: &&str| Address::of(text.parse::<IpAddr>().unwrap());
            to_evict(&last.iter().map(of).collect::<Vec<_>>())
        };
        assert_eq!(evicted(&["192.0.2.1", "192.0.2.2", "192.0.2.2"]), 1);
        assert_eq!(evicted(&["192.0.2.1", "192.0.2.2", "192.0.2.3"]), 0, "the oldest of all");
        assert_eq!(evicted(&["192.0.2.1", "2001:db8::1", "2001:db8::2"]), 1, "a host has a whole /64");
        assert_eq!(evicted(&["192.0.2.1", "192.0.2.2", "::ffff:192.0.2.2"]), 1);
    }

    #[test]
    fn a_fault_that_lasts_is_one_line_a_minute() {
        let (mut faults, start) = (FaultLog::default(), Instant::now());
        let error = io::Error::from(ErrorKind::Other);
        let mut log = |secs| faults.log(&error, start + Duration::from_secs(secs));
        assert_eq!([0, 1, 59, 60, 61, 120].map(&mut log), [true, false, false, true, false, true]);
    }
}
