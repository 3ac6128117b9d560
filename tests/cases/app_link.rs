//! The app protocol through a real relay: channels both ways, restarts, breaks, and readers that stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use protocol::ids::Role;
use relay_client::app::{AppEvent, ChannelError, Hello, Kind, Reason};
use relay_client::engine::{Engine, EngineEvent, KeepNothing};
use relay_client::{AppLink, LinkError, LinkEvent};
use relay_tests::harness::app::{LinkEnd, Links, fresh_app_code, offer};
use relay_tests::harness::guard::GUARD;
use relay_tests::harness::tunnel::{NOW, Shelf, at, fresh_code};
use relay_tests::harness::{Behaviour, FaultProxy, Relay, SetUp};

fn bytes(number: usize, len: usize) -> Vec<u8> {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.resize(len.max(bytes.len()), number as u8);
    bytes
}

#[test]
fn channels_carry_messages_both_ways() {
    let relay = Relay::start(SetUp::Memory);
    let links = Links::through(relay.addr());
    let (at_phone, at_desk) = links.open(Kind::Terminal);
    for number in 0..200 {
        links.desk.link.send(at_desk, &bytes(number, 5000), GUARD).unwrap();
        links.phone.link.send(at_phone, &bytes(number, 1), GUARD).unwrap();
        assert_eq!(links.phone.message(at_phone), bytes(number, 5000));
        assert_eq!(links.desk.message(at_desk), bytes(number, 1));
    }
    let notice = links.desk.link.open(Kind::Notice, "{}").unwrap();
    let at_phone = links.phone.until("notice", |event| match event {
        LinkEvent::App(AppEvent::Opened { ch, kind: Kind::Notice, .. }) => Some(*ch),
        _ => None,
    });
    links.phone.link.refuse(at_phone, Reason::new(Reason::UNAVAILABLE, "not now")).unwrap();
    let refused = links.desk.until("answer", |event| match event {
        LinkEvent::App(AppEvent::Refused { ch, .. }) => Some(*ch),
        _ => None,
    });
    assert_eq!(refused, notice);
}

#[test]
fn a_new_process_at_either_end_begins_with_hello_and_without_channels() {
    let relay = Relay::start(SetUp::Memory);
    let (settings, phone_settings) = (at(Role::Workstation, relay.addr()), at(Role::Phone, relay.addr()));
    let (shelf, pocket) = (Shelf::default(), Shelf::default());
    let code = fresh_app_code(relay.addr());
    let mut links = Links::pair_keeping(
        code,
        (&settings, Box::new(shelf.clone())),
        (&phone_settings, Box::new(pocket.clone())),
    );
    let restarted = |event: &LinkEvent| matches!(event, LinkEvent::App(AppEvent::Restarted)).then_some(());
    for round in 0..2 {
        let (at_phone, at_desk) = links.open(Kind::Chat);
        links.desk.link.send(at_desk, b"lost with the process", GUARD).unwrap();
        // Each new process knows from what is kept that the pair speaks the app protocol.
        if round == 0 {
            links.phone = LinkEnd::resume(Role::Phone, &phone_settings, &pocket);
            links.desk.until("restart", restarted);
            assert_eq!(links.desk.link.try_send(at_desk, b"x"), Err(ChannelError::Gone(at_desk)));
        } else {
            links.desk = LinkEnd::resume(Role::Workstation, &settings, &shelf);
            links.phone.until("restart", restarted);
            assert_eq!(links.phone.link.try_send(at_phone, b"x"), Err(ChannelError::Gone(at_phone)));
        }
        links.desk.until_ready();
        links.phone.until_ready();
    }
    let (at_phone, at_desk) = links.open(Kind::Chat);
    links.phone.link.send(at_phone, b"back", GUARD).unwrap();
    assert_eq!(links.desk.message(at_desk), b"back");
}

#[test]
fn channels_outlive_a_break_and_what_was_said_meanwhile_arrives() {
    let relay = Relay::start(SetUp::Memory);
    let proxy = FaultProxy::start(relay.addr());
    let code = fresh_app_code(relay.addr());
    let links = Links::pair(code, &at(Role::Workstation, relay.addr()), &at(Role::Phone, proxy.addr()));
    let (at_phone, at_desk) = links.open(Kind::Chat);
    for round in 0..5 {
        proxy.cut();
        for number in 0..20 {
            links.desk.link.send(at_desk, &bytes(number + round, 100), GUARD).unwrap();
            links.phone.link.send(at_phone, &bytes(number, 200), GUARD).unwrap();
        }
        for number in 0..20 {
            assert_eq!(links.phone.message(at_phone), bytes(number + round, 100));
            assert_eq!(links.desk.message(at_desk), bytes(number, 200));
        }
    }
    assert_eq!((links.desk.link.ignored().faults, links.phone.link.ignored().faults), (0, 0));
}

#[test]
fn a_reader_that_stops_holds_up_its_own_channel_alone() {
    let relay = Relay::start(SetUp::Memory);
    let links = Links::through(relay.addr());
    let (file, file_at_desk) = links.open(Kind::File);
    let (chat, chat_at_desk) = links.open(Kind::Chat);
    let mut sent = 0;
    while links.phone.link.try_send(file, &bytes(sent, 8000)).is_ok() {
        sent += 1;
    }
    assert_eq!(
        links.phone.link.send(file, &bytes(sent, 8000), NOW),
        Err(ChannelError::Full(file)),
        "nobody reads it"
    );
    for number in 0..100 {
        links.phone.link.send(chat, &bytes(number, 2000), GUARD).unwrap();
        assert_eq!(links.desk.message(chat_at_desk), bytes(number, 2000));
    }
    // As soon as it is read, a sender that waits goes on.
    thread::scope(|scope| {
        let waits = scope.spawn(|| links.phone.link.send(file, &bytes(sent, 8000), GUARD));
        // What came between the chat's messages.
        links.desk.link.consumed(file_at_desk, sent * 8000);
        while links.desk.message(file_at_desk) != bytes(sent, 8000) {}
        waits.join().unwrap().unwrap();
    });
}

/// The phone's line passes this many bytes per second each way: 1 Mbit/s.
const SLOW: u32 = 125_000;

#[test]
fn a_key_passes_a_file_on_a_slow_line() {
    let relay = Relay::start(SetUp::Memory);
    let proxy = FaultProxy::start(relay.addr());
    let code = fresh_app_code(relay.addr());
    let links = Links::pair(code, &at(Role::Workstation, relay.addr()), &at(Role::Phone, proxy.addr()));
    let (file, file_at_desk) = links.open(Kind::File);
    let (terminal, terminal_at_desk) = links.open(Kind::Terminal);
    proxy.behave(Behaviour::Rate(SLOW));
    let (started, over) = (Instant::now(), AtomicBool::new(false));
    let (mut keys, mut moved) = (Vec::new(), 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let part = vec![7; links.phone.link.message_len(file)];
                let _is_full = links.phone.link.send(file, &part, Duration::from_millis(100));
            }
        });
        let type_a_key = || links.phone.link.send(terminal, b"k", GUARD).unwrap();
        let mut typed = Instant::now();
        type_a_key();
        while keys.len() < 60 {
            let AppEvent::Data { ch, bytes } = links.desk.app_event() else { continue };
            links.desk.link.consumed(ch, bytes.len());
            if ch == file_at_desk {
                moved += bytes.len();
            } else {
                assert_eq!(ch, terminal_at_desk);
                keys.push(typed.elapsed());
                typed = Instant::now();
                type_a_key();
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    keys.sort_unstable();
    let rate = moved as f64 / started.elapsed().as_secs_f64();
    eprintln!("keys: p50 {:?}, p95 {:?}; the file: {rate:.0} of {SLOW} bytes/s", keys[30], keys[57]);
    assert!(keys[57] < Duration::from_millis(300), "{keys:?}");
    assert!(rate > f64::from(SLOW) * 0.8, "{rate} bytes/s");
}

#[test]
fn an_app_that_reads_nothing_holds_up_the_other_one_and_loses_nothing() {
    let relay = Relay::start(SetUp::Memory);
    let links = Links::through(relay.addr());
    let (last, before) = links.open(Kind::Chat);
    // Each is an event or two at the desk, and no channel's credit bounds them. Once the tunnel is full, a
    // channel that was not told of is forgotten at its reset.
    let opened = 40_000;
    for _ in 0..opened {
        let ch = links.phone.link.open(Kind::Chat, "{}").unwrap();
        links.phone.link.reset(ch, Reason::new(Reason::CANCELLED, "")).unwrap();
    }
    links.phone.link.send(last, b"last", GUARD).unwrap();
    let mut told = 0;
    links.desk.until("the last message", |event| match event {
        LinkEvent::App(AppEvent::Opened { .. }) => {
            told += 1;
            None
        }
        LinkEvent::App(AppEvent::Data { ch, .. }) if *ch == before => Some(()),
        _ => None,
    });
    assert!((512..opened).contains(&told), "{told} of {opened}");
    assert_eq!(links.desk.link.ignored().faults, 0);
    links.open(Kind::Chat);
}

#[test]
fn a_listener_is_called_and_a_link_that_is_closed_says_so_last() {
    let relay = Relay::start(SetUp::Memory);
    let links = Links::through(relay.addr());
    let (calls, called) = channel();
    links.desk.link.set_listener(Arc::new(move || calls.send(()).unwrap_or_default()));
    links.phone.link.set_hidden(true);
    called.recv_timeout(GUARD).expect("a call");
    assert_eq!(links.desk.app_event(), AppEvent::Hidden(true));
    let (at_phone, at_desk) = links.open(Kind::Chat);
    links.phone.link.send(at_phone, b"last words", GUARD).unwrap();
    links.phone.link.flush(GUARD).unwrap();
    links.phone.link.close();
    links
        .phone
        .until("end", |event| matches!(event, LinkEvent::Engine(EngineEvent::Stopped { .. })).then_some(()));
    assert_eq!(links.phone.link.next_events(9, Duration::MAX), []);
    assert_eq!(links.desk.message(at_desk), b"last words");
    links
        .desk
        .until("parting", |event| matches!(event, LinkEvent::Engine(EngineEvent::PeerClosed)).then_some(()));
}

#[test]
fn a_phone_sees_the_desks_offer_change() {
    let relay = Relay::start(SetUp::Memory);
    let links = Links::through(relay.addr());
    assert_eq!(links.phone.app_event(), AppEvent::Desk(offer("desk")));
    links.desk.link.set_desk(offer("other"));
    assert_eq!(links.phone.app_event(), AppEvent::Desk(offer("other")));
}

#[test]
fn a_pair_of_bare_messages_has_no_link() {
    let relay = Relay::start(SetUp::Memory);
    let settings = at(Role::Workstation, relay.addr());
    let engine =
        Engine::pair(Role::Workstation, fresh_code(relay.addr()), &settings, Box::new(KeepNothing)).unwrap();
    let refused = AppLink::start(engine, Hello::new("workstation", "desk"));
    assert!(matches!(refused.err(), Some(LinkError::Bare)));
}
