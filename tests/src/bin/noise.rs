//! A flood of noise at the port of one server: random bytes and damaged streams, half of the connections
//! after a valid hello. A pair keeps talking meanwhile.
//!
//! `noise MEGABYTES [SEED]`, run by `./run-test.sh --noise MEGABYTES`. It prints the seed, the server's
//! memory on the way, and the counts. The exit code is 1 if the memory grew. If the server panics or ends, or
//! the pair is disturbed, this program panics.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use relay_tests::harness::guard::GUARD;
use relay_tests::harness::http::fetch;
use relay_tests::harness::random::{Random, amount_and_seed};
use relay_tests::harness::ws::{FrameSpec, Opcode, Upgrade};
use relay_tests::harness::{Bystander, Relay, Role, Session, SetUp};

/// Connections at once: two for each session, so that what looks like frames is relayed.
const MAKERS: u64 = 4;
/// Bytes that one connection tries to send.
const STREAM_BYTES: usize = 1 << 20;
/// After this many connections, a new session is used.
const SESSION_TURNS: u64 = 200;
/// How much the server may have grown at the end since the first tenth: its pool of buffers, and a little
/// more.
const GROWTH_KIB_MAX: u64 = 40 * 1024;

/// What was sent so far.
#[derive(Default)]
struct Said {
    bytes: AtomicU64,
    bytes_after_hello: AtomicU64,
    connections: AtomicU64,
}

fn main() -> ExitCode {
    let Some((megabytes, seed)) = amount_and_seed("noise MEGABYTES") else { return ExitCode::from(2) };
    println!("{megabytes} MB, seed {seed}");
    let relay = Relay::start(SetUp::Memory);
    let bystander = Bystander::start(&relay);
    let (said, started) = (Said::default(), Instant::now());
    let mut sizes = vec![resident_kib(&relay)];
    for tenth in 1..=10 {
        flood(&relay, seed ^ tenth << 48, megabytes * 100_000 * tenth, &said);
        fetch(relay.addr(), "/health").expect(200);
        sizes.push(resident_kib(&relay));
        println!("{:>5} s  {said}, {} KiB resident", started.elapsed().as_secs(), sizes[tenth as usize]);
    }
    bystander.done();
    let grown = sizes[10].saturating_sub(sizes[1]);
    println!(
        "{said}, {} KiB before, {} after a tenth, {} at the end, seed {seed}",
        sizes[0], sizes[1], sizes[10]
    );
    // Its end looks for panics in the log.
    drop(relay);
    if grown <= GROWTH_KIB_MAX { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Until this many bytes were sent.
fn flood(relay: &Relay, seed: u64, bytes: u64, said: &Said) {
    let addr = relay.addr();
    thread::scope(|scope| {
        let mut session = None;
        for maker in 0..MAKERS {
            let role = Role::BOTH[maker as usize % 2];
            if role == Role::BOTH[0] {
                session = Some(Session::register_at(addr));
            }
            let mut session = session.clone().expect("registered before");
            let mut random = Random::new(seed ^ maker << 32);
            scope.spawn(move || {
                for turn in 1.. {
                    if said.bytes.load(Ordering::Relaxed) >= bytes {
                        return;
                    }
                    if turn % SESSION_TURNS == 0 {
                        session = Session::register_at(addr);
                    }
                    let says_hello = turn % 2 == 0;
                    let stream =
                        if says_hello { after_hello(&session, role, &mut random) } else { any(&mut random) };
                    said.note(throw(addr, &stream), says_hello);
                }
            });
        }
    });
}

/// Sends as much as the server takes, and reads what arrives, until the connection ends.
fn throw(addr: SocketAddr, bytes: &[u8]) -> u64 {
    let stream = TcpStream::connect(addr).unwrap_or_else(|error| panic!("the server is gone: {error}"));
    stream.set_read_timeout(Some(GUARD)).expect("a socket");
    stream.set_write_timeout(Some(GUARD)).expect("a socket");
    thread::scope(|scope| {
        scope.spawn(|| {
            // Any end is allowed: the server may close.
            let _ = io::copy(&mut &stream, &mut io::sink());
        });
        let taken = bytes.chunks(16 * 1024).take_while(|piece| (&stream).write_all(piece).is_ok());
        let taken = taken.map(|piece| piece.len() as u64).sum();
        let _ = stream.shutdown(Shutdown::Write);
        taken
    })
}

/// Frames of every kind and size under a valid hello, damaged in a few places.
fn after_hello(session: &Session, role: Role, random: &mut Random) -> Vec<u8> {
    let mut stream = Upgrade::default().encode();
    stream.extend(FrameSpec::text(&session.hello(role).v2().json()).encode());
    let start = stream.len();
    while stream.len() < STREAM_BYTES {
        let len = [3, 60, 125, 126, 700, 9_000, 70_000, 150_000][random.below(8)];
        let frame = match random.below(6) {
            0 => FrameSpec::text(&"é{\"type\":\"hb\"}".repeat(len / 15)),
            1 => FrameSpec::new(Opcode::Ping, noise(len.min(125), random)),
            2 => FrameSpec::text("{\"type\":\"hb\"}"),
            3 => {
                stream.extend(FrameSpec::new(Opcode::Binary, noise(len, random)).unfinished().encode());
                FrameSpec::new(Opcode::Continuation, noise(len, random))
            }
            _ => FrameSpec::new(Opcode::Binary, noise(len, random)),
        };
        stream.extend(frame.encode());
    }
    damage(&mut stream, start, random);
    stream
}

/// Without a hello: random bytes, a damaged request before them, or frames before the hello.
fn any(random: &mut Random) -> Vec<u8> {
    let mut stream = match random.below(4) {
        0 => Vec::new(),
        1 => b"POST /api/register HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
            .repeat(1 + random.below(400)),
        2 => [Upgrade::default().encode(), FrameSpec::text("{\"type\":\"hello\"}").encode()].concat(),
        _ => Upgrade::default().encode(),
    };
    if !stream.is_empty() && random.below(2) == 0 {
        damage(&mut stream, 0, random);
    }
    stream.extend(noise(STREAM_BYTES, random));
    stream
}

/// The seed decides where the damage is, behind `start`, and how much.
fn damage(stream: &mut Vec<u8>, start: usize, random: &mut Random) {
    for _ in 0..1 + random.below(4) {
        let at = start + random.below(stream.len() - start);
        match random.below(3) {
            0 => stream[at] ^= 1 << random.below(8),
            1 => drop(stream.remove(at)),
            _ => stream.insert(at, random.any() as u8),
        }
    }
}

fn noise(len: usize, random: &mut Random) -> Vec<u8> {
    let mut bytes = vec![0; len];
    bytes.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&random.any().to_be_bytes()[..chunk.len()]));
    bytes
}

fn resident_kib(relay: &Relay) -> u64 {
    relay.node().process().resident_kib()
}

impl Said {
    fn note(&self, bytes: u64, after_hello: bool) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.bytes_after_hello.fetch_add(if after_hello { bytes } else { 0 }, Ordering::Relaxed);
        self.connections.fetch_add(1, Ordering::Relaxed);
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let megabytes = |count: &AtomicU64| count.load(Ordering::Relaxed) / 1_000_000;
        let (all, after_hello) = (megabytes(&self.bytes), megabytes(&self.bytes_after_hello));
        write!(
            f,
            "{all} MB, {after_hello} of them after a hello, on {} connections",
            self.connections.load(Ordering::Relaxed)
        )
    }
}
