//! `DELETE /api/session/:id` ends a session for all clients, at once and for good.

use relay_tests::harness::http::{Http, exchange, request};
use relay_tests::harness::ws::{Message, Ws};
use relay_tests::harness::{Bystander, Event, Options, Pair, Relay, Role, Session, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(
    both_are_told_and_closed,
    a_session_without_connections_is_deleted_too,
    an_unknown_or_ended_session_is_not_found,
    a_given_token_must_match,
    the_token_can_be_required,
    a_delete_that_races_a_hello_leaves_no_connection,
);

/// Fault 30.
fn both_are_told_and_closed(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    // At any node: that of either end, or one that has neither.
    for node in relay.nodes() {
        let mut pair = Pair::link(&relay);
        pair.workstation.text("before");
        pair.phone.expect_text("before");
        let response = pair.session.delete(node.addr()).expect(204);
        assert!(response.body.is_empty());
        for peer in [&mut pair.workstation, &mut pair.phone] {
            // The peer's end may be told as well, before the session's.
            let events = peer.until_closed(4410);
            let killed = Event::Killed("deleted".to_owned());
            assert!(events == [killed.clone()] || events == [Event::Left, killed], "{events:?}");
        }
        for node in relay.nodes() {
            pair.session.delete(node.addr()).expect(404);
        }
        for role in Role::BOTH {
            let mut ws = Ws::connect(relay.next_addr(&pair.session, role));
            ws.text(&pair.session.hello(role).json());
            ws.expect_close(4401);
        }
    }
    bystander.done();
}

fn a_session_without_connections_is_deleted_too(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let session = Session::register(&relay);
    session.delete(relay.addr()).expect(204);
    session.delete(relay.addr()).expect(404);
    let mut ws = Ws::connect(relay.addr());
    ws.text(&session.hello(Role::Workstation).json());
    ws.expect_close(4401);
}

/// Fault 32.
fn an_unknown_or_ended_session_is_not_found(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let session = Session::register(&relay);
    let upper = session.id.to_uppercase();
    let unlike = if upper == session.id { "0".repeat(32) } else { upper };
    for id in [
        "0".repeat(32),
        unlike,
        session.id[1..].to_owned(),
        format!("{}0", session.id),
        format!("{}%0d%0a", session.id),
        format!("{}%00", session.id),
        "*".to_owned(),
        "%2e%2e%2f".to_owned(),
        "..".to_owned(),
        String::new(),
        "x".repeat(4000),
        format!("{}/", session.id),
    ] {
        exchange(relay.addr(), request("DELETE", &format!("/api/session/{id}"), &[], "")).expect(404);
    }
    session.delete(relay.addr()).expect(204);
}

fn a_given_token_must_match(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let mut pair = Pair::link(&relay);
    let other = Session::register(&relay);
    for wrong in [&*other.token, "x", "", &pair.session.token[1..], &pair.session.id] {
        let header = format!("Authorization: Bearer {wrong}");
        pair.session.delete_with(relay.addr(), &[&header]).expect(404);
    }
    pair.expect_alive();
    let header = format!("Authorization: Bearer {}", pair.session.token);
    pair.session.delete_with(relay.addr(), &[&header]).expect(204);
    pair.phone.until_closed(4410);
}

fn the_token_can_be_required(set_up: SetUp) {
    let relay = Relay::start_with(set_up, &Options::new().flag("--delete-needs-token"));
    let mut pair = Pair::link(&relay);
    let refused = pair.session.delete(relay.addr());
    assert!(matches!(refused.status, 401 | 404), "{refused:?}");
    pair.expect_alive();
    let header = format!("Authorization: Bearer {}", pair.session.token);
    pair.session.delete_with(relay.addr(), &[&header]).expect(204);
    pair.workstation.until_closed(4410);
}

/// Fault 26.
fn a_delete_that_races_a_hello_leaves_no_connection(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    for _ in 0..50 {
        let session = Session::register(&relay);
        // With several nodes, the two requests go to different ones.
        let mut ws = Ws::connect(relay.next_addr(&session, Role::Phone));
        let mut http = Http::connect(relay.addr());
        ws.text(&session.hello(Role::Phone).json());
        http.send(request("DELETE", &format!("/api/session/{}", session.id), &[], ""));
        http.response().expect(204);
        // It is refused, or let in and then closed. No connection stays in a deleted session.
        let code = loop {
            match ws.message() {
                Ok(Message::Close(code, _)) => break code,
                Ok(Message::Text(_)) => {}
                other => panic!("{other:?}"),
            }
        };
        assert!(matches!(code, 4401 | 4410), "{code}");
    }
    bystander.done();
}
