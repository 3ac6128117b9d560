//! Redis hangs, or comes back empty, under frames between nodes: the streams stay, and nothing is lost. If it
//! is away for longer than streams last, both ends are told, and told again when it is back.

use std::time::Duration;

use relay_tests::harness::guard::let_pass;
use relay_tests::harness::redis::Keep;
use relay_tests::harness::{Fleet, Options, Role, Talking};

const PAIRS: usize = 20;

/// Breaks Redis under load. Afterwards every frame has arrived, and no client was told anything or closed.
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

/// Fault 34.
#[test]
fn while_it_hangs_frames_wait() {
    nobody_notices(|fleet| {
        fleet.redis().process().signal("STOP");
        let_pass(Duration::from_secs(4));
        fleet.redis().process().signal("CONT");
    });
}

/// Fault 33.
#[test]
fn when_it_comes_back_empty_frames_go_on() {
    nobody_notices(|fleet| {
        fleet.redis().kill();
        let_pass(Duration::from_secs(1));
        fleet.redis().restart();
    });
}

#[test]
fn if_it_is_away_for_longer_than_links_last_both_ends_are_told() {
    let mut fleet = Fleet::start_with(2, Keep::Nothing, &Options::new().arg("--bus-hold-secs", "5"));
    let mut talk = fleet.talk(0, 1);
    fleet.redis().process().signal("STOP");
    talk.send(5, 300);
    talk.hear_until("both told", |talk| Role::BOTH.iter().all(|&role| !talk.is_linked_at(role)));
    fleet.redis().process().signal("CONT");
    talk.settle();
    for role in Role::BOTH {
        assert!(!talk.is_cut(role) && talk.told_left(role) >= 1, "{}", talk.state());
    }
}
