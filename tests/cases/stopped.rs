//! A server that was stopped and resumed reads what arrived meanwhile before it calls a client silent.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use relay_tests::harness::guard::let_pass;
use relay_tests::harness::process::allow_descriptors;
use relay_tests::harness::sequence::{Checker, Numbered};
use relay_tests::harness::ws::{FrameSpec, Message, Opcode};
use relay_tests::harness::{Event, Hello, Options, Pair, Relay, Role, SetUp};
use relay_tests::on_one_node;

// Other nodes give up a node that is stopped for longer than four seconds.
on_one_node!(a_client_that_sends_meanwhile_stays, a_client_that_is_silent_meanwhile_is_pinged_first);

/// Signs of life during a stop, one every half second.
const FRAMES: usize = 35;

fn start(set_up: SetUp, interval_secs: u64) -> Relay {
    let secs = interval_secs.to_string();
    Relay::start_with(set_up, &Options::new().env("HEARTBEAT_INTERVAL_SECS", &secs))
}

/// Fault 44.
fn a_client_that_sends_meanwhile_stays(set_up: SetUp) {
    let relay = start(set_up, 1);
    let mut pairs: Vec<Pair> = (0..4).map(|_| Pair::link(&relay)).collect();
    let mut numbered: Vec<_> =
        pairs.iter().map(|pair| Numbered::new(&pair.session, Role::Workstation)).collect();
    relay.node().process().signal("STOP");
    // Longer than a client may be silent, and no client is silent for an interval.
    for _ in 0..FRAMES {
        for (pair, numbered) in pairs.iter_mut().zip(&mut numbered) {
            pair.workstation.text(&numbered.text(100));
            pair.phone.ws().send(&FrameSpec::new(Opcode::Pong, "here"));
        }
        let_pass(Duration::from_millis(500));
    }
    relay.node().process().signal("CONT");
    for pair in &mut pairs {
        let mut checker = Checker::new(&pair.session, Role::Workstation);
        for _ in 0..FRAMES {
            match pair.phone.event() {
                Event::Text(text) => checker.take(&text),
                other => panic!("{other:?} instead of a frame"),
            }
        }
        pair.expect_alive();
    }
}

/// A node that was stopped has pinged no client, so it closes none for not answering.
///
/// Fault 44.
fn a_client_that_is_silent_meanwhile_is_pinged_first(set_up: SetUp) {
    let relay = start(set_up, 1);
    let mut older = Pair::link(&relay);
    let mut newer = Pair::link_as(&relay, Hello::v3);
    relay.node().process().signal("STOP");
    let_pass(Duration::from_secs(20));
    relay.node().process().signal("CONT");
    for pair in [&mut older, &mut newer] {
        for role in Role::BOTH {
            match pair.from(role).0.ws().message() {
                Ok(Message::Ping(_)) => {}
                other => panic!("{other:?} instead of a ping"),
            }
        }
        pair.expect_alive();
    }
}

/// More connections than one poll returns.
#[test]
fn a_crowd_that_sends_meanwhile_stays() {
    allow_descriptors(8192);
    let relay = start(SetUp::Memory, 4);
    let mut groups: Vec<Vec<Pair>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| link_many(&relay, 150))).collect();
        threads.into_iter().map(|thread| thread.join().expect("all linked")).collect()
    });
    groups.iter_mut().for_each(|pairs| speak(pairs));
    relay.node().process().signal("STOP");
    for _ in 0..18 {
        groups.iter_mut().for_each(|pairs| speak(pairs));
        let_pass(Duration::from_secs(1));
    }
    groups.iter_mut().for_each(|pairs| speak(pairs));
    relay.node().process().signal("CONT");
    groups.iter_mut().flatten().for_each(Pair::expect_alive);
    assert_eq!(relay.node().metric(r#"relay_closes_total{code="4408"}"#), 0);
}

/// Servers that are so busy that most of them are stopped between a poll and the next reading of the clock.
#[test]
fn a_client_that_sends_stays_whenever_the_stop_comes() {
    let relays: Vec<Relay> = (0..12).map(|_| start(SetUp::Memory, 1)).collect();
    let mut pairs: Vec<Pair> = relays.iter().map(Pair::link).collect();
    let are_stopped = AtomicBool::new(false);
    thread::scope(|scope| {
        for pair in &mut pairs {
            let pongs = || pair.workstation.ws().send(&FrameSpec::new(Opcode::Pong, "busy"));
            scope.spawn(|| repeat_until(&are_stopped, pongs));
        }
        relays.iter().for_each(|relay| relay.node().process().signal("STOP"));
        are_stopped.store(true, Ordering::Relaxed);
    });
    // Longer than a client may be silent, and no client is silent for an interval.
    for _ in 0..FRAMES {
        speak(&mut pairs);
        let_pass(Duration::from_millis(500));
    }
    relays.iter().for_each(|relay| relay.node().process().signal("CONT"));
    pairs.iter_mut().for_each(Pair::expect_alive);
}

fn repeat_until(is_over: &AtomicBool, mut act: impl FnMut()) {
    while !is_over.load(Ordering::Relaxed) {
        act();
    }
}

fn link_many(relay: &Relay, count: usize) -> Vec<Pair> {
    let mut pairs = Vec::new();
    while pairs.len() < count {
        pairs.extend((0..50).map(|_| Pair::link(relay)));
        speak(&mut pairs);
    }
    pairs
}

/// A sign of life from every client.
fn speak(pairs: &mut [Pair]) {
    for pair in pairs {
        for role in Role::BOTH {
            pair.from(role).0.ws().send(&FrameSpec::new(Opcode::Pong, "here"));
        }
    }
}
