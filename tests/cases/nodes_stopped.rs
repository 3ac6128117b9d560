//! A stopped node is given up by the others. When it resumes, its links begin again, and nothing is told
//! twice.

use std::time::Duration;

use relay_tests::harness::guard::let_pass;
use relay_tests::harness::redis::Keep;
use relay_tests::harness::{Fleet, Role, Talking};

const PAIRS: usize = 20;
/// Longer than a node may be silent.
const STOPPED: Duration = Duration::from_secs(6);

/// Fault 41.
#[test]
fn its_links_end_and_begin_again_without_a_reconnect() {
    let fleet = Fleet::start(2, Keep::Nothing);
    let talking = Talking::start(fleet.talks(PAIRS));
    fleet.node(1).process().signal("STOP");
    let_pass(STOPPED);
    let mut talks = talking.done();
    for talk in &mut talks {
        talk.hear_until("the end of the link", |talk| talk.told_left(Role::Workstation) == 1);
        assert!(!talk.is_linked_at(Role::Workstation));
    }
    fleet.node(1).process().signal("CONT");
    for talk in &mut Talking::start(talks).done() {
        talk.settle();
        assert!(Role::BOTH.iter().all(|&role| !talk.is_cut(role)), "{}", talk.state());
        assert!(talk.told_left(Role::Phone) > 0, "{}", talk.state());
    }
}
