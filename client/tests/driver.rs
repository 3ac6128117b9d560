//! The whole client against a relay that does what the test tells it, over real sockets.

mod fake;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use fake::{Fake, ID, LIMIT, Peer};
use protocol::ids::Role;
use protocol::message::KillReason;
use protocol::qr::Pairing;
use relay_client::{Client, ClientEvent, ClientSendError, ConnectionSettings, Lost, Stop};
use tungstenite::Message;

fn settings(fake: &Fake) -> ConnectionSettings {
    ConnectionSettings::new(&Pairing::parse(&fake.pairing()).unwrap(), Role::Phone).unwrap()
}

fn connect(fake: &Fake) -> Client {
    Client::connect(settings(fake)).unwrap()
}

fn next(client: &Client) -> ClientEvent {
    client.next_event(LIMIT).expect("an event")
}

/// A client that is linked, and its socket at the relay.
fn linked(fake: &Fake) -> (Client, Peer) {
    let client = connect(fake);
    let peer = fake.accept_and_link("workstation");
    assert_eq!(next(&client), ClientEvent::Connected);
    assert_eq!(next(&client), ClientEvent::Joined { missed: 0 });
    (client, peer)
}

fn stopped(client: &Client) -> Stop {
    loop {
        if let ClientEvent::Stopped { why, .. } = next(client) {
            return why;
        }
    }
}

#[test]
fn says_hello_and_passes_frames_both_ways() {
    let fake = Fake::start();
    let client = connect(&fake);
    let mut peer = fake.accept();
    let hello = peer.text();
    assert!(
        hello.starts_with(&format!(r#"{{"type":"hello","s":"{ID}","t":"{ID}","r":"phone","v":3,"i":"#)),
        "{hello}"
    );
    assert!(hello.ends_with(r#""n":1}"#), "{hello}");
    assert_eq!(client.send_text("early"), Err(ClientSendError::NotLinked));
    peer.say(r#"{"type":"hello-ack","sessionId":"x","peer":false,"hb":30,"maxMessage":10}"#);
    assert_eq!(next(&client), ClientEvent::Connected);
    assert_eq!(client.send_text("early"), Err(ClientSendError::NotLinked));
    peer.say(r#"{"type":"peer-joined","role":"workstation","missed":2}"#);
    assert_eq!(next(&client), ClientEvent::Joined { missed: 2 });

    client.send_text("hällo").unwrap();
    assert_eq!(peer.read(), Message::text("hällo"));
    client.try_send_binary([0, 255]).unwrap();
    assert_eq!(peer.read(), Message::binary([0, 255].as_slice()));
    assert_eq!(client.send_binary([0; 11]), Err(ClientSendError::TooLarge { len: 11, max: 10 }));
    assert_eq!(client.send_text(r#"{ "type": "hb" }"#), Err(ClientSendError::LooksLikeHeartbeat));

    peer.frame("a\\nb", false);
    assert_eq!(next(&client), ClientEvent::Text("a\nb".into()));
    peer.frame("AP8=", true);
    assert_eq!(next(&client), ClientEvent::Binary(vec![0, 255]));
}

#[test]
fn raw_mode_passes_binary_bare() {
    let fake = Fake::start();
    let client = Client::connect(ConnectionSettings { raw: true, ..settings(&fake) }).unwrap();
    let mut peer = fake.accept_and_link("workstation");
    peer.socket.send(Message::binary([1, 2].as_slice())).unwrap();
    assert_eq!(next(&client), ClientEvent::Connected);
    assert_eq!(next(&client), ClientEvent::Joined { missed: 0 });
    assert_eq!(next(&client), ClientEvent::Binary(vec![1, 2]));
}

#[test]
fn a_round_trip_waits_for_no_timer() {
    let fake = Fake::start();
    let (client, mut peer) = linked(&fake);
    let echo = thread::spawn(move || {
        for _ in 0..200 {
            let text = peer.text();
            peer.frame(&text, false);
        }
        peer
    });
    let start = Instant::now();
    for round in 0..200 {
        client.send_text(round.to_string()).unwrap();
        assert_eq!(next(&client), ClientEvent::Text(round.to_string()));
    }
    // The shortest timer of the client is a heartbeat's 30 s; a poll with a tick of 100 ms would take 20 s.
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    drop(echo.join().unwrap());
}

#[test]
fn a_broken_connection_is_told_and_made_again() {
    let fake = Fake::start();
    let (client, peer) = linked(&fake);
    drop(peer);
    assert_eq!(next(&client), ClientEvent::Left { unsent: 0 });
    assert!(matches!(next(&client), ClientEvent::Reconnecting { why: Lost::Broken(_), .. }));
    assert_eq!(client.send_text("gap"), Err(ClientSendError::NotLinked));
    let mut peer = fake.accept();
    assert!(peer.text().ends_with(r#""n":2}"#));
    peer.say(r#"{"type":"hello-ack","sessionId":"x","peer":true}"#);
    assert_eq!(next(&client), ClientEvent::Connected);
    assert_eq!(next(&client), ClientEvent::Joined { missed: 0 });
    peer.say(r#"{"type":"going-away"}"#);
    peer.close(1001);
    assert_eq!(next(&client), ClientEvent::Left { unsent: 0 });
    assert!(matches!(next(&client), ClientEvent::Reconnecting { why: Lost::Closed(Some(1001)), .. }));
    fake.accept();
}

#[test]
fn a_refusal_ends_the_client_with_the_relays_words() {
    let fake = Fake::start();
    let client = connect(&fake);
    let mut peer = fake.accept();
    peer.text();
    peer.say(r#"{"type":"error","code":"unauthorized","message":"pair again"}"#);
    peer.close(4401);
    assert_eq!(stopped(&client), Stop::Refused { code: 4401, message: "pair again".into() });
    assert_eq!(client.send_text("x"), Err(ClientSendError::Closed));
    assert_eq!(client.next_event(LIMIT), None, "at once: nothing follows the end");
}

#[test]
fn replaced_and_killed_end_the_client() {
    let fake = Fake::start();
    let (client, mut peer) = linked(&fake);
    peer.say(r#"{"type":"replaced","same":false}"#);
    peer.close(4409);
    assert_eq!(stopped(&client), Stop::Replaced);

    let (client, mut peer) = linked(&fake);
    peer.say(r#"{"type":"session-killed","reason":"deleted"}"#);
    peer.close(4410);
    assert_eq!(stopped(&client), Stop::Killed { reason: Some(KillReason::Deleted) });
}

#[test]
fn close_writes_what_was_accepted_and_says_1000() {
    let fake = Fake::start();
    let (client, mut peer) = linked(&fake);
    let reader = thread::spawn(move || {
        let texts: Vec<String> = (0..1000).map(|_| peer.text()).collect();
        (texts, peer.read_close_code())
    });
    for number in 0..1000 {
        client.send_text(number.to_string()).unwrap();
    }
    client.close();
    assert_eq!(client.send_text("late"), Err(ClientSendError::Closed));
    assert_eq!(next(&client), ClientEvent::Stopped { why: Stop::Closed, unsent: 0 });
    let (texts, code) = reader.join().unwrap();
    assert!(texts.iter().map(String::as_str).eq((0..1000).map(|n| n.to_string()).collect::<Vec<_>>().iter()));
    assert_eq!(code, Some(1000));
}

#[test]
fn a_dropped_client_lets_its_connection_go() {
    let fake = Fake::start();
    let (client, mut peer) = linked(&fake);
    drop(client);
    assert_eq!(peer.read_close_code(), Some(1000));
    peer.read_to_end();
}

#[test]
fn a_slow_relay_fills_the_queue_and_nothing_is_lost_uncounted() {
    let fake = Fake::start();
    let (client, mut peer) = linked(&fake);
    let client = Arc::new(client);
    // More than the sockets' buffers hold: once it is taken, nothing behind it is, until the relay reads.
    let large = Message::binary(vec![9; 16 << 20]);
    client.send_binary(large.clone().into_data()).unwrap();
    let mut waiting = 0;
    while waiting < 16 {
        match client.try_send_binary(vec![7; 64 * 1024]) {
            Ok(()) => waiting += 1,
            Err(ClientSendError::Full) => thread::yield_now(),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(client.try_send_binary([7]), Err(ClientSendError::Full));
    // A sender that waits for room is let go when the link ends.
    let sender = thread::spawn({
        let client = Arc::clone(&client);
        move || client.send_binary([7])
    });
    peer.say(r#"{"type":"peer-left","role":"workstation"}"#);
    assert_eq!(next(&client), ClientEvent::Left { unsent: 16 });
    assert_eq!(sender.join().unwrap(), Err(ClientSendError::NotLinked));
    client.close();
    assert!(peer.read() == large);
    assert_eq!(peer.read_close_code(), Some(1000));
    assert_eq!(stopped(&client), Stop::Closed);
}

#[test]
fn an_app_that_does_not_read_slows_the_relay_down() {
    let fake = Fake::start();
    let (client, mut peer) = linked(&fake);
    // Far more than the inbox and the sockets' buffers hold.
    const FRAMES: usize = 2000;
    let payload = "x".repeat(32 * 1024);
    let sender = thread::spawn({
        let payload = payload.clone();
        move || {
            for _ in 0..FRAMES {
                peer.frame(&payload, false);
            }
            peer
        }
    });
    for number in 0..FRAMES {
        let ClientEvent::Text(text) = next(&client) else { panic!("{number}") };
        assert!(text == payload, "{number}");
    }
    drop(sender.join().unwrap());
}

#[test]
fn heartbeats_go_out_and_pings_are_answered() {
    let fake = Fake::start();
    let client = connect(&fake);
    let mut peer = fake.accept();
    peer.text();
    peer.say(r#"{"type":"hello-ack","sessionId":"x","peer":false,"hb":1}"#);
    assert_eq!(next(&client), ClientEvent::Connected);
    assert_eq!(peer.text(), r#"{"type":"hb"}"#);
    peer.say(r#"{"type":"hb-ack"}"#);
    peer.socket.send(Message::Ping(vec![5].into())).unwrap();
    let mut answers = std::iter::from_fn(|| peer.socket.read().ok());
    assert!(answers.any(|message| message == Message::Pong(vec![5].into())));
}

#[test]
fn an_unreachable_relay_is_told_with_the_reason() {
    let fake = Fake::start();
    let mut settings = settings(&fake);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    settings.endpoint = relay_client::Endpoint::parse_ws(&format!("ws://{free}/ws")).unwrap();
    let client = Client::connect(settings).unwrap();
    let ClientEvent::Reconnecting { why, .. } = next(&client) else { panic!() };
    assert!(
        why.to_string().starts_with(&format!("can't reach ws://{free}/ws: connection refused;")),
        "{why}"
    );
    client.close();
    assert_eq!(stopped(&client), Stop::Closed);
}

#[test]
fn what_is_no_relay_is_not_tried_again() {
    for answer in [
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "SSH-2.0-OpenSSH_9.9\r\n\r\n",
    ] {
        let fake = Fake::start();
        let client = connect(&fake);
        fake.answer_http(answer);
        assert!(matches!(stopped(&client), Stop::NotARelay(_)), "{answer}");
    }
    let fake = Fake::start();
    let client = connect(&fake);
    let mut peer = fake.accept();
    peer.text();
    peer.say("hello yourself");
    assert!(matches!(stopped(&client), Stop::NotARelay(_)));
}

#[test]
fn a_relay_that_can_not_serve_now_is_tried_again() {
    let fake = Fake::start();
    let client = connect(&fake);
    fake.answer_http("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    let ClientEvent::Reconnecting { why: Lost::Unreachable(words), .. } = next(&client) else { panic!() };
    assert!(words.contains("503"), "{words}");
    drop(fake.next_stream());
    assert!(matches!(next(&client), ClientEvent::Reconnecting { .. }));
}

#[test]
fn a_message_over_the_limit_is_refused_with_1009() {
    let fake = Fake::start();
    let client = Client::connect(ConnectionSettings { message_bytes_max: 100, ..settings(&fake) }).unwrap();
    let mut peer = fake.accept_and_link("workstation");
    peer.frame(&"x".repeat(1000), false);
    assert!(matches!(stopped(&client), Stop::Refused { code: 1009, .. }));
    assert_eq!(peer.read_close_code(), Some(1009));
}
