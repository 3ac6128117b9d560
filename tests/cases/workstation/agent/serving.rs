//! `serve`: it tells who comes, takes files, and goes on after an upgrade.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use relay_tests::harness::desk::Desk;
use relay_tests::harness::program::Program;
use relay_tests::harness::relayd::binary;
use relay_tests::harness::{Relay, SetUp};

use super::viewing::Viewing;

fn place() -> (Relay, Desk) {
    let relay = Relay::start(SetUp::Memory);
    let desk = Desk::new(relay.addr());
    (relay, desk)
}

#[test]
fn it_tells_who_comes_and_goes_until_a_signal() {
    let (_relay, desk) = place();
    let mut phone = desk.pair("Pixel");
    for signal in ["INT", "TERM"] {
        let mut program = desk.start(&["serve", "--json"]);
        program.until(r#"{"event":"note","text":"serving: phones reach this machine"}"#);
        let encrypted = r#"{"event":"phone","phone":"Pixel","state":"encrypted"}"#;
        program.until(encrypted);
        phone = phone.again();
        program.until(r#"{"event":"phone","phone":"Pixel","state":"away"}"#);
        program.until(encrypted);
        program.process().signal(signal);
        assert_eq!(program.exit_code(), Some(0), "{signal}");
    }
    desk.until_no_agent();
}

/// The example phone, with its pair in this folder.
fn example(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(binary("RELAY_PHONE_BIN", "examples/phone"));
    command.args(args).env("XDG_STATE_HOME", folder);
    command
}

#[test]
fn files_of_a_phone_go_into_the_folder() {
    let (relay, desk) = place();
    let (pocket, inbox) = (desk.folder().join("pocket"), desk.folder().join("in box"));
    fs::create_dir(&pocket).unwrap();
    let (code, words) = desk.try_run(&["serve", "--inbox", inbox.to_str().unwrap()]);
    assert!(code == Some(1) && words.contains("can't use"), "it must be there: {words}");
    fs::create_dir(&inbox).unwrap();
    let mut program = desk.start(&["pair", "--yes"]);
    let line = program.until("or paste this: ");
    // The phone is on this machine, and the code's address is another one of it.
    let (_, code) = line.trim_start_matches("or paste this: ").split_once("/p#").unwrap();
    let code = format!("http://{}/p#{code}", relay.addr());
    let (status, said) = Program::start(&mut example(&pocket, &["--name", "Pixel", &code])).finish();
    assert!(status.success(), "{said}");
    assert_eq!(program.exit_code(), Some(0));

    let serving = desk.start(&["serve", "--inbox", inbox.to_str().unwrap()]);
    serving.until("serving: phones reach this machine, files go to ");
    let file = desk.folder().join("report.txt");
    fs::write(&file, "all is well\n").unwrap();
    let desks = Program::start(&mut example(&pocket, &["desks"])).finish().1;
    let number = desks.split_whitespace().next().unwrap();
    let args = ["--desk", number, "--send", file.to_str().unwrap(), "--once"];
    let (status, said) = Program::start(&mut example(&pocket, &args)).finish();
    assert!(status.success(), "{said}");
    serving.until(inbox.join("report.txt").to_str().unwrap());
    assert_eq!(fs::read_to_string(inbox.join("report.txt")).unwrap(), "all is well\n");
}

#[test]
fn after_an_upgrade_shells_are_those_of_the_new_program() {
    let (_relay, desk) = place();
    let mut phone = desk.pair("Pixel");
    desk.until_no_agent();
    let program = desk.folder().join("workstation");
    let original = PathBuf::from(desk.command(&[]).get_program());
    fs::copy(&original, &program).unwrap();
    let mut command = Command::new(&program);
    command.args(["serve", "--shell", "--for", "Pixel"]).env("SHELL", "/bin/sh");
    for (name, value) in desk.command(&[]).get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let serving = Program::start(&mut command);
    serving.until("serving");
    let newer = desk.folder().join("newer");
    fs::copy(&original, &newer).unwrap();
    fs::rename(&newer, &program).unwrap();
    phone.until_ready();
    let shell = r#"{"v":1,"shell":true,"cols":50,"rows":12}"#;
    let mut shell = Viewing::shell(&mut phone, shell);
    shell.type_line(&phone, "exit 4");
    shell.until_ended(&mut phone);
}
