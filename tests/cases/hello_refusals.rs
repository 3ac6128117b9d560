//! An unknown session, a wrong token and an impossible id get the same answer.

use relay_tests::harness::guard::GUARD;
use relay_tests::harness::http::{exchange, request};
use relay_tests::harness::json::Object;
use relay_tests::harness::random::Random;
use relay_tests::harness::redis::{Keep, Redis, connect, dump};
use relay_tests::harness::wire::Wire;
use relay_tests::harness::ws::{FrameSpec, Message, Ws};
use relay_tests::harness::{Bystander, Options, Pair, Relay, Relayd, Role, Session, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(
    all_wrong_credentials_get_one_answer,
    thousands_of_guesses_get_one_answer,
    impossible_ids_leave_no_trace,
    a_phones_token_is_checked_even_if_the_workstation_is_connected,
);

/// What a version 2 client is told: the error's text before the close, the code and the reason.
fn refusal(relay: &Relay, session: &Session) -> (String, String, u16, String) {
    let mut ws = Ws::connect(relay.addr());
    ws.text(&session.hello(Role::Phone).v2().json());
    let message = ws.message();
    let Ok(Message::Text(text)) = message else { panic!("{message:?} instead of an error") };
    let error = Object::parse(&text);
    assert_eq!(error.names(), ["code", "message", "type"]);
    assert_eq!(error.text("type"), "error");
    let close = ws.message();
    let Ok(Message::Close(code, reason)) = close else { panic!("{close:?} instead of a Close") };
    ws.expect_eof();
    (error.text("code").to_owned(), error.text("message").to_owned(), code, reason)
}

/// Fault 27: Guessed ids and tokens.
/// Played: Wrong, unknown, malformed. 2,000 from an address without a limit. More than the limit per minute.
/// Holds: All get one answer. Past the limit, 4429 for that address alone (for IPv6, that network). Right
/// hellos from it still pass.
fn all_wrong_credentials_get_one_answer(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    let session = Session::register(&relay);
    let unknown = Session { id: "0".repeat(32), ..session.clone() };
    let expected = refusal(&relay, &unknown);
    assert_eq!(expected.2, 4401);
    for (id, token) in bad_ids(&session) {
        assert_eq!(refusal(&relay, &Session { id, token }), expected);
    }
    session.delete(relay.addr()).expect(204);
    assert_eq!(refusal(&relay, &session), expected, "a deleted session is an unknown one");
    // Version 1 gets the close alone.
    let mut ws = Ws::connect(relay.addr());
    ws.text(&unknown.hello(Role::Phone).json());
    assert_eq!(ws.expect_close(4401), expected.3);
    bystander.done();
}

/// From this machine, which has no limit.
///
/// Fault 27.
fn thousands_of_guesses_get_one_answer(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    let mut pair = Pair::link(&relay);
    let mut random = Random::new(27);
    let mut hex = || format!("{:016x}{:016x}", random.any(), random.any());
    let expected = refusal(&relay, &Session { id: hex(), token: hex() });
    assert_eq!(expected.2, 4401);
    for guess in 0..2000 {
        // Every second one has a right id.
        let id = if guess % 2 == 0 { pair.session.id.clone() } else { hex() };
        assert_eq!(refusal(&relay, &Session { id, token: hex() }), expected);
    }
    pair.expect_alive();
    bystander.done();
}

fn bad_ids(session: &Session) -> Vec<(String, String)> {
    let Session { id, token } = session;
    let wrong_tokens = ["0".repeat(32), id.clone(), token.to_uppercase(), String::new(), format!("{token}0")];
    let wrong_ids = [
        String::new(),
        id[1..].to_owned(),
        format!("{id}\r\n"),
        format!("{}\0", &id[1..]),
        format!("*{}", &id[1..]),
        format!(" {}", &id[1..]),
        "../../etc/passwd".to_owned(),
        "é".repeat(16),
        "a".repeat(3000),
    ];
    let with_token = wrong_ids.into_iter().map(|wrong| (wrong, token.clone()));
    // A token of digits only equals its upper case, so that is not a wrong token.
    let wrong_tokens = wrong_tokens.into_iter().filter(|wrong| wrong != token);
    wrong_tokens.map(|wrong| (id.clone(), wrong)).chain(with_token).collect()
}

/// Fault 32: Impossible ids.
/// Played: CR LF, NUL, `*`, 4,000 bytes, in JSON and in a URL.
/// Holds: They are refused before they reach Redis (seen with `MONITOR`) or a log.
fn impossible_ids_leave_no_trace(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    let session = Session::register(&relay);
    let before = key_names(&relay);
    for (id, token) in bad_ids(&session) {
        refusal(&relay, &Session { id, token });
    }
    assert_eq!(key_names(&relay), before);
    // An id of a megabyte is refused for its length, raw control characters by JSON's rules.
    let mut ws = Ws::connect(relay.addr());
    let huge = Session { id: "a".repeat(1 << 20), token: session.token.clone() };
    let _ = ws.wire().try_send(&FrameSpec::text(&huge.hello(Role::Phone).json()).encode());
    ws.expect_close(1009);
    for raw in ["\r\n", "\0"] {
        let mut ws = Ws::connect(relay.addr());
        ws.text(
            &session.hello(Role::Phone).json().replace(&session.id, &format!("{raw}{}", &session.id[2..])),
        );
        ws.expect_close(4400);
    }
    bystander.done();
}

/// Impossible ids reach neither Redis nor the log.
///
/// Fault 32.
#[test]
fn impossible_ids_reach_neither_redis_nor_a_log() {
    let redis = Redis::start(Keep::Nothing);
    let options = Options::new().env("REDIS_URL", &redis.url()).env("RELAY_LOG", "trace");
    let mut relay = Relay::of(vec![Relayd::start_ready(&options)]);
    let session = Session::register(&relay);
    let mut monitor = Monitor::start(&redis);
    let bad: Vec<Session> = bad_ids(&session).into_iter().map(|(id, token)| Session { id, token }).collect();
    let bad: Vec<Session> = bad.into_iter().filter(|bad| bad.id != session.id).collect();
    for bad in &bad {
        refusal(&relay, bad);
        let id: String = bad.id.bytes().map(in_url).collect();
        exchange(relay.addr(), request("DELETE", &format!("/api/session/{id}"), &[], "")).expect(404);
    }
    let unknown = Session { id: "9".repeat(32), ..session.clone() };
    refusal(&relay, &unknown);
    let said = monitor.until("the end of what was said");
    assert!(said.contains(&unknown.id), "what is asked of Redis would be seen: {said}");
    relay.node().process().signal("TERM");
    let (_, log) = relay.first().wait_end(GUARD);
    assert!(log.contains("closing"), "refusals are logged: {log}");
    // The part that all spellings of the known id share: all but its first and last digits.
    for trace in [&session.id[1..31], "passwd", "aaaaaaaa", "\\xc3\\xa9", "%c3%a9", "é"] {
        assert!(!said.contains(trace), "{trace:?} was said to Redis: {said}");
        assert!(!log.contains(trace), "{trace:?} is in the log: {log}");
    }
}

fn in_url(byte: u8) -> String {
    if byte.is_ascii_graphic() { char::from(byte).to_string() } else { format!("%{byte:02x}") }
}

/// Sees every command that a Redis gets.
struct Monitor {
    redis: String,
    wire: Wire,
}

impl Monitor {
    fn start(redis: &Redis) -> Self {
        let mut wire = Wire::connect(([127, 0, 0, 1], redis.port()).into());
        wire.send(b"MONITOR\r\n");
        wire.fill("the answer to MONITOR").unwrap();
        Self { redis: redis.url(), wire }
    }

    /// Everything so far, up to this word.
    fn until(&mut self, word: &str) -> String {
        ::redis::cmd("ECHO").arg(word).exec(&mut connect(&self.redis)).unwrap();
        loop {
            let said = String::from_utf8_lossy(self.wire.pending());
            if said.contains(word) {
                return said.into_owned();
            }
            self.wire.fill("the last command").unwrap();
        }
    }
}

fn key_names(relay: &Relay) -> Vec<String> {
    let keys = relay.redis().map(|(url, prefix)| dump(url, prefix)).unwrap_or_default();
    let mut names: Vec<String> = keys.into_iter().map(|(name, ..)| name).collect();
    names.sort();
    names
}

fn a_phones_token_is_checked_even_if_the_workstation_is_connected(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let mut pair = Pair::link(&relay);
    let other = Session::register(&relay);
    let crossed = Session { id: pair.session.id.clone(), token: other.token };
    assert_eq!(refusal(&relay, &crossed).2, 4401);
    // No client was disturbed by the attempt.
    pair.workstation.fence();
    pair.phone.fence();
    pair.expect_alive();
}
