//! Fragmented messages arrive whole, wherever they are cut.

use relay_tests::harness::ws::{FrameSpec, Message, Opcode};
use relay_tests::harness::{Bystander, Event, Pair, Relay, Role, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(
    a_message_may_be_cut_anywhere,
    control_frames_may_come_between_fragments,
    a_message_in_very_many_pieces_passes,
    an_endless_message_of_tiny_pieces_costs_little,
    an_unfinished_message_is_never_delivered,
);

fn a_message_may_be_cut_anywhere(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let mut pair = Pair::link(&relay);
    let text = "aü€😀z";
    for role in Role::BOTH {
        let (sender, receiver) = pair.from(role);
        // Inside a character too: it may be cut, if the next fragment completes it.
        for cut in 0..=text.len() {
            let (head, tail) = text.as_bytes().split_at(cut);
            sender.ws().fragments(Opcode::Text, &[head, tail]);
            receiver.expect_text(text);
            sender.ws().fragments(Opcode::Binary, &[head, b"", tail, b""]);
            receiver.expect(&Event::Binary(text.into()));
        }
        sender.ws().fragments(Opcode::Text, &[b"", b"", b""]);
        receiver.expect_text("");
        let heartbeat = br#"{"type":"hb"}"#;
        sender.ws().fragments(Opcode::Text, &[&heartbeat[..5], &heartbeat[5..]]);
        sender.expect(&Event::HbAck);
    }
}

fn control_frames_may_come_between_fragments(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let mut pair = Pair::link(&relay);
    let ws = pair.workstation.ws();
    ws.send(&FrameSpec::text("one ").unfinished());
    ws.send(&FrameSpec::new(Opcode::Ping, "between"));
    assert_eq!(ws.message(), Ok(Message::Pong(b"between".to_vec())));
    ws.send(&FrameSpec::new(Opcode::Continuation, "two ").unfinished());
    ws.send(&FrameSpec::new(Opcode::Pong, "unasked for"));
    ws.send(&FrameSpec::new(Opcode::Continuation, "three"));
    pair.phone.expect_text("one two three");
    pair.expect_alive();
}

/// Fault 13.
fn a_message_in_very_many_pieces_passes(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let mut pair = Pair::link(&relay);
    let pieces: Vec<&[u8]> = std::iter::repeat_n(&b"p"[..], 65_537).collect();
    pair.workstation.ws().fragments(Opcode::Text, &pieces);
    pair.phone.expect_text(&"p".repeat(65_537));
}

/// Fault 13: 300,000 tiny and empty fragments.
/// Played: Fragments of a message that is never finished.
/// Holds: RSS grows by less than 2 MiB. A finished message of 65,537 fragments passes.
fn an_endless_message_of_tiny_pieces_costs_little(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    let mut pair = Pair::link(&relay);
    let before = relay.node().process().resident_kib();
    let piece = FrameSpec::new(Opcode::Continuation, "p").unfinished().encode();
    let nothing = FrameSpec::new(Opcode::Continuation, "").unfinished().encode();
    let ws = pair.workstation.ws();
    ws.send(&FrameSpec::new(Opcode::Binary, "p").unfinished());
    ws.wire().send(&[piece, nothing].concat().repeat(150_000));
    // All of it was read once the ping behind it is answered, or a limit on fragments closed the connection.
    let _ = ws.wire().try_send(&FrameSpec::new(Opcode::Ping, "all in").encode());
    match ws.message() {
        Ok(Message::Pong(_)) => {
            let grown = relay.node().process().resident_kib().saturating_sub(before);
            assert!(grown < 2 * 1024, "{grown} KiB for 150,000 bytes in pieces");
        }
        Ok(Message::Close(code, _)) => assert!(matches!(code, 1008 | 1009 | 1013), "{code}"),
        other => panic!("{other:?}"),
    }
    drop(pair.workstation);
    pair.phone.expect(&Event::Left);
    bystander.done();
}

fn an_unfinished_message_is_never_delivered(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let Pair { mut workstation, mut phone, .. } = Pair::link(&relay);
    workstation.text("whole");
    workstation.ws().send(&FrameSpec::text("half").unfinished());
    drop(workstation);
    phone.expect_text("whole");
    phone.expect(&Event::Left);
    phone.fence();
}
