//! The page for phones: its paths, headers and forms.

use super::*;

/// The outcome of a request for `path` with more fields.
fn get(method: &str, path: &str, fields: &str) -> (Answered, String) {
    let policy = Policy { serves_page: true, ..Policy::default() };
    let request = format!("{method} {path} HTTP/1.1\r\nHost: relay.example:8443\r\n{fields}\r\n");
    let (parsed, out) = ask(&policy, request.as_bytes());
    let Parsed::Answered { answered, .. } = parsed else { panic!("{request:?}: {parsed:?}") };
    check_answer(answered, &out);
    (answered, out)
}

/// A module's path, taken from the shell as a browser does.
fn first_module() -> String {
    let (shell, _) = get("GET", "/p", "");
    let text = std::str::from_utf8(shell.body).unwrap();
    let (_, rest) = text.split_once("<script type=\"module\" src=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

#[test]
fn without_the_page_its_paths_are_unknown() {
    let module = first_module();
    for path in ["/", "/p", "/p/", "/p/sw.js", &module, "/p/0123456789abcdef/ui/main.js"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(status(&Policy::default(), &request).0, 404, "{path}");
    }
}

#[test]
fn every_file_has_strict_headers() {
    let module = first_module();
    for path in
        ["/", "/p", "/p/", "/p/sw.js", "/p/manifest.webmanifest", "/p/icon.svg", "/p/icon-192.png", &module]
    {
        let (answered, out) = get("GET", path, "Accept-Encoding: gzip, br\r\n");
        assert_eq!(answered.status, 200, "{path}");
        let policy = field(&out, "Content-Security-Policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; "), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe-"), "{path}: {policy}");
        assert_eq!(field(&out, "Referrer-Policy"), Some("no-referrer"), "{path}");
        assert_eq!(field(&out, "X-Content-Type-Options"), Some("nosniff"), "{path}");
        assert_eq!(field(&out, "Cross-Origin-Opener-Policy"), Some("same-origin"), "{path}");
        assert_eq!(field(&out, "Access-Control-Allow-Origin"), None, "{path}");
        assert!(field(&out, "Permissions-Policy").unwrap().contains("microphone=()"), "{path}");
    }
}

#[test]
fn the_shell_may_run_its_own_scripts_and_reach_its_own_relay_alone() {
    let (_, out) = get("GET", "/p", "");
    let policy = field(&out, "Content-Security-Policy").unwrap();
    for part in [
        "script-src 'self' 'sha256-",
        "require-trusted-types-for 'script'",
        "connect-src 'self' ws://relay.example:8443 wss://relay.example:8443;",
    ] {
        assert!(policy.contains(part), "{part}: {policy}");
    }
    assert_eq!(field(&out, "Cache-Control"), Some("no-cache"));
    let (_, out) = get("GET", &first_module(), "");
    assert_eq!(field(&out, "Cache-Control"), Some("public, max-age=31536000, immutable"));
    let (_, out) = get("GET", "/p/sw.js", "");
    assert_eq!(field(&out, "Service-Worker-Allowed"), Some("/p"));
}

#[test]
fn the_shortest_form_that_the_client_takes_is_sent() {
    for (accepted, encoding) in [
        ("gzip, deflate, br, zstd", Some("br")),
        ("gzip;q=1.0, BR;q=0.5", Some("br")),
        ("br;q=0, gzip", Some("gzip")),
        ("br; q=0.000, *;q=0", None),
        ("identity", None),
        ("", None),
        ("brotli, gzipped", None),
    ] {
        let (answered, out) = get("GET", "/p", &format!("Accept-Encoding: {accepted}\r\n"));
        assert_eq!(field(&out, "Content-Encoding"), encoding, "{accepted}");
        assert_eq!(field(&out, "Vary"), Some("Accept-Encoding"));
        assert_eq!(answered.body.starts_with(b"<!doctype html>"), encoding.is_none(), "{accepted}");
    }
}

#[test]
fn a_client_that_has_it_is_not_sent_it_again() {
    let (_, out) = get("GET", "/p", "");
    let tag = field(&out, "ETag").unwrap();
    for tags in [tag.to_owned(), format!("\"x\", {tag}"), tag.trim_start_matches("W/").to_owned()] {
        let (answered, out) = get("GET", "/p", &format!("If-None-Match: {tags}\r\n"));
        assert_eq!((answered.status, answered.body), (304, &b""[..]), "{tags}");
        assert_eq!(field(&out, "ETag"), Some(tag));
    }
    assert_eq!(get("GET", "/p", "If-None-Match: \"x\"\r\n").0.status, 200);
    let (answered, out) = get("HEAD", "/p", "");
    assert_eq!((answered.status, answered.body), (200, &b""[..]));
    assert_ne!(field(&out, "Content-Length"), Some("0"));
    assert_eq!(get("POST", "/p", "").0.status, 405);
}

#[test]
fn a_file_of_another_build_is_looked_for_at_other_nodes_and_then_given_up() {
    let other = "/p/0123456789abcdef/ui/main.js";
    let (answered, out) = get("GET", other, "");
    assert_eq!(answered.status, 307);
    assert_eq!(field(&out, "Location"), Some(format!("{other}?try=1").as_str()));
    assert_eq!(field(&out, "Cache-Control"), Some("no-store"));
    let (_, out) = get("GET", &format!("{other}?try=11"), "");
    assert_eq!(field(&out, "Location"), Some(format!("{other}?try=12").as_str()));
    for path in [
        &format!("{other}?try=12"),
        &format!("{other}?try=4000000000"),
        "/p/0123456789abcdef/",
        "/p/0123456789abcdeX/ui/main.js",
        "/p/0123456789abcdef/%0d%0aX:",
        "/p/0123456789abcdef/a:b",
        &format!("/p/0123456789abcdef/{}", "a".repeat(101)),
        &format!("{}x", first_module()),
        "/p/ui/main.js",
        "/pp",
        "/p//",
    ] {
        assert_eq!(get("GET", path, "").0.status, 404, "{path}");
    }
}
