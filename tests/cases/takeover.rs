//! One holder per role: a second hello takes over, and the older connection never gets another frame.

use relay_tests::harness::ws::Ws;
use relay_tests::harness::{Event, Pair, Peer, Relay, Role, Session, SetUp};
use relay_tests::{on_each_setup, on_one_node};

on_each_setup!(
    the_newer_connection_takes_the_role,
    version_2_is_told_by_whom,
    a_late_straggler_of_the_same_instance_is_refused,
    a_takeover_without_a_peer_is_told_to_no_client,
);

// Across nodes, frames accepted for the older link end with it, and are not counted as missed.
on_one_node!(the_older_connection_never_gets_a_later_frame);

const ONE: &str = "0123456789abcdef";
const TWO: &str = "fedcba9876543210";

fn the_newer_connection_takes_the_role(set_up: SetUp) {
    let relay = Relay::start(set_up);
    for role in Role::BOTH {
        let Pair { session, workstation, phone } = Pair::link(&relay);
        let (mut older, mut stayer) =
            if role == Role::Workstation { (workstation, phone) } else { (phone, workstation) };
        let mut newer = Peer::join(&relay, &session, role);
        older.expect_closed(4409);
        newer.expect(&Event::Joined(0));
        stayer.expect(&Event::Left);
        stayer.expect(&Event::Joined(0));
        stayer.text("to the newer");
        newer.expect_text("to the newer");
        newer.text("from the newer");
        stayer.expect_text("from the newer");
    }
}

fn version_2_is_told_by_whom(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let takeovers = [
        (Some((ONE, 1)), Some((ONE, 2)), true),
        // An equal number is not lower, so the newer connection wins.
        (Some((ONE, 5)), Some((ONE, 5)), true),
        (Some((ONE, 9)), Some((TWO, 1)), false),
        (None, None, false),
        (Some((ONE, 1)), None, false),
    ];
    for (older, newer, same) in takeovers {
        // In another session, as a leave that another node has not reported to the store yet would count as a
        // takeover.
        let session = Session::register(&relay);
        let join = |instance: Option<(&str, u64)>| {
            let hello = session.hello(Role::Phone).v2();
            let hello = instance.map_or(hello.clone(), |(name, attempt)| hello.instance(name, attempt));
            Peer::join_as(relay.next_addr(&session, Role::Phone), &hello)
        };
        let mut older = join(older);
        let newer = join(newer);
        older.expect(&Event::Replaced(same));
        older.expect_closed(4409);
        newer.leave();
    }
}

fn a_late_straggler_of_the_same_instance_is_refused(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let session = Session::register(&relay);
    let addr = || relay.next_addr(&session, Role::Phone);
    let mut workstation = Peer::join(&relay, &session, Role::Workstation);
    let mut phone = Peer::join_as(addr(), &session.hello(Role::Phone).v2().instance(ONE, 7));
    workstation.expect(&Event::Joined(0));
    phone.expect(&Event::Joined(0));
    for attempt in [6, 0] {
        let straggler = session.hello(Role::Phone).instance(ONE, attempt);
        let mut ws = Ws::connect(addr());
        ws.text(&straggler.json());
        ws.expect_close(4409);
    }
    // Neither end noticed.
    workstation.fence();
    phone.fence();
    let mut pair = Pair { session, workstation, phone };
    pair.expect_alive();
}

fn the_older_connection_never_gets_a_later_frame(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let Pair { session, mut workstation, mut phone } = Pair::link(&relay);
    for takeover in 0..4 {
        let mut newer = Peer::join(&relay, &session, Role::Phone);
        // Sent without reading what arrives meanwhile. The claim was answered first.
        for number in 0..50 {
            workstation.text(&format!("{takeover}:{number}"));
        }
        workstation.expect(&Event::Left);
        let missed = match workstation.event() {
            Event::Joined(missed) => missed,
            other => panic!("{other:?} instead of a peer-joined"),
        };
        phone.expect_closed(4409);
        newer.expect(&Event::Joined(0));
        // Frames before the newer link are missing and counted. The rest arrives without a gap.
        for number in missed..50 {
            newer.expect_text(&format!("{takeover}:{number}"));
        }
        newer.text("mark");
        workstation.expect_text("mark");
        phone = newer;
    }
    phone.fence();
}

fn a_takeover_without_a_peer_is_told_to_no_client(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let session = Session::register(&relay);
    let mut older = Peer::join(&relay, &session, Role::Workstation);
    let mut newer = Peer::join(&relay, &session, Role::Workstation);
    older.expect_closed(4409);
    newer.fence();
    let mut phone = Peer::join(&relay, &session, Role::Phone);
    newer.expect(&Event::Joined(0));
    phone.expect(&Event::Joined(0));
}
