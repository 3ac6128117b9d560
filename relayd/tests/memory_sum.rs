//! The sum of memory in `docs/operations.md`: each part is measured, and the page is compared with the
//! computed table.

#[path = "common/live.rs"]
mod live;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Mutex;
use std::time::Duration;

use protocol::ids::{NodeId, Role, SessionId, Token};
use protocol::message::{Hello, InstanceClaim};
use protocol::ws::header::{self, OpCode};
use relayd::Server;
use relayd::admission::{ADDRESSES_MAX, Address, Admission, AdmissionLimits, LOOK_UPS_MAX, Lookups};
use relayd::sizing::{
    ADDRESS_BYTES, CONNECTION_BYTES, LOOK_UP_BYTES, Load, PROGRAM_BYTES, SESSION_BYTES, TOMBSTONE_BYTES,
};
use relayd_core::limits::{Limits, POOL_KEPT_MAX};
use relayd_core::store::table::{Table, TableLimits};
use relayd_core::store::{Answer, Claimed, Conn, Request};
use relayd_core::time::Time;
use relayd_core::wire::pool::Pool;

/// The measured memory is that of the whole process, so one test runs at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const NODE: NodeId = NodeId::from_bytes([7; 16]);
const NOW: Time = Time::from_ms(1 << 40);

/// The bytes that `make` leaves allocated, divided by `count`.
fn each<T>(what: &str, count: usize, make: impl FnOnce() -> T) -> usize {
    let before = live::bytes();
    let kept = make();
    let bytes = usize::try_from(live::bytes() - before).expect("more than before") / count;
    drop(kept);
    println!("{what}: {bytes} bytes each of {count}");
    bytes
}

/// The constant is at least the measured value, and at most three times that.
fn expect_near(measured: usize, said: usize) {
    assert!(measured <= said, "{measured} bytes, where {said} are said");
    assert!(measured >= said / 3, "{measured} bytes, where {said} are said: too careful");
}

fn id(number: usize) -> [u8; 16] {
    // Like random ids, they are not in order.
    let mixed = (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    [mixed.to_be_bytes(), (number as u64).to_be_bytes()].concat().try_into().expect("16 bytes")
}

/// A table of this many sessions. If `held`, both roles of each were joined, taken over and left.
fn table(sessions: usize, held: bool) -> Table {
    let mut table = Table::new(7_200_000, TableLimits { sessions_max: sessions, tombstones_max: sessions });
    for number in 0..sessions {
        let (session, token) = (SessionId::from_bytes(id(number)), Token::from_bytes(id(number)).digest());
        let ticket = Conn { slot: 0, name: 0 };
        table.apply(NODE, &Request::Register { ticket, session, token, again: false }, NOW);
        for role in Role::ALL.into_iter().filter(|_| held) {
            for name in 1..=2 {
                let instance = Some(InstanceClaim { instance: 3, attempt: name });
                let conn = Conn { slot: 0, name };
                let claim = Request::Claim { conn, session, token, role, instance };
                let answer = table.apply(NODE, &claim, NOW);
                assert!(matches!(answer, Some(Answer::Claimed { outcome: Claimed::Granted { .. }, .. })));
            }
        }
    }
    table
}

/// Fault 21d.
#[test]
fn sessions_of_the_embedded_store() {
    let _alone = ONE_AT_A_TIME.lock();
    live::count_this_thread();
    for sessions in [40_000, 70_000] {
        expect_near(each("sessions in use", sessions, || table(sessions, true)), SESSION_BYTES);
        let idle = each("sessions that nobody joined", sessions, || table(sessions, false));
        assert!(idle <= 170, "{idle} bytes, where docs/operations.md says 170");
    }
}

#[test]
fn ended_sessions_of_the_embedded_store() {
    let _alone = ONE_AT_A_TIME.lock();
    live::count_this_thread();
    // Just above a power of two, the hash table has just doubled.
    for sessions in [40_000, 60_000] {
        let measured = each("ended sessions", sessions, || {
            let mut table = table(sessions, true);
            for number in 0..sessions {
                let session = SessionId::from_bytes(id(number));
                let ticket = Conn { slot: 0, name: 0 };
                table.apply(NODE, &Request::Delete { ticket, session, token: None }, NOW);
            }
            assert_eq!(table.sessions_len(), 0);
            table
        });
        expect_near(measured, TOMBSTONE_BYTES);
    }
}

#[test]
fn rates_by_address() {
    let _alone = ONE_AT_A_TIME.lock();
    live::count_this_thread();
    let measured = each("rates by address", ADDRESSES_MAX, || {
        let mut admission = Admission::new(&AdmissionLimits::default());
        for number in 0..ADDRESSES_MAX as u32 {
            let address = Address::of(IpAddr::V4(Ipv4Addr::from(number.wrapping_mul(0x9E37_79B1))));
            admission.try_register(Some(address), NOW).expect("the first of this address");
            admission.note_failed(Some(address), NOW);
        }
        admission
    });
    expect_near(measured, ADDRESS_BYTES);
}

/// Each waits in the line of an address of its own, which takes most, and as many as can be had their turn
/// lately.
///
/// Fault 21d.
#[test]
fn look_ups_that_wait_for_their_turn() {
    let _alone = ONE_AT_A_TIME.lock();
    live::count_this_thread();
    let fill = |lookups: &mut Lookups<Request>, round: usize, now: Time| {
        for number in 0..LOOK_UPS_MAX {
            let address = Address::of(IpAddr::V4(Ipv4Addr::from((number as u32).wrapping_mul(0x9E37_79B1))));
            let key = [id(round), id(number)].concat().try_into().expect("32 bytes");
            let (conn, session) = (Conn { slot: 0, name: 0 }, SessionId::from_bytes(id(number)));
            let token = Token::from_bytes(id(number)).digest();
            let request = Request::Claim { conn, session, token, role: Role::Phone, instance: None };
            assert!(lookups.try_put(address, key, request, now).is_ok());
        }
    };
    let measured = each("look-ups", LOOK_UPS_MAX, || {
        let mut lookups = Lookups::default();
        for round in 0..3 {
            let now = NOW + Duration::from_secs(round as u64);
            fill(&mut lookups, round, now);
            let looked_up = std::iter::from_fn(|| lookups.poll(now + Duration::from_millis(500))).count();
            assert_eq!(looked_up, LOOK_UPS_MAX);
        }
        fill(&mut lookups, 3, NOW + Duration::from_secs(9));
        lookups
    });
    expect_near(measured, LOOK_UP_BYTES);
}

#[test]
fn returned_buffers() {
    let _alone = ONE_AT_A_TIME.lock();
    live::count_this_thread();
    let kept = each("returned buffers", 1, || {
        let mut pool = Pool::new();
        let chunks: Vec<_> = (0..4000).map(|number| pool.lend(4096 << (number % 9))).collect();
        chunks.into_iter().for_each(|chunk| pool.give_back(chunk));
        pool
    });
    expect_near(kept, POOL_KEPT_MAX + (1 << 20));
}

/// Fault 21d.
#[test]
fn connections_and_the_program() {
    let _alone = ONE_AT_A_TIME.lock();
    const PAIRS: usize = 300;
    let args = ["relayd", "--listen", "127.0.0.1", "--port", "0", "--store", "memory"];
    let config = relayd::config::load(args.map(Into::into)).expect("the flags are good");
    let before = live::bytes();
    let server = std::thread::spawn(move || {
        live::count_this_thread();
        let server = Server::bind(&config).expect("a free port");
        let (address, stopper) = (server.local_addr(), server.stopper());
        (
            address,
            stopper,
            std::thread::spawn(move || {
                live::count_this_thread();
                server.run()
            }),
        )
    });
    let (address, stopper, reactor) = server.join().expect("a server");
    drop(pairs(address, 10));
    let started = usize::try_from(live::bytes() - before).expect("more than before");
    println!("the program: {started} bytes of heap");
    assert!(started <= PROGRAM_BYTES / 2, "{started} bytes of heap before anybody came");
    let connections = 2 * PAIRS;
    let measured = each("connections", connections, || pairs(address, PAIRS));
    // With its half of a session in the store.
    expect_near(measured, CONNECTION_BYTES + SESSION_BYTES / 2);
    stopper.stop();
    reactor.join().expect("no panic").expect("no error");
}

/// So many linked pairs that say nothing.
fn pairs(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    (0..count).flat_map(|_| pair(address)).collect()
}

fn pair(address: SocketAddr) -> [TcpStream; 2] {
    let mut http = connect(address);
    http.write_all(b"POST /api/register HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    http.read_to_string(&mut answer).expect("an answer");
    let member = |name: &str| {
        let at = answer.find(&format!("\"{name}\":\"")).expect("the member is there") + name.len() + 4;
        answer[at..at + 32].to_owned()
    };
    let session = SessionId::parse(&member("sessionId")).expect("an id");
    let token = Token::parse(&member("token")).expect("a token");
    Role::ALL.map(|role| {
        let mut stream = connect(address);
        let hello = Hello::to_json(session, &token, role, None);
        let mut bytes = b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            .to_vec();
        header::write(&mut bytes, true, OpCode::Text, hello.len(), Some([0; 4]));
        bytes.extend_from_slice(hello.as_bytes());
        stream.write_all(&bytes).expect("sent");
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains("hello-ack") {
            let mut bytes = [0; 1024];
            let count = stream.read(&mut bytes).expect("an answer");
            assert!(count > 0, "closed before hello-ack");
            seen.extend_from_slice(&bytes[..count]);
        }
        stream
    })
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a TCP socket");
    stream
}

/// Fault 21d.
#[test]
fn the_page_says_what_the_program_says() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md"))
        .expect("the page");
    for sessions in [None, Some(1_000_000)] {
        let load = Load { limits: Limits::default(), connections: 10_000, sessions };
        assert_eq!(load.sum(), load.parts().iter().map(|part| part.bytes).sum::<usize>());
        assert!(page.contains(&load.table()), "docs/operations.md lacks this table:\n{}", load.table());
    }
    let with_redis = Load { limits: Limits::default(), connections: 10_000, sessions: None }.sum();
    let said = page.lines().find_map(|line| line.trim().strip_prefix("MemoryMax=")?.strip_suffix('M'));
    let said: usize = said.and_then(|mib| mib.parse().ok()).expect("MemoryMax in MiB");
    assert!(
        (with_redis..with_redis + (100 << 20)).contains(&(said << 20)),
        "MemoryMax={said}M for {with_redis}"
    );
}
