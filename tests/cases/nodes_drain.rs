//! A node ends cleanly under frames between nodes: what it accepted arrives, then the end of the link is
//! told.

use std::time::Duration;

use relay_tests::harness::redis::Keep;
use relay_tests::harness::{Fleet, Role, Talking};

const PAIRS: usize = 20;
/// How many frames each workstation has sent at the end.
const LAST: u64 = 40;
/// `--drain-secs`, with room for a loaded machine.
const END: Duration = Duration::from_secs(60);

/// Fault 42.
#[test]
fn accepted_frames_arrive_and_clients_go_elsewhere() {
    let mut fleet = Fleet::start(2, Keep::Nothing);
    let mut talks = Talking::start(fleet.talks(PAIRS)).done();
    for talk in &mut talks {
        talk.settle();
        talk.send(LAST, 1000);
        // Once it is answered, the node has read all of them. The phone has read none.
        talk.fence(Role::Workstation);
    }
    fleet.node(0).process().signal("TERM");
    for talk in &mut talks {
        talk.hear_until("the node's goodbye", |talk| {
            talk.is_cut(Role::Workstation) && talk.told_left(Role::Phone) == 1
        });
        assert_eq!(talk.closed_by(Role::Workstation), Some(1001));
        assert_eq!(talk.heard_to(Role::Phone), talk.sent(Role::Workstation), "{}", talk.state());
        talk.join(Role::Workstation, fleet.addr(1));
        talk.settle();
        assert!(!talk.is_cut(Role::Phone) && talk.told_left(Role::Phone) == 1, "{}", talk.state());
    }
    let (status, log) = fleet.node_mut(0).wait_end(END);
    assert_eq!(status.code(), Some(0), "{log}");
}
