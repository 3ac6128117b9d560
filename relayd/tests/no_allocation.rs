//! In steady state, relaying a frame allocates nothing on the reactor's thread: between two peers of one node
//! and across two nodes, in both modes.
//!
//! The allocator of this test counts the allocations of the reactor's thread. An allocator is global, so the
//! test is a binary of its own.

mod common;
#[path = "common/counting.rs"]
mod counting;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use protocol::ids::Role;
use protocol::ws::header::{self, OpCode};
use protocol::ws::upgrade::RAW_SUBPROTOCOL;
use relayd::Server;
use relayd::reactor::Stopper;

const FRAMES: usize = 10_000;

#[test]
fn a_relayed_frame_allocates_nothing() {
    let local = Node::start(&["--store", "memory"]);
    measure(local.address, local.address);
    local.stop();

    let redis = common::Server::start(&[]);
    let url = redis.url();
    let nodes = [(); 2].map(|()| Node::start(&["--redis-url", &url]));
    measure(nodes[0].address, nodes[1].address);
    nodes.into_iter().for_each(Node::stop);
    assert!(counting::allocations() > 0, "the counter counts: connections do allocate");
}

fn measure(workstation: SocketAddr, phone: SocketAddr) {
    for raw in [false, true] {
        for window in [1, 64] {
            let (mut from, mut to) = pair(workstation, phone, raw);
            from.pass(&mut to, 64, FRAMES);
            let before = counting::allocations();
            from.pass(&mut to, window, FRAMES);
            let allocated = counting::allocations() - before;
            // Between nodes a busy moment may need one more buffer, and timers fire. Frames themselves do not
            // allocate.
            let by_others = if workstation == phone { 0 } else { FRAMES as u64 / 20 };
            assert!(
                allocated <= by_others,
                "{allocated} for {FRAMES} frames; raw: {raw}, {window} at a time"
            );
        }
    }
}

/// A server in this process, whose reactor's allocations are counted.
struct Node {
    address: SocketAddr,
    stopper: Stopper,
    reactor: JoinHandle<std::io::Result<()>>,
}

impl Node {
    fn start(flags: &[&str]) -> Self {
        let args = ["relayd", "--listen", "127.0.0.1", "--port", "0"].iter().chain(flags);
        let config = relayd::config::load(args.map(Into::into)).expect("the flags are good");
        let server = Server::bind(&config).expect("a free port");
        let (address, stopper) = (server.local_addr(), server.stopper());
        let reactor = std::thread::spawn(move || {
            counting::count_this_thread();
            server.run()
        });
        let node = Node { address, stopper, reactor };
        while !node.is_ready() {
            std::thread::yield_now();
        }
        node
    }

    fn is_ready(&self) -> bool {
        let mut http = Client::connect(self.address, false);
        http.write(b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let mut answer = String::new();
        http.stream.read_to_string(&mut answer).expect("an answer");
        answer.starts_with("HTTP/1.1 200")
    }

    fn stop(self) {
        self.stopper.stop();
        self.reactor.join().expect("no panic").expect("no error");
    }
}

/// A minimal client.
struct Client {
    stream: TcpStream,
    read: Vec<u8>,
    raw: bool,
}

/// A workstation and a phone of one new session.
fn pair(workstation: SocketAddr, phone: SocketAddr, raw: bool) -> (Client, Client) {
    let mut http = Client::connect(workstation, raw);
    http.write(b"POST /api/register HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    http.stream.read_to_string(&mut answer).expect("an answer");
    let member = |name: &str| {
        let at = answer.find(&format!("\"{name}\":\"")).expect("the member is there") + name.len() + 4;
        answer[at..at + 32].to_owned()
    };
    let (session, token) = (member("sessionId"), member("token"));
    let mut from = Client::join(workstation, raw, &session, &token, Role::Workstation);
    let to = Client::join(phone, raw, &session, &token, Role::Phone);
    from.read_until("peer-joined");
    (from, to)
}

impl Client {
    fn connect(address: SocketAddr, raw: bool) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("a TCP socket");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a TCP socket");
        Client { stream, read: Vec::new(), raw }
    }

    fn join(address: SocketAddr, raw: bool, session: &str, token: &str, role: Role) -> Self {
        let mut client = Self::connect(address, raw);
        let subprotocol =
            if raw { format!("Sec-WebSocket-Protocol: {RAW_SUBPROTOCOL}\r\n") } else { String::new() };
        client.write(
            format!(
                "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{subprotocol}\r\n"
            )
            .as_bytes(),
        );
        let hello = format!(r#"{{"type":"hello","s":"{session}","t":"{token}","r":"{role}"}}"#);
        let mut frame = Vec::new();
        header::write(&mut frame, true, OpCode::Text, hello.len(), Some([0; 4]));
        frame.extend_from_slice(hello.as_bytes());
        client.write(&frame);
        client.read_until("hello-ack");
        client
    }

    fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server reads");
    }

    fn read_until(&mut self, word: &str) {
        let mut all = Vec::new();
        while !all.windows(word.len()).any(|window| window == word.as_bytes()) {
            let mut bytes = [0; 4096];
            let count = self.stream.read(&mut bytes).expect("the server answers");
            assert!(count > 0, "closed before {word:?}");
            all.extend_from_slice(&bytes[..count]);
        }
    }

    /// Sends `count` frames to `to`, `window` at a time, and waits until each window has arrived.
    fn pass(&mut self, to: &mut Client, window: usize, count: usize) {
        let mut frames = Vec::new();
        let opcode = if self.raw { OpCode::Binary } else { OpCode::Text };
        let payload = format!(r#"{{"cmd":"move","x":1,"y":2,"pad":"{}"}}"#, "z".repeat(160));
        for _ in 0..window {
            header::write(&mut frames, true, opcode, payload.len(), Some([0; 4]));
            frames.extend_from_slice(payload.as_bytes());
        }
        for _ in 0..count.div_ceil(window) {
            self.write(&frames);
            to.read_frames(window, payload.len());
        }
    }

    /// Reads until `count` frames of at least `payload_len` bytes each have come.
    fn read_frames(&mut self, count: usize, payload_len: usize) {
        let mut seen = 0;
        while seen < count {
            let [_, short, high, low, ..] = self.read[..] else {
                self.read_more();
                continue;
            };
            let (head, len) = match short {
                126 => (4, usize::from(u16::from_be_bytes([high, low]))),
                short => (2, usize::from(short)),
            };
            if self.read.len() < head + len {
                self.read_more();
                continue;
            }
            self.read.drain(..head + len);
            seen += usize::from(len >= payload_len);
        }
    }

    fn read_more(&mut self) {
        let mut bytes = [0; 65536];
        let count = self.stream.read(&mut bytes).expect("frames arrive");
        assert!(count > 0, "closed while frames were due");
        self.read.extend_from_slice(&bytes[..count]);
    }
}
