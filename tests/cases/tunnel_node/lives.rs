//! New processes: each continues with what the previous one kept, and says what may be lost.

use protocol::ids::Role;
use relay_client::engine::EngineEvent as Event;
use relay_tests::harness::node::{NodeEnd, shown};
use relay_tests::harness::tunnel::End;

use super::{Ends, both_ways_round};

both_ways_round!(
    a_new_node_process_goes_on,
    a_new_engine_goes_on,
    a_new_process_waits_until_the_former_ones_messages_are_taken,
);

fn start_again(ends: &mut Ends, role: Role, saved: &str) {
    ends.node.kill();
    ends.node = match role {
        Role::Workstation => NodeEnd::phone(saved, &[]),
        Role::Phone => NodeEnd::workstation(saved, &[]),
    };
}

fn a_new_node_process_goes_on(role: Role) {
    let mut ends = Ends::open(role, &[]);
    let saved = ends.node.last("saved").unwrap();
    ends.talk("before");
    ends.engine.flush();
    // Twice: what the second process knows, it has only from the first one.
    for _ in 0..2 {
        ends.node.tell("hold");
        ends.node.tell("send on hold");
        assert_eq!(ends.engine.message(), b"on hold");
        for text in [b"never taken", b"neither yet"] {
            ends.engine.send(text);
        }
        start_again(&mut ends, role, &saved);
        let unconfirmed = ends.engine.until("restart", |event| match event {
            Event::Restarted { unconfirmed } => Some(*unconfirmed),
            _ => None,
        });
        assert_eq!(unconfirmed, 2);
        ends.engine.until_open();
        ends.node.event("open");
        ends.talk("anew");
        ends.engine.flush();
    }
}

fn a_new_engine_goes_on(role: Role) {
    let mut ends = Ends::open(role, &[]);
    ends.talk("before");
    ends.node.until_acknowledged(1);
    for _ in 0..2 {
        ends.node.tell("hold");
        ends.engine.send(b"left in the queue of an app that holds");
        ends.engine.engine.close();
        ends.engine.until_stopped();
        ends.node.event("unlinked");
        // The other end is away: these are kept, and dropped when another process answers.
        ends.node.tell("send never taken");
        ends.node.tell("send neither");
        ends.node.tell("take");
        assert_eq!(ends.node.message(), shown(b"left in the queue of an app that holds"));
        ends.engine = End::resume(role, &ends.net.settings(role), &ends.shelf);
        assert_eq!(ends.node.event("restarted"), "2");
        ends.engine.until_open();
        ends.node.event("open");
        ends.talk("anew");
    }
}

fn a_new_process_waits_until_the_former_ones_messages_are_taken(role: Role) {
    let mut ends = Ends::open(role, &[]);
    let saved = ends.node.last("saved").unwrap();
    ends.node.tell("send of the former process");
    ends.node.tell("ping");
    ends.node.event("pong");
    // The app on the engine's side has not read it yet.
    start_again(&mut ends, role, &saved);
    ends.node.event("unlinked");
    assert_eq!(ends.engine.message(), b"of the former process");
    ends.node.event("open");
    ends.talk("anew");
}
