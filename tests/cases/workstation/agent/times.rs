//! Clocks that are set, and a relay that is away for long.

use std::time::{Duration, Instant};

use relay_client::LinkEvent;
use relay_client::engine::EngineEvent;
use relay_tests::harness::app_phone::AppPhone;
use relay_tests::harness::desk::{Desk, code_of};
use relay_tests::harness::guard::read_until;
use relay_tests::harness::json::Object;
use relay_tests::harness::{Behaviour, FaultProxy, Relay, SetUp, WallClock};

const DAY: i64 = 86_400;

/// A client waits no longer between two tries, whatever it has seen.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// The clock of the desk's machine is set by a day, ahead and back, while a code is shown.
#[test]
fn a_code_lives_its_time_whatever_the_date() {
    for ahead_secs in [DAY, -DAY] {
        let clock = WallClock::right();
        let relay = Relay::start(SetUp::Memory);
        let desk = Desk::new(relay.addr()).under(&clock);
        let mut program = desk.start(&["pair", "--yes", "--pair-secs", "600"]);
        let code = code_of(&program);
        clock.set_ahead(ahead_secs);
        let mut phone = AppPhone::pair(code, relay.addr(), "Pixel");
        phone.until_ready();
        program.until("paired with");
        assert_eq!(program.exit_code(), Some(0));
        clock.set_ahead(0);
        // One that is not used ends in its time, and not a day later.
        let began = Instant::now();
        let mut unused = desk.start(&["pair", "--yes", "--pair-secs", "3"]);
        code_of(&unused);
        clock.set_ahead(ahead_secs);
        unused.until("the code has expired");
        assert_eq!(unused.exit_code(), Some(4));
        assert!(began.elapsed() >= Duration::from_secs(3), "{:?}", began.elapsed());
    }
}

#[test]
fn pairs_chats_and_lists_go_on_when_the_date_is_set() {
    let clock = WallClock::right();
    let relay = Relay::start(SetUp::Memory);
    let desk = Desk::new(relay.addr()).under(&clock);
    let mut phone = desk.pair("Pixel");
    phone.open_chat();
    let mut chat = desk.start(&["chat"]);
    chat.until("encrypted with \"Pixel\"");
    let listed = || Object::parse(desk.run(&["devices", "--json"]).trim());
    for (number, ahead_secs) in [DAY, -DAY, 0].into_iter().enumerate() {
        clock.set_ahead(ahead_secs);
        chat.type_line(&format!("line {number}"));
        assert_eq!(phone.hear(), format!("line {number}"));
        assert_eq!(listed().text("state"), "online");
        // The agent starts again under this date, and finds what was written under another one.
        desk.kill_agent();
        phone.until_ready();
        phone.open_chat();
        chat.until("encrypted with \"Pixel\"");
    }
    drop(phone);
    for ahead_secs in [DAY, -DAY] {
        clock.set_ahead(ahead_secs);
        read_until("a phone that is away", || (listed().text("state") != "online").then_some(()));
        desk.run(&["devices"]);
    }
    desk.run(&["revoke", "Pixel"]);
    assert!(desk.phone_files().is_empty());
}

/// Long enough for several tries, each with a longer wait before it. What is said meanwhile arrives.
#[test]
fn a_relay_that_was_away_for_long_is_found_within_the_longest_wait() {
    let relay = Relay::start(SetUp::Memory);
    let proxy = FaultProxy::start(relay.addr());
    let desk = Desk::new(proxy.addr());
    let mut program = desk.start(&["pair", "--yes"]);
    let mut phone = AppPhone::pair(code_of(&program), relay.addr(), "Pixel");
    phone.until_ready();
    program.until("paired with");
    assert_eq!(program.exit_code(), Some(0));
    let theirs = phone.open_chat();
    let mut chat = desk.start(&["chat", "--json"]);
    chat.until(r#"{"event":"phone","phone":"Pixel","state":"encrypted""#);
    proxy.behave(Behaviour::Refuse);
    let refused = proxy.counts().refused;
    proxy.cut();
    phone.until("the desk's leaving", |event| {
        matches!(event, LinkEvent::Engine(EngineEvent::Left)).then_some(())
    });
    chat.type_line("while it was away");
    phone.say(theirs, "1", "from the phone");
    read_until("six tries", || (proxy.counts().refused >= refused + 6).then_some(()));
    let returned = Instant::now();
    proxy.behave(Behaviour::Clear);
    assert_eq!(phone.hear(), "while it was away");
    assert!(returned.elapsed() < RETRY_MAX + Duration::from_secs(10), "{:?}", returned.elapsed());
    chat.until(r#"{"event":"message","phone":"Pixel","text":"from the phone""#);
    chat.end_input();
    assert_eq!(chat.exit_code(), Some(0));
}
