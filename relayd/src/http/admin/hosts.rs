//! The names under which the address for operators may be asked.

use std::str::FromStr;

use thiserror::Error;

use crate::http::page::names_this_machine;

/// Names that may stand in a `Host`, besides addresses and `localhost`. Any other name may be one that a
/// foreign page has its DNS server point here (DNS rebinding).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdminHosts(Vec<String>);

/// Why a list of names can't be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("write host names without a port, separated by commas, such as relay-1.internal")]
pub struct InvalidHosts;

impl AdminHosts {
    /// True if a request with this `Host` may be answered. HTTP/1.0 may leave it out, and no browser does.
    pub(in crate::http) fn may_be(&self, host: Option<&[u8]>) -> bool {
        let Some(host) = host else { return true };
        let name = host.split(|byte| *byte == b':').next().unwrap_or_default();
        let name = name.strip_suffix(b".").unwrap_or(name);
        names_this_machine(host) || self.0.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
    }
}

impl FromStr for AdminHosts {
    type Err = InvalidHosts;

    fn from_str(text: &str) -> Result<Self, InvalidHosts> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let read = |name: &str| {
            let name = name.trim().trim_end_matches('.');
            (!name.is_empty() && name.bytes().all(is_plain)).then(|| name.to_owned()).ok_or(InvalidHosts)
        };
        text.split(',').map(read).collect::<Result<_, _>>().map(AdminHosts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_localhost_and_listed_names_pass() {
        let hosts: AdminHosts = "relay-1.internal, Relay".parse().unwrap();
        for host in ["127.0.0.1:9300", "[::1]:9300", "localhost", "RELAY-1.internal:9300", "relay", "relay."]
        {
            assert!(hosts.may_be(Some(host.as_bytes())), "{host}");
        }
        for host in
            ["evil.example", "relay.evil.example", "relay-1.internal.evil.example", "relay-2.internal"]
        {
            assert!(!hosts.may_be(Some(host.as_bytes())), "{host}");
        }
        assert!(hosts.may_be(None) && !AdminHosts::default().may_be(Some(b"relay")));
    }

    #[test]
    fn a_list_is_names() {
        for bad in ["", "a,,b", "a:80", "http://a", "*", "a b"] {
            assert_eq!(bad.parse::<AdminHosts>(), Err(InvalidHosts), "{bad}");
        }
    }
}
