//! A node dies with its clients: their peers on another node are told, and meet them again wherever they
//! reconnect.

use relay_tests::harness::redis::Keep;
use relay_tests::harness::{Fleet, Role, Talk, Talking};

const PAIRS: usize = 20;

/// Fault 41: A node dies or is stopped.
/// Played: SIGKILL. SIGSTOP for seconds. Soak: up to 30 s, and each connection that was taken over is read
/// until it ends.
/// Holds: The other ends are told. Clients of a stopped node are not closed. What was sent after a takeover
/// never goes to the older connection: the newer one gets it, or it is counted as missed. The older one ends
/// with 4409, or with its node.
#[test]
fn the_other_ends_are_told_and_meet_their_peers_at_another_node() {
    let mut fleet = Fleet::start(2, Keep::Nothing);
    let talking = Talking::start(fleet.talks(PAIRS));
    fleet.node_mut(1).kill();
    let mut talks = talking.done();
    for talk in &mut talks {
        // To a node that is not known to be dead yet.
        talk.send(20, 300);
        talk.hear_until("the end of the link", |talk| {
            talk.told_left(Role::Workstation) == 1 && talk.is_cut(Role::Phone)
        });
        assert!(!talk.is_linked_at(Role::Workstation));
    }
    let fresh = fleet.add();
    for (at, talk) in talks.iter_mut().enumerate() {
        talk.join(Role::Phone, fleet.addr(if at % 2 == 0 { 0 } else { fresh }));
        talk.settle();
    }
    talks.iter().for_each(expect_one_end);
    for talk in &mut Talking::start(talks).done() {
        talk.settle();
        expect_one_end(talk);
    }
}

/// The workstation was told once, and its connection was never closed.
fn expect_one_end(talk: &Talk) {
    assert!(talk.told_left(Role::Workstation) == 1 && !talk.is_cut(Role::Workstation), "{}", talk.state());
}
