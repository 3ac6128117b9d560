//! Messages of every length form, up to the limit and one byte past it.

use std::thread;

use relay_tests::harness::ws::{FrameSpec, Opcode};
use relay_tests::harness::{Bystander, Event, Options, Pair, Relay, Role, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(
    every_length_form_passes,
    the_largest_message_passes,
    one_byte_more_is_refused_from_the_header_alone,
    the_limit_counts_all_fragments,
    the_limit_is_configured,
);

const LIMIT: usize = 16_777_216;

fn every_length_form_passes(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let mut pair = Pair::link(&relay);
    for role in Role::BOTH {
        let (sender, receiver) = pair.from(role);
        for length in [0, 1, 124, 125, 126, 127, 512, 513, 65_535, 65_536, 65_537, 262_144, 1_000_000] {
            let text = "x".repeat(length);
            sender.text(&text);
            receiver.expect_text(&text);
            let bytes = pattern(length);
            sender.binary(&bytes);
            receiver.expect(&Event::Binary(bytes));
        }
    }
}

fn the_largest_message_passes(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let mut pair = Pair::link(&relay);
    for role in Role::BOTH {
        let (sender, receiver) = pair.from(role);
        let (text, bytes) = ("y".repeat(LIMIT), pattern(LIMIT));
        thread::scope(|scope| {
            scope.spawn(|| {
                sender.text(&text);
                sender.binary(&bytes);
                sender.text("after");
            });
            receiver.expect_text(&text);
            receiver.expect(&Event::Binary(bytes.clone()));
            receiver.expect_text("after");
        });
    }
}

/// Fault 11.
fn one_byte_more_is_refused_from_the_header_alone(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    for opcode in [Opcode::Text, Opcode::Binary] {
        for length in [LIMIT as u64 + 1, 1 << 32, 1 << 62] {
            let Pair { mut workstation, mut phone, .. } = Pair::link(&relay);
            // No payload is sent: the header alone must be enough for the answer.
            workstation.ws().send(&FrameSpec::new(opcode, "").length64(length));
            workstation.expect_closed(1009);
            phone.expect(&Event::Left);
        }
    }
    bystander.done();
}

fn the_limit_counts_all_fragments(set_up: SetUp) {
    let relay = Relay::start_with(set_up, &Options::new().env("MAX_MESSAGE_BYTES", "100000"));
    let mut pair = Pair::link(&relay);
    let half = vec![b'z'; 50_000];
    pair.workstation.ws().fragments(Opcode::Text, &[&half, &half]);
    pair.phone.expect_text(&"z".repeat(100_000));
    pair.workstation.ws().fragments(Opcode::Text, &[&half, &half, b"z"]);
    pair.workstation.expect_closed(1009);
    pair.phone.expect(&Event::Left);
}

fn the_limit_is_configured(set_up: SetUp) {
    let relay = Relay::start_with(set_up, &Options::new().env("MAX_MESSAGE_BYTES", "5000"));
    let mut pair = Pair::link(&relay);
    pair.phone.binary(&pattern(5000));
    pair.workstation.expect(&Event::Binary(pattern(5000)));
    pair.phone.ws().send(&FrameSpec::new(Opcode::Binary, "").length16(5001));
    pair.phone.expect_closed(1009);
    pair.workstation.expect(&Event::Left);
}

/// Bytes whose period is not a power of two, so that a misplaced piece is noticed.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}
