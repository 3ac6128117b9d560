//! `POST /api/register`: what it answers, and the same credentials again.

use relay_tests::harness::http::{exchange, post, request};
use relay_tests::harness::json::Object;
use relay_tests::harness::{Event, Options, Pair, Peer, Relay, Role, Session, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(
    the_answer_has_every_field,
    the_service_is_named_as_configured,
    a_live_session_can_be_registered_again_only_with_its_token,
    a_deleted_session_cannot_be_registered_again,
    an_unknown_session_is_made_from_well_formed_ids,
    malformed_bodies_are_refused,
    the_register_key_is_required,
);

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn the_answer_has_every_field(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let response = post(relay.addr(), "/api/register", "").expect(200);
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let answer = response.json();
    assert_eq!(answer.names(), ["qrDataUrl", "qrPayload", "sessionId", "token", "ttl", "ws"]);
    assert!(is_id(answer.text("sessionId")) && is_id(answer.text("token")));
    assert_ne!(answer.text("sessionId"), answer.text("token"));
    assert_eq!(answer.text("ws"), format!("ws://localhost:{}/ws", relay.addr().port()));
    assert_eq!(answer.number("ttl"), 7200);
    assert!(answer.text("qrDataUrl").starts_with("data:image/png;base64,"));
    let payload = answer.object("qrPayload");
    assert_eq!(payload.names(), ["s", "t", "u"]);
    assert_eq!(payload.text("u"), answer.text("ws"));
    assert_eq!(payload.text("s"), answer.text("sessionId"));
    assert_eq!(payload.text("t"), answer.text("token"));
    assert_ne!(Session::register(&relay), Session::register(&relay));
}

fn the_service_is_named_as_configured(set_up: SetUp) {
    let url = "wss://relay.example/a/ws";
    let options = Options::new().env("PUBLIC_WS_URL", url).env("SESSION_IDLE_SECS", "77");
    let relay = Relay::start_with(set_up, &options);
    let answer = post(relay.addr(), "/api/register", "").expect(200).json();
    assert_eq!((answer.text("ws"), answer.object("qrPayload").text("u")), (url, url));
    assert_eq!(answer.number("ttl"), 77);
}

fn a_live_session_can_be_registered_again_only_with_its_token(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let mut pair = Pair::link(&relay);
    let answer = pair.session.register_again(relay.addr()).expect(200).json();
    assert_eq!(answer.text("sessionId"), pair.session.id);
    assert_eq!(answer.text("token"), pair.session.token);
    let thief = Session { id: pair.session.id.clone(), token: Session::register(&relay).token };
    thief.register_again(relay.addr()).expect(409);
    pair.expect_alive();
}

fn a_deleted_session_cannot_be_registered_again(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let session = Session::register(&relay);
    session.delete(relay.addr()).expect(204);
    session.register_again(relay.addr()).expect(409);
    session.register_again(relay.addr()).expect(409);
}

fn an_unknown_session_is_made_from_well_formed_ids(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let session = Session { id: "0123456789abcdef".repeat(2), token: "fedcba9876543210".repeat(2) };
    let answer = session.register_again(relay.addr()).expect(200).json();
    assert_eq!(answer.object("qrPayload").text("t"), session.token);
    let mut workstation = Peer::join(&relay, &session, Role::Workstation);
    let mut phone = Peer::join(&relay, &session, Role::Phone);
    workstation.expect(&Event::Joined(0));
    phone.expect(&Event::Joined(0));
}

fn malformed_bodies_are_refused(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let id = "0123456789abcdef".repeat(2);
    for body in [
        "nonsense".to_owned(),
        "{".to_owned(),
        "[".repeat(1000),
        format!(r#"{{"sessionId":"{id}"}}"#),
        format!(r#"{{"token":"{id}"}}"#),
        format!(r#"{{"sessionId":"{id}","token":7}}"#),
        format!(r#"{{"sessionId":"{id}","token":"{}"}}"#, id.to_uppercase()),
        format!(r#"{{"sessionId":"{id}","token":"{}"}}"#, &id[1..]),
        format!(r#"{{"sessionId":"{}*\r\n","token":"{id}"}}"#, &id[3..]),
    ] {
        post(relay.addr(), "/api/register", &body).expect(400);
    }
    // An empty object asks for a new session.
    post(relay.addr(), "/api/register", "{}").expect(200);
}

fn the_register_key_is_required(set_up: SetUp) {
    let relay = Relay::start_with(set_up, &Options::new().env("REGISTER_KEY", "let-me-in"));
    let with = |headers: &[&str]| exchange(relay.addr(), request("POST", "/api/register", headers, ""));
    with(&[]).expect(401);
    for wrong in ["Bearer let-me", "Bearer let-me-in2", "Basic let-me-in", "let-me-in", "Bearer"] {
        with(&[&format!("Authorization: {wrong}")]).expect(401);
    }
    let answer: Object = with(&["Authorization: Bearer let-me-in"]).expect(200).json();
    // Joining and ending a session need only its token.
    let session = Session { id: answer.text("sessionId").into(), token: answer.text("token").into() };
    Peer::join(&relay, &session, Role::Phone).leave();
    session.delete(relay.addr()).expect(204);
}
