//! Who says hello when, and what is ignored before.

use super::*;

#[test]
fn the_phone_says_hello_first_and_the_desk_answers_with_its_offer() {
    let mut pair = Pair::new();
    assert_eq!(said(&mut pair.desk), [""; 0], "the desk says nothing before");
    assert_eq!(pair.phone.open(Kind::Chat, "{}"), Err(OpenError::NotReady));
    let hello = said(&mut pair.phone).remove(0);
    assert_eq!(
        hello,
        r#"{"t":"hello","v":1,"features":[],"device":"phone","name":"Pixel","hidden":false,"id":"0000000000000007"}"#
    );
    pair.desk.on_message(hello.as_bytes(), NOW);
    assert_eq!(events(&mut pair.desk), [AppEvent::Ready { peer: Hello::new("phone", "Pixel") }]);
    pair.carry();
    let ready = AppEvent::Ready { peer: Hello::new("workstation", "desk") };
    assert_eq!(events(&mut pair.phone), [ready, AppEvent::Desk(desk_info())]);
}

#[test]
fn the_desks_offer_and_the_phones_page_are_told_when_they_change() {
    let mut pair = Pair::ready();
    pair.desk.set_desk(desk_info());
    pair.phone.set_hidden(false);
    pair.carry();
    assert_eq!((events(&mut pair.phone).len(), events(&mut pair.desk).len()), (0, 0), "nothing changed");
    let changed = DeskInfo { terminals: vec![], ..desk_info() };
    pair.desk.set_desk(DeskInfo { name: "other".into(), ..desk_info() });
    pair.desk.set_desk(changed.clone());
    pair.phone.set_hidden(true);
    pair.carry();
    assert_eq!(events(&mut pair.phone), [AppEvent::Desk(changed)], "the newest alone");
    assert_eq!(events(&mut pair.desk), [AppEvent::Hidden(true)]);
}

#[test]
fn each_new_epoch_of_either_end_begins_with_hello_and_without_channels() {
    let mut pair = Pair::ready();
    let (at_phone, _) = pair.opened(Kind::Chat);
    // The desk's process is new.
    pair.desk = Pair::new().desk;
    pair.phone.on_restart();
    assert_eq!(events(&mut pair.phone), [AppEvent::Restarted]);
    assert_eq!(pair.phone.send(at_phone, b"x"), Err(ChannelError::Gone(at_phone)));
    pair.carry();
    assert!(matches!(events(&mut pair.phone)[..], [AppEvent::Ready { .. }, AppEvent::Desk(_)]));
    events(&mut pair.desk);
    let (again, at_desk) = pair.opened(Kind::Chat);
    assert_eq!(again.number(), at_phone.number());
    assert_eq!(pair.phone.send(at_phone, b"x"), Err(ChannelError::Gone(at_phone)));
    assert_ne!(again, at_phone, "an old id is never a new channel");
    // The phone's process is new.
    pair.phone = Pair::new().phone;
    pair.desk.on_restart();
    events(&mut pair.desk);
    assert!(pair.desk.poll_message(NOW).is_none(), "the desk says nothing before");
    pair.carry();
    assert!(matches!(events(&mut pair.desk)[..], [AppEvent::Ready { .. }]));
    assert_eq!(pair.desk.send(at_desk, b"x"), Err(ChannelError::Gone(at_desk)));
}

#[test]
fn what_was_on_its_way_over_a_restart_leads_to_nothing() {
    let mut pair = Pair::ready();
    let (at_phone, _) = pair.opened(Kind::Chat);
    pair.phone.send(at_phone, b"old").unwrap();
    let old = pair.phone.poll_message(NOW).unwrap();
    pair.desk.on_restart();
    pair.desk.on_message(old.clone(), NOW);
    assert_eq!(events(&mut pair.desk), [AppEvent::Restarted]);
    assert_eq!(pair.desk.ignored().early, 1);
    // An answer to the hello of a former phone.
    let mut stranger = AppEnd::new(Role::Phone, Hello::new("phone", "Pixel"), 1000);
    stranger.on_open();
    pass(&mut stranger, &mut pair.desk);
    pair.phone.on_restart();
    events(&mut pair.phone);
    pass(&mut pair.desk, &mut pair.phone);
    assert_eq!((events(&mut pair.phone).len(), pair.phone.is_ready()), (0, false));
    pair.carry();
    assert!(pair.phone.is_ready() && pair.desk.is_ready());
    events(&mut pair.phone);
    events(&mut pair.desk);
    pair.opened(Kind::Chat);
}

#[test]
fn a_phone_that_says_hello_again_begins_again() {
    let mut pair = Pair::ready();
    let (_, at_desk) = pair.opened(Kind::Chat);
    let mut reloaded = AppEnd::new(Role::Phone, Hello::new("browser", "page"), 99);
    reloaded.on_open();
    pass(&mut reloaded, &mut pair.desk);
    let peer = Hello::new("browser", "page");
    assert_eq!(events(&mut pair.desk), [AppEvent::Restarted, AppEvent::Ready { peer }]);
    assert_eq!(pair.desk.send(at_desk, b"x"), Err(ChannelError::Gone(at_desk)));
}

#[test]
fn later_versions_are_greeted_and_what_is_unknown_is_ignored() {
    let mut pair = Pair::new();
    let later =
        br#"{"t":"hello","v":9,"features":["x","y"],"device":"watch","name":"w","new":[{}],"id":"1"}"#;
    pair.desk.on_message(later, NOW);
    let [AppEvent::Ready { peer }] = &events(&mut pair.desk)[..] else { panic!("not greeted") };
    assert_eq!((peer.version, peer.has("y"), peer.hidden), (9, true, false));
    assert!(said(&mut pair.desk)[0].contains(r#""v":1"#));
    for unknown in [&b"{\"t\":\"dance\",\"ch\":1}"[..], b"\x02abc", b"hello"] {
        pair.desk.on_message(unknown, NOW);
    }
    assert_eq!((pair.desk.ignored().unknown, pair.desk.ignored().faults), (3, 0));
    assert_eq!((events(&mut pair.desk).len(), said(&mut pair.desk).len()), (0, 0));
}
