//! The proxy that plays a bad network does what it promises, byte by byte, between two plain sockets. A relay
//! behind it keeps its promises.

mod ends;
mod passing;
mod relay;

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use relay_tests::harness::FaultProxy;
use relay_tests::harness::guard::read_until;
use relay_tests::harness::random::Random;
use relay_tests::harness::wire::{End, Wire};

/// Long enough for anything to arrive over loopback.
const SILENCE: Duration = Duration::from_millis(100);
/// More than two sockets and a proxy hold.
const PLENTY: usize = 32 << 20;

/// The upstream, and the proxy before it.
struct Line {
    listener: TcpListener,
    proxy: FaultProxy,
}

impl Line {
    fn start() -> Self {
        let listener = listener();
        let proxy = FaultProxy::start(listener.local_addr().unwrap());
        Self { listener, proxy }
    }

    /// Both ends of a new connection: the client and what the upstream accepted for it.
    fn join(&self) -> (Wire, Wire) {
        let before = self.proxy.counts().connections;
        let ends = (Wire::connect(self.proxy.addr()), accepted(&self.listener));
        // It is dialled on before it counts as live.
        read_until("it to be live", || (self.proxy.counts().connections > before).then_some(()));
        ends
    }

    /// Waits until exactly this many bytes have passed to the upstream.
    fn wait_for_passed(&self, count: u64) {
        read_until("the count of bytes", || (self.proxy.counts().to_upstream == count).then_some(()));
    }

    fn wait_for_live(&self, count: u64) {
        read_until("the live connections", || (self.proxy.counts().live == count).then_some(()));
    }
}

fn listener() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

fn accepted(listener: &TcpListener) -> Wire {
    let (stream, _) = read_until("a connection through the proxy", || listener.accept().ok());
    stream.set_nonblocking(false).unwrap();
    Wire::over(stream)
}

/// Bytes in which a lost, repeated or misplaced byte is noticed.
fn pattern(seed: u64, length: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    (0..length.div_ceil(8)).flat_map(|_| random.any().to_le_bytes()).take(length).collect()
}

fn expect_bytes(wire: &mut Wire, bytes: &[u8]) {
    while wire.pending().len() < bytes.len() {
        wire.fill("the bytes that were sent").unwrap();
    }
    assert!(wire.pending() == bytes, "{} bytes are not the {} sent", wire.pending().len(), bytes.len());
    wire.take(bytes.len());
}

fn expect_silence(wire: &mut Wire) {
    assert_eq!((wire.fill_for(SILENCE), wire.pending()), (Ok(false), &b""[..]));
}

/// Expects exactly these bytes, and then this end.
fn expect_end(wire: &mut Wire, bytes: &[u8], end: End) {
    assert_eq!(wire.read_to_end("the end"), end);
    assert!(wire.pending() == bytes, "{} bytes instead of {}", wire.pending().len(), bytes.len());
}

/// Sends both ways at once while `meanwhile` runs, and expects all of it to arrive.
fn exchange(near: &mut Wire, far: &mut Wire, length: usize, meanwhile: impl FnOnce()) {
    let (up, down) = (pattern(1, length), pattern(2, length));
    let senders = [(near.sender(), &up), (far.sender(), &down)];
    thread::scope(|scope| {
        for (sender, bytes) in senders {
            scope.spawn(move || Wire::over(sender).send(bytes));
        }
        scope.spawn(|| expect_bytes(far, &up));
        scope.spawn(|| expect_bytes(near, &down));
        meanwhile();
    });
}
