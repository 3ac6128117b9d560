//! An address of the CA: `https`, and short.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// An absolute `https` address without a fragment. Safe to write into JSON and into a request line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct HttpsUrl {
    text: String,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
    /// Where the path begins in `text`.
    path_at: usize,
}

impl HttpsUrl {
    /// A name or an address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// 443 unless it says another one.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host with its port, as it was written.
    pub fn authority(&self) -> &str {
        &self.text[SCHEME.len()..self.path_at]
    }

    /// The path with its query, for a request line.
    pub fn target(&self) -> &str {
        match &self.text[self.path_at..] {
            "" => "/",
            target => target,
        }
    }

    /// With one more step of the path.
    pub(super) fn join(&self, step: &str) -> Option<Self> {
        format!("{}/{step}", self.text.trim_end_matches('/')).parse().ok()
    }
}

impl FromStr for HttpsUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write an https:// address such as https://ca.example.org/directory".to_owned();
        let allowed = |byte: u8| byte.is_ascii_graphic() && !b"\"\\<>^`{|}#@".contains(&byte);
        let rest = text.strip_prefix(SCHEME).ok_or_else(wrong)?;
        if text.len() > URL_BYTES_MAX || !text.bytes().all(allowed) {
            return Err(wrong());
        }
        let authority = &rest[..rest.find(['/', '?']).unwrap_or(rest.len())];
        let (host, port) = split_port(authority).ok_or_else(wrong)?;
        let (host, path_at) = (host.to_owned(), SCHEME.len() + authority.len());
        Ok(HttpsUrl { text: text.to_owned(), host, port, path_at })
    }
}

impl TryFrom<String> for HttpsUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for HttpsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn split_port(authority: &str) -> Option<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, rest.strip_prefix(':').or(rest.is_empty().then_some("443"))?)
        }
        None => authority.split_once(':').unwrap_or((authority, "443")),
    };
    let port = port.parse().ok().filter(|port| *port != 0)?;
    (!host.is_empty()).then_some((host, port))
}

const SCHEME: &str = "https://";
const URL_BYTES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_found() {
        for (text, host, port, target) in [
            ("https://ca.example/dir", "ca.example", 443, "/dir"),
            ("https://ca.example:14000", "ca.example", 14000, "/"),
            ("https://[::1]:1/a?b=c", "::1", 1, "/a?b=c"),
            ("https://[::1]/", "::1", 443, "/"),
        ] {
            let url: HttpsUrl = text.parse().unwrap();
            assert_eq!((url.host(), url.port(), url.target()), (host, port, target), "{text}");
        }
        let url: HttpsUrl = "https://ca.example/ari/".parse().unwrap();
        assert_eq!(url.join("a.b").unwrap().as_str(), "https://ca.example/ari/a.b");
    }

    #[test]
    fn other_texts_are_refused() {
        let long = format!("https://h/{}", "x".repeat(1100));
        for bad in [
            "",
            "http://h/",
            "https://",
            "https:///x",
            "https://h:0/",
            "https://h:x/",
            "https://user@h/",
            "https://h/a b",
            "https://h/\"",
            "https://h/#x",
            "https://h/\r\nx",
            "https://[::1",
            &long,
        ] {
            assert!(bad.parse::<HttpsUrl>().is_err(), "{bad}");
        }
    }
}
