//! Proxies on the way to a relay: which one to use, if any, and what to say to it. Choosing reads environment
//! variables; everything else here is pure.

mod bypass;
mod connect;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod handshake;
mod refusal;
mod socks;
mod url;

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use super::endpoint::Endpoint;
pub(super) use handshake::pass;
pub use url::{ProxyError, ProxyUrl};

/// How a client gets out of its network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Proxy {
    /// As `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say. Never for this machine's own
    /// addresses. A phone has no such variables.
    #[default]
    FromEnvironment,
    /// Without a proxy, whatever the environment says.
    None,
    /// Through this one, whatever the environment says.
    Url(ProxyUrl),
}

/// Where the user named a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    ByVariable(&'static str),
    /// By an option of the program.
    ByOption,
}

/// The proxy that one address is reached through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Through {
    proxy: ProxyUrl,
    named: Named,
}

/// The relay, as a proxy is told about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// By its name, which the proxy looks up.
    Name(String, u16),
    Address(SocketAddr),
}

impl Proxy {
    /// The proxy for `endpoint`; `None`: the way is direct.
    ///
    /// # Errors
    /// A variable holds something that is not the address of a proxy.
    pub(super) fn towards(&self, endpoint: &Endpoint) -> Result<Option<Through>, ProxyError> {
        match self {
            Proxy::FromEnvironment => from_environment(endpoint, |name| env::var_os(name)),
            Proxy::None => Ok(None),
            Proxy::Url(proxy) => Ok(Some(Through { proxy: proxy.clone(), named: Named::ByOption })),
        }
    }
}

/// `none`, or the address of a proxy.
impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, ProxyError> {
        match text {
            "none" => Ok(Proxy::None),
            _ => text.parse().map(Proxy::Url),
        }
    }
}

impl Through {
    pub(super) fn proxy(&self) -> &ProxyUrl {
        &self.proxy
    }

    /// Where the user can correct the proxy's address.
    fn place(&self) -> &'static str {
        match self.named {
            Named::ByVariable(name) => name,
            Named::ByOption => "its address",
        }
    }
}

/// `the proxy http://proxy:3128 (HTTPS_PROXY)`: never with a password.
impl fmt::Display for Through {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.named {
            Named::ByVariable(name) => write!(f, "the proxy {} ({name})", self.proxy),
            Named::ByOption => write!(f, "the proxy {}", self.proxy),
        }
    }
}

/// `host:port`, an IPv6 address in brackets.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Name(name, port) if name.contains(':') => write!(f, "[{name}]:{port}"),
            Target::Name(name, port) => write!(f, "{name}:{port}"),
            Target::Address(address) => address.fmt(f),
        }
    }
}

/// Lower case first, as curl does. In a CGI script `HTTP_PROXY` is a header that a stranger has sent.
fn from_environment(
    endpoint: &Endpoint,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<Through>, ProxyError> {
    let set =
        |name: &&'static str| variable(name).filter(|value| !value.is_empty()).map(|value| (*name, value));
    let is_cgi = variable("REQUEST_METHOD").is_some();
    let names: &[&'static str] = match endpoint.is_tls() {
        true => &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
        false if is_cgi => &["http_proxy", "all_proxy", "ALL_PROXY"],
        false => &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
    };
    let Some((name, value)) = names.iter().find_map(set) else { return Ok(None) };
    let exempt = ["no_proxy", "NO_PROXY"].iter().find_map(set).map(|(_, value)| value);
    let exempt = exempt.as_deref().unwrap_or_default().to_string_lossy();
    if endpoint.is_loopback() || bypass::is_exempt(&exempt, endpoint.host(), endpoint.port()) {
        return Ok(None);
    }
    let proxy = value.to_str().ok_or(ProxyError::NotText).and_then(str::parse);
    let proxy = proxy.map_err(|why| ProxyError::Variable { name, why: Box::new(why) })?;
    Ok(Some(Through { proxy, named: Named::ByVariable(name) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(address: &str, variables: &[(&str, &str)]) -> String {
        let endpoint = Endpoint::parse_ws(address).unwrap();
        let get = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        };
        match from_environment(&endpoint, get) {
            Ok(None) => "direct".to_owned(),
            Ok(Some(through)) => through.to_string(),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn the_scheme_decides_which_variable_counts() {
        let all =
            [("HTTPS_PROXY", "http://s:1"), ("HTTP_PROXY", "http://p:2"), ("ALL_PROXY", "socks5h://a:3")];
        assert_eq!(chosen("wss://h/ws", &all), "the proxy http://s:1 (HTTPS_PROXY)");
        assert_eq!(chosen("ws://h/ws", &all), "the proxy http://p:2 (HTTP_PROXY)");
        assert_eq!(chosen("ws://h/ws", &[all[0], all[2]]), "the proxy socks5h://a:3 (ALL_PROXY)");
        assert_eq!(chosen("wss://h/ws", &[("HTTPS_PROXY", ""), all[1]]), "direct");
        assert_eq!(chosen("wss://h/ws", &[]), "direct");
        let lower = [("https_proxy", "http://l:1"), all[0]];
        assert_eq!(chosen("wss://h/ws", &lower), "the proxy http://l:1 (https_proxy)");
    }

    #[test]
    fn a_header_of_a_cgi_request_is_not_a_proxy() {
        let upper = [("REQUEST_METHOD", "GET"), ("HTTP_PROXY", "http://evil:1")];
        assert_eq!(chosen("ws://h/ws", &upper), "direct");
        let lower = [("REQUEST_METHOD", "GET"), ("http_proxy", "http://p:1")];
        assert_eq!(chosen("ws://h/ws", &lower), "the proxy http://p:1 (http_proxy)");
    }

    #[test]
    fn this_machine_and_exempt_hosts_are_reached_directly() {
        let proxy = ("ALL_PROXY", "http://p:1");
        for local in ["ws://localhost:3001/ws", "wss://127.0.0.1/ws", "ws://[::1]:9/ws"] {
            assert_eq!(chosen(local, &[proxy]), "direct");
        }
        assert_eq!(chosen("wss://relay.test/ws", &[proxy, ("NO_PROXY", "a.test, .test")]), "direct");
        assert_eq!(chosen("wss://relay.test/ws", &[proxy, ("no_proxy", "relay.test:443")]), "direct");
        assert_ne!(chosen("wss://relay.test/ws", &[proxy, ("no_proxy", "relay.test:80")]), "direct");
    }

    #[test]
    fn a_wrong_value_is_told_with_its_variable_and_without_its_password() {
        let said = chosen("wss://h/ws", &[("HTTPS_PROXY", "ftp://me:secret@h:1")]);
        assert!(said.starts_with("error: HTTPS_PROXY: \"ftp://***@h:1\" is not "), "{said}");
        assert!(!said.contains("secret"));
    }

    #[test]
    fn an_option_is_none_or_an_address() {
        assert_eq!("none".parse(), Ok(Proxy::None));
        let Ok(Proxy::Url(url)) = "socks5://p".parse() else { panic!("an address") };
        let through = Proxy::Url(url).towards(&Endpoint::parse_ws("ws://127.0.0.1:1/ws").unwrap());
        assert_eq!(through.unwrap().unwrap().to_string(), "the proxy socks5://p:1080");
    }
}
