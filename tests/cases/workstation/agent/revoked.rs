//! Revoked phones: connected, away, or while the relay is away. Their keys open nothing afterwards.

use std::fs;
use std::time::{Duration, Instant};

use relay_client::Stop;
use relay_client::app::Kind;
use relay_tests::harness::app_phone::AppPhone;
use relay_tests::harness::desk::Desk;
use relay_tests::harness::guard::read_until;
use relay_tests::harness::{Relay, SetUp};

#[test]
fn a_connected_phone_is_out_within_a_second_and_its_key_opens_nothing() {
    let relay = Relay::start(SetUp::Memory);
    let desk = Desk::new(relay.addr());
    let mut phone = desk.pair("Pixel");
    let shelf = phone.shelf.clone();
    let began = Instant::now();
    desk.run(&["revoke", "Pixel"]);
    assert!(matches!(phone.until_stopped(), Stop::Removed { is_proven: true, .. }));
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(desk.phone_files().is_empty());
    assert!(!desk.state().join("retire.json").exists(), "the relay has deleted its session");

    drop(phone);
    let mut again = AppPhone::resume(shelf, relay.addr(), "Pixel");
    assert!(matches!(again.until_stopped(), Stop::Removed { .. }));
}

#[test]
fn a_phone_that_is_away_finds_out_when_it_comes() {
    let relay = Relay::start(SetUp::Memory);
    let desk = Desk::new(relay.addr());
    let phone = desk.pair("Pixel");
    let shelf = phone.shelf.clone();
    drop(phone);
    read_until("the phone's leaving", || desk.run(&["devices"]).contains("away").then_some(()));
    desk.run(&["revoke", "Pixel"]);
    assert!(desk.phone_files().is_empty() && !desk.state().join("retire.json").exists());
    let mut again = AppPhone::resume(shelf, relay.addr(), "Pixel");
    assert!(matches!(again.until_stopped(), Stop::Removed { is_proven: false, .. }));
}

/// The session's deletion is written down, and done by whichever agent finds the relay again.
#[test]
fn while_the_relay_is_away_the_deletion_waits() {
    let relay = Relay::start(SetUp::Memory);
    let desk = Desk::new(relay.addr());
    let phone = desk.pair("Pixel");
    let shelf = phone.shelf.clone();
    drop(phone);
    relay.node().process().signal("STOP");
    desk.kill_agent();
    let mut revoking = desk.start(&["revoke", "Pixel"]);
    let retire = desk.state().join("retire.json");
    read_until("the note of the deletion", || fs::exists(&retire).unwrap().then_some(()));
    read_until("the end of the file", || desk.phone_files().is_empty().then_some(()));
    // Whatever happens to this agent, the next one finishes the work.
    desk.kill_agent();
    revoking.exit_code();
    relay.node().process().signal("CONT");
    desk.run(&["devices"]);
    read_until("the deletion", || (!fs::exists(&retire).unwrap()).then_some(()));
    let mut again = AppPhone::resume(shelf, relay.addr(), "Pixel");
    assert!(matches!(again.until_stopped(), Stop::Removed { is_proven: false, .. }));
}

#[test]
fn of_two_phones_the_other_one_goes_on() {
    let relay = Relay::start(SetUp::Memory);
    let desk = Desk::new(relay.addr());
    let (mut one, mut other) = (desk.pair("one"), desk.pair("other"));
    let mut chat = desk.start(&["chat"]);
    chat.until("encrypted with \"other\"");
    let (_, channel) = (one.open_chat(), other.open(Kind::Chat, "{}").unwrap());
    desk.run(&["revoke", "one"]);
    assert!(matches!(one.until_stopped(), Stop::Removed { is_proven: true, .. }));
    other.say(channel, "1", "and me?");
    chat.until("and me?");
    chat.type_line("you stay");
    assert_eq!(other.hear(), "you stay");
}

/// What it gets each time is the relay's answer: its session is gone, and the desk hears nothing of it.
#[test]
fn a_phone_that_keeps_trying_disturbs_nobody() {
    let relay = Relay::start(SetUp::Memory);
    let desk = Desk::new(relay.addr());
    let (phone, mut other) = (desk.pair("Pixel"), desk.pair("other"));
    other.open_chat();
    let mut chat = desk.start(&["chat"]);
    chat.until("encrypted with \"other\"");
    desk.run(&["revoke", "Pixel"]);
    let shelf = phone.shelf.clone();
    drop(phone);
    let log = || fs::read_to_string(desk.state().join("agent.log")).unwrap();
    let before = log();
    for number in 0..5 {
        let mut again = AppPhone::resume(shelf.clone(), relay.addr(), "Pixel");
        assert!(matches!(again.until_stopped(), Stop::Removed { is_proven: false, .. }));
        chat.type_line(&format!("line {number}"));
        assert_eq!(other.hear(), format!("line {number}"));
    }
    assert_eq!(log(), before);
    assert!(!desk.run(&["devices"]).contains("Pixel"));
}
