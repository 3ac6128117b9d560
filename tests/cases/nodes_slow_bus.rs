//! On this bus everything takes longer than the second after which it is repeated. It works, and is not taken
//! for dead.

use std::time::Duration;

use relay_tests::harness::guard::let_pass;
use relay_tests::harness::log_texts::SUBSCRIBES_AGAIN;
use relay_tests::harness::redis::Keep;
use relay_tests::harness::{Behaviour, Fleet, Options};

/// The delay to Redis, and from it. Between two nodes everything takes twice as long.
const DELAY: Duration = Duration::from_secs(1);

/// A node that does not hear itself for this long is not ready, with a margin.
const DEAF: Duration = Duration::from_secs(14);

/// Fault 40: Redis is far away, or the line to it is bad.
/// Played: Delays of 20 ms and of a second each way. 20 % of all packets lost, in a network of the case's
/// own. 125,000 bytes a second each way.
/// Holds: No client is closed, order is kept, and pairs on one node do not notice. Delay: only the time
/// changes. Loss: a node that is silent for 4 s is given up, so its links end and are made again. Narrow: the
/// sender waits (RSS grows by less than 8 MiB, measured: 4) and no other client of its node does. Payload
/// passes at two thirds of the line's rate or more (measured: 85,000 to 103,000 bytes a second). A word takes
/// 4 ms alone, and 2 s beside a flood over the same line, as 256 KiB are let under way.
#[test]
fn links_open_over_it_and_no_node_is_taken_for_deaf() {
    let fleet = Fleet::start_apart(2, Keep::Nothing, &Options::new());
    let mut before = fleet.talk(0, 1);
    (0..2).for_each(|at| fleet.line(at).behave(Behaviour::Delay(DELAY)));
    let mut talk = fleet.talk(0, 1);
    let_pass(DEAF);
    for talk in [&mut before, &mut talk] {
        for _ in 0..3 {
            talk.send(20, 500);
            talk.settle();
        }
        talk.assert_undisturbed();
    }
    (0..2).for_each(|at| fleet.node(at).wait_ready(200));
    let deaf = (0..2).filter(|&at| fleet.node(at).log().text().contains(SUBSCRIBES_AGAIN));
    assert_eq!(deaf.count(), 0, "a slow bus is heard");
}
