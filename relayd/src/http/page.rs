//! Decides whether a web page may have made a request. A page that is open on this machine connects from its
//! own address, like a local program, but the page may come from anywhere.

/// False if only a program can have made the request. `is_other_site`: its `Sec-Fetch-Site` names a page.
///
/// A browser sends `Origin` with every WebSocket, with every request that is not GET or HEAD, and with
/// every request whose answer a page of another origin wants to read. Two kinds are left. A page may have a
/// host name of its own that its DNS server points at this machine (DNS rebinding): the `Host` shows it. A
/// page may load an address without reading the answer: `Sec-Fetch-Site` shows it.
pub(super) fn may_be_page(origin: Option<&[u8]>, is_other_site: bool, host: Option<&[u8]>) -> bool {
    origin.is_some() || is_other_site || host.is_some_and(|host| !names_this_machine(host))
}

/// The value of `Sec-Fetch-Site` where a page is behind the request: all but `none`, an address that the
/// user typed. W3C Fetch Metadata §2.4.
pub(super) fn is_page_site(fetch_site: &[u8]) -> bool {
    !fetch_site.eq_ignore_ascii_case(b"none")
}

/// True for `localhost` and for an address: no DNS server decides where they lead. HTTP/1.0 may leave the
/// host out.
pub(super) fn names_this_machine(host: &[u8]) -> bool {
    if host.is_empty() {
        return true;
    }
    let Ok(host) = std::str::from_utf8(host) else { return false };
    if let Some((address, _port)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let name = host.split_once(':').map_or(host, |(name, _port)| name);
    let name = name.strip_suffix('.').unwrap_or(name);
    // RFC 6761 §6.3: names below `localhost` are this machine, too.
    let top = name.rsplit('.').next().unwrap_or_default();
    top.eq_ignore_ascii_case("localhost") || name.parse::<std::net::Ipv4Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_no_dns_server_decides_are_of_this_machine() {
        for host in [
            "localhost",
            "LocalHost:3001",
            "localhost.",
            "relay.localhost:3001",
            "127.0.0.1",
            "127.0.0.1:3001",
            "[::1]",
            "[::1]:3001",
            "192.0.2.1:80",
            "",
        ] {
            assert!(names_this_machine(host.as_bytes()), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:3001",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "notlocalhost",
            "2130706433",
            "127.1",
            "[localhost]",
            "[::1.evil.example]",
            "::1",
            ":3001",
            "relay",
        ] {
            assert!(!names_this_machine(host.as_bytes()), "{host}");
        }
        assert!(!names_this_machine(b"\xff"));
    }

    #[test]
    fn each_sign_of_a_page_is_enough() {
        let local = Some(&b"localhost"[..]);
        assert!(!may_be_page(None, false, local) && !may_be_page(None, false, None));
        assert!(may_be_page(Some(b""), false, local) && may_be_page(Some(b"null"), false, local));
        assert!(may_be_page(None, is_page_site(b"cross-site"), local));
        assert!(may_be_page(None, is_page_site(b"same-origin"), local));
        assert!(!may_be_page(None, is_page_site(b"none"), local));
        assert!(may_be_page(None, false, Some(b"evil.example")));
    }
}
