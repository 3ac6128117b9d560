//! Lines from standard input to the phone, and what the exit code says about them.

use std::process::Command;

use relay_tests::harness::program::Program;
use relay_tests::harness::relayd::binary;
use relay_tests::harness::{Relay, SetUp};

use super::{at_terminal, code_of, paired, phone_of, workstation};

#[test]
fn piped_lines_wait_for_the_phone_and_then_the_program_ends() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = workstation(relay.addr(), &["--yes"]);
    let code = code_of(&program);
    program.type_line("one");
    program.type_line("two");
    program.end_input();
    let mut phone = phone_of(code, relay.addr());
    assert_eq!((phone.message(), phone.message()), (b"one".to_vec(), b"two".to_vec()));
    phone.flush();
    program.until("closed");
    assert_eq!(program.exit_code(), Some(0));
}

#[test]
fn unconfirmed_lines_change_the_exit_code() {
    let (_relay, mut program, phone) = paired(&["--yes"]);
    drop(phone);
    program.until("phone left");
    program.type_line("for nobody");
    // The notice about this one, which is too long for a message, shows that the first line was read.
    program.type_line(&"x".repeat(5 << 20));
    program.until("not sent: ");
    program.process().signal("INT");
    program.until("the phone has not confirmed 2 of the lines");
    assert_eq!(program.exit_code(), Some(3));
}

#[test]
fn a_line_that_is_too_long_changes_the_exit_code() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = workstation(relay.addr(), &["--yes"]);
    let mut phone = phone_of(code_of(&program), relay.addr());
    phone.until_open();
    program.type_line(&"x".repeat(5 << 20));
    program.until("not sent: the message has ");
    program.type_line("short");
    program.end_input();
    assert_eq!(phone.message(), b"short");
    phone.flush();
    program.until("the phone has not confirmed 1 of the lines");
    assert_eq!(program.exit_code(), Some(3));
}

#[test]
fn a_full_disk_behind_stdout_ends_the_program() {
    let relay = Relay::start(SetUp::Memory);
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$@\" >/dev/full", "sh"]).arg(binary("WORKSTATION_BIN", "relay-workstation"));
    command.args(["--alone", "--yes", "--server", &format!("http://{}", relay.addr())]);
    let mut program = Program::start(&mut command);
    let mut phone = phone_of(code_of(&program), relay.addr());
    phone.until_open();
    program.type_text("taken\nnot taken\n");
    program.end_input();
    assert_eq!(phone.message(), b"taken");
    phone.send(b"for a full disk");
    program.until("error: can't write to stdout");
    assert_eq!(program.exit_code(), Some(1));
}

#[test]
fn an_empty_input_ends_nothing() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = workstation(relay.addr(), &["--yes"]);
    program.end_input();
    let mut phone = phone_of(code_of(&program), relay.addr());
    phone.until_open();
    phone.send(b"still there?");
    program.until("still there?");
    program.process().signal("INT");
    assert_eq!(program.exit_code(), Some(0));
}

#[test]
fn a_line_that_the_terminal_cut_off_is_not_sent() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = at_terminal(relay.addr(), &["--yes"]);
    let mut phone = phone_of(code_of(&program), relay.addr());
    phone.until_open();
    program.until("phone is here, encrypted");
    program.type_line(&"x".repeat(5000));
    assert!(program.line().starts_with("not sent: a terminal passes on the first 4095 bytes"));
    program.type_line("short");
    assert_eq!(phone.message(), b"short");
}

#[test]
fn a_hang_up_signal_that_was_ignored_at_the_start_stays_ignored() {
    let relay = Relay::start(SetUp::Memory);
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' HUP; exec \"$@\"", "sh"])
        .arg(binary("WORKSTATION_BIN", "relay-workstation"));
    command.args(["--alone", "--yes", "--server", &format!("http://{}", relay.addr())]);
    let mut program = Program::start(&mut command);
    let mut phone = phone_of(code_of(&program), relay.addr());
    phone.until_open();
    program.process().signal("HUP");
    phone.send(b"still there?");
    program.until("still there?");
    program.process().signal("TERM");
    assert_eq!(program.exit_code(), Some(0));
}

#[test]
fn a_phone_that_stays_away_ends_the_program() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = workstation(relay.addr(), &["--yes", "--resume-secs", "3"]);
    let mut phone = phone_of(code_of(&program), relay.addr());
    phone.until_open();
    program.until("phone is here");
    drop(phone);
    program.until("phone left");
    program.until("closed");
    assert_eq!(program.exit_code(), Some(4));
}
