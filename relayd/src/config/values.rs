//! Parses values. Each function reads one kind. Its error says what to write instead.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

pub(super) fn number(text: &str, range: RangeInclusive<u64>) -> Result<u64, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("write a whole number from {} to {}", range.start(), range.end()))
}

/// A number of bytes, with or without a unit.
pub(super) fn size(text: &str, range: RangeInclusive<u64>) -> Result<u64, String> {
    let lower = text.to_ascii_lowercase();
    let (digits, unit) = [("kib", 1 << 10), ("mib", 1 << 20), ("gib", 1 << 30)]
        .into_iter()
        .find_map(|(suffix, unit)| lower.strip_suffix(suffix).map(|digits| (digits.trim_end(), unit)))
        .unwrap_or((&lower, 1u64));
    let bytes = number(digits, 0..=u64::MAX).ok().and_then(|count| count.checked_mul(unit));
    bytes.filter(|bytes| range.contains(bytes)).ok_or_else(|| {
        format!(
            "write a number of bytes from {} to {}, plain or with KiB, MiB or GiB",
            range.start(),
            range.end()
        )
    })
}

pub(super) fn ip(text: &str) -> Result<IpAddr, String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse()
        .map_err(|_| "write an IP address such as 0.0.0.0, 127.0.0.1 or ::; the port is --port".to_owned())
}

/// The page's address on the host of a WebSocket address. `None` where a proxy serves that under another
/// path, as it then may serve the page anywhere.
pub(super) fn page_beside(ws_url: &str) -> Option<String> {
    let server = ws_url.strip_suffix("/ws")?;
    let (scheme, host) = match server.strip_prefix("wss://") {
        Some(host) => ("https", host),
        None => ("http", server.strip_prefix("ws://")?),
    };
    let is_host = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte));
    is_host.then(|| format!("{scheme}://{host}/p"))
}

/// A DNS name that a CA may certify, in lower case.
pub(super) fn dns_name(text: &str) -> Result<String, String> {
    let name = text.trim().trim_end_matches('.').to_ascii_lowercase();
    let is_label = |label: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len())
            && label.bytes().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.starts_with("*.") {
        return Err("a wildcard needs a challenge by DNS, which relayd does not do: list the names, or use --tls-cert \
                    with a certificate of your own"
            .to_owned());
    }
    let is_number =
        name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    if name.len() > DNS_NAME_BYTES_MAX || is_number || !name.split('.').all(is_label) {
        return Err(
            "write a DNS name such as relay.example.org, without a scheme or a port; write other letters as \
                    xn--…"
                .to_owned(),
        );
    }
    Ok(name)
}

/// It goes into JSON without a single escape.
pub(super) fn email(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_graphic() && !b"\"\\<>,:;".contains(&byte);
    let is_address = text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
    if !is_address || text.len() > EMAIL_BYTES_MAX || !text.bytes().all(allowed) {
        return Err("write one address such as admin@example.org".to_owned());
    }
    Ok(text.to_owned())
}

/// It goes into the QR picture, so its length is bounded, and into JSON there without a single escape.
pub(super) fn ws_url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("ws://").or_else(|| text.strip_prefix("wss://"));
    let (host, path) = rest.map(split_at_path).unzip();
    // RFC 6455 §3: a fragment has no meaning and must not be there.
    let allowed = |byte: u8| byte.is_ascii_graphic() && !b"\"\\<>^`{|}#".contains(&byte);
    if text.len() > WS_URL_BYTES_MAX {
        return Err(format!(
            "it has {} bytes; write at most {WS_URL_BYTES_MAX}, as it has to fit a QR code",
            text.len()
        ));
    }
    if host.is_none_or(|host| host.is_empty() || host.starts_with(':')) || !text.bytes().all(allowed) {
        return Err("write ws:// or wss:// with a host, such as wss://relay.example.org/ws".to_owned());
    }
    // A proxy may serve it under any other path, so what could work is let be.
    match path {
        Some("" | "/") => Err(
            "it has no path, and the relay's WebSocket is at /ws: write wss://relay.example.org/ws, or the \
                               path that your proxy passes on to /ws"
                .to_owned(),
        ),
        Some(path) if path.ends_with("/ws/") => {
            Err("the relay's WebSocket is at /ws, not at /ws/: leave the last slash out".to_owned())
        }
        _ => Ok(text.to_owned()),
    }
}

/// Splits the text after the scheme into the host with its port, and the path without its query.
fn split_at_path(rest: &str) -> (&str, &str) {
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    (host, path.split('?').next().unwrap_or_default())
}

/// Refuses globs and braces, which have a meaning for `SCAN` and for a cluster's hash slots.
pub(super) fn key_prefix(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b":._-/".contains(&byte);
    if text.is_empty() || text.len() > PREFIX_BYTES_MAX || !text.bytes().all(allowed) {
        return Err(format!("write 1 to {PREFIX_BYTES_MAX} letters, digits or any of : . _ - /"));
    }
    Ok(text.to_owned())
}

/// Refuses a bare word that is not a level: it would be taken for a target's name, and silence all other
/// lines.
pub(super) fn log_filter(text: &str) -> Result<String, String> {
    let is_level = |part: &str| !part.is_empty() && part.parse::<LevelFilter>().is_ok();
    let known = |part: &str| part.contains('=') || is_level(part);
    if !text.split(',').map(str::trim).all(known) || EnvFilter::try_new(text).is_err() {
        return Err(
            "write off, error, warn, info, debug or trace, or target=level, separated by commas".to_owned()
        );
    }
    Ok(text.to_owned())
}

/// One of a few words.
pub(super) fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        format!("write {}", words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" or "))
    })
}

/// Short enough for a QR code of the pairing payload, with room to spare.
const WS_URL_BYTES_MAX: usize = 512;

const PREFIX_BYTES_MAX: usize = 64;
const DNS_NAME_BYTES_MAX: usize = 253;
const EMAIL_BYTES_MAX: usize = 254;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_digits_within_their_range() {
        assert_eq!(number("007", 1..=10), Ok(7));
        for bad in ["", "0", "11", "-1", "+1", "1.0", "1e3", " 1", "0x1", "99999999999999999999999"] {
            let said = number(bad, 1..=10).unwrap_err();
            assert_eq!(said, "write a whole number from 1 to 10", "{bad}");
        }
    }

    #[test]
    fn sizes_take_binary_units() {
        for (text, bytes) in
            [("1048576", 1 << 20), ("512MiB", 512 << 20), ("2 gib", 2 << 30), ("1024KiB", 1 << 20)]
        {
            assert_eq!(size(text, 1..=u64::MAX), Ok(bytes), "{text}");
        }
        for bad in ["", "MiB", "1.5GiB", "1MB", "-1MiB", "99999999999999999GiB", "0"] {
            assert!(size(bad, 1..=u64::MAX).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_public_url_is_a_websocket_url_that_fits_a_picture() {
        for good in [
            "ws://localhost:3001/ws",
            "wss://r.example/relay/ws",
            "ws://r.example/relay/",
            "ws://[::1]:1/ws?x=1&y=%20",
        ] {
            assert_eq!(ws_url(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "http://h/ws",
            "ws://",
            "ws:///ws",
            "ws://:80/",
            "WS://h",
            "ws://h/ws#x",
            "ws://h/a b",
            "ws://h/\"",
            "wss://\u{e9}",
        ] {
            assert!(ws_url(bad).is_err(), "{bad}");
        }
        for pathless in ["wss://r.example", "wss://r.example/", "ws://r.example:80?x=/ws"] {
            assert!(ws_url(pathless).unwrap_err().contains("wss://relay.example.org/ws"), "{pathless}");
        }
        assert!(ws_url("wss://r.example/ws/").unwrap_err().contains("last slash"));
        let longest = format!("{:x<512}", "ws://h/");
        assert!(ws_url(&longest).is_ok());
        assert!(ws_url(&(longest + "x")).unwrap_err().contains("513 bytes"));
    }

    #[test]
    fn a_filter_is_a_level_or_names_its_targets() {
        for good in ["info", "OFF", "warn,relayd=debug", "relayd::http=trace, error"] {
            assert!(log_filter(good).is_ok(), "{good}");
        }
        for bad in ["", "inf", "verbose", "relayd", "relayd=loud", "info,"] {
            assert!(log_filter(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_that_a_ca_may_certify() {
        for (text, name) in [
            ("relay.example.org", "relay.example.org"),
            (" A.b-C. ", "a.b-c"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(dns_name(text).as_deref(), Ok(name), "{text}");
        }
        let long = format!("{}.example", "x".repeat(64));
        for bad in [
            "",
            ".",
            "a..b",
            "-a.b",
            "a-.b",
            "https://a.b",
            "a.b:443",
            "192.0.2.1",
            "::1",
            "b\u{fc}cher.de",
            &long,
        ] {
            assert!(dns_name(bad).unwrap_err().contains("relay.example.org"), "{bad}");
        }
        assert!(dns_name("*.example.org").unwrap_err().contains("wildcard"));
        assert!(email("admin@example.org").is_ok());
        for bad in ["", "admin", "@h", "a@", "a@b\"", "a@b c@d", "mailto:a@b"] {
            assert!(email(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_and_prefixes() {
        for good in ["::", "[::]", "0.0.0.0", "::1", "192.0.2.1"] {
            assert!(ip(good).is_ok(), "{good}");
        }
        for bad in ["", "localhost", "0.0.0.0:80", "[::1", "1.2.3"] {
            assert!(ip(bad).is_err(), "{bad}");
        }
        assert!(key_prefix("relay:").is_ok());
        for bad in ["", "a b", "a*", "{a}", "\n", &"x".repeat(65)] {
            assert!(key_prefix(bad).is_err(), "{bad}");
        }
    }
}
