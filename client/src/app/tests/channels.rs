//! Opening, answering, ending and resetting.

use super::*;

#[test]
fn a_channel_carries_messages_both_ways_and_ends() {
    let mut pair = Pair::ready();
    let (at_phone, at_desk) = pair.opened(Kind::Terminal);
    pair.phone.send(at_phone, b"ls").unwrap();
    pair.phone.send(at_phone, b"").unwrap();
    pair.desk.send(at_desk, b"files").unwrap();
    pair.phone.end(at_phone).unwrap();
    assert_eq!(pair.phone.send(at_phone, b"x"), Err(ChannelError::Ended(at_phone)));
    pair.carry();
    let ended = AppEvent::Ended { ch: at_desk };
    assert_eq!(events(&mut pair.desk), [data(at_desk, b"ls"), data(at_desk, b""), ended]);
    pair.desk.send(at_desk, b"more").unwrap();
    pair.desk.end(at_desk).unwrap();
    pair.carry();
    let ended = AppEvent::Ended { ch: at_phone };
    assert_eq!(events(&mut pair.phone), [data(at_phone, b"files"), data(at_phone, b"more"), ended]);
    assert_eq!(pair.phone.end(at_phone), Err(ChannelError::Gone(at_phone)));
    assert_eq!(pair.desk.end(at_desk), Err(ChannelError::Gone(at_desk)));
}

#[test]
fn nothing_that_is_said_shows_in_debug() {
    let mut pair = Pair::ready();
    let (at_phone, at_desk) = pair.opened(Kind::Chat);
    pair.phone.send(at_phone, b"secret").unwrap();
    pair.phone.open(Kind::Chat, r#"{"a":"secret"}"#).unwrap();
    let text = chat::ChatMessage { id: "1".into(), at_ms: 0, text: "secret".into() };
    let event = data(at_desk, b"secret");
    let shown = format!("{:?} {event:?} {text:?}", pair.phone);
    assert!(!shown.contains("secret") && !shown.contains("115, 101"), "{shown}");
}

#[test]
fn either_end_opens_and_the_other_one_may_refuse() {
    let mut pair = Pair::ready();
    let ch = pair.desk.open(Kind::Notice, r#"{"title":"done"}"#).unwrap();
    assert_eq!(ch.number(), 2);
    assert_eq!(pair.desk.send(ch, b"x"), Err(ChannelError::NotAccepted(ch)));
    pair.carry();
    let [AppEvent::Opened { ch: at_phone, kind: Kind::Notice, params }] = &events(&mut pair.phone)[..] else {
        panic!("not opened")
    };
    assert_eq!(params, r#"{"title":"done"}"#);
    let reason = Reason::new(Reason::UNAVAILABLE, "not\nnow");
    pair.phone.refuse(*at_phone, reason.clone()).unwrap();
    assert_eq!(pair.phone.accept(*at_phone, "{}"), Err(ChannelError::Gone(*at_phone)));
    pair.carry();
    assert_eq!(events(&mut pair.desk), [AppEvent::Refused { ch, reason: reason.clone() }]);
    assert_eq!((reason.token(), reason.words()), ("unavailable", r"not\nnow"));
}

#[test]
fn unknown_kinds_and_kinds_without_a_right_are_refused_by_themselves() {
    let mut pair = Pair::ready();
    pair.desk.on_message(br#"{"t":"open","ch":1,"kind":"hologram","credit":65536,"p":{}}"#, NOW);
    pair.desk.set_desk(DeskInfo { rights: Rights::NONE.with(Right::View), ..desk_info() });
    pair.desk.on_message(br#"{"t":"open","ch":3,"kind":"chat","credit":65536}"#, NOW);
    pair.desk.on_message(br#"{"t":"open","ch":5,"kind":"terminal","credit":65536}"#, NOW);
    let [AppEvent::Opened { kind: Kind::Terminal, params, .. }] = &events(&mut pair.desk)[..] else {
        panic!("not the terminal alone")
    };
    assert_eq!(params, "{}");
    let said = said(&mut pair.desk);
    assert!(said.iter().any(|said| said.starts_with(r#"{"t":"refuse","ch":1,"reason":"kind""#)), "{said:?}");
    assert!(
        said.iter().any(|said| said.starts_with(r#"{"t":"refuse","ch":3,"reason":"rights""#)),
        "{said:?}"
    );
    assert_eq!(pair.desk.ignored(), Ignored::default());
}

#[test]
fn a_right_that_is_taken_away_ends_its_channels() {
    let mut pair = Pair::ready();
    let (at_phone, at_desk) = pair.opened(Kind::Terminal);
    let (chat, _) = pair.opened(Kind::Chat);
    let rights = Rights::default().without(Right::View);
    pair.desk.set_desk(DeskInfo { rights, ..desk_info() });
    assert!(matches!(events(&mut pair.desk)[..], [AppEvent::Reset { ch, .. }] if ch == at_desk));
    pair.carry();
    let told = events(&mut pair.phone);
    assert!(
        matches!(&told[..], [AppEvent::Desk(desk), AppEvent::Reset { ch, reason }]
            if desk.rights == rights && *ch == at_phone && reason.token() == Reason::RIGHTS),
        "{told:?}"
    );
    pair.phone.send(chat, b"still here").unwrap();
}

#[test]
fn a_reset_drops_what_waits_and_what_crosses_it_is_no_fault() {
    let mut pair = Pair::ready();
    let (at_phone, at_desk) = pair.opened(Kind::Chat);
    pair.phone.send(at_phone, b"on its way").unwrap();
    let crossing = pair.phone.poll_message(NOW).unwrap();
    pair.phone.send(at_phone, b"waits").unwrap();
    pair.desk.reset(at_desk, Reason::new(Reason::CANCELLED, "")).unwrap();
    pair.desk.on_message(crossing.clone(), NOW);
    pair.carry();
    assert!(matches!(&events(&mut pair.phone)[..], [AppEvent::Reset { ch, reason }]
        if *ch == at_phone && reason.to_string() == "cancelled"));
    assert_eq!((pair.phone.buffered(), pair.desk.ignored()), ((0, 0), Ignored::default()));
    // One that was never told needs no goodbye.
    let ch = pair.phone.open(Kind::Chat, "{}").unwrap();
    pair.phone.reset(ch, Reason::new(Reason::CANCELLED, "")).unwrap();
    assert_eq!(said(&mut pair.phone), [""; 0]);
}

#[test]
fn the_number_of_channels_is_bounded_at_both_ends() {
    let mut pair = Pair::ready();
    let opened: Vec<_> =
        (0..limits::CHANNELS_MAX).map(|_| pair.phone.open(Kind::Chat, "{}").unwrap()).collect();
    assert_eq!(pair.phone.open(Kind::Chat, "{}"), Err(OpenError::TooMany));
    pair.carry();
    assert_eq!(events(&mut pair.desk).len(), limits::CHANNELS_MAX);
    pair.desk.on_message(br#"{"t":"open","ch":1001,"kind":"chat","credit":65536}"#, NOW);
    assert_eq!((events(&mut pair.desk).len(), pair.desk.ignored().faults), (0, 1));
    // Those that ended count until the other end knows.
    for ch in opened {
        pair.phone.reset(ch, Reason::new(Reason::CANCELLED, "")).unwrap();
    }
    assert_eq!(pair.phone.open(Kind::Chat, "{}"), Err(OpenError::TooMany));
    pair.carry();
    events(&mut pair.desk);
    assert!(pair.phone.open(Kind::Chat, "{}").is_ok());
}

#[test]
fn parameters_are_one_json_object() {
    let mut pair = Pair::ready();
    let deep = format!("{}{}", "{\"a\":".repeat(40), "1".to_owned() + &"}".repeat(40));
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(limits::PARAMS_BYTES_MAX));
    for bad in ["", "[]", "1", "{", "{}{}", "{\"a\":}", &deep, &long] {
        assert_eq!(pair.phone.open(Kind::Chat, bad), Err(OpenError::BadParams), "{bad}");
    }
    let escaped = r#"{ "a" : "\u0000\"}{" , "b": [1, {"c": null}] }"#;
    pair.phone.open(Kind::Chat, escaped).unwrap();
    pair.carry();
    assert!(matches!(&events(&mut pair.desk)[..], [AppEvent::Opened { params, .. }] if params == escaped));
}

#[test]
fn the_other_ends_faults_cost_it_the_channel_at_most() {
    let open = r#"{"t":"open","ch":1,"kind":"chat","credit":65536}"#;
    let accepted = "";
    for (said, reason) in [
        (&["not json {", "{", "{}", r#"{"t":7}"#, "", "\u{1}\0\0"][..], None),
        (&[r#"{"t":"open","ch":2,"kind":"chat","credit":65536}"#], None),
        (&[r#"{"t":"open","ch":0,"kind":"chat","credit":65536}"#], None),
        (&[r#"{"t":"open","ch":1,"kind":"chat","credit":1}"#], Some("credit")),
        (&[r#"{"t":"open","ch":1,"kind":"chat","credit":99999999}"#], Some("credit")),
        (&[r#"{"t":"open","ch":1,"kind":"chat"}"#], None),
        (&[r#"{"t":"open","ch":1,"kind":"chat","credit":65536,"p":[]}"#], None),
        (&[r#"{"t":"open","ch":-1,"kind":"chat","credit":65536}"#], None),
        (&[open, open], Some("protocol")),
        (&[open, "\u{1}\0\0\0\u{1}x"], Some("credit")),
        (&[open, r#"{"t":"accept","ch":1,"credit":65536}"#], Some("protocol")),
        (&[open, r#"{"t":"refuse","ch":1,"reason":"other"}"#], Some("protocol")),
        (&[open, r#"{"t":"end","ch":1}"#], Some("protocol")),
        (&[open, r#"{"t":"credit","ch":1,"n":1}"#], Some("protocol")),
        (&[open, accepted, r#"{"t":"credit","ch":1,"n":4294967295}"#], Some("credit")),
        (&[open, accepted, r#"{"t":"end","ch":1}"#, "\u{1}\0\0\0\u{1}x"], Some("protocol")),
        (&[open, accepted, r#"{"t":"end","ch":1}"#, r#"{"t":"end","ch":1}"#], Some("protocol")),
        (&["\u{1}\0\0\0\u{9}x"], Some("unknown")),
        (&["\u{1}\0\0\0\u{8}x"], Some("unknown")),
        (&[r#"{"t":"desk","rights":[]}"#, r#"{"t":"end","ch":7}"#, r#"{"t":"reset","ch":7}"#], None),
    ] {
        let mut pair = Pair::ready();
        for message in said {
            if *message == accepted && said.len() > 2 && said[0] == open {
                let Some(AppEvent::Opened { ch, .. }) = pair.desk.poll_event() else { panic!("{said:?}") };
                pair.desk.accept(ch, "{}").unwrap();
                pair.desk.poll_message(NOW);
            } else {
                pair.desk.on_message(message.as_bytes(), NOW);
            }
        }
        assert!(pair.desk.ignored().faults > 0, "{said:?}");
        let answers = super::said(&mut pair.desk);
        match reason {
            Some(reason) => assert!(answers[0].contains(&format!(r#""reason":"{reason}""#)), "{answers:?}"),
            None => assert_eq!(answers, [""; 0], "{said:?}"),
        }
        events(&mut pair.desk);
        // The phone knows nothing of what was said in its name.
        let mut fresh = Pair::new().phone;
        pass(&mut fresh, &mut pair.desk);
        assert!(pair.desk.is_ready());
    }
}
