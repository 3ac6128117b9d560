//! RFC 6455 broken in every way a client can: each is answered with its close code, and harms nobody else.

use relay_tests::harness::ws::{FrameSpec, Opcode, Ws};
use relay_tests::harness::{Bystander, Event, Pair, Relay, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(
    every_violation_closes_its_connection,
    a_violation_before_the_hello_is_answered_alike,
    what_came_before_a_violation_is_delivered,
    the_close_arrives_though_much_more_was_sent,
);

/// What is wrong, the bytes, and the code that answers them.
fn violations() -> Vec<(&'static str, Vec<u8>, u16)> {
    let text = || FrameSpec::text("x");
    let begun = || FrameSpec::text("x").unfinished().encode();
    let after_begun = |frame: FrameSpec| [begun(), frame.encode()].concat();
    let of = |opcode, payload: &[u8]| FrameSpec::new(opcode, payload);
    let mut all = vec![
        ("an unmasked text", text().unmasked().encode(), 1002),
        ("an unmasked empty frame", FrameSpec::text("").unmasked().encode(), 1002),
        ("an unmasked ping", of(Opcode::Ping, b"").unmasked().encode(), 1002),
        ("a control frame of 126 bytes", of(Opcode::Ping, &[b'x'; 126]).encode(), 1002),
        ("a close of 126 bytes", FrameSpec::close(1000, &"x".repeat(124)).encode(), 1002),
        ("a fragmented ping", of(Opcode::Ping, b"x").unfinished().encode(), 1002),
        ("a fragmented close", FrameSpec::close(1000, "").unfinished().encode(), 1002),
        ("a 16-bit length of 125", of(Opcode::Binary, &[0; 125]).length16(125).encode(), 1002),
        ("a 16-bit length of 0", FrameSpec::text("").length16(0).encode(), 1002),
        ("a 64-bit length of 126", of(Opcode::Binary, &[0; 126]).length64(126).encode(), 1002),
        ("a 64-bit length of 65,535", of(Opcode::Binary, &[0; 65_535]).length64(65_535).encode(), 1002),
        ("a length with its top bit set", text().length64(1 << 63).encode(), 1002),
        ("a length of all ones", text().length64(u64::MAX).encode(), 1002),
        ("a length of 2^62", text().length64(1 << 62).encode(), 1009),
        ("a continuation of nothing", of(Opcode::Continuation, b"x").encode(), 1002),
        ("an unfinished continuation of nothing", of(Opcode::Continuation, b"x").unfinished().encode(), 1002),
        ("a text inside a message", after_begun(text()), 1002),
        ("a binary inside a message", after_begun(of(Opcode::Binary, b"x")), 1002),
        ("a close body of one byte", of(Opcode::Close, &[3]).encode(), 1002),
        ("a close reason that is not UTF-8", of(Opcode::Close, &[3, 232, 0xFF]).encode(), 1007),
    ];
    for first in [0xC1u8, 0xA1, 0x91, 0xF1, 0xC2, 0xC9, 0x90] {
        all.push(("a reserved bit", text().first_byte(first).encode(), 1002));
    }
    for opcode in (3..=7).chain(11..=15) {
        all.push(("a reserved opcode", text().first_byte(0x80 | opcode).encode(), 1002));
    }
    for code in [0u16, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        all.push(("a close code that may not be sent", FrameSpec::close(code, "").encode(), 1002));
    }
    for bad in [&b"\xFF"[..], b"\xC0\x80", b"\xED\xA0\x80", b"\xF4\x90\x80\x80", b"ok \xE2\x82", b"\x80"] {
        all.push(("a text that is not UTF-8", of(Opcode::Text, bad).encode(), 1007));
    }
    let halves = [of(Opcode::Text, b"\xE2").unfinished().encode(), of(Opcode::Continuation, b"x").encode()];
    all.push(("bad UTF-8 over two fragments", halves.concat(), 1007));
    let only_begun = of(Opcode::Text, b"\xED\xA0").length16(1000).encode();
    all.push(("bad UTF-8 in a frame that is still arriving", only_begun, 1007));
    let unfinished = of(Opcode::Text, b"\xC3x").unfinished().encode();
    all.push(("bad UTF-8 in a message that is still arriving", unfinished, 1007));
    all
}

fn every_violation_closes_its_connection(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    for (what, bytes, code) in violations() {
        eprintln!("case: {what}: {:x?}", &bytes[..bytes.len().min(14)]);
        let Pair { mut workstation, mut phone, .. } = Pair::link(&relay);
        let _ = workstation.ws().wire().try_send(&bytes);
        workstation.expect_closed(code);
        phone.expect(&Event::Left);
        phone.fence();
    }
    bystander.done();
}

fn a_violation_before_the_hello_is_answered_alike(set_up: SetUp) {
    let relay = Relay::start(set_up);
    for (what, bytes, code) in violations() {
        eprintln!("case: {what}: {:x?}", &bytes[..bytes.len().min(14)]);
        let mut ws = Ws::connect(relay.addr());
        let _ = ws.wire().try_send(&bytes);
        ws.expect_close(code);
    }
}

fn what_came_before_a_violation_is_delivered(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let Pair { mut workstation, mut phone, .. } = Pair::link(&relay);
    let bad = FrameSpec::text("never").unmasked().encode();
    let behind = FrameSpec::text("never either").encode();
    let all = [FrameSpec::text("one").encode(), FrameSpec::text("two").encode(), bad, behind];
    workstation.ws().wire().send(&all.concat());
    workstation.expect_closed(1002);
    phone.expect_text("one");
    phone.expect_text("two");
    phone.expect(&Event::Left);
    phone.fence();
}

fn the_close_arrives_though_much_more_was_sent(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    let much = vec![0x55u8; 1_310_720];
    for (what, bytes, code) in violations().into_iter().filter(|(_, bytes, _)| bytes.len() < 200) {
        eprintln!("case: {what}: {:x?}", &bytes[..bytes.len().min(14)]);
        let Pair { mut workstation, mut phone, .. } = Pair::link(&relay);
        // A socket closed with unread input would answer this with a reset, and the Close would be lost.
        workstation.ws().wire().send(&[&bytes[..], &much].concat());
        workstation.expect_closed(code);
        phone.expect(&Event::Left);
    }
    bystander.done();
}
