//! Listening sockets that a service manager opened and passed on: socket activation, as in sd_listen_fds(3).
//!
//! `main` calls [`adopt`] before anything else. Each listener is then taken once, by its name: `relay` is the
//! main one, `http` redirects to it, `admin` is for operators.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use socket2::{Socket, Type};

/// The name of the listener for clients.
pub const RELAY: &str = "relay";

/// Names of listeners that are not for clients.
const OTHERS: [&str; 2] = ["http", "admin"];

/// What was passed and is not taken yet.
static PASSED: Mutex<Passed> = Mutex::new(Passed { listeners: Vec::new(), faults: Vec::new() });

#[derive(Debug)]
struct Passed {
    listeners: Vec<(String, TcpListener)>,
    /// What can't be used, in words.
    faults: Vec<String>,
}

/// Takes over the descriptors that `LISTEN_FDS`, `LISTEN_PID` and `LISTEN_FDNAMES` speak of. Call it once, at
/// the start of the process, before it opens anything.
pub fn adopt() {
    let mut passed = Passed { listeners: Vec::new(), faults: Vec::new() };
    match sd_listen_fds::get() {
        Err(error) => passed.faults.push(format!("LISTEN_PID or LISTEN_FDS can't be read: {error}")),
        Ok(descriptors) => {
            for (name, descriptor) in descriptors {
                passed.add(name.unwrap_or_default(), descriptor.into_std());
            }
        }
    }
    *PASSED.lock().unwrap_or_else(PoisonError::into_inner) = passed;
}

/// The listener that was passed under this name, if it was and is not taken. It does not block.
pub fn take(name: &str) -> Option<TcpListener> {
    PASSED.lock().unwrap_or_else(PoisonError::into_inner).take(|given| given == name)
}

/// The listener for clients: the one of that name, or else the first that is not named for something else.
pub fn take_main() -> Option<TcpListener> {
    PASSED.lock().unwrap_or_else(PoisonError::into_inner).take_main()
}

/// Closes what nobody took, and logs it, and what could not be used.
pub fn drop_rest() {
    let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
    for fault in passed.faults.drain(..) {
        tracing::warn!("a socket that was passed at start is not used: {fault}");
    }
    for (name, listener) in passed.listeners.drain(..) {
        let addr = listener.local_addr().map_or_else(|error| error.to_string(), |addr| addr.to_string());
        tracing::warn!(
            name,
            addr,
            "a socket that was passed at start is not used; its name (FileDescriptorName=) may be relay, http or admin"
        );
    }
}

impl Passed {
    fn add(&mut self, name: String, descriptor: OwnedFd) {
        match listener(descriptor) {
            Ok(listener) => self.listeners.push((name, listener)),
            Err(fault) => self.faults.push(format!("\"{name}\": {fault}")),
        }
    }

    fn take(&mut self, is_wanted: impl Fn(&str) -> bool) -> Option<TcpListener> {
        let at = self.listeners.iter().position(|(name, _)| is_wanted(name))?;
        Some(self.listeners.remove(at).1)
    }

    fn take_main(&mut self) -> Option<TcpListener> {
        self.take(|name| name == RELAY).or_else(|| self.take(|name| !OTHERS.contains(&name)))
    }
}

/// The socket, if it listens for TCP. Programs that this one starts do not get it.
fn listener(descriptor: OwnedFd) -> Result<TcpListener, String> {
    let socket = Socket::from(descriptor);
    let words = |error: std::io::Error| format!("it is not a socket ({error})");
    let is_tcp = socket.r#type().map_err(words)? == Type::STREAM
        && socket.local_addr().map_err(words)?.as_socket().is_some();
    if !is_tcp || !socket.is_listener().map_err(words)? {
        return Err("it does not listen for TCP: use ListenStream= and Accept=no".to_owned());
    }
    socket.set_cloexec(true).and_then(|()| socket.set_nonblocking(true)).map_err(words)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{SocketAddr, TcpStream};
    use std::os::unix::net::UnixListener;

    fn listening() -> (SocketAddr, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        (listener.local_addr().unwrap(), listener)
    }

    fn passed(named: impl IntoIterator<Item = (&'static str, TcpListener)>) -> Passed {
        let mut passed = Passed { listeners: Vec::new(), faults: Vec::new() };
        named.into_iter().for_each(|(name, listener)| passed.add(name.to_owned(), listener.into()));
        assert!(passed.faults.is_empty(), "{passed:?}");
        passed
    }

    #[test]
    fn the_main_listener_is_the_one_of_that_name_or_the_first_for_nothing_else() {
        let ((_, a), (b_addr, b)) = (listening(), listening());
        let mut named = passed([("relayd.socket", a), ("relay", b)]);
        assert_eq!(named.take_main().unwrap().local_addr().unwrap(), b_addr);
        let ((_, a), (b_addr, b)) = (listening(), listening());
        let mut unnamed = passed([("http", a), ("relayd.socket", b)]);
        assert_eq!(unnamed.take_main().unwrap().local_addr().unwrap(), b_addr);
        assert!(unnamed.take_main().is_none(), "the other one is for HTTP");
        assert!(unnamed.take(|name| name == "http").is_some());
        assert!(unnamed.listeners.is_empty());
    }

    #[test]
    fn what_does_not_listen_for_tcp_is_refused() {
        let (addr, _listener) = listening();
        let connected = TcpStream::connect(addr).unwrap();
        let path = std::env::temp_dir().join(format!("relayd-inherited-{}", std::process::id()));
        let unix = UnixListener::bind(&path).unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        for (descriptor, words) in [
            (OwnedFd::from(connected), "does not listen"),
            (unix.into(), "does not listen"),
            (file.into(), "not a socket"),
        ] {
            let fault = listener(descriptor).unwrap_err();
            assert!(fault.contains(words), "{fault}");
        }
        std::fs::remove_file(path).unwrap();
    }
}
