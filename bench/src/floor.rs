//! The floor: what passing bytes costs without any protocol.
//!
//! One poll. Two sockets are joined if their first lines hold the same number. Each turn has one read and one
//! write per socket. No relay on this machine can be cheaper; what relayd needs beyond it is the cost of its
//! work.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::process;
use std::thread;

use anyhow::Context;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

/// The answer to both once two sockets have said the same number.
pub(crate) const JOINED: &[u8] = b"joined\n";

/// The first line of a socket of the `pair`th pair.
pub(crate) fn first_line(pair: usize) -> String {
    format!("pair {pair}\n")
}

/// Serves until standard input ends, which it does with the process that started this one.
///
/// # Errors
/// No port could be listened on, or the poll failed.
pub(crate) fn serve() -> anyhow::Result<()> {
    let listener = TcpListener::bind(([127, 0, 0, 1], 0).into()).context("no port to listen on")?;
    let addr = listener.local_addr()?;
    thread::spawn(|| {
        // Only the end of the input matters, or an error.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        process::exit(0);
    });
    let mut floor = Floor::new(listener)?;
    eprintln!(r#"{{"level":"INFO","message":"listening","addr":"{addr}"}}"#);
    loop {
        floor.turn()?;
    }
}

struct Floor {
    poll: Poll,
    events: Events,
    listener: TcpListener,
    /// By token; a place is used once.
    sockets: Vec<Option<Socket>>,
    /// Sockets that wait for the other one of their pair, by number.
    waiting: HashMap<String, usize>,
    buffer: Vec<u8>,
}

struct Socket {
    stream: TcpStream,
    state: State,
    /// Bytes that the socket did not take yet. While there are any, the other socket is not read.
    unsent: Vec<u8>,
}

enum State {
    /// Its first line has not come whole.
    Greeting(Vec<u8>),
    /// The other of its pair has not come.
    Waiting,
    /// Bytes go to the one of this token.
    Joined(usize),
}

const LISTENER: Token = Token(usize::MAX);
const BUFFER_BYTES: usize = 64 * 1024;

impl Floor {
    fn new(mut listener: TcpListener) -> io::Result<Self> {
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Floor {
            poll,
            events: Events::with_capacity(1024),
            listener,
            sockets: Vec::new(),
            waiting: HashMap::new(),
            buffer: vec![0; BUFFER_BYTES],
        })
    }

    fn turn(&mut self) -> io::Result<()> {
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        match self.poll.poll(&mut events, None) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            if event.token() == LISTENER {
                self.accept()?;
                continue;
            }
            let Token(at) = event.token();
            if event.is_writable() {
                self.on_writable(at);
            }
            if event.is_readable() {
                self.on_readable(at);
            }
        }
        self.events = events;
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        while let Ok((mut stream, _)) = self.listener.accept() {
            stream.set_nodelay(true)?;
            let token = Token(self.sockets.len());
            self.poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
            let state = State::Greeting(Vec::new());
            self.sockets.push(Some(Socket { stream, state, unsent: Vec::new() }));
        }
        Ok(())
    }

    fn on_readable(&mut self, at: usize) {
        loop {
            if let Some(Socket { state: State::Joined(to), .. }) = self.sockets[at]
                && self.sockets[to].as_ref().is_some_and(|target| !target.unsent.is_empty())
            {
                return;
            }
            let Some(socket) = &mut self.sockets[at] else { return };
            match socket.stream.read(&mut self.buffer) {
                Ok(0) => return self.close(at),
                Ok(count) => {
                    self.on_bytes(at, count);
                    // epoll(7): a short read says that a stream socket is drained.
                    if count < BUFFER_BYTES {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return self.close(at),
            }
        }
    }

    fn on_bytes(&mut self, at: usize, count: usize) {
        let Some(socket) = &mut self.sockets[at] else { return };
        match &mut socket.state {
            State::Joined(to) => {
                let to = *to;
                if let Some(target) = &mut self.sockets[to]
                    && target.send(&self.buffer[..count]).is_err()
                {
                    self.close(to);
                }
            }
            State::Greeting(line) => {
                line.extend_from_slice(&self.buffer[..count]);
                if line.ends_with(b"\n") {
                    let name = String::from_utf8_lossy(line).into_owned();
                    socket.state = State::Waiting;
                    self.join(at, name);
                }
            }
            // No client sends before it is joined.
            State::Waiting => self.close(at),
        }
    }

    fn join(&mut self, at: usize, name: String) {
        let Some(other) = self.waiting.remove(&name) else {
            self.waiting.insert(name, at);
            return;
        };
        for (at, other) in [(at, other), (other, at)] {
            if let Some(socket) = &mut self.sockets[at] {
                socket.state = State::Joined(other);
                if socket.send(JOINED).is_err() {
                    self.close(at);
                }
            }
        }
    }

    /// The socket has room again: sends what waits, then reads the other socket.
    fn on_writable(&mut self, at: usize) {
        let Some(socket) = &mut self.sockets[at] else { return };
        if socket.unsent.is_empty() {
            return;
        }
        let unsent = std::mem::take(&mut socket.unsent);
        if socket.send(&unsent).is_err() {
            return self.close(at);
        }
        if let (true, &State::Joined(from)) = (socket.unsent.is_empty(), &socket.state) {
            self.on_readable(from);
        }
    }

    fn close(&mut self, at: usize) {
        if let Some(Socket { state: State::Joined(other), .. }) = self.sockets[at].take() {
            self.sockets[other] = None;
        }
    }
}

impl Socket {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let taken = match self.stream.write(bytes) {
            Ok(taken) => taken,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        self.unsent.extend_from_slice(&bytes[taken..]);
        Ok(())
    }
}
