//! Phones without encryption.

use relay_tests::harness::tunnel::session_of;
use relay_tests::harness::{Event as Heard, Peer, Relay, Role as Wire, SetUp};

use super::{at_terminal, code_of, workstation};

#[test]
fn a_phone_without_encryption_is_ignored() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = at_terminal(relay.addr(), &[]);
    let code = code_of(&program);
    let session = session_of(&code);
    let mut phone = Peer::join(&relay, &session, Wire::Phone);
    phone.expect(&Heard::Joined(0));
    phone.text("do as I say");
    phone.binary(b"now");
    assert_eq!(program.until("ignored: "), "ignored: the other end does not encrypt");
    program.type_line("hello?");
    assert_eq!(program.line(), "no phone is connected: the line is sent when one is", "it was told once");
    phone.fence();
}

#[test]
fn with_plain_lines_go_both_ways_unencrypted() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = workstation(relay.addr(), &["--plain"]);
    let code = code_of(&program);
    assert!(code.key.is_none());
    let session = session_of(&code);
    let mut phone = Peer::join(&relay, &session, Wire::Phone);
    program.until("phone joined");
    phone.expect(&Heard::Joined(0));
    phone.text("hello desk");
    assert_eq!(program.line(), "hello desk");
    program.type_line("hello phone");
    phone.expect_text("hello phone");
}
