//! Registering and deleting against an HTTP server that answers what the test tells it.

mod fake;

use std::thread;

use fake::{Fake, ID};
use protocol::ids::{SessionId, Token};
use relay_client::Endpoint;
use relay_client::http::{HttpError, delete, register};

fn answered<T: Send>(answer: &str, ask: impl FnOnce(&Endpoint) -> T + Send) -> (T, String) {
    let fake = Fake::start();
    let server = Endpoint::parse_http(&fake.http_url()).unwrap();
    thread::scope(|scope| {
        let asked = scope.spawn(|| ask(&server));
        let head = fake.answer_http(answer);
        (asked.join().unwrap(), head)
    })
}

#[test]
fn a_registration_sends_its_key_and_reads_the_session() {
    let fake = Fake::start();
    let server = Endpoint::parse_http(&fake.http_url()).unwrap();
    let asked = thread::spawn(move || register(&server, Some("k3y")));
    let head = fake.answer_register("ws://h/ws");
    assert!(head.starts_with("POST /api/register HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nAuthorization: Bearer k3y\r\n"), "{head}");
    let registration = asked.join().unwrap().unwrap();
    assert_eq!(registration.pairing.session.to_string(), ID);
    assert_eq!(registration.pairing.ws, "ws://h/ws");
}

#[test]
fn refusals_and_strangers_have_their_own_words() {
    let body = r#"{"error":"unauthorized","message":"send the key"}"#;
    let refused = format!("HTTP/1.1 401 Unauthorized\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let (answer, head) = answered(&refused, |server| register(server, None));
    assert!(!head.contains("Authorization"));
    assert!(matches!(answer, Err(HttpError::Refused { status: 401, .. })));

    let (answer, _) =
        answered("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", |server| register(server, None));
    assert!(matches!(answer, Err(HttpError::NotARelay { .. })));

    let (answer, _) = answered("220 mail ESMTP\r\n", |server| register(server, None));
    assert!(matches!(answer, Err(HttpError::NotARelay { .. })));

    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(100_000));
    let (answer, _) = answered(&endless, |server| register(server, None));
    assert!(matches!(answer, Err(HttpError::NotARelay { .. })));

    let (answer, _) =
        answered("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\ncut", |server| register(server, None));
    assert!(matches!(answer, Err(HttpError::NotARelay { .. })));
}

#[test]
fn a_deletion_says_whether_there_was_a_session() {
    let (session, token) = (SessionId::parse(ID).unwrap(), Token::parse(ID).unwrap());
    let ask = |server: &Endpoint| delete(server, session, &token);
    let (answer, head) = answered("HTTP/1.1 204 No Content\r\n\r\n", ask);
    assert!(head.starts_with(&format!("DELETE /api/session/{ID} HTTP/1.1\r\n")), "{head}");
    assert_eq!(answer, Ok(true));
    let (answer, _) = answered("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}", ask);
    assert_eq!(answer, Ok(false));
}

#[test]
fn nobody_there_says_what_to_start() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Endpoint::parse_http(&format!("http://{free}")).unwrap();
    let error = register(&server, None).unwrap_err().to_string();
    assert!(error.contains("connection refused; is relayd running there? start it with `relayd`"), "{error}");
}
