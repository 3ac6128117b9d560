//! Messages arrive once and in order, whatever happens to the connections.

use protocol::ids::Role;
use relay_client::engine::{EngineEvent as Event, SendError};
use relay_tests::harness::node::{bytes_of, shown};

use super::{Ends, both_ways_round};

const MESSAGES: u32 = 200;
const SIZE_MAX: usize = 100_000;
const CUTS: u32 = 6;

both_ways_round!(
    messages_arrive_once_and_in_order_through_cuts,
    a_flipped_bit_is_a_fault_and_nothing_is_lost,
    closing_leaves_the_other_direction_open,
    the_end_is_told_when_an_engine_closes,
);

fn message(number: u32) -> Vec<u8> {
    bytes_of(number as usize * 7919 * 13 % (SIZE_MAX + 1), number)
}

fn node_sends(ends: &mut Ends, count: u32) {
    for number in 0..count {
        ends.node.tell(&format!("send-bytes {} {number}", message(number).len()));
    }
}

fn node_has(ends: &mut Ends, count: u32) {
    for number in 0..count {
        assert_eq!(ends.node.message(), shown(&message(number)), "{number}");
    }
}

/// True if the engine accepted it. False if its peer's window is full.
fn accepts(ends: &Ends, number: u32) -> bool {
    match ends.engine.engine.try_send(&message(number)) {
        Ok(_) => true,
        Err(SendError::Full) => false,
        Err(error) => panic!("{number}: {error}"),
    }
}

fn cut(ends: &mut Ends, number: u32) {
    let by = number % 3;
    if by != 1 {
        ends.net.proxy.cut();
    }
    if by >= 1 {
        ends.node.tell("cut");
    }
}

/// Otherwise either end would reconnect forever.
fn expect_no_fault(ends: &Ends) {
    assert_eq!((&ends.engine.faults[..], ends.node.last("fault")), (&[][..], None));
}

fn messages_arrive_once_and_in_order_through_cuts(role: Role) {
    // With a small window, much is still unsent at each cut.
    let mut ends = Ends::open_with(role, &[], |settings| settings.options.window = 256 << 10);
    node_sends(&mut ends, MESSAGES);
    let (mut accepted, mut taken, mut since_open, mut cuts) = (0, 0, 0, 0);
    while accepted < MESSAGES || taken < MESSAGES {
        while accepted < MESSAGES && accepts(&ends, accepted) {
            accepted += 1;
        }
        match ends.engine.next_event() {
            Event::Message(came) => {
                assert!(came.bytes == message(taken), "message {taken}");
                (taken, since_open) = (taken + 1, since_open + 1);
                // Each cut hits an open connection in use.
                if since_open == 10 && cuts < CUTS {
                    cut(&mut ends, cuts);
                    cuts += 1;
                }
            }
            Event::Opened { .. } => since_open = 0,
            _ => expect_no_fault(&ends),
        }
    }
    node_has(&mut ends, MESSAGES);
    ends.engine.flush();
    ends.node.until_acknowledged(MESSAGES);
    assert_eq!(cuts, CUTS);
    expect_no_fault(&ends);
    // Nothing was repeated: this one follows the last message.
    ends.talk("after all");
}

fn a_flipped_bit_is_a_fault_and_nothing_is_lost(role: Role) {
    let mut ends = Ends::open(role, &["--flip"]);
    node_sends(&mut ends, 20);
    for number in 0..20 {
        assert!(ends.engine.message() == message(number), "{number}");
    }
    let faults = &ends.engine.faults;
    assert!(matches!(&faults[..], [fault] if fault.contains("could not be decrypted")), "{faults:?}");
    ends.talk("afterwards");
}

fn closing_leaves_the_other_direction_open(role: Role) {
    let mut ends = Ends::open(role, &[]);
    ends.node.tell("send last words");
    ends.node.tell("close");
    assert_eq!(ends.engine.message(), b"last words");
    ends.engine.until("close", |event| (*event == Event::PeerClosed).then_some(()));
    ends.engine.send(b"still here");
    assert_eq!(ends.node.message(), shown(b"still here"));
    // It is repeated on each new connection, without news.
    ends.node.tell("cut");
    ends.engine.until_open();
    ends.engine.send(b"and here");
    assert_eq!(ends.node.message(), shown(b"and here"));
    expect_no_fault(&ends);
}

fn the_end_is_told_when_an_engine_closes(role: Role) {
    let mut ends = Ends::open(role, &[]);
    for number in 0..10 {
        assert!(accepts(&ends, number));
    }
    ends.engine.engine.close();
    node_has(&mut ends, 10);
    ends.node.event("closed");
    ends.node.event("unlinked");
}

#[test]
fn keys_are_renewed_beside_the_live_connection() {
    let mut ends = Ends::open(Role::Workstation, &[]);
    let links = ends.node.count("unlinked");
    node_sends(&mut ends, 30);
    for number in 0..30 {
        assert!(accepts(&ends, number));
        assert!(ends.engine.message() == message(number), "{number}");
        if number % 10 == 5 {
            ends.node.tell("renew");
            ends.engine.until_open();
        }
    }
    node_has(&mut ends, 30);
    ends.talk("with new keys");
    assert_eq!((ends.node.count("open"), ends.node.count("unlinked")), (4, links), "all on one link");
}
