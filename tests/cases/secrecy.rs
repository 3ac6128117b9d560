//! What must never be written: tokens and payloads anywhere, and session ids in a log.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use relay_tests::harness::guard::GUARD;
use relay_tests::harness::http::{exchange, fetch, request};
use relay_tests::harness::redis::dump;
use relay_tests::harness::ws::{FrameSpec, Ws};
use relay_tests::harness::{Event, Options, Pair, Peer, Relay, Role, Session, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(the_log_shows_no_secret);

const TEXT: &str = "a payload that nobody else may read";
const KEY: &str = "the-key-to-register";

/// Fault 28.
fn the_log_shows_no_secret(set_up: SetUp) {
    let mut relay = Relay::start_with(set_up, &Options::new().env("RELAY_LOG", "trace"));
    let mut pair = Pair::link_v2(&relay);
    talk(&mut pair);
    fail_in_every_way(&relay, &pair.session);
    let Session { id, token } = pair.session.clone();
    let header = format!("Authorization: Bearer {token}");
    pair.session.delete_with(relay.addr(), &[&header]).expect(204);
    pair.workstation.until_closed(4410);
    pair.phone.until_closed(4410);
    for node in relay.nodes_mut() {
        node.process().signal("TERM");
        let (_, log) = node.wait_end(GUARD);
        assert!(log.contains("listening"), "this is not a log: {log}");
        for secret in [&*id, &token, TEXT, &STANDARD.encode(TEXT), &TEXT[..12], &id[..12], &token[..12]] {
            assert!(!log.contains(secret), "{secret:?} is in the log");
        }
    }
}

fn talk(pair: &mut Pair) {
    for role in Role::BOTH {
        let (sender, receiver) = pair.from(role);
        sender.text(TEXT);
        receiver.expect_text(TEXT);
        sender.binary(TEXT.as_bytes());
        receiver.expect(&Event::Binary(TEXT.into()));
        sender.fence();
    }
}

/// Secrets must stay out of the messages about errors too.
fn fail_in_every_way(relay: &Relay, session: &Session) {
    session.register_again(relay.addr()).expect(200);
    let wrong = Session { id: session.id.clone(), token: session.token.to_uppercase() + "0" };
    let cut_off = session.hello(Role::Phone).json();
    let (cut_off, _) = cut_off.split_at(cut_off.len() - 3);
    for hello in
        [wrong.hello(Role::Phone).json(), cut_off.to_owned(), session.hello(Role::Phone).json() + TEXT]
    {
        let mut ws = Ws::connect(relay.addr());
        ws.text(&hello);
        while let Ok(message) = ws.message() {
            drop(message);
        }
    }
    let mut ws = Ws::connect(relay.addr());
    // In another session, so that it takes over no role.
    ws.text(&Session::register(relay).hello(Role::Phone).instance("0123456789abcdef", 1).json());
    ws.text(TEXT);
    ws.send(&FrameSpec::text(TEXT).unmasked());
    while let Ok(message) = ws.message() {
        drop(message);
    }
    let target = format!("/{}?token={}", session.id, session.token);
    fetch(relay.addr(), &target).expect(404);
}

/// Fault 28: Tokens where they must not be.
/// Played: The logs and everything in Redis are searched.
/// Holds: Redis has only their hashes, and logs have nothing.
#[test]
fn redis_keeps_no_token_and_every_key_expires() {
    let relay = Relay::start_with(SetUp::Redis, &Options::new().env("REGISTER_KEY", KEY));
    let (url, prefix) = relay.redis().expect("a set-up with Redis");
    let register = request("POST", "/api/register", &[&format!("Authorization: Bearer {KEY}")], "{}");
    let answer = exchange(relay.addr(), register).expect(200).json();
    let session = Session { id: answer.text("sessionId").into(), token: answer.text("token").into() };
    let mut workstation = Peer::join(&relay, &session, Role::Workstation);
    let mut phone = Peer::join(&relay, &session, Role::Phone);
    workstation.expect(&Event::Joined(0));
    phone.expect(&Event::Joined(0));
    workstation.text(TEXT);
    phone.expect_text(TEXT);
    let keys = dump(url, prefix);
    assert!(keys.iter().any(|(name, ..)| name.contains(&session.id)), "no key of the session: {keys:?}");
    let raw_token: Vec<u8> =
        (0..16).map(|at| u8::from_str_radix(&session.token[2 * at..][..2], 16).unwrap()).collect();
    for (name, ttl_ms, value) in keys {
        assert!(ttl_ms > 0, "{name} never expires");
        for secret in [session.token.as_bytes(), &raw_token, TEXT.as_bytes(), KEY.as_bytes()] {
            let found = |hay: &[u8]| hay.windows(secret.len()).any(|part| part == secret);
            assert!(
                !found(name.as_bytes()) && !found(&value),
                "{name} holds {:?}",
                String::from_utf8_lossy(secret)
            );
        }
    }
}
