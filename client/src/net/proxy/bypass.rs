//! `NO_PROXY`: the hosts that are reached directly. Pure.

use std::net::IpAddr;

/// True if `host` at `port` is in `list`: names, addresses and ranges, each with a port if only that one is
/// meant, separated by commas or spaces. `*` is every host. Any other entry exempts nothing.
pub(super) fn is_exempt(list: &str, host: &str, port: u16) -> bool {
    let entries = list.split(|char: char| char == ',' || char.is_whitespace());
    entries.filter(|entry| !entry.is_empty()).any(|entry| entry == "*" || covers(entry, host, port))
}

fn covers(entry: &str, host: &str, port: u16) -> bool {
    let (pattern, only) = split_port(entry);
    if only.is_some_and(|only| only.parse() != Ok(port)) {
        return false;
    }
    match host.parse::<IpAddr>() {
        Ok(address) => range_has(pattern, address.to_canonical()),
        Err(_) => is_below(pattern, host),
    }
}

/// `h:1` and `[::1]:1`; a bare IPv6 address has no port.
fn split_port(entry: &str) -> (&str, Option<&str>) {
    if let Some((address, behind)) = entry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (address, behind.strip_prefix(':'));
    }
    match entry.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (entry, None),
    }
}

/// `example.org`, `.example.org` and `*.example.org` are that host and everything below it.
fn is_below(pattern: &str, host: &str) -> bool {
    let pattern = pattern.strip_prefix('*').unwrap_or(pattern);
    let pattern = pattern.strip_prefix('.').unwrap_or(pattern);
    let pattern = pattern.strip_suffix('.').unwrap_or(pattern).to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let Some(before) = host.strip_suffix(&pattern) else { return false };
    !pattern.is_empty() && (before.is_empty() || before.ends_with('.'))
}

/// `10.0.0.1`, `10.0.0.0/8`, `fd00::/8`.
fn range_has(pattern: &str, address: IpAddr) -> bool {
    let (network, bits) = match pattern.split_once('/') {
        Some((network, bits)) => (network, Some(bits)),
        None => (pattern, None),
    };
    let Ok(network) = network.parse::<IpAddr>() else { return false };
    let ((network, width), (address, of_address)) = (number(network.to_canonical()), number(address));
    let bits = match bits {
        None => width,
        Some(bits) => match bits.parse::<u32>() {
            Ok(bits) if bits <= width => bits,
            _ => return false,
        },
    };
    // Shifting by the whole width overflows: then every address is in the range.
    let differs = (network ^ address).checked_shr(width - bits).unwrap_or(0);
    width == of_address && differs == 0
}

/// The address as a number, and how many bits it has.
fn number(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_entry_covers_what_it_names() {
        for (list, host, is) in [
            ("*", "anything", true),
            ("example.org", "example.org", true),
            ("EXAMPLE.org.", "a.b.example.ORG", true),
            (".example.org", "example.org", true),
            ("*.example.org", "a.example.org", true),
            ("example.org", "badexample.org", false),
            ("example.org", "example.org.evil", false),
            ("a.org b.org,c.org", "b.org", true),
            ("", "example.org", false),
            (".", "example.org", false),
            (",,", "example.org", false),
            ("example.org:443", "example.org", true),
            ("example.org:80", "example.org", false),
            ("example.org:x", "example.org", false),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.10", false),
            ("10.0.0.0/8", "10.9.9.9", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/33", "10.0.0.0", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
            ("[fd00::1]:443", "fd00::1", true),
            ("[fd00::1]:80", "fd00::1", false),
            ("fd00::1", "fd00::1", true),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
            ("10.0.0.0/8", "example.org", false),
            ("0.0.1", "10.0.0.1", false),
        ] {
            assert_eq!(is_exempt(list, host, 443), is, "{list:?} {host}");
        }
    }
}
