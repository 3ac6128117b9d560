//! A code and its question belong to the command that shows it, and end with it.

use relay_client::Stop;
use relay_client::engine::Refusal;
use relay_tests::harness::app_phone::AppPhone;
use relay_tests::harness::desk::{Desk, code_of};
use relay_tests::harness::guard::read_until;
use relay_tests::harness::program::Program;
use relay_tests::harness::{Relay, SetUp};

fn place() -> (Relay, Desk) {
    let relay = Relay::start(SetUp::Memory);
    let desk = Desk::new(relay.addr());
    (relay, desk)
}

#[test]
fn the_user_is_asked_and_the_phone_gets_the_name_that_was_wanted() {
    let (relay, desk) = place();
    let mut program = desk.at_terminal(&["pair", "--name", "mine"]);
    let mut phone = AppPhone::pair(code_of(&program), relay.addr(), "Pixel \u{1b}[2J8");
    let asked = program.until("\"Pixel [2J8\" wants to pair; its screen shows: ");
    assert_eq!(asked.rsplit(": ").next().unwrap().split(' ').count(), 6, "{asked}");
    program.until("allow it? [y/n]");
    program.type_line("perhaps");
    program.until("allow it? [y/n]");
    program.type_line("y");
    program.until("paired with \"mine\"");
    assert_eq!(program.exit_code(), Some(0));
    phone.until_ready();
    phone.until_desk(|desk| (!desk.name.is_empty()).then_some(()));
}

#[test]
fn a_no_is_told_to_the_phone_and_in_the_exit_code() {
    let (relay, desk) = place();
    let mut program = desk.at_terminal(&["pair"]);
    let mut phone = AppPhone::pair(code_of(&program), relay.addr(), "Pixel");
    program.until("allow it? [y/n]");
    program.type_line("n");
    program.until("the phone was rejected");
    assert_eq!(phone.until_stopped(), Stop::Unpaired(Refusal::Denied));
    program.until("show a new code? [y/n]");
    program.type_line("n");
    assert_eq!(program.exit_code(), Some(5));
    assert!(desk.phone_files().is_empty());
}

#[test]
fn an_unused_code_expires() {
    let (_relay, desk) = place();
    let mut program = desk.start(&["pair", "--yes", "--pair-secs", "1"]);
    program.until("the code has expired");
    assert_eq!(program.exit_code(), Some(4));
}

#[test]
fn a_question_ends_with_its_command() {
    for signal in ["INT", "KILL"] {
        let (relay, desk) = place();
        let mut program = desk.at_terminal(&["pair"]);
        let mut phone = AppPhone::pair(code_of(&program), relay.addr(), "Pixel");
        program.until("allow it? [y/n]");
        program.process().signal(signal);
        program.exit_code();
        assert_eq!(phone.until_stopped(), Stop::Unpaired(Refusal::Denied), "{signal}");
        assert!(desk.run(&["devices"]).contains("no phone is paired"));
    }
}

#[test]
fn yes_holds_for_its_own_code_alone() {
    let (relay, desk) = place();
    let mut asks = desk.at_terminal(&["pair"]);
    let code = code_of(&asks);
    let mut first = desk.pair("first");
    let mut second = AppPhone::pair(code, relay.addr(), "second");
    asks.until("allow it? [y/n]");
    asks.type_line("y");
    asks.until("paired with \"second\"");
    second.until_ready();
    first.open_chat();
    assert_eq!(asks.exit_code(), Some(0));
    assert_eq!(desk.run(&["devices", "--json"]).matches("\"online\":true").count(), 2);
}

/// A pairing whose phone was asked about, then went, and was allowed.
fn allowed_after_it_went(relay: &Relay, desk: &Desk) -> Program {
    let mut program = desk.at_terminal(&["pair"]);
    let phone = AppPhone::pair(code_of(&program), relay.addr(), "Pixel");
    program.until("allow it? [y/n]");
    drop(phone);
    program.type_line("y");
    program
}

#[test]
fn a_phone_that_goes_once_it_is_asked_about_is_paired_and_nobody_waits_for_it() {
    let (relay, desk) = place();
    let mut program = allowed_after_it_went(&relay, &desk);
    program.until("\"Pixel\" is paired and has not come back yet");
    program.until("paired with \"Pixel\"");
    assert_eq!(program.exit_code(), Some(0));
    assert!(desk.run(&["devices"]).contains("Pixel"));
}

#[test]
fn a_pairing_ends_when_its_phone_is_revoked() {
    let (relay, desk) = place();
    let mut program = allowed_after_it_went(&relay, &desk);
    read_until("the pair", || desk.run(&["devices"]).contains("Pixel").then_some(()));
    desk.run(&["revoke", "Pixel"]);
    program.until("\"Pixel\" is no longer paired");
    program.until("show a new code? [y/n]");
    program.type_line("n");
    assert_eq!(program.exit_code(), Some(5));
}

#[test]
fn without_a_terminal_and_without_yes_nothing_is_shown() {
    let (_relay, desk) = place();
    let mut command = std::process::Command::new("setsid");
    let program = desk.command(&["pair"]);
    command.arg("--wait").arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let (status, words) = Program::start(&mut command).finish();
    assert_eq!(status.code(), Some(1));
    assert!(words.starts_with("error: there is no terminal to ask whether a phone may pair"), "{words}");
}

#[test]
fn a_code_ends_with_its_agent_and_the_command_says_so() {
    let (relay, desk) = place();
    let mut program = desk.at_terminal(&["pair"]);
    let _phone = AppPhone::pair(code_of(&program), relay.addr(), "Pixel");
    program.until("allow it? [y/n]");
    desk.kill_agent();
    program.until("error: the agent has ended");
    assert_eq!(program.exit_code(), Some(1));
    assert!(desk.run(&["devices"]).contains("no phone is paired"));
}

#[test]
fn a_question_ends_with_its_agent_and_another_code_pairs() {
    let (relay, desk) = place();
    let mut program = desk.at_terminal(&["pair"]);
    let _asking = AppPhone::pair(code_of(&program), relay.addr(), "Pixel");
    program.until("allow it? [y/n]");
    desk.kill_agent();
    program.until("error: the agent has ended");
    assert_eq!(program.exit_code(), Some(1));
    assert!(desk.run(&["devices"]).contains("no phone is paired"));
    desk.pair("Pixel");
    assert_eq!(desk.phone_files().len(), 1);
}

#[test]
fn the_session_of_an_unused_code_goes_with_its_command() {
    let (relay, desk) = place();
    let mut program = desk.at_terminal(&["pair"]);
    let code = code_of(&program);
    program.process().signal("INT");
    assert_eq!(program.exit_code(), Some(4));
    let mut late = AppPhone::pair(code, relay.addr(), "late");
    let end = late.until_stopped();
    assert!(matches!(end, Stop::Refused { .. } | Stop::Killed { .. } | Stop::Removed { .. }), "{end:?}");
}
