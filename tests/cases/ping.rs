//! Pings are answered with their own payload, whatever else happens.

use relay_tests::harness::ws::{FrameSpec, Message, Opcode};
use relay_tests::harness::{Event, Pair, Relay, Role, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(
    a_pong_carries_the_pings_payload,
    a_pong_without_a_ping_is_ignored,
    many_pings_are_answered_in_order
);

fn a_pong_carries_the_pings_payload(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let mut pair = Pair::link(&relay);
    for role in Role::BOTH {
        let (sender, receiver) = pair.from(role);
        for length in [0usize, 1, 4, 124, 125] {
            let payload: Vec<u8> = (0..length).map(|at| at as u8 ^ 0xA5).collect();
            sender.ws().send(&FrameSpec::new(Opcode::Ping, payload.clone()));
            sender.expect(&Event::Pong(payload));
        }
        receiver.fence();
    }
    pair.expect_alive();
}

fn a_pong_without_a_ping_is_ignored(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let mut pair = Pair::link(&relay);
    for payload in [&b""[..], b"unasked", &[0xFF; 125]] {
        pair.phone.ws().send(&FrameSpec::new(Opcode::Pong, payload));
    }
    pair.phone.fence();
    pair.workstation.fence();
    pair.expect_alive();
}

fn many_pings_are_answered_in_order(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let mut pair = Pair::link(&relay);
    let ws = pair.workstation.ws();
    let mut flood = Vec::new();
    for number in 0..100u32 {
        flood.extend(FrameSpec::new(Opcode::Ping, number.to_be_bytes()).encode());
    }
    ws.wire().send(&flood);
    // RFC 6455 §5.5.3: only the latest must be answered. Answers keep their order, and the last one is there.
    let mut next = 0;
    while next < 100 {
        match ws.message() {
            Ok(Message::Pong(payload)) => {
                let number = u32::from_be_bytes(payload.try_into().unwrap());
                assert!(number >= next, "{number} after {next}");
                next = number + 1;
            }
            other => panic!("{other:?}"),
        }
    }
    pair.expect_alive();
}
