//! The life of a pair against a relay that gives every wrong answer at every step: what the client does and
//! says.
//!
//! A row is a step and an answer; its two columns are a client at its first contact, and one that has met its
//! relay before. Whatever is tried again gets in as soon as the relay answers rightly: no state is without an
//! exit.

mod fake;

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use fake::{Fake, ID, Peer};
use protocol::ids::Role;
use protocol::qr::Pairing;
use relay_client::engine::{self, Engine, Keeper};
use relay_client::{Client, ClientEvent, ConnectionSettings};
use tungstenite::Message;

/// Only a broken client takes longer.
const LIMIT: Duration = Duration::from_secs(60);
/// A retry after a longer wait is not waited for; the tables of the pure machine have them.
const SHORT: Duration = Duration::from_secs(3);

/// What the relay, or somebody else at its address, does.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// To the upgrade.
    HangUp,
    Silence,
    Http(&'static str),
    /// To the hello.
    Hello(Word),
    /// Behind the hello's answer and the link.
    Linked(Word),
}

#[derive(Clone, Copy, Debug)]
enum Word {
    HangUp,
    Silence,
    Text(&'static str),
    Raw(&'static [u8]),
    Close(u16),
    Killed(&'static str),
    Replaced(bool),
}

/// The answer, what comes of it at the first contact, and what of a relay that was met. "again" or "stopped",
/// and words.
type Row = (Answer, [&'static str; 2], [&'static str; 2]);

const ODD: &str = "where a WebSocket was expected";

fn rows() -> Vec<Row> {
    use Answer::{HangUp, Hello, Http, Linked, Silence};
    use Word::{Close, Killed, Raw, Replaced, Text};
    let same = |answer, outcome| (answer, outcome, outcome);
    let odd = |answer, words| (answer, ["stopped", words], ["again", words]);
    // Nothing follows a link at the first contact: the client has met its relay by then.
    vec![
        same(HangUp, ["again", "ws://127.0.0.1:"]),
        same(Silence, ["again", "no connection in 6 s"]),
        odd(Http("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), ODD),
        odd(
            Http(
                "HTTP/1.1 403 Forbidden\r\nContent-Length: 60\r\n\r\n{\"error\":\"origin_not_allowed\",\"message\":\"not from this page\"}",
            ),
            "answered 403 Forbidden where a WebSocket was expected: not from this page",
        ),
        odd(Http("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"), "answered 401"),
        odd(Http("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), "answered 400"),
        odd(Http("HTTP/1.1 301 Moved\r\nLocation: https://h/ws\r\n\r\n"), "sends us to https://h/ws"),
        odd(Http("HTTP/1.1 302 Found\r\nLocation: http://portal/\r\n\r\n"), "sends us to http://portal/"),
        odd(Http("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"), "answered 200 OK"),
        odd(Http("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n"), "answered 426"),
        odd(Http("SSH-2.0-OpenSSH_9.9\r\n\r\n"), "did not answer as a WebSocket server"),
        odd(Http("\x15\x03\x01\x00\x02\x02\x46\r\n\r\n"), "did not answer as a WebSocket server"),
        odd(
            Http(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
            ),
            "did not answer as a WebSocket server",
        ),
        same(Http("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"), ["again", "answered 502"]),
        same(
            Http("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"),
            ["again", "answered 503"],
        ),
        same(Http("HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"), ["again", "answered 429"]),
        same(Http("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"), ["again", "answered 408"]),
        same(Hello(Word::HangUp), ["again", "the connection broke"]),
        same(Hello(Word::Silence), ["again", "did not answer the hello in 10 s"]),
        odd(Hello(Text("hello yourself")), "the server sent an unknown message"),
        odd(Hello(Text("[1]")), "the server sent an unknown message"),
        odd(
            Hello(Raw(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")),
            "the answer could not be read",
        ),
        odd(Hello(Raw(PAGE)), "the answer could not be read"),
        odd(Hello(Raw(b"\x81\x02\xff\xff")), "the answer could not be read"),
        // A length that nobody sends.
        odd(Hello(Raw(b"\x82\x7f\x0f\xff\xff\xff\xff\xff\xff\xff")), "the answer could not be read"),
        same(Hello(Close(1000)), ["again", "1000 normal"]),
        same(Hello(Close(1001)), ["again", "1001 going_away"]),
        same(Hello(Close(1002)), ["stopped", "the relay refused (1002)"]),
        same(Hello(Close(1007)), ["stopped", "the relay refused (1007)"]),
        same(Hello(Close(1009)), ["stopped", "the relay refused (1009)"]),
        same(Hello(Close(1011)), ["again", "1011 internal"]),
        same(Hello(Close(1013)), ["again", "1013 try_later"]),
        same(Hello(Close(4400)), ["stopped", "the relay refused (4400)"]),
        (
            Hello(Close(4401)),
            ["stopped", "the relay refused (4401)"],
            ["again", "the workstation has been away since "],
        ),
        same(Hello(Close(4408)), ["again", "4408 timed_out"]),
        same(Hello(Close(4409)), ["stopped", "another program uses this pair"]),
        same(Hello(Replaced(true)), ["again", "4409 replaced"]),
        (
            Hello(Close(4410)),
            ["stopped", "the session was ended"],
            ["again", "the workstation has been away since "],
        ),
        same(Hello(Killed("deleted")), ["stopped", "the session was deleted"]),
        (
            Hello(Killed("expired")),
            ["stopped", "not used for too long"],
            ["again", "the workstation has been away since "],
        ),
        same(Hello(Close(4429)), ["again", "4429 too_many"]),
        same(Hello(Close(4999)), ["again", "4999"]),
        same(Linked(Word::HangUp), ["again", "the connection broke"]),
        same(Linked(Text("hello yourself")), ["again", "the server sent an unknown message"]),
        same(Linked(Raw(PAGE)), ["again", "the answer could not be read"]),
        same(Linked(Close(1001)), ["again", "1001 going_away"]),
        same(Linked(Close(4400)), ["stopped", "the relay refused (4400)"]),
        same(Linked(Close(4401)), ["again", "the workstation has been away since "]),
        same(Linked(Replaced(false)), ["stopped", "another program uses this pair"]),
        same(Linked(Killed("deleted")), ["stopped", "the session was deleted"]),
        same(Linked(Killed("expired")), ["again", "the workstation has been away since "]),
    ]
}

/// What a portal answers to bytes that it does not know.
const PAGE: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nContent-Length: 40\r\n\r\n\
    <html><body>please sign in</body></html>";

const ACK: &str = r#"{"type":"hello-ack","sessionId":"x","peer":false,"hb":30,"maxMessage":16777216}"#;

/// Gives one connection this answer, and keeps it open as long as the client does.
fn give(fake: &Fake, answer: Answer) {
    match answer {
        Answer::HangUp => drop(fake.next_stream()),
        Answer::Silence => outlive(fake.next_stream()),
        Answer::Http(text) => answer_http(fake.next_stream(), text),
        Answer::Hello(word) => {
            let mut peer = fake.accept();
            peer.text();
            say(peer, word);
        }
        Answer::Linked(word) => say(fake.accept_and_link("workstation"), word),
    }
}

fn say(mut peer: Peer, word: Word) {
    match word {
        Word::HangUp => return,
        Word::Silence => {}
        Word::Text(text) => peer.say(text),
        Word::Raw(bytes) => peer.socket.get_mut().write_all(bytes).unwrap(),
        Word::Close(code) => peer.close(code),
        Word::Killed(reason) => {
            peer.say(&format!(r#"{{"type":"session-killed","reason":"{reason}"}}"#));
            peer.close(4410);
        }
        Word::Replaced(same) => {
            peer.say(&format!(r#"{{"type":"replaced","same":{same}}}"#));
            peer.close(4409);
        }
    }
    thread::spawn(|| peer.read_to_end());
}

/// Reads the head, writes `text`, and waits for the client to leave.
fn answer_http(stream: TcpStream, text: &str) {
    let mut lines = BufReader::new(&stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && lines.read_line(&mut head).unwrap() > 0 {}
    // A body, if there is one, is of no interest.
    (&stream).write_all(text.as_bytes()).unwrap();
    let _ = stream.shutdown(Shutdown::Write);
    outlive(stream);
}

fn outlive(mut stream: TcpStream) {
    thread::spawn(move || io::copy(&mut stream, &mut io::sink()));
}

fn connect(fake: &Fake) -> Client {
    let pairing = Pairing::parse(&fake.pairing()).unwrap();
    Client::connect(ConnectionSettings::new(&pairing, Role::Phone).unwrap()).unwrap()
}

/// The outcome of an answer: how it ends, its words, and after which wait it is tried again.
fn outcome(client: &Client) -> (&'static str, String, Duration) {
    loop {
        match client.next_event(LIMIT).expect("an event") {
            ClientEvent::Stopped { why, .. } => return ("stopped", why.to_string(), Duration::MAX),
            ClientEvent::Reconnecting { why, after } => return ("again", why.to_string(), after),
            ClientEvent::Connected | ClientEvent::Joined { .. } | ClientEvent::Left { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Plays a row at the first contact or later; what is wrong about it.
fn play((answer, first, later): Row, was_met: bool) -> Option<String> {
    let fake = Fake::start();
    let client = connect(&fake);
    if was_met {
        drop(fake.accept_and_link("workstation"));
        assert_eq!(outcome(&client).0, "again");
    }
    give(&fake, answer);
    let (does, says, after) = outcome(&client);
    let expected = if was_met { later } else { first };
    if does != expected[0] || !says.contains(expected[1]) {
        return Some(format!("{answer:?}, was met: {was_met}: {does}: {says}"));
    }
    if does == "again" && after < SHORT {
        let _peer = fake.accept_and_link("workstation");
        assert_eq!(client.next_event(LIMIT), Some(ClientEvent::Connected), "{answer:?}");
    }
    None
}

/// Fault 63.
#[test]
fn every_answer_at_every_step_has_its_outcome_and_its_words() {
    let wrong: Vec<String> = thread::scope(|scope| {
        let rows = rows().into_iter().flat_map(|row| [false, true].map(|was_met| (row, was_met)));
        let played: Vec<_> = rows.map(|(row, was_met)| scope.spawn(move || play(row, was_met))).collect();
        played.into_iter().filter_map(|row| row.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A secret store that has kept the pair of this role.
struct Kept(Role);

impl Keeper for Kept {
    fn load(&mut self) -> io::Result<Option<zeroize::Zeroizing<String>>> {
        // The address is another one's; the settings name the right one.
        let (role, key) = (self.0, "BQUF".repeat(10) + "BQU");
        Ok(Some(zeroize::Zeroizing::new(format!(
            r#"{{"u":"ws://h/ws","role":"{role}","s":"{ID}","t":"{ID}","k":"{key}","welcomed":"yes","name":"x"}}"#
        ))))
    }

    fn store(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn forget(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An engine that goes on with a kept pair, and has found nobody yet.
fn resumed(fake: &Fake, role: Role) -> Engine {
    let endpoint = relay_client::Endpoint::parse_ws(&fake.ws_url()).unwrap();
    let settings = engine::EngineSettings { endpoint: Some(endpoint), ..engine::EngineSettings::new(role) };
    Engine::resume(&settings, Box::new(Kept(role))).unwrap()
}

fn engine_outcome(engine: &Engine) -> (&'static str, String) {
    loop {
        match engine.next_events(1, LIMIT).pop().expect("an event") {
            engine::EngineEvent::Stopped { why, .. } => return ("stopped", why.to_string()),
            engine::EngineEvent::Reconnecting { why, .. } => return ("again", why.to_string()),
            _ => {}
        }
    }
}

fn refusal(status: &str, code: &str, message: &str) -> String {
    let body = format!(r#"{{"error":"{code}","message":"{message}"}}"#);
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// What a register is answered, and what comes of it on a phone and on a desk.
fn registers() -> Vec<(String, [&'static str; 2], [&'static str; 2])> {
    let away = "the workstation has been away since ";
    let same = |answer, desk| (answer, ["again", away], ["again", desk]);
    let empty = |status: &str| format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
    let deleted = refusal("409 Conflict", "session_deleted", "this session was deleted");
    vec![
        same(
            refusal("401 Unauthorized", "register_key_required", "send the key"),
            "refused: send the key (401)",
        ),
        same(refusal("403 Forbidden", "x", "not from here"), "refused: not from here (403)"),
        same(refusal("409 Conflict", "session_exists", "it has another token"), "it has another token (409)"),
        (
            deleted,
            ["stopped", "removed at the workstation, or so the relay says"],
            ["stopped", "removed at the phone, or so"],
        ),
        same(empty("404 Not Found"), "(404)"),
        same(empty("302 Found"), "(302)"),
        same(refusal("429 Too Many Requests", "x", "wait"), "refused: wait (429)"),
        same(refusal("503 Service Unavailable", "store_away", "later"), "refused: later (503)"),
        same("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>".into(), "does not answer like a relay"),
        same("SSH-2.0-OpenSSH_9.9\r\n\r\n".into(), "does not answer like a relay"),
        same(String::new(), "does not answer like a relay"),
    ]
}

/// Fault 63.
#[test]
fn a_register_of_a_kept_pair_is_made_again_until_the_session_is_there_or_was_deleted() {
    let check = |role, answer: &str, expected: [&str; 2]| {
        let fake = Fake::start();
        let engine = resumed(&fake, role);
        give(&fake, Answer::Hello(Word::Close(4401)));
        answer_http(fake.next_stream(), answer);
        let (does, says) = engine_outcome(&engine);
        assert!(does == expected[0] && says.contains(expected[1]), "{role}, {answer:?}: {does}: {says}");
        if does == "again" {
            // In the morning the user looks, and the desk is there.
            engine.retry_now();
            let _peer = fake.accept_and_link("workstation");
            let connected = engine.next_events(1, LIMIT).pop();
            assert_eq!(connected, Some(engine::EngineEvent::Connected), "{role}, {answer:?}");
        }
    };
    thread::scope(|scope| {
        for (answer, phone, desk) in registers() {
            for (role, expected) in [(Role::Phone, phone), (Role::Workstation, desk)] {
                let answer = answer.clone();
                scope.spawn(move || check(role, &answer, expected));
            }
        }
    });
}

#[test]
fn a_register_that_succeeds_and_is_not_known_is_told_and_not_hammered() {
    let fake = Fake::start();
    let engine = resumed(&fake, Role::Phone);
    give(&fake, Answer::Hello(Word::Close(4401)));
    fake.answer_register(&fake.ws_url());
    give(&fake, Answer::Hello(Word::Close(4401)));
    let (does, says) = engine_outcome(&engine);
    assert!(does == "again" && says.contains("several relays without a common Redis"), "{does}: {says}");
    let mut peer = fake.accept();
    peer.text();
    peer.say(ACK);
    assert_eq!(engine.next_events(1, LIMIT).pop(), Some(engine::EngineEvent::Connected));
    assert!(matches!(peer.socket.send(Message::Ping(vec![1].into())), Ok(())));
}

#[test]
fn a_kept_pair_stops_for_no_odd_answer_even_at_its_first_contact() {
    for answer in [
        Answer::Http("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        Answer::Http("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"),
        // An upgrade that grants no raw mode.
        Answer::Http("SSH-2.0-OpenSSH_9.9\r\n\r\n"),
        Answer::Hello(Word::Text("hello yourself")),
        Answer::Hello(Word::Raw(b"\x82\x7f\x0f\xff\xff\xff\xff\xff\xff\xff")),
        Answer::Linked(Word::Raw(b"\x82\x7f\x00\xff\xff\xff\xff\xff\xff\xff")),
    ] {
        let fake = Fake::start();
        let engine = resumed(&fake, Role::Phone);
        give(&fake, answer);
        let (does, says) = engine_outcome(&engine);
        assert_eq!(does, "again", "{answer:?}: {says}");
        engine.retry_now();
        let _peer = fake.accept_and_link("workstation");
        let connected = engine.next_events(1, LIMIT).pop();
        assert_eq!(connected, Some(engine::EngineEvent::Connected), "{answer:?}");
    }
}

#[test]
fn a_hundred_and_one_without_the_subprotocol_is_an_odd_answer_too() {
    let fake = Fake::start();
    let engine = resumed(&fake, Role::Phone);
    drop(tungstenite::accept(fake.next_stream()).unwrap());
    let (does, says) = engine_outcome(&engine);
    assert!(does == "again" && says.contains("does not offer relay.raw.v1"), "{does}: {says}");
    let _peer = fake.accept_and_link("workstation");
    assert_eq!(engine.next_events(1, LIMIT).pop(), Some(engine::EngineEvent::Connected));
}
