//! A TCP proxy on loopback that plays a bad network between a client and an upstream: a `relayd`, or Redis.
//!
//! It knows only bytes. One thread accepts, and every connection has four threads: `connection` reads and
//! writes, `flow` decides what passes when. All of them end when the proxy is dropped.

mod connection;
mod flow;

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::SockRef;

use self::connection::Connection;

/// How the network behaves, on live connections and on new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Everything passes.
    Clear,
    /// A black hole: connections are accepted and dialled on, but nothing is read, and nothing passes either
    /// way, not even an end. What waits passes under the next behaviour.
    Stall,
    /// A hole in one direction: what clients send passes, and nothing comes back to them, not even an end.
    Deaf,
    /// Every byte, and every end, passes this much later than it was read. A direction holds at most 64 KiB,
    /// so a long delay is also a slow line.
    Delay(Duration),
    /// A narrow line: each direction of each connection passes this many bytes per second.
    Rate(u32),
    /// Every byte passes in its own write.
    Trickle,
    /// New connections are reset at once; live ones go on as in `Clear`.
    Refuse,
}

/// Counts since the start. A write is counted when it returns, which may be after its bytes have arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that were dialled on to the upstream.
    pub connections: u64,
    /// Connections that were reset at once: under [`Behaviour::Refuse`], or because the upstream could not be
    /// dialled.
    pub refused: u64,
    /// Open connections, without those that were cut or reset.
    pub live: u64,
    /// Connections ended by [`FaultProxy::cut`] and [`FaultProxy::cut_after`].
    pub cut: u64,
    /// Bytes written to the upstream.
    pub to_upstream: u64,
    /// Bytes written to clients.
    pub to_client: u64,
    /// Writes that carried these bytes.
    pub writes: u64,
}

/// A running proxy. Its methods take effect at once. They block no longer than a write under way, some
/// hundredths of a second. Dropping it resets live connections and waits for its threads.
#[derive(Debug)]
pub struct FaultProxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl FaultProxy {
    /// Listens on a free port of 127.0.0.1 and passes everything to `upstream`.
    pub fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let settings = Settings {
            upstream,
            behaviour: Behaviour::Clear,
            cut_after: None,
            is_over: false,
            connections: Vec::new(),
        };
        let shared = Arc::new(Shared { settings: Mutex::new(settings), tally: Tally::default() });
        let acceptor = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.accept_all(&listener)
        });
        Self { addr, shared, acceptor: Some(acceptor) }
    }

    /// Where clients connect to.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Dials new connections on to here; live ones stay where they are.
    pub fn set_upstream(&self, upstream: SocketAddr) {
        self.shared.settings().upstream = upstream;
    }

    /// Behaves like this from now on. Once this has returned for [`Behaviour::Stall`], nothing passes.
    pub fn behave(&self, behaviour: Behaviour) {
        let mut settings = self.shared.settings();
        settings.behaviour = behaviour;
        settings.each(|connection| connection.behave(behaviour));
    }

    /// Ends every live connection with a FIN to both sides. What has not passed yet is lost, and so is what
    /// they still send.
    pub fn cut(&self) {
        self.shared.settings().each(|connection| self.shared.cut_after(connection, Some(0)));
    }

    /// Cuts every live connection when `count` more bytes have passed, in both directions together, and every
    /// new one after its first `count`. Not one byte more passes. A write under way counts as passed before.
    pub fn cut_after(&self, count: u64) {
        self.cut_all_after(Some(count));
    }

    /// Undoes [`FaultProxy::cut_after`].
    pub fn cut_no_more(&self) {
        self.cut_all_after(None);
    }

    /// Ends every live connection with a reset to both sides.
    pub fn reset(&self) {
        self.shared.settings().each(Connection::reset);
    }

    /// The counts so far.
    pub fn counts(&self) -> Counts {
        let settings = self.shared.settings();
        let Tally { connections, refused, cut, passed, writes } = &self.shared.tally;
        let read = |count: &AtomicU64| count.load(Ordering::SeqCst);
        Counts {
            connections: read(connections),
            refused: read(refused),
            live: settings.connections.iter().filter(|connection| connection.is_live()).count() as u64,
            cut: read(cut),
            to_upstream: read(&passed[0]),
            to_client: read(&passed[1]),
            writes: read(writes),
        }
    }

    fn cut_all_after(&self, count: Option<u64>) {
        let mut settings = self.shared.settings();
        settings.cut_after = count;
        settings.each(|connection| self.shared.cut_after(connection, count));
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.settings().is_over = true;
        self.reset();
        // Wakes the accepting thread. If this finds no room, other connections are waiting and wake it.
        let _ = TcpStream::connect_timeout(&self.addr, DIAL);
        let ended = self.acceptor.take().map_or(Ok(()), JoinHandle::join);
        if let Err(panic) = ended
            && !thread::panicking()
        {
            resume_unwind(panic);
        }
    }
}

/// What the proxy and its threads share.
#[derive(Debug)]
struct Shared {
    settings: Mutex<Settings>,
    tally: Tally,
}

#[derive(Debug)]
struct Settings {
    upstream: SocketAddr,
    behaviour: Behaviour,
    cut_after: Option<u64>,
    is_over: bool,
    /// Connections whose threads have not ended.
    connections: Vec<Arc<Connection>>,
}

/// What [`Counts`] is read from.
#[derive(Debug, Default)]
struct Tally {
    connections: AtomicU64,
    refused: AtomicU64,
    cut: AtomicU64,
    /// By direction: to the upstream, to the client.
    passed: [AtomicU64; 2],
    writes: AtomicU64,
}

impl Settings {
    /// Does this to every connection, and returns when it has taken effect on all.
    fn each(&self, change: impl Fn(&Connection)) {
        self.connections.iter().for_each(|connection| change(connection));
        self.connections.iter().for_each(|connection| connection.settle());
    }
}

impl Shared {
    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap()
    }

    fn accept_all(&self, listener: &TcpListener) {
        thread::scope(|scope| {
            for client in listener.incoming() {
                // The connection ended before it was accepted.
                let Ok(client) = client else { continue };
                match self.join(client) {
                    Joined::On(connection) => drop(scope.spawn(move || self.run(&connection))),
                    Joined::Refused => {}
                    Joined::Over => break,
                }
            }
        });
    }

    /// Dials the upstream for a client, or resets it.
    fn join(&self, client: TcpStream) -> Joined {
        let (is_over, upstream, behaviour) = {
            let settings = self.settings();
            (settings.is_over, settings.upstream, settings.behaviour)
        };
        if is_over {
            return Joined::Over;
        }
        let dialled = (behaviour != Behaviour::Refuse)
            .then(|| TcpStream::connect_timeout(&upstream, DIAL).ok())
            .flatten();
        let Some(upstream) = dialled else {
            add(&self.tally.refused, 1);
            // It may be gone by itself.
            let _ = reset_on_close(&client);
            return Joined::Refused;
        };
        // The settings may have changed. The ones at the moment it becomes live apply.
        let mut settings = self.settings();
        let connection = Arc::new(Connection::new([upstream, client], settings.behaviour));
        settings.connections.push(Arc::clone(&connection));
        add(&self.tally.connections, 1);
        if settings.is_over {
            connection.reset();
        } else {
            self.cut_after(&connection, settings.cut_after);
        }
        Joined::On(connection)
    }

    fn cut_after(&self, connection: &Connection, count: Option<u64>) {
        if connection.cut_after(count) {
            add(&self.tally.cut, 1);
        }
    }

    fn run(&self, connection: &Arc<Connection>) {
        connection.run(&self.tally);
        self.settings().connections.retain(|other| !Arc::ptr_eq(other, connection));
    }
}

/// What became of a client.
enum Joined {
    On(Arc<Connection>),
    Refused,
    Over,
}

/// How long the upstream may take to answer; it is on this machine.
const DIAL: Duration = Duration::from_secs(5);

fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::SeqCst);
}

/// Makes the close of a socket a reset.
fn reset_on_close(stream: &TcpStream) -> io::Result<()> {
    SockRef::from(stream).set_linger(Some(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::guard::read_until;
    use crate::harness::wire::{End, Wire};

    #[test]
    fn a_dropped_proxy_has_no_thread_left() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = FaultProxy::start(listener.local_addr().unwrap());
        let mut clients = [0; 3].map(|_| Wire::connect(proxy.addr()));
        read_until("all to be joined", || (proxy.counts().live == 3).then_some(()));
        proxy.behave(Behaviour::Stall);
        let shared = Arc::downgrade(&proxy.shared);
        let connections: Vec<_> = proxy.shared.settings().connections.iter().map(Arc::downgrade).collect();
        assert_eq!((shared.strong_count(), connections.len()), (2, 3));
        drop(proxy);
        // Each thread holds only one of the two.
        assert_eq!(shared.strong_count(), 0);
        assert!(connections.iter().all(|connection| connection.strong_count() == 0));
        clients.iter_mut().for_each(|client| assert_eq!(client.read_to_end("the reset"), End::Reset));
    }
}
