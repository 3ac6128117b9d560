//! Nodes are stopped cleanly, one after another, under traffic: each ends in time, and every client comes
//! back.

use std::time::Duration;

use relay_tests::harness::redis::Keep;
use relay_tests::harness::{Fleet, Role, Talking};

const PAIRS: usize = 20;
const TURNS: usize = 20;
/// `--drain-secs`, with room for a loaded machine.
const END: Duration = Duration::from_secs(60);

/// Fault 42: SIGTERM under traffic.
/// Played: Two nodes in turn, twenty times, while all pairs talk. 2,000 clients of one node (soak: 5,000),
/// which all come to the other node at once. Soak: again and again.
/// Holds: 1001, exit code 0, and every client comes back.
#[test]
fn each_ends_in_time_and_its_clients_come_back() {
    let mut fleet = Fleet::start(2, Keep::Nothing);
    let mut talks = fleet.talks(PAIRS);
    for turn in 0..TURNS {
        let (node, role) = (turn % 2, Role::BOTH[turn % 2]);
        // They keep talking while it drains, and until it has ended.
        let talking = Talking::start(talks);
        fleet.node(node).process().signal("TERM");
        let (status, log) = fleet.node_mut(node).wait_end(END);
        assert_eq!(status.code(), Some(0), "turn {turn}: {log}");
        talks = talking.done();
        for talk in &mut talks {
            talk.hear_until("the node's goodbye", |talk| {
                talk.is_cut(role) && !talk.is_linked_at(role.other())
            });
            assert_eq!(talk.closed_by(role), Some(1001), "{}", talk.state());
            assert!(!talk.is_cut(role.other()), "{}", talk.state());
        }
        fleet.replace(node);
        fleet.wait_ready();
        for talk in &mut talks {
            talk.join(role, fleet.addr(node));
            talk.settle();
        }
    }
}
