//! A line of 1 Mbit/s between two nodes and Redis: frames over it wait, and so do their senders, but no other
//! client.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use relay_tests::harness::redis::Keep;
use relay_tests::harness::sequence::{Checker, Numbered};
use relay_tests::harness::wire::Wire;
use relay_tests::harness::ws::{FrameSpec, Upgrade};
use relay_tests::harness::{Behaviour, Event, Fleet, Options, Pair, Peer, Role, Session, Talking};

const BYTES_PER_SEC: u32 = 125_000;
const FRAME_BYTES: usize = 4 << 10;
/// What the line passes in twenty seconds, and nine times what a link may have in flight.
const FRAMES: usize = 600;
/// Four times the 256 KiB that a link between nodes may have in flight. The rest of the flood, 1.3 MiB, waits
/// at the sender or in the kernel.
const UNDER_WAY_BYTES_MAX: u64 = 1 << 20;
/// For what a link may have in flight, and the bus's queues. Measured: under 2 MiB.
const GROWN_KIB_MAX: u64 = 8 << 10;
const WORDS: usize = 9;

/// Fault 40.
#[test]
fn it_slows_only_its_own_senders() {
    let fleet = Fleet::start_apart(2, Keep::Nothing, &Options::new());
    let mut far = link_narrow(&fleet);
    let mut quiet = link(&fleet);
    let local = Talking::start((0..2).map(|at| fleet.talk(at, at)).collect());
    (0..2).for_each(|at| fleet.line(at).behave(Behaviour::Rate(BYTES_PER_SEC)));
    let resident = || [0, 1].map(|at| fleet.node(at).process().resident_kib());
    let (alone, before) = (one_way_ms(&mut quiet), resident());
    let started = Instant::now();
    let mut numbered = Numbered::new(&far.session, Role::Workstation);
    let frames: Vec<_> = (0..FRAMES).map(|_| FrameSpec::text(&numbered.text(FRAME_BYTES)).encode()).collect();
    let mut sender = far.workstation.ws().wire().sender();
    let (mut under_way, mut grown, mut beside) = (0, [0; 2], 0.0);
    thread::scope(|scope| {
        scope.spawn(|| {
            for frame in &frames {
                sender.write_all(frame).unwrap();
            }
        });
        scope.spawn(|| beside = one_way_ms(&mut quiet));
        let mut checker = Checker::new(&far.session, Role::Workstation);
        while checker.count() < FRAMES as u64 {
            match far.phone.event() {
                Event::Text(text) => checker.take(&text),
                other => panic!("{other:?} instead of frame {}", checker.count()),
            }
            under_way = under_way.max(fleet.node(0).metric("relay_window_bytes"));
            let now = resident();
            grown = [0, 1].map(|at| grown[at].max(now[at].saturating_sub(before[at])));
        }
    });
    let rate = (FRAMES * FRAME_BYTES) as f64 / started.elapsed().as_secs_f64();
    eprintln!(
        "{rate:.0} bytes/s of payload on a line of {BYTES_PER_SEC}; {under_way} bytes under way at most"
    );
    eprintln!("one way, p50: {alone:.1} ms alone, {beside:.1} ms beside the flood; grown {grown:?} KiB");
    assert!(under_way < UNDER_WAY_BYTES_MAX, "{under_way} bytes were taken before they could pass the line");
    assert!(grown.iter().all(|&kib| kib < GROWN_KIB_MAX), "{grown:?} KiB");
    far.expect_alive();
    quiet.expect_alive();
    for talk in &mut local.done() {
        talk.settle();
        talk.assert_undisturbed();
    }
}

fn link(fleet: &Fleet) -> Pair {
    let session = Session::register_at(fleet.addr(0));
    let workstation = Peer::join_as(fleet.addr(0), &session.hello(Role::Workstation));
    let phone = Peer::join_as(fleet.addr(1), &session.hello(Role::Phone));
    Pair::linked(session, workstation, phone)
}

/// A pair on two nodes whose workstation keeps little in its own kernel's buffers.
fn link_narrow(fleet: &Fleet) -> Pair {
    let session = Session::register_at(fleet.addr(0));
    let wire = Wire::connect_narrow_to_send(fleet.addr(0), 32 << 10);
    let workstation =
        Peer::join_over(Upgrade::default().open_over(wire).0, &session.hello(Role::Workstation));
    let phone = Peer::join_as(fleet.addr(1), &session.hello(Role::Phone));
    Pair::linked(session, workstation, phone)
}

/// The median time of a word.
fn one_way_ms(pair: &mut Pair) -> f64 {
    let mut spans: Vec<Duration> = (0..WORDS).map(|_| one_way(pair)).collect();
    spans.sort();
    spans[WORDS / 2].as_secs_f64() * 1000.0
}

fn one_way(pair: &mut Pair) -> Duration {
    let started = Instant::now();
    pair.workstation.text("a word");
    pair.phone.expect_text("a word");
    started.elapsed()
}
