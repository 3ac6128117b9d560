//! A phone moves from node to node. Each time its older connection ends at once, and the workstation meets
//! the newer.

use std::time::{Duration, Instant};

use relay_tests::harness::redis::Keep;
use relay_tests::harness::{Fleet, Role};

const HOPS: u64 = 5;
/// A guard of ten times the allowed time until an older connection is closed.
const PROMPT: Duration = Duration::from_secs(20);

#[test]
fn each_move_ends_the_older_link_and_begins_a_newer_one() {
    let fleet = Fleet::start(2, Keep::Nothing);
    let mut talk = fleet.talk(0, 1);
    for hop in 1..=HOPS {
        talk.send(20, 300);
        let to = usize::from(hop % 2 == 0);
        let mut older = talk.join(Role::Phone, fleet.addr(to)).expect("it was linked");
        let joined_at = Instant::now();
        // Earlier frames may still arrive. The replaced connection is not told of the link's end.
        let before = older.until_closed(4409);
        assert!(joined_at.elapsed() < PROMPT, "hop {hop}: closed after {:?}", joined_at.elapsed());
        talk.heard_elsewhere(Role::Phone, &before);
        talk.hear_until("the end of the older link", |talk| talk.told_left(Role::Workstation) == hop);
        talk.settle();
        assert_eq!(talk.told_left(Role::Workstation), hop, "{}", talk.state());
        assert_eq!(talk.told_left(Role::Phone), 0, "{}", talk.state());
    }
}
