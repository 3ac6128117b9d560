//! A reader that was fast and becomes slow is judged by what it takes now. A slow reader stays, a stalled one
//! is closed.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use relay_tests::harness::sequence::{Checker, Numbered};
use relay_tests::harness::wire::Wire;
use relay_tests::harness::ws::{FrameSpec, Upgrade};
use relay_tests::harness::{Event, Options, Pair, Peer, Relay, Role, Session, SetUp};

const STALL: Duration = Duration::from_secs(3);
/// Four times the least that a socket must take, which is 64 KiB in each [`STALL`]: 2 KB/s with a stall time
/// of 120 s.
const BYTES_PER_SEC: usize = 80_000;
const FRAME_BYTES: usize = 32 << 10;
/// Frames read at full speed before and after the slow phase.
const FAST: u64 = 500;

fn start() -> Relay {
    let options = Options::new().arg("--stall-secs", &STALL.as_secs().to_string());
    Relay::start_with(SetUp::Memory, &options)
}

fn link(relay: &Relay) -> Pair {
    let session = Session::register(relay);
    let workstation = Peer::join(relay, &session, Role::Workstation);
    let wire = Wire::connect_narrow(relay.addr(), 64 << 10);
    let phone = Peer::join_over(Upgrade::default().open_over(wire).0, &session.hello(Role::Phone));
    Pair::linked(session, workstation, phone)
}

/// Twice [`FAST`] frames as bytes.
fn flood(session: &Session) -> Vec<u8> {
    let mut numbered = Numbered::new(session, Role::Workstation);
    (0..2 * FAST).flat_map(|_| FrameSpec::text(&numbered.text(FRAME_BYTES)).encode()).collect()
}

fn read_to(phone: &mut Peer, checker: &mut Checker, count: u64) {
    while checker.count() < count {
        match phone.event() {
            Event::Text(text) => checker.take(&text),
            other => panic!("{other:?} instead of frame {}", checker.count()),
        }
    }
}

#[test]
fn a_reader_that_becomes_slow_stays() {
    let relay = start();
    let Pair { session, mut workstation, mut phone } = link(&relay);
    let (bytes, mut checker) = (flood(&session), Checker::new(&session, Role::Workstation));
    let mut sender = workstation.ws().wire().sender();
    thread::scope(|scope| {
        scope.spawn(|| sender.write_all(&bytes).unwrap());
        read_to(&mut phone, &mut checker, FAST);
        let started = Instant::now();
        let slowly = phone.ws().wire().sip_at(BYTES_PER_SEC, || started.elapsed() < STALL * 4);
        assert_eq!(slowly, Ok(()), "it was cut after {:?}", started.elapsed());
        read_to(&mut phone, &mut checker, 2 * FAST);
    });
    workstation.fence();
    phone.fence();
}

#[test]
fn a_reader_that_stops_for_good_is_closed() {
    let relay = start();
    let Pair { session, mut workstation, mut phone } = link(&relay);
    let (bytes, mut checker) = (flood(&session), Checker::new(&session, Role::Workstation));
    let mut sender = workstation.ws().wire().sender();
    thread::scope(|scope| {
        scope.spawn(|| sender.write_all(&bytes).unwrap());
        read_to(&mut phone, &mut checker, FAST);
        workstation.expect(&Event::Left);
    });
    workstation.fence();
    assert_eq!(relay.node().metric(r#"relay_closes_total{code="4408"}"#), 1);
}
