//! A bus on which everything takes longer than the second after which it is said again: it works, and is not
//! taken for dead.

use std::time::Duration;

use relay_tests::harness::guard::let_pass;
use relay_tests::harness::redis::Keep;
use relay_tests::harness::{Behaviour, Fleet, Options};

/// To Redis and back from it, each; so between two nodes everything takes twice as long.
const DELAY: Duration = Duration::from_secs(1);

/// After which a node that does not hear itself is not ready, with room.
const DEAF: Duration = Duration::from_secs(14);

#[test]
fn links_open_over_it_and_nobody_is_taken_for_deaf() {
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
    let deaf =
        (0..2).filter(|&at| fleet.node(at).log().text().contains("it subscribes again and is not ready"));
    assert_eq!(deaf.count(), 0, "a slow bus is heard");
}
