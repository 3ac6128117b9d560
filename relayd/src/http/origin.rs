//! Which web pages may talk to this relay. RFC 6454.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The pages whose `Origin` is allowed. Programs other than browsers send none, which is always allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// Every page.
    #[default]
    Any,
    /// These only, each in the form that [`FromStr`] leaves: lower case, without the scheme's default port.
    Listed(Vec<String>),
}

/// An entry that is not an origin.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{0:?} is not an origin: write scheme://host[:port] without path or trailing slash, or null, or * alone"
)]
pub struct InvalidOrigin(pub String);

/// A request's `Origin`, as the policy judges it. Small, so that a deferred answer can carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// None given.
    Absent,
    /// Every origin is allowed, whether one was given or not.
    Any,
    /// The entry of this place in the list.
    Listed(u16),
    /// Not allowed.
    Foreign,
}

impl AllowedOrigins {
    pub(super) fn judge(&self, origin: Option<&[u8]>) -> Origin {
        let (list, origin) = match (self, origin) {
            (AllowedOrigins::Any, _) => return Origin::Any,
            (AllowedOrigins::Listed(_), None) => return Origin::Absent,
            (AllowedOrigins::Listed(list), Some(origin)) => (list, origin),
        };
        let Some(origin) = std::str::from_utf8(origin).ok().and_then(normal_form) else {
            return Origin::Foreign;
        };
        let place = list.iter().position(|entry| *entry == origin);
        place.and_then(|place| u16::try_from(place).ok()).map_or(Origin::Foreign, Origin::Listed)
    }

    /// The same, and the page at this address, which this relay serves itself.
    #[must_use]
    pub fn with_own_page(mut self, page_url: &str) -> Self {
        let origin = page_url.strip_suffix("/p").and_then(normal_form);
        if let (AllowedOrigins::Listed(list), Some(origin)) = (&mut self, origin)
            && !list.contains(&origin)
        {
            list.push(origin);
        }
        self
    }

    /// The value of `Access-Control-Allow-Origin`.
    pub(super) fn header_value(&self, origin: Origin) -> Option<&str> {
        match (origin, self) {
            (Origin::Any, _) => Some("*"),
            (Origin::Listed(place), AllowedOrigins::Listed(list)) => {
                list.get(usize::from(place)).map(String::as_str)
            }
            _ => None,
        }
    }
}

impl FromStr for AllowedOrigins {
    type Err = InvalidOrigin;

    /// Reads a list separated by commas; `*` alone is everyone.
    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        if text.trim() == "*" {
            return Ok(AllowedOrigins::Any);
        }
        let entry = |entry: &str| normal_form(entry).ok_or_else(|| InvalidOrigin(entry.to_owned()));
        text.split(',').map(str::trim).map(entry).collect::<Result<_, _>>().map(AllowedOrigins::Listed)
    }
}

impl fmt::Display for AllowedOrigins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AllowedOrigins::Any => f.write_str("*"),
            AllowedOrigins::Listed(list) => f.write_str(&list.join(",")),
        }
    }
}

/// RFC 6454 §4 and §6.2: scheme and host in lower case, the port only where it is not the scheme's own.
/// `None` for anything but a single origin.
fn normal_form(text: &str) -> Option<String> {
    if text == "null" {
        return Some(text.to_owned());
    }
    let lower = text.to_ascii_lowercase();
    let (scheme, authority) = lower.split_once("://")?;
    let scheme_is_valid = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let (host, port) = split_port(authority)?;
    if !scheme_is_valid || !host_is_valid(host) {
        return None;
    }
    let own_port = matches!((scheme, port), ("http" | "ws", Some(80)) | ("https" | "wss", Some(443)));
    Some(match port.filter(|_| !own_port) {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}

fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
            Some((host, Some(digits.then(|| port.parse().ok())??)))
        }
        _ => Some((authority, None)),
    }
}

/// A name, an IPv4 address, or an IPv6 address in brackets. Names outside ASCII travel in their `xn--` form.
fn host_is_valid(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[') {
        return inner.strip_suffix(']').is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok());
    }
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_an_origin_and_nothing_more() {
        for good in
            ["https://app.example", "http://localhost:8080", "null", "app-x://host", "http://[::1]:3000"]
        {
            assert_eq!(good.parse(), Ok(AllowedOrigins::Listed(vec![good.into()])), "{good}");
        }
        for bad in [
            "",
            "https://",
            "app.example",
            "https://a/",
            "https://a/path",
            "https://a b",
            "https://a:",
            "https://a:x",
            "https://a:70000",
            "https://u@a",
            "*, https://a",
            "https://*.a",
            "NULL",
            "https://a,",
            "://a",
            "1a://b",
            "https://[::1",
            "https://[x]",
            "https://a:+1",
        ] {
            assert!(bad.parse::<AllowedOrigins>().is_err(), "{bad}");
        }
    }

    #[test]
    fn origins_are_compared_whole() {
        let list: AllowedOrigins = "https://app.example, http://h:8080, null".parse().unwrap();
        for (origin, verdict) in [
            ("https://app.example", Origin::Listed(0)),
            ("HTTPS://App.Example", Origin::Listed(0)),
            ("https://app.example:443", Origin::Listed(0)),
            ("http://h:8080", Origin::Listed(1)),
            ("null", Origin::Listed(2)),
            ("http://app.example", Origin::Foreign),
            ("https://app.example:444", Origin::Foreign),
            ("https://app.example.evil.example", Origin::Foreign),
            ("https://app.example/", Origin::Foreign),
            ("https://app.example https://app.example", Origin::Foreign),
            ("http://h", Origin::Foreign),
            ("", Origin::Foreign),
        ] {
            assert_eq!(list.judge(Some(origin.as_bytes())), verdict, "{origin}");
        }
        assert_eq!(list.judge(None), Origin::Absent);
        assert_eq!(list.judge(Some(b"\xff")), Origin::Foreign);
        let no_null: AllowedOrigins = "https://app.example".parse().unwrap();
        assert_eq!(no_null.judge(Some(b"null")), Origin::Foreign);
        assert_eq!(AllowedOrigins::Any.judge(Some(b"https://evil.example")), Origin::Any);
    }
}
