//! The user is asked whether a phone may pair, and answers at a terminal.

use std::process::Command;

use relay_client::engine::EngineEvent as Event;
use relay_tests::harness::program::Program;
use relay_tests::harness::relayd::binary;
use relay_tests::harness::tunnel::copy_of;
use relay_tests::harness::{Relay, SetUp};

use super::{at_terminal, code_of, phone_of, workstation};

#[test]
fn the_user_is_asked_and_then_lines_go_both_ways() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = at_terminal(relay.addr(), &[]);
    let code = code_of(&program);
    let again = copy_of(&code);
    program.until("connected");
    program.type_line("too early");
    assert_eq!(program.line(), "no phone is connected: the line is sent when one is");

    let mut phone = phone_of(code, relay.addr());
    let words = phone.until("question", |event| match event {
        Event::Asked { words } => Some(words.to_string()),
        _ => None,
    });
    let question = program.until("\"Pixel [2J8\" wants to pair");
    assert!(question.ends_with(&format!("its screen shows: {words}")), "{question}");
    assert_eq!(program.line(), "allow it? [y/n]");
    program.type_line("what?");
    assert_eq!(program.line(), "allow it? [y/n]");
    program.type_line("y");
    assert_eq!(program.line(), "connected", "a move to another session is not a leave");
    assert_eq!(program.line(), "phone is here, encrypted");
    phone.until_open();
    assert_eq!(phone.message(), b"too early");

    phone.send("hello \u{1b}[2Jdesk".as_bytes());
    assert_eq!(program.line(), "hello \u{1b}[2Jdesk", "a pipe gets the very bytes");
    program.type_line("hello phone");
    assert_eq!(phone.message(), b"hello phone");
    phone.flush();

    // The code was used: another phone that has it is refused, by the relay or by the workstation.
    let mut second = phone_of(again, relay.addr());
    let stop = second.until_stopped().to_string();
    assert!(stop.starts_with("the relay refused (4401)"), "{stop}");

    program.end_input();
    program.until("closed");
    assert_eq!(program.exit_code(), Some(0));
}

#[test]
fn a_second_scan_during_the_question_changes_nothing() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = at_terminal(relay.addr(), &[]);
    let code = code_of(&program);
    let again = copy_of(&code);
    let mut phone = phone_of(code, relay.addr());
    program.until("allow it? [y/n]");
    let mut second = phone_of(again, relay.addr());
    let stop = second.until_stopped().to_string();
    assert!(stop.starts_with("this code was used already"), "{stop}");
    program.until("phone left");
    program.until("a phone was refused: this code was used already");
    program.until("allow it? [y/n]");
    program.type_line("y");
    program.until("phone is here, encrypted");
    phone.until_open();
    program.type_line("hello phone");
    assert_eq!(phone.message(), b"hello phone");
}

#[test]
fn a_phone_that_is_refused_is_told() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = at_terminal(relay.addr(), &[]);
    let mut phone = phone_of(code_of(&program), relay.addr());
    program.until("allow it? [y/n]");
    program.type_line("no");
    program.until("the phone was rejected");
    let stop = phone.until_stopped().to_string();
    assert_eq!(stop, "the workstation's user did not allow this phone");
    program.until("show a new code? [y/n]");
    program.type_line("n");
    assert_eq!(program.exit_code(), Some(5));
}

#[test]
fn a_phone_that_waits_is_told_when_the_program_is_interrupted() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = at_terminal(relay.addr(), &[]);
    let mut phone = phone_of(code_of(&program), relay.addr());
    program.until("allow it? [y/n]");
    program.process().signal("INT");
    program.until("the phone was rejected, as this program ends");
    assert_eq!(phone.until_stopped().to_string(), "the workstation's user did not allow this phone");
    assert_eq!(program.exit_code(), Some(0), "the user ended it and refused nobody");
}

#[test]
fn a_new_code_can_replace_an_expired_one() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = at_terminal(relay.addr(), &["--pair-secs", "1"]);
    program.type_line("from before");
    program.until("the code has expired");
    program.until("show a new code? [y/n]");
    program.type_line("y");
    let mut phone = phone_of(code_of(&program), relay.addr());
    program.until("allow it? [y/n]");
    program.type_line("y");
    phone.until_open();
    assert_eq!(phone.message(), b"from before", "what was typed waits for the next phone");
    phone.flush();
    program.end_input();
    assert_eq!(program.exit_code(), Some(0));
}

#[test]
fn a_line_begun_before_the_question_is_not_an_answer() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = at_terminal(relay.addr(), &[]);
    let code = code_of(&program);
    program.until("connected");
    program.type_text("y");
    let mut phone = phone_of(code, relay.addr());
    program.until("allow it? [y/n]");
    program.type_line("");
    assert_eq!(program.line(), "allow it? [y/n]", "only what is typed after the question counts");
    program.type_line("y");
    phone.until_open();
    program.until("phone is here, encrypted");
}

#[test]
fn answers_can_be_typed_after_the_end_of_the_input() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = at_terminal(relay.addr(), &[]);
    let code = code_of(&program);
    program.end_input();
    program.until("no line was sent, so the program keeps running");
    program.type_line("all of it");
    program.until("no phone is connected");
    program.end_input();
    // A question drops typed input that was not read, also the end. So wait until the program has read the
    // end.
    program.type_line("behind the end");
    program.until("not sent: the input has ended");
    let mut phone = phone_of(code, relay.addr());
    program.until("allow it? [y/n]");
    program.type_line("y");
    phone.until_open();
    assert_eq!(phone.message(), b"all of it");
    phone.flush();
    program.until("closed");
    assert_eq!(program.exit_code(), Some(0));
}

#[test]
fn without_a_terminal_the_program_ends_at_once() {
    let relay = Relay::start(SetUp::Memory);
    // In a new session there is no terminal at all. The shell's pipe may break, as the program ends at once.
    let mut command = Command::new("sh");
    command.args(["-c", "echo y | setsid --wait \"$@\"", "sh"]);
    command.arg(binary("WORKSTATION_BIN", "relay-workstation"));
    command.args(["--alone", "--server", &format!("http://{}", relay.addr())]);
    let mut program = Program::start(&mut command);
    assert!(program.line().starts_with("error: there is no terminal to ask whether a phone may pair"));
    assert_eq!(program.exit_code(), Some(1));
}

#[test]
fn an_expired_code_ends_the_program() {
    let relay = Relay::start(SetUp::Memory);
    let mut program = workstation(relay.addr(), &["--pair-secs", "1", "--yes"]);
    program.until("the code has expired");
    program.until("closed");
    assert_eq!(program.exit_code(), Some(4));
}
