//! A user who stops a transfer, and a phone that is not there.

use relay_tests::harness::fault_proxy::{Behaviour, FaultProxy};
use relay_tests::harness::{Relay, SetUp};

use super::{Place, assert_same, noise, text, until_part};

const PART: u64 = 1_000_000;

fn slow_place() -> (Relay, FaultProxy, Place) {
    let relay = Relay::start(SetUp::Memory);
    let proxy = FaultProxy::start(relay.addr());
    let place = Place::new(proxy.addr());
    proxy.behave(Behaviour::Rate(2_000_000));
    (relay, proxy, place)
}

#[test]
fn ctrl_c_at_the_desk_stops_it_and_says_how_to_go_on() {
    let (_relay, proxy, place) = slow_place();
    let bytes = noise(12_000_000);
    let file = place.file("a.bin", &bytes);
    let phone = place.phone.taking();
    let mut command = place.desk.start(&["send", &file]);
    until_part(&place.phone.at("in"), PART, &place.desk, &[&command, &phone]);
    command.process().signal("INT");
    command.until("\"Pixel\": stopped. Send it again to go on");
    assert_eq!(command.exit_code(), Some(130));
    phone.until("not received: ");
    proxy.behave(Behaviour::Clear);
    let said = place.desk.run(&["send", &file]);
    assert!(said.contains("goes on at byte"), "{said}");
    assert_same(&place.phone.at("in/a.bin"), &bytes);
}

#[test]
fn ctrl_c_at_the_phone_is_heard_at_the_desk() {
    let (_relay, _proxy, place) = slow_place();
    let file = place.file("a.bin", &noise(12_000_000));
    let mut phone = place.phone.taking();
    let mut command = place.desk.start(&["send", &file]);
    until_part(&place.phone.at("in"), PART, &place.desk, &[&command, &phone]);
    phone.process().signal("INT");
    command.until("\"Pixel\": stopped: ");
    assert_eq!(command.exit_code(), Some(3));
}

#[test]
fn ctrl_c_while_files_come_is_heard_at_the_phone() {
    let (_relay, _proxy, place) = slow_place();
    let file = place.phone.file("a.bin", &noise(12_000_000));
    let mut command = place.desk.start(&["receive", &text(&place.at("in"))]);
    command.until("phones can send files");
    let mut phone = place.phone.start(&["--send", &file, "--once"]);
    until_part(&place.at("in"), PART, &place.desk, &[&command, &phone]);
    command.process().signal("INT");
    assert_eq!(command.exit_code(), Some(130));
    phone.until("not sent: ");
    assert_eq!(phone.exit_code(), Some(1));
}

#[test]
fn a_phone_that_does_not_come_in_time_has_its_own_exit_code() {
    let relay = Relay::start(SetUp::Memory);
    let place = Place::new(relay.addr());
    let file = place.file("a", b"x");
    let (code, said) = place.desk.try_run(&["send", "--wait", "3", &file]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("waiting for \"Pixel\": open the app there"), "{said}");
    assert!(said.contains("\"Pixel\" was not there in time"), "{said}");
    let (code, said) = place.desk.try_run(&["receive", "--wait", "1", &text(&place.at("in"))]);
    assert!(code == Some(4) && said.contains("nothing came in time"), "{said}");
}

/// The command asks before the agent has looked at its phones for the first time.
#[test]
fn an_agent_that_has_just_begun_knows_its_phones() {
    let relay = Relay::start(SetUp::Memory);
    let place = Place::new(relay.addr());
    let file = place.file("a", b"x");
    for _ in 0..10 {
        place.desk.kill_agent();
        let (code, said) = place.desk.try_run(&["send", "--wait", "0", &file]);
        assert_eq!(code, Some(4), "{said}");
    }
}

#[test]
fn a_phone_that_comes_late_gets_it() {
    let relay = Relay::start(SetUp::Memory);
    let place = Place::new(relay.addr());
    let file = place.file("a", b"late");
    let mut command = place.desk.start(&["send", &file]);
    command.until("waiting for \"Pixel\"");
    let _phone = place.phone.taking();
    assert_eq!(command.exit_code(), Some(0));
    assert_same(&place.phone.at("in/a"), b"late");
}
