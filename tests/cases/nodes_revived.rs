//! A phone moves on while its node is stopped: when the node goes on, the older connection never gets a later frame.

use std::time::Duration;

use relay_tests::harness::guard::let_pass;
use relay_tests::harness::redis::Keep;
use relay_tests::harness::{Event, Fleet, Pair, Peer, Role, Session};

const PAIRS: usize = 20;
/// Long enough for the others to give the node up.
const STOPPED: Duration = Duration::from_secs(5);

#[test]
fn what_was_sent_after_the_move_is_not_given_to_the_older_connection() {
    let fleet = Fleet::start(2, Keep::Nothing);
    let join = |session: &Session, role, at| Peer::join_as(fleet.addr(at), &session.hello(role));
    let mut pairs: Vec<Pair> = (0..PAIRS)
        .map(|_| {
            let session = Session::register_at(fleet.addr(1));
            let (workstation, phone) = (join(&session, Role::Workstation, 1), join(&session, Role::Phone, 1));
            Pair::linked(session, workstation, phone)
        })
        .collect();
    fleet.node(1).process().signal("STOP");
    let mut moved: Vec<Peer> = pairs.iter().map(|pair| join(&pair.session, Role::Phone, 0)).collect();
    pairs.iter_mut().for_each(|pair| pair.workstation.text("late"));
    let_pass(STOPPED);
    fleet.node(1).process().signal("CONT");
    for (pair, newer) in pairs.iter_mut().zip(&mut moved) {
        pair.phone.expect_closed(4409);
        newer.expect(&Event::Joined(0));
    }
}
