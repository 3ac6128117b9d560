//! The page for phones, which is part of the program: which file a path means, and its headers.
//!
//! Bodies are static, so an answer holds no memory for them. Every file of a build has the build's name in
//! its path and never changes. What has a fixed path is asked for again each time and compared by its tag.

use super::Context;
use super::head::{Encodings, Head};
use super::reply::Reply;
use super::response::{self, Answered, JSON, Response};

include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// A file of the page.
#[derive(Debug)]
pub(super) struct File {
    path: &'static str,
    content_type: &'static str,
    cache: Cache,
    /// What its Content-Security-Policy has beyond that of every file.
    policy: &'static str,
    /// A hash of its content.
    tag: &'static str,
    plain: &'static [u8],
    /// Empty if it is no shorter. The same for `brotli`.
    gzip: &'static [u8],
    brotli: &'static [u8],
}

/// How long a browser may use a file without asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cache {
    /// Its path names the build.
    Forever,
    /// It must ask each time.
    Revalidate,
}

/// What a path of the page means.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found {
    /// A file of this build.
    File(&'static File),
    /// A file of another build, which another node may have.
    OtherBuild {
        /// How often the client was sent to another node for it.
        tries: u32,
    },
}

/// The file that a request means, if the path is one of the page.
pub(super) fn find(head: &Head<'_>) -> Option<Found> {
    if let Ok(at) = FILES.binary_search_by(|file| file.path.cmp(head.path)) {
        return Some(Found::File(&FILES[at]));
    }
    let (build, name) = head.path.strip_prefix("/p/")?.split_once('/')?;
    let is_build = build.len() == BUILD.len() && build.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_name =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte));
    let tries = head.query.and_then(|query| query.strip_prefix("try=")?.parse().ok()).unwrap_or(0);
    (is_build && build != BUILD && is_name && name.len() <= NAME_BYTES_MAX)
        .then_some(Found::OtherBuild { tries })
}

/// Answers with a file, or with 304 if the client has it already.
pub(super) fn answer_file(
    file: &'static File,
    reply: Reply,
    head: &Head<'_>,
    context: &Context<'_>,
    out: &mut Vec<u8>,
) -> Answered {
    let is_known = head.if_none_match.is_some_and(|tags| has_tag(tags, file.tag));
    let (encoding, body) = file.encoded(head.encodings);
    let mut headers = file.headers(head.host);
    if !encoding.is_empty() && !is_known {
        headers += &format!("Content-Encoding: {encoding}\r\n");
    }
    let status = if is_known { 304 } else { 200 };
    let body = if is_known { &[] } else { body };
    response::write_fixed(reply.form(), context, status, &headers, file.content_type, body, out)
}

/// Answers a request for a file of another build. The client asks again, which leads it to another node
/// behind a balancer. After [`TRIES_MAX`] times no node has that build any more: the page starts over.
pub(super) fn answer_other_build(
    tries: u32,
    reply: Reply,
    head: &Head<'_>,
    context: &Context<'_>,
    out: &mut Vec<u8>,
) -> Answered {
    let (status, location) = if tries < TRIES_MAX {
        (307, format!("Location: {}?try={}\r\n", head.path, tries + 1))
    } else {
        (404, String::new())
    };
    let headers = format!("{location}Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
    let body = br#"{"error":"other_build","message":"this is not the build of the page that this node has; load /p again"}"#;
    response::write(
        reply.form(),
        context,
        &Response { status, headers: &headers, content_type: JSON, body },
        out,
    )
}

impl File {
    /// The shortest form that the client takes, and its name.
    fn encoded(&self, encodings: Encodings) -> (&'static str, &'static [u8]) {
        match encodings {
            Encodings { brotli: true, .. } if !self.brotli.is_empty() => ("br", self.brotli),
            Encodings { gzip: true, .. } if !self.gzip.is_empty() => ("gzip", self.gzip),
            _ => ("", self.plain),
        }
    }

    fn headers(&self, host: Option<&[u8]>) -> String {
        let cache = match self.cache {
            Cache::Forever => "public, max-age=31536000, immutable",
            Cache::Revalidate => "no-cache",
        };
        let connect =
            if self.content_type.starts_with("text/html") { connect_to(host) } else { String::new() };
        let scope = if self.path == "/p/sw.js" { "Service-Worker-Allowed: /p\r\n" } else { "" };
        format!(
            "Cache-Control: {cache}\r\n\
             ETag: W/\"{}\"\r\n\
             Vary: Accept-Encoding\r\n\
             Content-Security-Policy: default-src 'none'; {}{}{POLICY_END}\r\n\
             {scope}{HEADERS}",
            self.tag,
            self.policy,
            if self.policy.is_empty() { String::new() } else { format!("; {connect}") },
        )
    }
}

/// The page connects to its own origin alone. `'self'` does not mean WebSockets in every browser, so they are
/// named where the host is plain.
fn connect_to(host: Option<&[u8]>) -> String {
    let host = host.and_then(|host| std::str::from_utf8(host).ok()).filter(|host| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
    });
    let sockets = host.map(|host| format!(" ws://{host} wss://{host}")).unwrap_or_default();
    format!(
        "connect-src 'self'{sockets}; img-src 'self' data: blob:; manifest-src 'self'; worker-src 'self'; \
         require-trusted-types-for 'script'; trusted-types relay; "
    )
}

/// True if a list of tags has this one. A weak comparison, as RFC 9110 §13.1.2 wants it.
fn has_tag(tags: &[u8], tag: &str) -> bool {
    tags.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).any(|entry| {
        let entry = entry.strip_prefix(b"W/").unwrap_or(entry);
        let inner = entry.strip_prefix(b"\"").and_then(|entry| entry.strip_suffix(b"\""));
        inner == Some(tag.as_bytes()) || entry == b"*"
    })
}

/// The end of every file's policy.
const POLICY_END: &str = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What every file has.
const HEADERS: &str = "Referrer-Policy: no-referrer\r\n\
    X-Content-Type-Options: nosniff\r\n\
    X-Frame-Options: DENY\r\n\
    Cross-Origin-Opener-Policy: same-origin\r\n\
    Cross-Origin-Resource-Policy: same-origin\r\n\
    Permissions-Policy: camera=(self), microphone=(), geolocation=(), payment=(), usb=(), \
    clipboard-read=(self), clipboard-write=(self), screen-wake-lock=(self), web-share=(self)\r\n";

/// With two builds on as many nodes each, one of 4,096 files is not found by then. Browsers follow 20.
const TRIES_MAX: u32 = 12;

/// No file of the page has a longer name.
const NAME_BYTES_MAX: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_in_any_form() {
        for tags in ["\"ab\"", "W/\"ab\"", "\"x\", W/\"ab\"", "*", " \"ab\" "] {
            assert!(has_tag(tags.as_bytes(), "ab"), "{tags}");
        }
        for tags in ["", "ab", "\"abc\"", "W/ab", "\"ab"] {
            assert!(!has_tag(tags.as_bytes(), "ab"), "{tags}");
        }
    }

    #[test]
    fn only_a_plain_host_gets_into_the_policy() {
        assert!(
            connect_to(Some(b"relay.example:8443"))
                .contains(" ws://relay.example:8443 wss://relay.example:8443;")
        );
        assert!(connect_to(Some(b"[::1]:3001")).contains(" wss://[::1]:3001;"));
        for host in [&b"a;script-src"[..], b"a'b", b"a%0d", b"", b"\xff"] {
            assert!(connect_to(Some(host)).starts_with("connect-src 'self';"), "{host:?}");
        }
    }

    #[test]
    fn what_a_phone_loads_is_small() {
        // Of the rest, own.js is for browsers without WebCrypto, de.js for German, and scan.js for a camera.
        let is_loaded = |file: &&File| {
            let path = file.path;
            let is_extra = ["/own.js", "/de.js", "/scan.js", ".png"].iter().any(|end| path.ends_with(end));
            path != "/p/" && path != "/" && !is_extra
        };
        let modules = FILES.iter().filter(is_loaded);
        let sizes: Vec<_> = modules.map(|file| (file.path, file.brotli.len(), file.gzip.len())).collect();
        let sum: usize = sizes.iter().map(|(_, brotli, _)| brotli).sum();
        assert!(sum <= 60_000, "{sum} bytes: {sizes:#?}");
    }
}
