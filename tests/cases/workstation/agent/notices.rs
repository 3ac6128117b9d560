//! Notices at the agent: several phones, phones that speak badly, and what is kept of a subscription.

use std::os::unix::fs::MetadataExt;

use relay_client::LinkEvent;
use relay_client::app::notice::{FromDesk, FromPhone, Notice, PushState};
use relay_client::app::{AppEvent, ChannelId, Kind, Reason, pipe};
use relay_tests::harness::app_phone::AppPhone;
use relay_tests::harness::desk::Desk;
use relay_tests::harness::guard::{GUARD, read_until};
use relay_tests::harness::{Relay, SetUp};

fn open(phone: &mut AppPhone) -> ChannelId {
    phone.open(Kind::Notice, r#"{"v":1}"#).unwrap()
}

fn heard(phone: &mut AppPhone, own: ChannelId) -> FromDesk {
    let bytes = phone.until("message about notices", |event| match event {
        LinkEvent::App(AppEvent::Data { ch, bytes }) if *ch == own => Some(bytes.clone()),
        _ => None,
    });
    FromDesk::parse(&bytes).unwrap().expect("a message that is known")
}

fn notice(phone: &mut AppPhone, ch: ChannelId) -> Notice {
    match heard(phone, ch) {
        FromDesk::Notice(notice) => notice,
        other => panic!("{other:?} is not a notice"),
    }
}

fn say(phone: &AppPhone, ch: ChannelId, message: &FromPhone) {
    phone.link.send(ch, &message.to_bytes(), GUARD).unwrap();
}

fn until_reset(phone: &mut AppPhone, own: ChannelId) -> String {
    phone.until("reset", |event| match event {
        LinkEvent::App(AppEvent::Reset { ch, reason }) if *ch == own => Some(reason.token().to_owned()),
        _ => None,
    })
}

#[test]
fn a_notice_goes_to_every_phone_and_one_that_shows_it_is_enough() {
    let relay = Relay::start(SetUp::Memory);
    let desk = Desk::new(relay.addr());
    let (mut pixel, mut tablet) = (desk.pair("Pixel"), desk.pair("Tablet"));
    let (at_pixel, at_tablet) = (open(&mut pixel), open(&mut tablet));
    let mut command = desk.start(&["notify", "--wait", "60", "both"]);
    let (one, other) = (notice(&mut pixel, at_pixel), notice(&mut tablet, at_tablet));
    assert!(one == other && one.text == "both");
    // A word about another notice is none about this one.
    say(&pixel, at_pixel, &FromPhone::Shown("another".into()));
    say(&tablet, at_tablet, &FromPhone::Shown(one.id));
    assert_eq!(command.exit_code(), Some(0));
    let mut command = desk.start(&["notify", "--to", "Pixel", "--wait", "60", "one"]);
    let one = notice(&mut pixel, at_pixel);
    assert_eq!(one.text, "one");
    say(&pixel, at_pixel, &FromPhone::Shown(one.id));
    assert_eq!(command.exit_code(), Some(0));
}

#[test]
fn a_phone_that_talks_nonsense_loses_its_channel_and_nothing_else() {
    let relay = Relay::start(SetUp::Memory);
    let desk = Desk::new(relay.addr());
    let mut phone = desk.pair("Pixel");
    let mut command = desk.start(&["notify", "--wait", "60", "hello"]);
    for nonsense in [&b"["[..], b"", b"{}", b"\xff", br#"{"t":"shown","id":""}"#] {
        let ch = open(&mut phone);
        assert_eq!(notice(&mut phone, ch).text, "hello", "it comes again on each channel");
        phone.link.send(ch, nonsense, GUARD).unwrap();
        assert_eq!(until_reset(&mut phone, ch), "malformed");
    }
    let first = open(&mut phone);
    let second = open(&mut phone);
    assert_eq!(until_reset(&mut phone, first), "cancelled", "there is one channel");
    let shown = notice(&mut phone, second);
    phone.link.send(second, br#"{"t":"of a later version"}"#, GUARD).unwrap();
    say(&phone, second, &FromPhone::Shown(shown.id));
    assert_eq!(command.exit_code(), Some(0));
}

/// With the keys of RFC 8291, appendix A.
fn subscription(endpoint: &str) -> String {
    let members = [
        ("endpoint", endpoint),
        ("page", "https://relay.test/p"),
        ("auth", "BTBZMqHH6r4Tts7J_aSIgg"),
        ("p256dh", "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
        ("public", "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"),
        ("private", "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"),
    ];
    let members: Vec<String> = members.iter().map(|(name, value)| format!(r#""{name}":"{value}""#)).collect();
    format!(r#"{{"t":"subscribe",{}}}"#, members.join(","))
}

#[test]
fn a_subscription_is_checked_kept_for_the_user_alone_and_survives_the_agent() {
    let relay = Relay::start(SetUp::Memory);
    let desk = Desk::new(relay.addr());
    let mut phone = desk.pair("Pixel");
    let ch = open(&mut phone);
    let told = |phone: &mut AppPhone, ch, message: &str| {
        phone.link.send(ch, message.as_bytes(), GUARD).unwrap();
        match heard(phone, ch) {
            FromDesk::Push { state, .. } => state,
            other => panic!("{other:?} is not the state of Web Push"),
        }
    };
    assert_eq!(told(&mut phone, ch, &subscription("https://evil.example.org/x")), PushState::Refused);
    assert_eq!(told(&mut phone, ch, &subscription("https://fcm.googleapis.com/secret")), PushState::On);
    let file = &desk.phone_files()[0];
    let kept = || std::fs::read_to_string(file).unwrap();
    assert!(kept().contains("fcm.googleapis.com/secret"));
    assert_eq!(std::fs::metadata(file).unwrap().mode() & 0o777, 0o600);
    let log = std::fs::read_to_string(desk.state().join("agent.log")).unwrap();
    assert!(log.contains("is reached by Web Push too") && !log.contains("secret"), "{log}");
    desk.kill_agent();
    desk.run(&["devices"]);
    phone.until_ready();
    assert!(kept().contains("fcm.googleapis.com/secret"));
    let ch = open(&mut phone);
    assert_eq!(told(&mut phone, ch, r#"{"t":"unsubscribe"}"#), PushState::Off);
    assert!(!kept().contains("fcm.googleapis.com"));
}

#[test]
fn of_a_pair_that_the_phone_has_ended_no_subscription_is_kept() {
    let relay = Relay::start(SetUp::Memory);
    let desk = Desk::new(relay.addr());
    let mut phone = desk.pair("Pixel");
    let _serve = desk.start(&["serve"]);
    let ch = open(&mut phone);
    phone.link.send(ch, subscription("https://fcm.googleapis.com/secret").as_bytes(), GUARD).unwrap();
    assert!(matches!(heard(&mut phone, ch), FromDesk::Push { state: PushState::On, .. }));
    let kept = || std::fs::read_to_string(&desk.phone_files()[0]).unwrap();
    assert!(kept().contains("fcm.googleapis.com"));
    phone.link.engine().forget().unwrap();
    read_until("a file without the subscription", || (!kept().contains("fcm.googleapis.com")).then_some(()));
}

#[test]
fn a_notice_that_nobody_has_is_said_to_be_kept_while_the_agent_runs() {
    let relay = Relay::start(SetUp::Memory);
    let desk = Desk::new(relay.addr());
    drop(desk.pair("Pixel"));
    let (code, said) = desk.try_run(&["notify", "--wait", "0", "hello"]);
    assert!(code == Some(1) && said.contains("kept only while the agent runs"), "{said}");
}

/// An agent that has just begun waits for commands that take what phones open.
#[test]
fn a_channel_that_a_phone_has_dropped_is_not_given_to_a_command_that_comes_then() {
    let relay = Relay::start(SetUp::Memory);
    let desk = Desk::new(relay.addr());
    let mut phone = desk.pair("Pixel");
    desk.kill_agent();
    desk.run(&["devices"]);
    phone.until_ready();
    let dropped = phone.link.open(Kind::Pipe, pipe::PARAMS).unwrap();
    phone.link.reset(dropped, Reason::new(Reason::CANCELLED, "not wanted any more")).unwrap();
    // It comes behind the reset.
    open(&mut phone);
    let mut command = desk.start(&["pipe"]);
    let asked = phone.until("opening of a pipe", |event| match event {
        LinkEvent::App(AppEvent::Opened { ch, kind: Kind::Pipe, .. }) => Some(*ch),
        _ => None,
    });
    phone.link.refuse(asked, Reason::new(Reason::OTHER, "no")).unwrap();
    assert_eq!(command.exit_code(), Some(5), "the phone's answer, and not the dropped channel");
}
