//! A request's head, reduced to what the endpoints look at. RFC 9112.

use std::net::IpAddr;

use protocol::limits::BODY_BYTES_MAX;

use super::page;
use super::refusal::Refusal;
use super::upgrade::{UpgradeFields, has_token};
use crate::admission::{ForwardedFor, TrustedProxies};

/// The methods that some endpoint knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
    Post,
    Delete,
    Options,
    Other,
}

/// How the end of the body is found. RFC 9112 §6.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// It has so many bytes, at most `BODY_BYTES_MAX`. 0: there is no body.
    Sized(usize),
    /// It comes in chunks.
    Chunked,
}

/// How the client takes a body, beside plainly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Encodings {
    pub(super) brotli: bool,
    pub(super) gzip: bool,
}

/// One head. `fault` is the first thing wrong with its fields. The rest is read too, as the refusal needs it.
#[derive(Debug)]
pub(super) struct Head<'a> {
    pub(super) method: Method,
    /// Without the query.
    pub(super) path: &'a str,
    /// What follows the first question mark.
    pub(super) query: Option<&'a str>,
    pub(super) host: Option<&'a [u8]>,
    /// The first of the lists of content types that the client takes.
    pub(super) accept: Option<&'a [u8]>,
    pub(super) encodings: Encodings,
    pub(super) if_none_match: Option<&'a [u8]>,
    /// The connection ends with the answer.
    pub(super) closes: bool,
    pub(super) framing: Framing,
    /// The client waits for `100 Continue` before it sends the body.
    pub(super) awaits_continue: bool,
    pub(super) origin: Option<&'a [u8]>,
    pub(super) authorization: Option<&'a [u8]>,
    /// A web page may have made it.
    pub(super) may_be_page: bool,
    /// A proxy passed it on, so the peer's address is not the client's.
    pub(super) forwarded: bool,
    /// The client that trusted proxies name.
    pub(super) forwarded_for: Option<IpAddr>,
    pub(super) upgrade: UpgradeFields<'a>,
    pub(super) fault: Option<Refusal>,
}

impl<'a> Head<'a> {
    /// Reads a head that is whole: it ends with the empty line. `trusted` are the proxies where the peer is
    /// one.
    pub(super) fn read(bytes: &'a [u8], trusted: Option<&'a TrustedProxies>) -> Result<Self, Refusal> {
        let mut slots = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut request = httparse::Request::new(&mut slots);
        match request.parse(bytes) {
            Ok(httparse::Status::Complete(_)) => {}
            // The end of the head was found before, so a partial head is malformed.
            Ok(httparse::Status::Partial) => return Err(Refusal::BAD_REQUEST_LINE),
            Err(error) => return Err(refusal_of(error)),
        }
        let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version)
        else {
            return Err(Refusal::BAD_REQUEST_LINE);
        };
        let mut fields = Fields { forwarded_for: trusted.map(ForwardedFor::new), ..Fields::default() };
        for field in request.headers.iter() {
            fields.take(field.name, field.value.trim_ascii());
        }
        Ok(fields.into_head(Method::parse(method), target, minor == 0))
    }
}

impl Method {
    /// RFC 9110 §9.1: methods are case-sensitive.
    fn parse(method: &str) -> Self {
        match method {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "DELETE" => Method::Delete,
            "OPTIONS" => Method::Options,
            _ => Method::Other,
        }
    }
}

/// The fields that mean something, as they were sent.
#[derive(Default)]
struct Fields<'a> {
    host: Option<&'a [u8]>,
    length: Option<&'a [u8]>,
    coding: Option<&'a [u8]>,
    close: bool,
    awaits_continue: bool,
    origin: Option<&'a [u8]>,
    is_page_site: bool,
    authorization: Option<&'a [u8]>,
    accept: Option<&'a [u8]>,
    encodings: Encodings,
    if_none_match: Option<&'a [u8]>,
    forwarded: bool,
    forwarded_for: Option<ForwardedFor<'a>>,
    upgrade: UpgradeFields<'a>,
    twice: bool,
}

impl<'a> Fields<'a> {
    fn take(&mut self, name: &str, value: &'a [u8]) {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("Host") {
            self.twice |= self.host.replace(value).is_some();
        } else if is("Content-Length") {
            self.twice |= self.length.replace(value).is_some();
        } else if is("Transfer-Encoding") {
            self.twice |= self.coding.replace(value).is_some();
        } else if is("Connection") {
            self.close |= has_token(value, "close");
            self.upgrade.connection |= has_token(value, "upgrade");
        } else if is("Expect") {
            self.awaits_continue = value.eq_ignore_ascii_case(b"100-continue");
        } else if is("Origin") {
            self.twice |= self.origin.replace(value).is_some();
        } else if is("Sec-Fetch-Site") {
            self.is_page_site |= page::is_page_site(value);
        } else if is("Authorization") {
            self.twice |= self.authorization.replace(value).is_some();
        } else if is("Accept") {
            self.accept = self.accept.or(Some(value));
        } else if is("Accept-Encoding") {
            self.encodings.take(value);
        } else if is("If-None-Match") {
            self.if_none_match = Some(value);
        } else if is("X-Forwarded-For") {
            self.forwarded = true;
            if let Some(forwarded_for) = &mut self.forwarded_for {
                forwarded_for.take(value);
            }
        } else if ["Forwarded", "X-Real-IP", "Via"].into_iter().any(is) {
            self.forwarded = true;
        } else {
            self.twice |= self.upgrade.take(name, value);
        }
    }

    fn into_head(mut self, method: Method, target: &'a str, http_1_0: bool) -> Head<'a> {
        self.upgrade.http_1_0 = http_1_0;
        let framing = self.framing(http_1_0);
        let fault = self.fault(http_1_0).or(framing.err());
        Head {
            method,
            path: path_of(target),
            query: target.split_once('?').map(|(_, query)| query),
            host: self.host,
            accept: self.accept,
            encodings: self.encodings,
            if_none_match: self.if_none_match,
            // RFC 9112 §9.3: 1.1 stays open unless told otherwise. 1.0's own keep-alive is not offered.
            closes: self.close || http_1_0,
            framing: framing.unwrap_or(Framing::Sized(0)),
            // RFC 9110 §10.1.1: the expectation of an HTTP/1.0 client is ignored.
            awaits_continue: self.awaits_continue && !http_1_0,
            origin: self.origin,
            authorization: self.authorization,
            may_be_page: page::may_be_page(self.origin, self.is_page_site, self.host),
            forwarded: self.forwarded,
            forwarded_for: self.forwarded_for.and_then(ForwardedFor::client),
            upgrade: self.upgrade,
            fault,
        }
    }

    fn fault(&self, http_1_0: bool) -> Option<Refusal> {
        if self.twice {
            return Some(Refusal::FIELD_TWICE);
        }
        match self.host {
            // RFC 9112 §3.2: a 1.1 request without Host, or with an invalid one, is answered 400.
            None if !http_1_0 => Some(Refusal::NO_HOST),
            Some(host) if !host_is_valid(host) => Some(Refusal::BAD_HOST),
            _ => None,
        }
    }

    fn framing(&self, http_1_0: bool) -> Result<Framing, Refusal> {
        match (self.length, self.coding) {
            // RFC 9112 §6.1: both together is how a second request is smuggled past a proxy.
            (Some(_), Some(_)) => Err(Refusal::LENGTH_AND_CODING),
            // RFC 9112 §6.1: so is a coding in a version that has none.
            (None, Some(_)) if http_1_0 => Err(Refusal::CODING_IN_1_0),
            (None, Some(coding)) => judge_coding(coding).map(|()| Framing::Chunked),
            (None, None) => Ok(Framing::Sized(0)),
            (Some(digits), None) => parse_length(digits).map(Framing::Sized),
        }
    }
}

impl Encodings {
    /// RFC 9110 §12.5.3: a list, each perhaps with a weight, of which 0 means never.
    fn take(&mut self, value: &[u8]) {
        for entry in value.split(|byte| *byte == b',') {
            let mut parts = entry.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let name = parts.next().unwrap_or_default();
            let is_refused = parts.any(|part| {
                let weight = part.strip_prefix(b"q=").or_else(|| part.strip_prefix(b"Q="));
                weight.is_some_and(|weight| weight.iter().all(|byte| b"0.".contains(byte)))
            });
            self.brotli |= name.eq_ignore_ascii_case(b"br") && !is_refused;
            self.gzip |= name.eq_ignore_ascii_case(b"gzip") && !is_refused;
        }
    }
}

/// Only `chunked` alone is read. RFC 9112 §7: its case does not matter.
fn judge_coding(coding: &[u8]) -> Result<(), Refusal> {
    if coding.eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let last = coding.rsplit(|byte| *byte == b',').next().unwrap_or_default().trim_ascii();
    let others = &coding[..coding.len() - last.len()];
    // RFC 9112 §6.1: another coding below it is 501, §6.3: where `chunked` is not the last one, the end
    // can't be found. §7: it may not be repeated.
    if last.eq_ignore_ascii_case(b"chunked") && !has_token(others, "chunked") {
        return Err(Refusal::UNKNOWN_CODING);
    }
    Err(Refusal::BAD_CODING)
}

/// RFC 9110 §8.6: digits only, no sign, no list.
fn parse_length(digits: &[u8]) -> Result<usize, Refusal> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::BAD_LENGTH);
    }
    let length = digits
        .iter()
        .try_fold(0usize, |sum, digit| sum.checked_mul(10)?.checked_add(usize::from(digit - b'0')));
    length.filter(|length| *length <= BODY_BYTES_MAX).ok_or(Refusal::BODY_TOO_LARGE)
}

/// Only what could make one host look like several, or like something else, is refused. RFC 3986 §3.2.2.
fn host_is_valid(host: &[u8]) -> bool {
    host.iter().all(|byte| byte.is_ascii_graphic() && !b",/?#@\\<>\"".contains(byte))
}

/// RFC 9112 §3.2.2: a target may also be a whole URL, of which only the path counts. The query is ignored.
fn path_of(target: &str) -> &str {
    let target = target.split_once('?').map_or(target, |(path, _)| path);
    match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => rest.find('/').map_or("/", |slash| &rest[slash..]),
        _ => target,
    }
}

fn refusal_of(error: httparse::Error) -> Refusal {
    match error {
        httparse::Error::TooManyHeaders => Refusal::HEAD_TOO_LONG,
        httparse::Error::Version => Refusal::BAD_VERSION,
        httparse::Error::HeaderName | httparse::Error::HeaderValue => Refusal::BAD_FIELD,
        _ => Refusal::BAD_REQUEST_LINE,
    }
}

/// More fields than this are refused.
const FIELDS_MAX: usize = 64;
