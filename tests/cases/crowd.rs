//! A thousand pairs talk at once: no frame is lost, repeated, foreign or out of order.

use std::thread;

use relay_tests::harness::process::allow_descriptors;
use relay_tests::harness::sequence::{Checker, Numbered};
use relay_tests::harness::{Event, Pair, Relay, Role, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(a_thousand_pairs_talk_at_once);

const THREADS: usize = 8;
const PAIRS_EACH: usize = 125;
const ROUNDS: usize = 10;

/// One pair, and what it has sent and received so far, each way.
struct Talk {
    pair: Pair,
    ways: [(Role, Numbered, Checker); 2],
}

impl Talk {
    fn start(relay: &Relay) -> Self {
        let pair = Pair::link(relay);
        let ways = Role::BOTH
            .map(|role| (role, Numbered::new(&pair.session, role), Checker::new(&pair.session, role)));
        Self { pair, ways }
    }

    fn say(&mut self, length: usize) {
        for (role, numbered, _) in &mut self.ways {
            self.pair.from(*role).0.text(&numbered.text(length));
        }
    }

    fn hear(&mut self) {
        for (role, numbered, checker) in &mut self.ways {
            let (_, receiver) = self.pair.from(*role);
            while checker.count() < numbered.count() {
                match receiver.event() {
                    Event::Text(text) => checker.take(&text),
                    other => panic!("{other:?} instead of a frame"),
                }
            }
        }
    }
}

/// Fault 31.
fn a_thousand_pairs_talk_at_once(set_up: SetUp) {
    allow_descriptors(8192);
    let relay = Relay::start(set_up);
    let mut groups: Vec<Vec<Talk>> = thread::scope(|scope| {
        let link = || (0..PAIRS_EACH).map(|_| Talk::start(&relay)).collect();
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(link)).collect();
        threads.into_iter().map(|thread| thread.join().expect("all linked")).collect()
    });
    thread::scope(|scope| groups.iter_mut().for_each(|talks| drop(scope.spawn(|| talk(talks)))));
    let heard: u64 = groups.iter().flatten().flat_map(|talk| &talk.ways).map(|way| way.2.count()).sum();
    assert_eq!(heard, (THREADS * PAIRS_EACH * ROUNDS * 2) as u64);
}

fn talk(talks: &mut [Talk]) {
    for round in 0..ROUNDS {
        // All clients send before any of them reads, so that all frames are in flight at once.
        talks.iter_mut().for_each(|talk| talk.say(100 + 300 * round));
        talks.iter_mut().for_each(Talk::hear);
    }
    // Nothing is left over at any end.
    for talk in talks {
        talk.pair.workstation.fence();
        talk.pair.phone.fence();
    }
}
