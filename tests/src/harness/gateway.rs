//! A proxy on the way out, for clients that have no other way: HTTP's CONNECT or SOCKS 5. Every name leads to
//! the one relay behind it. It is strict, and notes what it was asked for.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// How the proxy treats new connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    /// HTTP's CONNECT. `Some`: the `Proxy-Authorization` that it wants.
    Http(Option<&'static str>),
    /// SOCKS 5. `Some`: the user and the password that it wants.
    Socks(Option<(&'static str, &'static str)>),
    /// It reads once, answers this, and hangs up.
    Answer(&'static [u8]),
    /// It accepts, and says nothing.
    Silent,
}

/// A running proxy. It ends with the test.
#[derive(Debug)]
pub struct Gateway {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    relay: SocketAddr,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    gate: Gate,
    asked: Vec<String>,
    open: Vec<TcpStream>,
}

impl Gateway {
    /// Listens on a free port of 127.0.0.1, before this relay.
    pub fn start(gate: Gate, relay: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let state = Mutex::new(State { gate, asked: Vec::new(), open: Vec::new() });
        let shared = Arc::new(Shared { relay, state });
        let theirs = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&theirs);
                thread::spawn(move || shared.serve(client));
            }
        });
        Gateway { addr, shared }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The targets it was asked for so far, such as `relay.test:80`.
    pub fn asked(&self) -> Vec<String> {
        self.shared.lock().asked.clone()
    }

    /// From now on new connections are treated like this; those that are open end.
    pub fn change(&self, gate: Gate) {
        let mut state = self.shared.lock();
        state.gate = gate;
        for open in state.open.drain(..) {
            // It may have ended by itself.
            let _ = open.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An error ends the connection, which is what the client sees.
    fn serve(&self, mut client: TcpStream) {
        let gate = self.lock().gate.clone();
        let passed = match &gate {
            Gate::Http(login) => self.connect(&mut client, *login),
            Gate::Socks(login) => self.socks(&mut client, *login),
            Gate::Answer(bytes) => answer(&mut client, bytes),
            Gate::Silent => client.read_to_end(&mut Vec::new()).map(|_| false),
        };
        if matches!(passed, Ok(true)) {
            let _ = self.pass(client);
        }
    }

    fn connect(&self, client: &mut TcpStream, login: Option<&str>) -> io::Result<bool> {
        let head = read_head(client)?;
        let mut lines = head.split("\r\n");
        let request = lines.next().unwrap_or_default();
        let Some(target) = request.strip_prefix("CONNECT ").and_then(|rest| rest.strip_suffix(" HTTP/1.1"))
        else {
            client.write_all(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n")?;
            return Ok(false);
        };
        let wanted = login.map(|login| format!("Proxy-Authorization: {login}"));
        if wanted.is_some_and(|wanted| lines.all(|line| line != wanted)) {
            let challenge = "Proxy-Authenticate: Basic realm=\"gate\"";
            write!(client, "HTTP/1.1 407 Proxy Authentication Required\r\n{challenge}\r\n\r\n")?;
            return Ok(false);
        }
        self.lock().asked.push(target.to_owned());
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
        Ok(true)
    }

    fn socks(&self, client: &mut TcpStream, login: Option<(&str, &str)>) -> io::Result<bool> {
        let [_, count] = read_array(client)?;
        let mut methods = vec![0; usize::from(count)];
        client.read_exact(&mut methods)?;
        let method = if login.is_some() { 2 } else { 0 };
        if !methods.contains(&method) {
            client.write_all(&[5, 0xff])?;
            return Ok(false);
        }
        client.write_all(&[5, method])?;
        if let Some((user, password)) = login {
            let [_version] = read_array(client)?;
            let said = (read_text(client)?, read_text(client)?);
            let is_right = said == (user.to_owned(), password.to_owned());
            client.write_all(&[1, u8::from(!is_right)])?;
            if !is_right {
                return Ok(false);
            }
        }
        let [_, _, _, kind] = read_array(client)?;
        let host = match kind {
            1 => std::net::Ipv4Addr::from(read_array::<4>(client)?).to_string(),
            3 => read_text(client)?,
            _ => std::net::Ipv6Addr::from(read_array::<16>(client)?).to_string(),
        };
        let port = u16::from_be_bytes(read_array(client)?);
        self.lock().asked.push(format!("{host}:{port}"));
        client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
        Ok(true)
    }

    fn pass(&self, client: TcpStream) -> io::Result<()> {
        let relay = TcpStream::connect(self.relay)?;
        self.lock().open.extend([client.try_clone()?, relay.try_clone()?]);
        let back = (relay.try_clone()?, client.try_clone()?);
        thread::spawn(move || copy(back.0, back.1));
        copy(client, relay);
        Ok(())
    }
}

fn answer(client: &mut TcpStream, bytes: &[u8]) -> io::Result<bool> {
    let _ = client.read(&mut [0; 4096])?;
    client.write_all(bytes)?;
    client.shutdown(Shutdown::Write)?;
    client.read_to_end(&mut Vec::new())?;
    Ok(false)
}

fn read_head(client: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(read_array::<1>(client)?);
    }
    String::from_utf8(head).map_err(io::Error::other)
}

fn read_array<const LEN: usize>(client: &mut TcpStream) -> io::Result<[u8; LEN]> {
    let mut bytes = [0; LEN];
    client.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A length of one byte, and the text.
fn read_text(client: &mut TcpStream) -> io::Result<String> {
    let [len] = read_array(client)?;
    let mut text = vec![0; usize::from(len)];
    client.read_exact(&mut text)?;
    String::from_utf8(text).map_err(io::Error::other)
}

/// Until either side ends; then both do.
fn copy(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
