//! A transfer goes on after every break of the line.

use relay_tests::harness::fault_proxy::{Behaviour, FaultProxy};
use relay_tests::harness::{Relay, SetUp};

use super::{Place, assert_same, noise, text, until_part};

/// Bytes between two cuts: less than a second of the line.
const CUT_EVERY: u64 = 8 << 20;

#[test]
fn a_line_that_breaks_again_and_again_delivers_64_mib() {
    let relay = Relay::start(SetUp::Memory);
    let proxy = FaultProxy::start(relay.addr());
    let place = Place::new(proxy.addr());
    let bytes = noise(64 << 20);
    let file = place.file("a.bin", &bytes);
    let phone = place.phone.taking();
    proxy.behave(Behaviour::Rate(16_000_000));
    let command = place.desk.start(&["send", &file]);
    let cuts = bytes.len() as u64 / CUT_EVERY;
    for number in 1..cuts {
        until_part(&place.phone.at("in"), number * CUT_EVERY, &place.desk, &[&command, &phone]);
        proxy.cut();
    }
    let (status, said) = command.finish();
    assert!(status.success() && said.contains("\"Pixel\": all 1 files are there"), "{said}");
    assert!(!said.contains("goes on at byte"), "the tunnel itself went on: {said}");
    assert!(proxy.counts().cut >= cuts, "{:?}", proxy.counts());
    assert_same(&place.phone.at("in/a.bin"), &bytes);
}

#[test]
fn a_phone_that_goes_away_for_a_moment_goes_on_in_the_same_channel() {
    let relay = Relay::start(SetUp::Memory);
    let proxy = FaultProxy::start(relay.addr());
    let place = Place::new(proxy.addr());
    let bytes = noise(8_000_000);
    let file = place.phone.file("a.bin", &bytes);
    let command = place.desk.start(&["receive", "--once", &text(&place.at("in"))]);
    command.until("phones can send files");
    proxy.behave(Behaviour::Rate(2_000_000));
    let mut phone = place.phone.start(&["--send", &file, "--once"]);
    until_part(&place.at("in"), 1_000_000, &place.desk, &[&command, &phone]);
    proxy.cut();
    proxy.behave(Behaviour::Clear);
    assert_eq!(phone.exit_code(), Some(0));
    let (status, said) = command.finish();
    assert!(status.success(), "{said}");
    assert!(!said.contains("goes on at byte"), "the tunnel itself went on: {said}");
    assert_same(&place.at("in/a.bin"), &bytes);
}

#[test]
fn a_relay_that_ends_and_comes_back_ends_no_transfer() {
    let relay = Relay::start(SetUp::Memory);
    let proxy = FaultProxy::start(relay.addr());
    let place = Place::new(proxy.addr());
    let bytes = noise(8_000_000);
    let file = place.file("a.bin", &bytes);
    let phone = place.phone.taking();
    proxy.behave(Behaviour::Rate(2_000_000));
    let mut command = place.desk.start(&["send", &file]);
    until_part(&place.phone.at("in"), 1_000_000, &place.desk, &[&command, &phone]);
    drop(relay);
    // Its store was its own, so the clients bring their sessions back.
    let other = Relay::start(SetUp::Memory);
    proxy.set_upstream(other.addr());
    proxy.behave(Behaviour::Clear);
    assert_eq!(command.exit_code(), Some(0));
    assert_same(&place.phone.at("in/a.bin"), &bytes);
}
