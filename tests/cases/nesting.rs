//! JSON nested a hundred thousand deep must never use up a parser's stack.

use relay_tests::harness::ws::{FrameSpec, Ws};
use relay_tests::harness::{Bystander, Pair, Relay, Role, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(it_is_refused_as_a_hello, it_is_an_ordinary_text_as_a_payload);

fn deep() -> [String; 3] {
    [
        "[".repeat(100_000),
        "{\"type\":".repeat(100_000),
        format!("{{\"type\":\"hb\",\"x\":{}", "[".repeat(100_000)),
    ]
}

/// Fault 8.
fn it_is_refused_as_a_hello(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    for text in deep() {
        let mut ws = Ws::connect(relay.addr());
        let _ = ws.wire().try_send(&FrameSpec::text(&text).encode());
        ws.expect_close(1009);
        // One that fits into a hello's size is refused as malformed.
        let mut ws = Ws::connect(relay.addr());
        ws.text(&text[..4096]);
        ws.expect_close(4400);
    }
    bystander.done();
}

/// Fault 8.
fn it_is_an_ordinary_text_as_a_payload(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    let mut pair = Pair::link(&relay);
    for role in Role::BOTH {
        let (sender, receiver) = pair.from(role);
        for text in deep() {
            sender.text(&text);
            receiver.expect_text(&text);
            sender.text(&text[..512]);
            receiver.expect_text(&text[..512]);
        }
    }
    bystander.done();
}
