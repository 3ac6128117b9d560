//! The date of a node's machine is set: only `at` changes. All times are measured with the monotonic clock.

use std::time::{Duration, Instant};

use relay_tests::harness::ws::{FrameSpec, Message, Opcode};
use relay_tests::harness::{Event, Options, Pair, Peer, Relay, SetUp, WallClock};
use relay_tests::on_each_setup;

on_each_setup!(a_node_goes_on_when_its_date_is_set, sessions_end_in_their_time_whatever_the_date);

const HOUR: i64 = 3600;
const IDLE_SECS: u64 = 3;

fn start(set_up: SetUp, clock: &WallClock, name: &str, secs: u64) -> Relay {
    Relay::start_with(set_up, &Options::new().wall_clock(clock).env(name, &secs.to_string()))
}

/// Every node's date is set, and both ends of every pair expect it.
fn set(clock: &WallClock, pairs: &mut [Pair], ahead_secs: i64) {
    clock.set_ahead(ahead_secs);
    ends(pairs).for_each(|peer| peer.set_node_ahead(ahead_secs));
}

/// Fault 44: Clocks.
/// Played: The monotonic clock starts far from 0. The machine is suspended. The date of the nodes, or of
/// Redis, is set an hour ahead and back.
/// Holds: No timer is lost, and no client is blamed for the gap. Nodes: only `at` changes. Redis: connected
/// clients are told nothing; see "Known limits" below.
fn a_node_goes_on_when_its_date_is_set(set_up: SetUp) {
    let clock = WallClock::right();
    let relay = start(set_up, &clock, "HEARTBEAT_INTERVAL_SECS", 1);
    let mut pairs: Vec<Pair> = (0..3).map(|_| Pair::link(&relay)).collect();
    for ahead_secs in [HOUR, -HOUR, 0] {
        set(&clock, &mut pairs, ahead_secs);
        pairs.iter_mut().for_each(Pair::expect_alive);
        pairs.iter_mut().for_each(|pair| pair.phone.fence());
        // They keep coming, one per interval.
        for _ in 0..4 {
            ends(&mut pairs).for_each(answer_ping);
        }
        pairs.iter_mut().for_each(|pair| pair.replace_phone(&relay));
        ends(&mut pairs).for_each(|peer| peer.set_node_ahead(ahead_secs));
        pairs.iter_mut().for_each(Pair::expect_alive);
    }
}

fn ends(pairs: &mut [Pair]) -> impl Iterator<Item = &mut Peer> {
    pairs.iter_mut().flat_map(|pair| [&mut pair.workstation, &mut pair.phone])
}

/// Expects a ping next.
fn answer_ping(peer: &mut Peer) {
    match peer.ws().message() {
        Ok(Message::Ping(bytes)) => peer.ws().send(&FrameSpec::new(Opcode::Pong, bytes)),
        other => panic!("{other:?} instead of a ping"),
    }
}

/// Fault 44.
fn sessions_end_in_their_time_whatever_the_date(set_up: SetUp) {
    let clock = WallClock::right();
    let relay = start(set_up, &clock, "SESSION_IDLE_SECS", IDLE_SECS);
    let mut busy = [Pair::link(&relay)];
    for ahead_secs in [HOUR, -HOUR] {
        let started = Instant::now();
        let mut idle = Pair::link(&relay);
        set(&clock, &mut busy, ahead_secs);
        // Until the other one ends.
        while !hear_of_end(&mut idle.workstation) {
            busy[0].expect_alive();
        }
        assert!(started.elapsed() >= Duration::from_secs(IDLE_SECS), "it ended before its time");
        idle.phone.until_closed(4410);
        busy[0].expect_alive();
    }
}

/// Looks for a moment whether the client is told that the session is over.
fn hear_of_end(peer: &mut Peer) -> bool {
    match peer.event_within(Duration::from_millis(100)).expect("a Close, not an end without one") {
        None | Some(Event::Left) => false,
        Some(Event::Killed(reason)) => {
            assert_eq!(reason, "expired");
            peer.expect_closed(4410);
            true
        }
        Some(other) => panic!("{other:?} in an idle session"),
    }
}
