//! Redis hangs, or ends and comes back empty, under frames from node to node: the streams hold, and nothing is lost.

use std::time::Duration;

use relay_tests::harness::guard::let_pass;
use relay_tests::harness::redis::Keep;
use relay_tests::harness::{Fleet, Role, Talking};

const PAIRS: usize = 20;

/// Breaks Redis under load; afterwards every frame has come, and nobody was told anything or cut off.
fn nobody_notices(break_redis: impl FnOnce(&mut Fleet)) {
    let mut fleet = Fleet::start(2, Keep::Nothing);
    let talking = Talking::start(fleet.talks(PAIRS));
    break_redis(&mut fleet);
    fleet.wait_ready();
    let mut talks = talking.done();
    for talk in &mut talks {
        talk.settle();
        talk.assert_undisturbed();
        assert!(talk.heard(Role::Phone) > 0);
    }
}

#[test]
fn while_it_hangs_frames_wait() {
    nobody_notices(|fleet| {
        fleet.redis().process().signal("STOP");
        let_pass(Duration::from_secs(4));
        fleet.redis().process().signal("CONT");
    });
}

#[test]
fn when_it_comes_back_empty_frames_go_on() {
    nobody_notices(|fleet| {
        fleet.redis().kill();
        let_pass(Duration::from_secs(1));
        fleet.redis().restart();
    });
}
