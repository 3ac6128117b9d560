//! Addresses, trusted proxies and `X-Forwarded-For`, as tables.

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn trusted(text: &str) -> TrustedProxies {
    text.parse().unwrap()
}

#[test]
fn ipv4_counts_whole_and_ipv6_by_its_network() {
    let same = |one: &str, other: &str| Address::of(ip(one)) == Address::of(ip(other));
    assert!(same("192.0.2.1", "::ffff:192.0.2.1"));
    assert!(!same("192.0.2.1", "192.0.2.2"));
    assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"));
    assert!(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
    assert!(!same("::1", "0.0.0.1"));
}

#[test]
fn ranges_hold_what_their_prefix_says() {
    for (ranges, inside, outside) in [
        ("10.0.0.0/8", &["10.0.0.0", "10.255.1.2", "::ffff:10.1.1.1"][..], &["11.0.0.0", "::1"][..]),
        ("192.0.2.7", &["192.0.2.7"], &["192.0.2.6", "192.0.2.8"]),
        ("192.0.2.0/25, fd00::/8", &["192.0.2.127", "fdff::1"], &["192.0.2.128", "fe00::1"]),
        ("0.0.0.0/0", &["1.2.3.4", "255.255.255.255"], &["::1"]),
        ("::/0", &["::1", "2001:db8::1"], &["1.2.3.4"]),
        ("::ffff:10.0.0.0/104", &["10.1.2.3"], &["11.0.0.0"]),
        ("10.1.2.3/8", &["10.9.9.9"], &["11.1.2.3"]),
    ] {
        let ranges = trusted(ranges);
        assert!(inside.iter().all(|one| ranges.contains(ip(one))), "{ranges:?}");
        assert!(!outside.iter().any(|one| ranges.contains(ip(one))), "{ranges:?}");
    }
    assert!(!TrustedProxies::default().contains(ip("127.0.0.1")));
}

#[test]
fn invalid_ranges_are_named() {
    for bad in [
        "",
        "x",
        "10.0.0.0/33",
        "::/129",
        "10.0.0.0/",
        "10.0.0.0/+8",
        "10.0.0.0/8/8",
        "10.0.0",
        "::ffff:10.0.0.0/95",
        "localhost",
    ] {
        let error = format!("10.0.0.0/8,{bad}").parse::<TrustedProxies>().unwrap_err();
        assert_eq!(error, InvalidTrustedProxies(bad.to_owned()));
    }
}

#[test]
fn a_peer_counts_at_once_unless_it_may_speak_for_others() {
    let ranges = trusted("10.0.0.0/8");
    assert_eq!(ranges.at_accept(ip("192.0.2.1")), Some(Address::of(ip("192.0.2.1"))));
    for later in ["10.1.1.1", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
        assert_eq!(ranges.at_accept(ip(later)), None, "{later}");
    }
}

#[test]
fn the_client_is_the_last_address_that_is_not_a_trusted_proxy() {
    let ranges = trusted("10.0.0.0/8,::1");
    for (fields, client) in [
        (&["192.0.2.1"][..], Some("192.0.2.1")),
        (&["192.0.2.9, 192.0.2.1"], Some("192.0.2.1")),
        (&["192.0.2.1, 10.0.0.1,10.0.0.2"], Some("192.0.2.1")),
        (&["192.0.2.9", "192.0.2.1", "10.0.0.1"], Some("192.0.2.1")),
        (&["192.0.2.1, ::1"], Some("192.0.2.1")),
        (&["10.0.0.3, 10.0.0.1"], Some("10.0.0.3")),
        (&["192.0.2.1:4711", "[::1]:80"], Some("192.0.2.1")),
        (&["[2001:db8::1]"], Some("2001:db8::1")),
        (&["[2001:db8::1]:443"], Some("2001:db8::1")),
        (&["::ffff:192.0.2.1"], Some("192.0.2.1")),
        (&[" , 192.0.2.1 ,, "], Some("192.0.2.1")),
        // Entries before one that is not an address do not count.
        (&["192.0.2.1, unknown"], None),
        (&["192.0.2.1, unknown, 10.0.0.1"], Some("10.0.0.1")),
        (&["unknown, 192.0.2.1"], Some("192.0.2.1")),
        (&["192.0.2.1;10.0.0.1"], None),
        (&["192.0.2.1 10.0.0.1"], None),
        (&["192.0.2.1", "\u{e9}"], None),
        (&["192.0.2.1", "300.1.1.1"], None),
        (&["", ","], None),
        (&[], None),
    ] {
        let mut walk = ForwardedFor::new(&ranges);
        fields.iter().for_each(|field| walk.take(field.as_bytes()));
        assert_eq!(walk.client(), client.map(ip), "{fields:?}");
    }
    let mut walk = ForwardedFor::new(&ranges);
    walk.take(b"192.0.2.1,\xff\xfe");
    assert_eq!(walk.client(), None);
}
