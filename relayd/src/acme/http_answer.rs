//! What the port for plain HTTP answers to the bytes of a request. Pure.

use httparse::{EMPTY_HEADER, Status};

use super::challenges::HttpTokens;

/// What it knows.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// The names that redirects may lead to. The first one is for all other requests.
    pub names: Vec<String>,
    pub https_port: u16,
    pub tokens: HttpTokens,
}

/// The longest request that is read.
pub(super) const REQUEST_BYTES_MAX: usize = 8 * 1024;

/// The answer to a request; `None` while it is not whole.
pub(super) fn answer(request: &[u8], rules: &Rules) -> Option<Vec<u8>> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Request::new(&mut headers);
    match head.parse(request) {
        Ok(Status::Complete(_)) => {}
        Ok(Status::Partial) if request.len() < REQUEST_BYTES_MAX => return None,
        Ok(Status::Partial) => return Some(text("431 Request Header Fields Too Large", "", "")),
        Err(_) => return Some(text("400 Bad Request", "", "this port speaks HTTP\n")),
    }
    let (method, target) = (head.method.unwrap_or_default(), head.path.unwrap_or_default());
    let is_read = method == "GET" || method == "HEAD";
    if let Some(token) = target.strip_prefix(CHALLENGES).filter(|_| is_read) {
        let found = rules.tokens.of(token);
        return Some(found.map_or_else(
            || text("404 Not Found", "", "no such challenge\n"),
            |key| text("200 OK", "", &key),
        ));
    }
    let host = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("host"));
    let location = location(host.map(|header| header.value), target, rules);
    Some(text("308 Permanent Redirect", &format!("Location: {location}\r\n"), ""))
}

/// Only to own names, else anybody could have this server send browsers elsewhere.
fn location(host: Option<&[u8]>, target: &str, rules: &Rules) -> String {
    let host = host.and_then(|host| std::str::from_utf8(host).ok()).unwrap_or_default().to_ascii_lowercase();
    let host = host.split(':').next().unwrap_or_default();
    let name =
        rules.names.iter().find(|name| *name == host).or(rules.names.first()).map_or("", String::as_str);
    let port = if rules.https_port == 443 { String::new() } else { format!(":{}", rules.https_port) };
    // `*`, or an absolute address.
    let target = if target.starts_with('/') { target } else { "/" };
    format!("https://{name}{port}{target}")
}

/// Of a request for HEAD the body is ignored.
fn text(status: &str, header: &str, body: &str) -> Vec<u8> {
    let len = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{header}Content-Type: text/plain\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

/// RFC 8555 §8.3.
const CHALLENGES: &str = "/.well-known/acme-challenge/";

const HEADERS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(https_port: u16) -> Rules {
        let tokens = HttpTokens::default();
        tokens.set([("abc".to_owned(), "abc.thumb".to_owned())].into_iter());
        Rules { names: vec!["a.example".to_owned(), "b.example".to_owned()], https_port, tokens }
    }

    fn said(request: &str, https_port: u16) -> String {
        String::from_utf8(answer(request.as_bytes(), &rules(https_port)).unwrap()).unwrap()
    }

    #[test]
    fn requests_are_sent_to_https_at_own_names_only() {
        for (host, target, port, to) in [
            ("a.example", "/p?x=1", 443, "https://a.example/p?x=1"),
            ("B.example:80", "/", 443, "https://b.example/"),
            ("evil.example", "/x", 443, "https://a.example/x"),
            ("", "*", 443, "https://a.example/"),
            ("a.example", "http://evil.example/", 443, "https://a.example/"),
            ("a.example", "/x", 8443, "https://a.example:8443/x"),
        ] {
            let said = said(&format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"), port);
            assert!(
                said.starts_with("HTTP/1.1 308 ") && said.contains(&format!("\r\nLocation: {to}\r\n")),
                "{said}"
            );
        }
    }

    #[test]
    fn a_challenge_is_answered_while_it_is_open() {
        let ask =
            |token: &str| said(&format!("GET /.well-known/acme-challenge/{token} HTTP/1.1\r\n\r\n"), 443);
        assert!(ask("abc").starts_with("HTTP/1.1 200 OK\r\n") && ask("abc").ends_with("\r\n\r\nabc.thumb"));
        for other in ["abd", "", "../abc", "abc/"] {
            assert!(ask(other).starts_with("HTTP/1.1 404 "), "{other}");
        }
    }

    #[test]
    fn half_a_request_waits_and_a_bad_or_long_one_does_not() {
        let whole = "GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n";
        for cut in 0..whole.len() {
            assert_eq!(answer(&whole.as_bytes()[..cut], &rules(443)), None, "{cut}");
        }
        assert!(said("\x16\x03\x01\x02\x00", 443).starts_with("HTTP/1.1 400 "));
        let long = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(REQUEST_BYTES_MAX));
        assert!(said(&long, 443).starts_with("HTTP/1.1 431 "));
    }
}
