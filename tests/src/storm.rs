//! A node with thousands of clients is stopped cleanly, and all of them reconnect at once, to the other node.
//! Cases play this with 2,000 clients, the soak with 5,000.

use std::thread;
use std::time::{Duration, Instant};

use crate::harness::process::allow_descriptors;
use crate::harness::redis::Keep;
use crate::harness::wire::Wire;
use crate::harness::ws::{FrameSpec, Upgrade};
use crate::harness::{Fleet, Hello, Peer, Role, Talk};

const THREADS: usize = 10;
/// `--drain-secs`, with room for a loaded machine.
const END: Duration = Duration::from_secs(60);

/// Plays it with this many pairs. Returns how long it took until all were linked again.
///
/// # Panics A frame is foreign, repeated or out of order, a client is not told or not linked again, or the
/// node does not end cleanly.
pub fn play(pairs: usize) -> Duration {
    // For a moment, a client has two connections, with two ends each.
    allow_descriptors((pairs * 4 + 1024) as u64);
    let mut fleet = Fleet::start(2, Keep::Nothing);
    let mut groups: Vec<Vec<Talk>> = thread::scope(|scope| {
        let link = || (0..pairs / THREADS).map(|_| fleet.talk(0, 0)).collect();
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(link)).collect();
        threads.into_iter().map(|thread| thread.join().expect("all linked")).collect()
    });
    in_parallel(&mut groups, |talks| talks.iter_mut().for_each(|talk| talk.send(4, 300)));
    fleet.node(0).process().signal("TERM");
    in_parallel(&mut groups, |talks| talks.iter_mut().for_each(hear_goodbye));
    let started = Instant::now();
    in_parallel(&mut groups, |talks| come_back(&fleet, talks));
    let took = started.elapsed();
    assert_eq!(fleet.node(1).metric(r#"relay_links{to="local"}"#), pairs as u64);
    let (status, log) = fleet.node_mut(0).wait_end(END);
    assert_eq!(status.code(), Some(0), "{log}");
    took
}

/// Each group on its own thread. Returns when all are done.
fn in_parallel(groups: &mut [Vec<Talk>], act: impl Fn(&mut [Talk]) + Sync) {
    let act = &act;
    thread::scope(|scope| groups.iter_mut().for_each(|talks| drop(scope.spawn(|| act(talks)))));
}

/// What was in flight arrives before it.
fn hear_goodbye(talk: &mut Talk) {
    talk.hear_until("the node's goodbye", |talk| Role::BOTH.iter().all(|&role| talk.is_cut(role)));
    assert!(Role::BOTH.iter().all(|&role| talk.closed_by(role) == Some(1001)), "{}", talk.state());
}

/// All dial and say hello before any of them reads an answer.
fn come_back(fleet: &Fleet, talks: &mut [Talk]) {
    let coming = |talk: &Talk| Role::BOTH.map(|role| come(fleet, talk.session().hello(role)));
    let all: Vec<_> = talks.iter().map(coming).collect();
    for (talk, ends) in talks.iter_mut().zip(all) {
        for (wire, hello) in ends {
            talk.put(hello.role(), Peer::joined(Upgrade::accepted(wire).0, &hello));
        }
    }
    talks.iter_mut().for_each(Talk::settle);
}

fn come(fleet: &Fleet, hello: Hello) -> (Wire, Hello) {
    let mut wire = Wire::connect(fleet.addr(1));
    wire.send(&[Upgrade::default().encode(), FrameSpec::text(&hello.json()).encode()].concat());
    (wire, hello)
}
