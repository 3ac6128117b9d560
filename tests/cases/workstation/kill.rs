//! `--kill`: the session is deleted when the program ends.

use relay_tests::harness::{Relay, SetUp};

use super::{at_terminal, code_of, paired, phone_of};

#[test]
fn the_phone_is_told_before_the_session_is_deleted() {
    let (_relay, mut program, mut phone) = paired(&["--yes", "--kill"]);
    program.type_line("last");
    program.end_input();
    assert_eq!(phone.message(), b"last");
    program.until("session deleted");
    assert_eq!(program.exit_code(), Some(0));
    assert_eq!(phone.until_stopped().to_string(), "removed at the workstation: pair again");
}

#[test]
fn the_session_of_a_second_code_is_deleted_too() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = at_terminal(relay.addr(), &["--kill", "--pair-secs", "1"]);
    program.until("session deleted");
    program.until("show a new code? [y/n]");
    program.type_line("y");
    let mut phone = phone_of(code_of(&program), relay.addr());
    program.until("allow it? [y/n]");
    program.type_line("y");
    phone.until_open();
    program.until("phone is here, encrypted");
    program.process().signal("INT");
    program.until("session deleted");
    assert_eq!(program.exit_code(), Some(0));
    assert_eq!(phone.until_stopped().to_string(), "removed at the workstation: pair again");
}

#[test]
fn if_the_relay_cannot_be_told_the_program_fails() {
    let (relay, mut program, _phone) = paired(&["--yes", "--kill"]);
    drop(relay);
    program.until("reconnecting");
    program.process().signal("INT");
    program.until("the relay was not told");
    assert_eq!(program.exit_code(), Some(1));
}
