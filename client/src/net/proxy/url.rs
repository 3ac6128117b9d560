//! The address of a proxy, which may hold a user and a password. Only the handshake sees these.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;
use zeroize::Zeroizing;

/// `http://`, `socks5://` or `socks5h://`, with a user and a password if the proxy wants them. Cheap to
/// clone; shown without them.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl(Arc<Parts>);

#[derive(PartialEq, Eq)]
struct Parts {
    kind: Kind,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
    login: Option<Login>,
    /// As it was written.
    text: Zeroizing<String>,
}

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// HTTP's CONNECT.
    Http,
    /// SOCKS 5; names are looked up here.
    Socks5,
    /// SOCKS 5; names are looked up by the proxy.
    Socks5h,
}

/// A user and a password.
#[derive(PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: Zeroizing<Vec<u8>>,
    pub(super) password: Zeroizing<Vec<u8>>,
}

/// Why a text is not the address of a proxy. Shows no user and no password.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProxyError {
    /// A variable of the environment is wrong.
    #[error("{name}: {why}; correct it, or unset it to connect directly")]
    Variable {
        /// Which one.
        name: &'static str,
        /// What is wrong with it.
        why: Box<ProxyError>,
    },
    /// Not UTF-8.
    #[error("the proxy's address is not text")]
    NotText,
    /// A scheme that no proxy here has.
    #[error("{0:?} is not a proxy that can be used: write it as http://, socks5:// or socks5h://")]
    Scheme(String),
    /// No host, a bad port, or more than an address.
    #[error("{0:?} is not the address of a proxy; write it like http://proxy.example.org:3128")]
    Malformed(String),
    /// The user or the password can't be said to a proxy.
    #[error("the user or the password in {url:?} {why}")]
    Login {
        /// The address.
        url: String,
        /// What is wrong.
        why: &'static str,
    },
}

impl ProxyUrl {
    /// As it was written, with its password: for a private file.
    pub fn reveal(&self) -> &str {
        &self.0.text
    }

    pub(super) fn kind(&self) -> Kind {
        self.0.kind
    }

    pub(crate) fn host(&self) -> &str {
        &self.0.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.port
    }

    /// True if it is told the relay's name, not an address.
    pub(crate) fn looks_up_names(&self) -> bool {
        self.0.kind != Kind::Socks5
    }

    pub(super) fn login(&self) -> Option<&Login> {
        self.0.login.as_ref()
    }
}

impl FromStr for ProxyUrl {
    type Err = ProxyError;

    /// Without a scheme it is an HTTP proxy, as for other programs.
    fn from_str(text: &str) -> Result<Self, ProxyError> {
        let text = text.trim();
        let malformed = || ProxyError::Malformed(shown(text));
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let kind = Kind::parse(scheme).ok_or_else(|| ProxyError::Scheme(shown(text)))?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (userinfo, authority) = match rest.rsplit_once('@') {
            Some((userinfo, authority)) => (Some(userinfo), authority),
            None => (None, rest),
        };
        let (host, port) = split_authority(authority).ok_or_else(malformed)?;
        let login = userinfo.map(|userinfo| Login::parse(userinfo, kind)).transpose();
        let login = login.map_err(|why| ProxyError::Login { url: shown(text), why })?;
        let port = port.unwrap_or_else(|| kind.default_port());
        let text = Zeroizing::new(text.to_owned());
        Ok(ProxyUrl(Arc::new(Parts { kind, host: host.to_owned(), port, login, text })))
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { kind, host, port, .. } = &*self.0;
        match host.contains(':') {
            true => write!(f, "{}://[{host}]:{port}", kind.scheme()),
            false => write!(f, "{}://{host}:{port}", kind.scheme()),
        }
    }
}

/// Shows no user and no password.
impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyUrl({self})")
    }
}

impl Kind {
    fn parse(scheme: &str) -> Option<Self> {
        let known = [Kind::Http, Kind::Socks5, Kind::Socks5h];
        known.into_iter().find(|kind| kind.scheme().eq_ignore_ascii_case(scheme))
    }

    fn scheme(self) -> &'static str {
        match self {
            Kind::Http => "http",
            Kind::Socks5 => "socks5",
            Kind::Socks5h => "socks5h",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Kind::Http => 80,
            Kind::Socks5 | Kind::Socks5h => 1080,
        }
    }
}

impl Login {
    /// RFC 7617 §2: no colon in a user. RFC 1929 §2: lengths of one byte.
    fn parse(userinfo: &str, kind: Kind) -> Result<Self, &'static str> {
        let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
        let decode =
            |text| decoded(text).ok_or("has a % without two hexadecimal digits behind it: write a % as %25");
        let login = Login { user: decode(user)?, password: decode(password)? };
        let longest = login.user.len().max(login.password.len());
        match kind {
            Kind::Http if login.user.contains(&b':') => Err("can't be sent: a user has no colon"),
            Kind::Http if longest > 1024 => Err("is longer than 1024 bytes"),
            Kind::Socks5 | Kind::Socks5h if longest > 255 => {
                Err("is longer than 255 bytes, which SOCKS can't say")
            }
            Kind::Socks5 | Kind::Socks5h if login.user.is_empty() => {
                Err("is incomplete: the user is missing")
            }
            _ => Ok(login),
        }
    }
}

/// The host and the port of an authority without a user.
fn split_authority(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, if behind.is_empty() { None } else { Some(behind.strip_prefix(':')?) })
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_name) {
        return None;
    }
    match port {
        None => Some((host, None)),
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some((host, Some(port.parse().ok().filter(|port| *port > 0)?)))
        }
        Some(_) => None,
    }
}

/// Percent-decoded, RFC 3986 §2.1.
fn decoded(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let byte = if byte == b'%' { u8::try_from(digit()? * 16 + digit()?).ok()? } else { byte };
        out.push(byte);
    }
    Some(out)
}

/// What may be shown of a text that should have been a proxy's address: its scheme, and nothing else before
/// its last `@`.
fn shown(text: &str) -> String {
    // A password may hold anything, also what looks like the end of a scheme.
    let is_scheme = |scheme: &str| scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let scheme = text.split_once("://").map(|(scheme, _)| scheme).filter(|scheme| is_scheme(scheme));
    let whole = match (text.rsplit_once('@'), scheme) {
        (None, _) => text.to_owned(),
        (Some((_, host)), Some(scheme)) => format!("{scheme}://***@{host}"),
        (Some((_, host)), None) => format!("***@{host}"),
    };
    whole.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, Option<(String, String)>) {
        let url: ProxyUrl = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (url.to_string(), url.login().map(|login| (text(&login.user), text(&login.password))))
    }

    #[test]
    fn addresses_come_apart() {
        for (text, shown) in [
            ("http://proxy:3128", "http://proxy:3128"),
            ("HTTP://proxy:3128/", "http://proxy:3128"),
            ("proxy.example.org:8080", "http://proxy.example.org:8080"),
            ("proxy", "http://proxy:80"),
            ("socks5://10.0.0.1", "socks5://10.0.0.1:1080"),
            ("socks5h://[::1]:9", "socks5h://[::1]:9"),
        ] {
            assert_eq!(parsed(text), (shown.to_owned(), None));
        }
        let login = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        assert_eq!(parsed("http://me:pass@p:1").1, login("me", "pass"));
        assert_eq!(parsed("me@p").1, login("me", ""));
        assert_eq!(parsed("socks5://a%40b:p%3A%25@p").1, login("a@b", "p:%"));
        assert_eq!(parsed("http://me:p@ss:w@p:1"), ("http://p:1".to_owned(), login("me", "p@ss:w")));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for (text, words) in [
            ("ftp://u:secret@h", "\"ftp://***@h\" is not a proxy that can be used: write it as http://"),
            ("https://u:secret@h", "\"https://***@h\" is not a proxy that can be used"),
            ("socks4://h", "is not a proxy that can be used"),
            ("", "\"\" is not the address of a proxy"),
            ("http://u:secret@", "\"http://***@\" is not the address"),
            ("http://u:secret@h:0", "is not the address"),
            ("http://h:99999", "is not the address"),
            ("http://h:+1", "is not the address"),
            ("http://h:", "is not the address"),
            ("http://[h]:1", "is not the address"),
            ("http://h/path", "is not the address"),
            ("http://h x", "is not the address"),
            ("http://u%3a:secret@h", "a user has no colon"),
            ("http://u:secret%@h", "has a % without two hexadecimal digits"),
            ("socks5://:secret@h", "the user is missing"),
            ("u:secret://x@h", "***@h"),
        ] {
            let error = text.parse::<ProxyUrl>().unwrap_err().to_string();
            assert!(error.contains(words) && !error.contains("secret"), "{text}: {error}");
        }
        let long = format!("socks5://{}:x@h", "u".repeat(256));
        assert!(long.parse::<ProxyUrl>().unwrap_err().to_string().contains("255 bytes"));
        let url: ProxyUrl = "http://me:secret@h".parse().unwrap();
        assert_eq!(format!("{url:?}"), "ProxyUrl(http://h:80)");
    }
}
