//! A transfer goes on when one of its processes was killed.

use relay_tests::harness::fault_proxy::{Behaviour, FaultProxy};
use relay_tests::harness::{Relay, SetUp};

use super::{Place, assert_same, noise, text, until_part};

/// So much is under way when something is killed; all of it takes seconds.
const PART: u64 = 2_000_000;
const WHOLE: usize = 16_000_000;
const RATE: u32 = 4_000_000;

/// Everything goes through a line that is not too fast.
fn slow_place() -> (Relay, FaultProxy, Place) {
    let relay = Relay::start(SetUp::Memory);
    let proxy = FaultProxy::start(relay.addr());
    let place = Place::new(proxy.addr());
    proxy.behave(Behaviour::Rate(RATE));
    (relay, proxy, place)
}

#[test]
fn the_command_that_sends_is_killed_and_started_again() {
    let (_relay, proxy, place) = slow_place();
    let bytes = noise(WHOLE);
    let file = place.file("a.bin", &bytes);
    let phone = place.phone.taking();
    let mut command = place.desk.start(&["send", &file]);
    until_part(&place.phone.at("in"), PART, &place.desk, &[&command, &phone]);
    command.process().kill();
    proxy.behave(Behaviour::Clear);
    let said = place.desk.run(&["send", &file]);
    assert!(said.contains("goes on at byte"), "{said}");
    assert_same(&place.phone.at("in/a.bin"), &bytes);
}

#[test]
fn the_phone_that_takes_is_killed_and_started_again() {
    let (_relay, proxy, place) = slow_place();
    let bytes = noise(WHOLE);
    let file = place.file("a.bin", &bytes);
    let mut phone = place.phone.taking();
    let mut command = place.desk.start(&["send", &file]);
    until_part(&place.phone.at("in"), PART, &place.desk, &[&command, &phone]);
    phone.process().kill();
    proxy.behave(Behaviour::Clear);
    let _again = place.phone.taking();
    command.until("a.bin: goes on at byte");
    assert_eq!(command.exit_code(), Some(0));
    assert_same(&place.phone.at("in/a.bin"), &bytes);
}

#[test]
fn the_agent_is_killed_and_the_command_goes_on_with_another() {
    let (_relay, proxy, place) = slow_place();
    let bytes = noise(WHOLE);
    let file = place.file("a.bin", &bytes);
    let phone = place.phone.taking();
    let mut command = place.desk.start(&["send", &file]);
    until_part(&place.phone.at("in"), PART, &place.desk, &[&command, &phone]);
    let before = place.desk.present_agent();
    place.desk.kill_agent();
    proxy.behave(Behaviour::Clear);
    command.until("a.bin: goes on at byte");
    assert_eq!(command.exit_code(), Some(0));
    assert_ne!(place.desk.agent(), Some(before));
    assert_same(&place.phone.at("in/a.bin"), &bytes);
}

#[test]
fn the_command_that_takes_is_killed_and_the_phone_sends_again() {
    let (_relay, proxy, place) = slow_place();
    let bytes = noise(WHOLE);
    let file = place.phone.file("a.bin", &bytes);
    let inbox = text(&place.at("in"));
    let mut command = place.desk.start(&["receive", &inbox]);
    command.until("phones can send files");
    let mut phone = place.phone.start(&["--send", &file, "--once"]);
    until_part(&place.at("in"), PART, &place.desk, &[&command, &phone]);
    command.process().kill();
    phone.until("not sent: the program at the desk that did this has ended");
    assert_eq!(phone.exit_code(), Some(1));
    proxy.behave(Behaviour::Clear);
    let mut again = place.desk.start(&["receive", "--once", &inbox]);
    again.until("phones can send files");
    let phone = place.phone.start(&["--send", &file, "--once"]);
    phone.until("a.bin: goes on at byte");
    assert_eq!(again.exit_code(), Some(0));
    assert_same(&place.at("in/a.bin"), &bytes);
}

#[test]
fn the_phone_that_sends_is_killed_and_started_again() {
    let (_relay, proxy, place) = slow_place();
    let bytes = noise(WHOLE);
    let file = place.phone.file("a.bin", &bytes);
    let mut command = place.desk.start(&["receive", "--once", &text(&place.at("in"))]);
    command.until("phones can send files");
    let mut phone = place.phone.start(&["--send", &file, "--once"]);
    until_part(&place.at("in"), PART, &place.desk, &[&command, &phone]);
    phone.process().kill();
    proxy.behave(Behaviour::Clear);
    let mut again = place.phone.start(&["--send", &file, "--once"]);
    assert_eq!(again.exit_code(), Some(0));
    command.until("a.bin: goes on at byte");
    assert_eq!(command.exit_code(), Some(0));
    assert_same(&place.at("in/a.bin"), &bytes);
}

#[test]
fn the_agent_is_killed_while_the_phone_sends() {
    let (_relay, proxy, place) = slow_place();
    let bytes = noise(WHOLE);
    let file = place.phone.file("a.bin", &bytes);
    let mut command = place.desk.start(&["receive", "--once", &text(&place.at("in"))]);
    command.until("phones can send files");
    let mut phone = place.phone.start(&["--send", &file, "--once"]);
    until_part(&place.at("in"), PART, &place.desk, &[&command, &phone]);
    place.desk.kill_agent();
    proxy.behave(Behaviour::Clear);
    assert_eq!(phone.exit_code(), Some(0));
    command.until("a.bin: goes on at byte");
    assert_eq!(command.exit_code(), Some(0));
    assert_same(&place.at("in/a.bin"), &bytes);
}
