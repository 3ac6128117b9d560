//! Unknown session, wrong token, ids that can't be: told apart to nobody.

use relay_tests::harness::json::Object;
use relay_tests::harness::redis::dump;
use relay_tests::harness::ws::{FrameSpec, Message, Ws};
use relay_tests::harness::{Bystander, Pair, Relay, Role, Session, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(
    one_answer_for_all_of_them,
    ids_that_cant_be_valid_leave_no_trace,
    a_phones_token_is_checked_even_where_the_workstation_is_there,
);

/// What a version 2 client is told before and with the close: the error's words, the code and the reason.
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

fn one_answer_for_all_of_them(set_up: SetUp) {
    let relay = Relay::start(set_up);
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
    // An all-digit token equals its upper case; then that one is no wrong token.
    let wrong_tokens = wrong_tokens.into_iter().filter(|wrong| wrong != token);
    wrong_tokens.map(|wrong| (id.clone(), wrong)).chain(with_token).collect()
}

fn ids_that_cant_be_valid_leave_no_trace(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    let session = Session::register(&relay);
    let before = key_names(&relay);
    for (id, token) in bad_ids(&session) {
        refusal(&relay, &Session { id, token });
    }
    assert_eq!(key_names(&relay), before);
    // A whole megabyte of id is refused by its length, raw control characters by the JSON's rules.
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

fn key_names(relay: &Relay) -> Vec<String> {
    let keys = relay.redis().map(|(url, prefix)| dump(url, prefix)).unwrap_or_default();
    let mut names: Vec<String> = keys.into_iter().map(|(name, ..)| name).collect();
    names.sort();
    names
}

fn a_phones_token_is_checked_even_where_the_workstation_is_there(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let mut pair = Pair::link(&relay);
    let other = Session::register(&relay);
    let crossed = Session { id: pair.session.id.clone(), token: other.token };
    assert_eq!(refusal(&relay, &crossed).2, 4401);
    // Nobody was disturbed by the attempt.
    pair.workstation.fence();
    pair.phone.fence();
    pair.expect_alive();
}
