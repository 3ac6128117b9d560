//! A frame goes to the connected peer, and to no other client.

use relay_tests::harness::{Event, Pair, Peer, Relay, Role, Session, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(
    a_frame_does_not_return_to_its_sender,
    a_frame_does_not_reach_another_session,
    a_frame_without_a_receiver_is_not_delivered_later,
    the_first_frame_of_an_absence_is_answered_to_version_2,
    frames_sent_after_the_peer_left_are_counted,
);

fn a_frame_does_not_return_to_its_sender(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let mut pair = Pair::link(&relay);
    for role in Role::BOTH {
        let (sender, receiver) = pair.from(role);
        sender.text("once");
        sender.binary(b"twice");
        sender.fence();
        receiver.expect_text("once");
        receiver.expect(&Event::Binary(b"twice".to_vec()));
        receiver.fence();
    }
}

fn a_frame_does_not_reach_another_session(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let (mut one, mut two) = (Pair::link(&relay), Pair::link(&relay));
    one.workstation.text("for one");
    two.workstation.text("for two");
    one.phone.expect_text("for one");
    two.phone.expect_text("for two");
    for pair in [&mut one, &mut two] {
        pair.workstation.fence();
        pair.phone.fence();
    }
}

fn a_frame_without_a_receiver_is_not_delivered_later(set_up: SetUp) {
    let relay = Relay::start(set_up);
    for early in Role::BOTH {
        let session = Session::register(&relay);
        let mut sender = Peer::join(&relay, &session, early);
        sender.text("into the void");
        sender.binary(b"too");
        // Version 1 is not told.
        sender.fence();
        let mut late = Peer::join(&relay, &session, early.other());
        late.expect(&Event::Joined(0));
        sender.expect(&Event::Joined(2));
        sender.text("live");
        late.expect_text("live");
    }
}

fn the_first_frame_of_an_absence_is_answered_to_version_2(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let session = Session::register(&relay);
    let hello = session.hello(Role::Workstation).v2();
    let mut workstation = Peer::join_as(relay.addr(), &hello);
    for absence in 1..=3u64 {
        workstation.text("anybody?");
        workstation.expect(&Event::Absent);
        for _ in 0..absence {
            workstation.text("once is enough");
        }
        // A heartbeat is not a frame: it is answered, and neither dropped nor counted.
        workstation.fence();
        let mut phone = Peer::join(&relay, &session, Role::Phone);
        workstation.expect(&Event::Joined(1 + absence));
        phone.expect(&Event::Joined(0));
        workstation.text("there you are");
        phone.expect_text("there you are");
        phone.leave();
        workstation.expect(&Event::Left);
    }
}

fn frames_sent_after_the_peer_left_are_counted(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let Pair { session, mut workstation, phone } = Pair::link(&relay);
    phone.leave();
    workstation.expect(&Event::Left);
    for _ in 0..7 {
        workstation.text("gone");
    }
    workstation.fence();
    let phone = Peer::join(&relay, &session, Role::Phone);
    workstation.expect(&Event::Joined(7));
    // The count is for one absence. The next one starts at 0.
    phone.leave();
    workstation.expect(&Event::Left);
    let mut phone = Peer::join(&relay, &session, Role::Phone);
    workstation.expect(&Event::Joined(0));
    phone.expect(&Event::Joined(0));
}
