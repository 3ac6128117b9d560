//! Whole requests at both doors.

use super::*;
use crate::http::HttpDate;

/// What a request gets: the call, or status and body.
fn ask(door: Door, request: &str) -> Result<AdminCall, (u16, String)> {
    let (policy, date) = (policy(), HttpDate::at(0));
    let context = Context { policy: &policy, date: &date };
    let hosts: AdminHosts = "relay-1.internal".parse().unwrap();
    let mut out = Vec::new();
    match parse(request.as_bytes(), door, &hosts, &mut Progress::default(), &context, &mut out) {
        AdminParsed::NeedMore => panic!("not whole: {request}"),
        AdminParsed::Call(taken, call, _) => {
            assert_eq!(taken, request.len());
            Ok(call)
        }
        AdminParsed::Answered(taken, answered) => {
            assert_eq!(taken, request.len());
            let text = String::from_utf8(out).unwrap();
            assert!(!text.contains("Access-Control"), "{text}");
            Err((answered.status, text))
        }
    }
}

fn get(door: Door, path: &str, fields: &str) -> Result<AdminCall, (u16, String)> {
    ask(door, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"))
}

fn status(asked: Result<AdminCall, (u16, String)>) -> u16 {
    asked.map(|call| panic!("{call:?}")).unwrap_or_else(|(status, _)| status)
}

fn look(topic: Topic, format: Format, digits: &str) -> Result<AdminCall, (u16, String)> {
    Ok(AdminCall::Look { topic, format, digits: HashDigits::parse(digits).unwrap() })
}

#[test]
fn each_page_has_a_path_and_comes_in_the_form_that_is_accepted() {
    for door in [Door::Address, Door::Socket] {
        assert_eq!(status(get(door, "/health", "")), 200);
        assert_eq!(get(door, "/ready", ""), Ok(AdminCall::Ready));
        assert_eq!(get(door, "/metrics", "Accept: text/html\r\n"), Ok(AdminCall::Metrics));
        assert_eq!(
            get(door, "/", "Accept: text/html,*/*;q=0.8\r\n"),
            look(Topic::Overview, Format::Html, "")
        );
        assert_eq!(get(door, "/debug", "Accept: */*\r\n"), look(Topic::Overview, Format::Text, ""));
        assert_eq!(get(door, "/debug/nodes", ""), look(Topic::Nodes, Format::Text, ""));
        let json = "Accept: application/json\r\n";
        assert_eq!(get(door, "/debug/connections", json), look(Topic::Connections, Format::Json, ""));
        assert_eq!(get(door, "/debug/sessions?hash=fb22", ""), look(Topic::Sessions, Format::Text, "fb22"));
        for wrong in ["/debug/sessions?hash=FB", "/debug/sessions?hash=x", &format!("/debug?hash={:065}", 0)]
        {
            assert_eq!(status(get(door, wrong, "")), 400, "{wrong}");
        }
        for unknown in ["/ws", "/api/register", "/p", "/debug/", "/debug/x", "/kill"] {
            assert_eq!(status(get(door, unknown, "")), 404, "{unknown}");
        }
    }
}

#[test]
fn a_page_of_a_browser_and_a_foreign_name_are_refused_in_words() {
    for host in ["127.0.0.1:9300", "[::1]:9300", "10.1.2.3", "relay-1.internal:9300"] {
        let asked = ask(Door::Address, &format!("GET /ready HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(asked, Ok(AdminCall::Ready), "{host}");
    }
    for path in ["/", "/health", "/metrics", "/debug", "/nothing"] {
        let asked = ask(Door::Address, &format!("GET {path} HTTP/1.1\r\nHost: evil.example\r\n\r\n"));
        let (status, text) = asked.unwrap_err();
        assert!(status == 403 && text.contains("--admin-host"), "{text}");
        for origin in ["http://localhost", "null", ""] {
            let (status, text) = get(Door::Address, path, &format!("Origin: {origin}\r\n")).unwrap_err();
            assert!(status == 403 && text.contains("Origin"), "{text}");
        }
    }
}

#[test]
fn only_the_socket_kills_and_drains() {
    let hash = SessionHash::parse(&"a5".repeat(32)).unwrap();
    let post = |door, path: &str| ask(door, &format!("POST {path} HTTP/1.1\r\nHost: relayctl\r\n\r\n"));
    let local = |path: &str| ask(Door::Address, &format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    assert_eq!(post(Door::Socket, &format!("/kill/{hash}")), Ok(AdminCall::Kill(hash)));
    assert_eq!(post(Door::Socket, "/drain"), Ok(AdminCall::Drain));
    for path in ["/drain", &format!("/kill/{hash}"), "/kill/x"] {
        let (status, text) = local(path).unwrap_err();
        assert!(status == 403 && text.contains("relayctl"), "{text}");
    }
    for part in ["", "a5a5a5a5", &hash.to_string()[..63], &hash.to_string().to_uppercase()] {
        assert_eq!(status(post(Door::Socket, &format!("/kill/{part}"))), 400, "{part}");
    }
    assert_eq!(status(get(Door::Socket, "/drain", "")), 405);
    assert_eq!(status(local("/debug")), 405);
    let body = "POST /drain HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx";
    assert_eq!(status(ask(Door::Socket, body)), 413);
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let (policy, date) = (policy(), HttpDate::at(0));
    let context = Context { policy: &policy, date: &date };
    let (request, mut progress) = (b"GET /ready HTTP/1.1\r\nHost: [::1]\r\n\r\n", Progress::default());
    for len in 0..request.len() {
        let hosts = AdminHosts::default();
        let parsed = parse(&request[..len], Door::Address, &hosts, &mut progress, &context, &mut Vec::new());
        assert!(matches!(parsed, AdminParsed::NeedMore), "{len}");
    }
}
