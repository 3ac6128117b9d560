//! Shells that phones open, while `serve --shell` runs.

use relay_client::app::terminal::{Exit, SizeOwner};
use relay_tests::harness::app_phone::AppPhone;
use relay_tests::harness::desk::Desk;
use relay_tests::harness::guard::read_until;
use relay_tests::harness::program::Program;
use relay_tests::harness::{Relay, SetUp};

use super::terminals::{until_offered, window};
use super::viewing::Viewing;

const SHELL: &str = r#"{"v":1,"shell":true,"cols":50,"rows":12}"#;

/// A relay, and a desk that has a phone.
fn place() -> (Relay, Desk, AppPhone) {
    let relay = Relay::start(SetUp::Memory);
    let desk = Desk::new(relay.addr());
    let phone = desk.pair("Pixel");
    (relay, desk, phone)
}

/// `serve` with these options, and variables that no shell may see.
fn serve(desk: &Desk, args: &[&str]) -> Program {
    // The agent has the variables of the command that starts it.
    desk.until_no_agent();
    let mut command = desk.command(&[&["serve"][..], args].concat());
    command.env("SHELL", "/bin/sh").env("REGISTER_KEY", "secret").env("RELAY_TOKEN", "secret");
    command.env("PS1", "$ ").env("TMUX", "x").env("TERM", "dumb");
    let program = Program::start(&mut command);
    program.until("serving");
    program
}

#[test]
fn a_phone_with_the_right_has_a_shell_of_its_own() {
    let (_relay, desk, mut phone) = place();
    let program = serve(&desk, &["--shell", "--for", "Pixel"]);
    phone.until_ready();
    let mut shell = Viewing::shell(&mut phone, SHELL);
    assert_eq!(shell.accepted, r#"{"name":"sh"}"#);
    program.until("\"Pixel\" opened a shell: `workstation attach sh` shows it");
    assert_eq!(shell.until_owner(&mut phone), (SizeOwner::You, true));
    shell
        .type_line(&phone, "stty size; echo $0 $TERM [$REGISTER_KEY$RELAY_TOKEN$TMUX] $WORKSTATION_TERMINAL");
    shell.until_line(&mut phone, "12 50");
    shell.until_line(&mut phone, "/bin/sh xterm-256color [] sh");
    assert_eq!(shell.size(), (50, 12));
    shell.type_line(&phone, "pwd; case $- in *i*) echo interactive;; esac");
    shell.until_line(&mut phone, &desk.folder().display().to_string());
    shell.until_line(&mut phone, "interactive");
    shell.type_line(&phone, "exit 5");
    assert_eq!(shell.until_ended(&mut phone), Exit::Code(5));
    read_until("the end of the terminal", || {
        desk.run(&["terminals"]).contains("no shared terminals").then_some(())
    });
}

#[test]
fn another_phone_with_the_right_and_the_desk_can_come_to_a_shell_and_others_cannot() {
    let (_relay, desk, mut phone) = place();
    let mut other = desk.pair("Tablet");
    let mut third = desk.pair("Nexus");
    let _serve = serve(&desk, &["--shell", "--for", "Pixel", "--for", "Tablet"]);
    for phone in [&mut phone, &mut other, &mut third] {
        phone.until_ready();
    }
    let mut shell = Viewing::shell(&mut phone, SHELL);
    shell.type_line(&phone, "echo mar''ked");
    shell.until_line(&mut phone, "marked");
    until_offered(&mut other, "sh");
    let mut seen = Viewing::open(&mut other, r#"{"name":"sh"}"#).unwrap();
    seen.until_line(&mut other, "marked");
    let refused = Viewing::open(&mut third, r#"{"name":"sh"}"#).err().unwrap();
    assert_eq!(refused.token(), "rights", "to see terminals is not to see shells");
    drop(phone);
    let mut attached = window(&desk, &["attach", "sh"]);
    attached.until("marked");
    seen.type_line(&other, "exit 3");
    assert_eq!(attached.finish().0, Some(3));
    assert_eq!(seen.until_ended(&mut other), Exit::Code(3));
}

#[test]
fn without_the_right_or_a_serve_a_shell_is_refused_in_words() {
    let (_relay, desk, mut phone) = place();
    let refused = |phone: &mut AppPhone| Viewing::open(phone, SHELL).err().unwrap();
    let reason = refused(&mut phone);
    assert!(reason.token() == "rights" && reason.words().contains("rights NAME +shell"), "{reason}");
    desk.run(&["rights", "Pixel", "+shell"]);
    let reason = refused(&mut phone);
    assert!(reason.token() == "unavailable" && reason.words().contains("serve --shell"), "{reason}");
    // One that takes files alone allows no shell.
    let mut program = desk.start(&["serve"]);
    program.until("serving");
    assert_eq!(refused(&mut phone).token(), "unavailable");
    program.process().signal("INT");
    assert_eq!(program.exit_code(), Some(0));
    let (code, words) = desk.try_run(&["serve", "--shell", "--for", "Nexus"]);
    assert!(code == Some(1) && words.contains("no phone is called \"Nexus\""), "{words}");
    let (code, words) = desk.try_run(&["serve", "--for", "Pixel"]);
    assert!(code == Some(2) && words.contains("--shell"), "{words}");
}

#[test]
fn there_are_only_so_many_shells() {
    let (_relay, desk, mut phone) = place();
    let _serve = serve(&desk, &["--shell", "--for", "Pixel"]);
    phone.until_ready();
    let mut shells: Vec<Viewing> = Vec::new();
    for _ in 0..8 {
        // A phone looks at four terminals at once. A shell that it leaves goes on.
        if shells.len() == 4 {
            shells.remove(0).leave(&mut phone);
        }
        shells.push(Viewing::open(&mut phone, SHELL).unwrap());
    }
    shells.remove(0).leave(&mut phone);
    let refused = Viewing::open(&mut phone, SHELL).err().unwrap();
    assert!(refused.token() == "too-many" && refused.words().contains("8 shells"), "{refused}");
    let mut last = shells.pop().unwrap();
    last.type_line(&phone, "exit");
    last.until_ended(&mut phone);
    read_until("room for another shell", || Viewing::open(&mut phone, SHELL).ok());
}

#[test]
fn a_shell_outlives_the_agent_which_serve_starts_again() {
    let (_relay, desk, mut phone) = place();
    let program = serve(&desk, &["--shell", "--for", "Pixel"]);
    phone.until_ready();
    let mut shell = Viewing::shell(&mut phone, SHELL);
    // What is typed may be lost with the agent: the shell must have it before.
    shell.type_line(&phone, "here=still; echo it is $here");
    shell.until_line(&mut phone, "it is still");
    let first = desk.present_agent();
    desk.kill_agent();
    program.until("the agent has ended: starting another one");
    program.until("encrypted with \"Pixel\"");
    assert_ne!(desk.present_agent(), first);
    phone.until_ready();
    until_offered(&mut phone, "sh");
    let mut shell = Viewing::open(&mut phone, r#"{"name":"sh"}"#).unwrap();
    shell.type_line(&phone, "echo $here there");
    shell.until_line(&mut phone, "still there");
    shell.type_line(&phone, "exit");
    assert_eq!(shell.until_ended(&mut phone), Exit::Code(0));
    Viewing::open(&mut phone, SHELL).unwrap();
}

#[test]
fn a_phone_that_loses_the_right_loses_its_shells_and_they_go_on() {
    let (_relay, desk, mut phone) = place();
    let _serve = serve(&desk, &["--shell", "--for", "Pixel"]);
    phone.until_ready();
    let mut shell = Viewing::shell(&mut phone, SHELL);
    shell.type_line(&phone, "echo mar''ked");
    shell.until_line(&mut phone, "marked");
    until_offered(&mut phone, "sh");
    desk.run(&["rights", "Pixel", "-shell"]);
    assert_eq!(shell.until_reset(&mut phone).token(), "rights");
    phone.until_desk(|desk| desk.terminals.is_empty().then_some(()));
    assert_eq!(Viewing::open(&mut phone, r#"{"name":"sh"}"#).err().unwrap().token(), "rights");
    let mut attached = window(&desk, &["attach", "sh"]);
    attached.until("marked");
    attached.type_text("exit 2\n");
    assert_eq!(attached.finish().0, Some(2));
}
