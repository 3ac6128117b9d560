//! Files that are not taken, and who is told why.

use std::fs;
use std::process::Command;

use relay_tests::harness::{Relay, SetUp};

use super::{Place, names, noise, text};

#[test]
fn a_phone_without_a_folder_refuses_and_the_exit_code_says_so() {
    let relay = Relay::start(SetUp::Memory);
    let place = Place::new(relay.addr());
    let file = place.file("a", b"x");
    let _phone = place.phone.start(&[]);
    let (code, said) = place.desk.try_run(&["send", &file]);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("start it with --inbox DIR"), "{said}");
}

#[test]
fn a_desk_where_nobody_takes_files_says_what_to_start() {
    let relay = Relay::start(SetUp::Memory);
    let place = Place::new(relay.addr());
    let file = place.phone.file("a", b"x");
    let chat = place.desk.start(&["chat"]);
    let mut phone = place.phone.start(&["--send", &file, "--once"]);
    phone.until("not sent: nobody takes files there now: start `workstation receive` at the desk");
    assert_eq!(phone.exit_code(), Some(1));
    chat.until("\"Pixel\" could not send a file: nobody takes files there now");
}

#[test]
fn a_phone_without_the_right_is_refused() {
    let relay = Relay::start(SetUp::Memory);
    let place = Place::new(relay.addr());
    let file = place.phone.file("a", b"x");
    place.desk.until_no_agent();
    let kept = place.desk.phone_files().remove(0);
    let record = fs::read_to_string(&kept).unwrap();
    let without = record.replace("\"files\",", "");
    assert_ne!(record, without);
    fs::write(&kept, without).unwrap();
    let mut command = place.desk.start(&["receive", &text(&place.at("in"))]);
    command.until("phones can send files");
    let mut phone = place.phone.start(&["--send", &file, "--once"]);
    phone.until("not sent: this phone may not do that at this desk");
    assert_eq!(phone.exit_code(), Some(1));
    command.process().signal("INT");
    assert_eq!(command.exit_code(), Some(0));
    assert!(names(&place.at("in")).is_empty());
}

#[test]
fn a_phone_that_is_not_meant_is_refused() {
    let relay = Relay::start(SetUp::Memory);
    let place = Place::new(relay.addr());
    let tablet = super::Phone::pair(&place.desk, relay.addr(), "Tablet");
    let (file, other) = (place.phone.file("a", b"x"), tablet.file("b", b"y"));
    let mut command = place.desk.start(&["receive", "--once", "--from", "Tablet", &text(&place.at("in"))]);
    command.until("phones can send files");
    let mut phone = place.phone.start(&["--send", &file, "--once"]);
    phone.until("not sent: nobody takes files there now");
    assert_eq!(phone.exit_code(), Some(1));
    let mut phone = tablet.start(&["--send", &other, "--once"]);
    assert_eq!(phone.exit_code(), Some(0));
    assert_eq!(command.exit_code(), Some(0));
    assert_eq!(names(&place.at("in")), ["b"]);
}

#[test]
fn a_full_disk_at_the_desk_is_named_at_both_ends_and_the_rest_comes() {
    let relay = Relay::start(SetUp::Memory);
    let place = Place::new(relay.addr());
    let (large, small) = (place.phone.file("large", &noise(8_000_000)), place.phone.file("small", b"y"));
    let inbox = text(&place.at("in"));
    let receive = place.desk.command(&["receive", "--once", &inbox]);
    let mut command = Command::new("unshare");
    let script = "mount -t tmpfs -o size=1m none \"$1\" && shift && exec \"$@\"";
    command.args(["--mount", "--map-root-user", "sh", "-c", script, "sh", &inbox]);
    command.arg(receive.get_program()).args(receive.get_args());
    for (name, value) in receive.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    // The agent is outside, and the user the same.
    let _keeper = place.desk.start(&["chat"]);
    let mut program = relay_tests::harness::program::Program::start(&mut command);
    program.until("phones can send files");
    let mut phone = place.phone.start(&["--send", &large, "--send", &small, "--once"]);
    phone.until("large: not taken: ");
    assert_eq!(phone.exit_code(), Some(1));
    program.until("\"Pixel\": 1 files are there, 1 are not");
    assert_eq!(program.exit_code(), Some(3));
}

#[test]
fn what_cannot_be_read_is_told_before_a_phone_is_waited_for() {
    let relay = Relay::start(SetUp::Memory);
    let place = Place::new(relay.addr());
    let (code, said) = place.desk.try_run(&["send", &text(&place.at("out/none"))]);
    assert!(code == Some(1) && said.contains("can't send") && said.contains("none"), "{said}");
    let (code, said) = place.desk.try_run(&["receive", &text(&place.at("none"))]);
    assert!(code == Some(1) && said.contains("can't use"), "{said}");
}

#[test]
fn a_file_that_went_while_the_phone_was_waited_for_is_told_by_the_exit_code() {
    let relay = Relay::start(SetUp::Memory);
    let place = Place::new(relay.addr());
    let file = place.file("gone.txt", b"x");
    let mut command = place.desk.start(&["send", &file]);
    command.until("waiting for \"Pixel\"");
    fs::remove_file(&file).unwrap();
    let _phone = place.phone.taking();
    command.until("\"Pixel\": 0 files are there, 1 are not");
    assert_eq!(command.exit_code(), Some(3));
}
