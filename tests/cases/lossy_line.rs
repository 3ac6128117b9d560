//! One in five packets between nodes and Redis is lost. TCP sends them again, and only the time shows it.

use relay_tests::harness::redis::Keep;
use relay_tests::harness::{Fleet, Namespace, Role, Talk, Talking};

const LOSS_PERCENT: u8 = 20;
const REMOTE: usize = 6;
/// How many frames each pair between the nodes exchanges meanwhile.
const FRAMES: u64 = 300;

/// Fault 40.
#[test]
fn packets_are_lost_and_frames_are_not() {
    Namespace::play("lossy_line::packets_are_lost_and_frames_are_not", |network| {
        let mut fleet = Fleet::start(2, Keep::Nothing);
        let mut talks = fleet.talks(REMOTE);
        talks.extend((0..2).map(|at| fleet.talk(at, at)));
        network.lose(LOSS_PERCENT, fleet.redis().port());
        let talking = Talking::start(talks.split_off(REMOTE));
        exchange(&mut talks);
        for talk in &talks {
            assert!(Role::BOTH.iter().all(|&role| !talk.is_cut(role)), "{}", talk.state());
        }
        talking.done().iter_mut().for_each(|talk| {
            talk.settle();
            talk.assert_undisturbed();
        });
        let lost = network.lost();
        eprintln!("{lost} packets were lost; links ended: {}", ended(&talks));
        assert!(lost > 50, "{lost} packets were lost: nothing was played");
    });
}

/// Each end sends its frames, a few at a time, and receives those of its peer.
fn exchange(talks: &mut [Talk]) {
    while talks.iter().any(|talk| Role::BOTH.iter().any(|&role| talk.heard(role) < FRAMES)) {
        for talk in talks.iter_mut() {
            talk.send(4, 300);
            talk.hear();
        }
    }
    talks.iter_mut().for_each(Talk::settle);
}

/// How often an end was told that its peer left.
fn ended(talks: &[Talk]) -> u64 {
    talks.iter().flat_map(|talk| Role::BOTH.map(|role| talk.told_left(role))).sum()
}
