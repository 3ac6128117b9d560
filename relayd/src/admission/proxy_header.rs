//! The PROXY protocol header, version 2: a balancer that passes bytes on may send it first, with the client's
//! address.
//!
//! Only reads bytes. The reactor decides whose header is accepted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a connection's first bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// They may become a header, or one has begun that is not whole.
    NeedMore,
    /// Something else.
    Absent,
    /// A whole header.
    Whole {
        /// How many bytes it has. The client's bytes follow.
        len: usize,
        /// The client; `None` if it speaks of the sender itself, or in a family that is not known here.
        client: Option<IpAddr>,
    },
    /// It begins like a header but is not one, or is longer than [`BYTES_MAX`].
    Malformed,
}

/// What every header starts with. No HTTP request does.
pub const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The longest header that is read, in bytes: with the largest addresses there are, and room for extensions.
pub const BYTES_MAX: usize = 536;

/// Reads the first bytes of a connection. Call again with more from the same start while it says `NeedMore`.
pub fn read(input: &[u8]) -> ProxyHeader {
    let known = input.len().min(SIGNATURE.len());
    if input[..known] != SIGNATURE[..known] {
        return ProxyHeader::Absent;
    }
    // Version 2, and one of two commands.
    if input.get(12).is_some_and(|byte| ![LOCAL, PROXY].contains(byte)) {
        return ProxyHeader::Malformed;
    }
    let Some(&[command, family, high, low]) = input.get(12..FIXED_BYTES) else {
        return ProxyHeader::NeedMore;
    };
    let len = FIXED_BYTES + usize::from(u16::from_be_bytes([high, low]));
    if len > BYTES_MAX {
        return ProxyHeader::Malformed;
    }
    let Some(addresses) = input.get(FIXED_BYTES..len) else { return ProxyHeader::NeedMore };
    let client = match (command, family) {
        (PROXY, TCP_4) => addresses.first_chunk::<12>().map(|it| ip_v4(it).into()),
        (PROXY, TCP_6) => addresses.first_chunk::<36>().map(|it| ip_v6(it).to_canonical()),
        _ => return ProxyHeader::Whole { len, client: None },
    };
    client.map_or(ProxyHeader::Malformed, |client| ProxyHeader::Whole { len, client: Some(client) })
}

/// The source comes first, then the destination and both ports.
fn ip_v4(addresses: &[u8; 12]) -> Ipv4Addr {
    let &[a, b, c, d, ..] = addresses;
    Ipv4Addr::new(a, b, c, d)
}

fn ip_v6(addresses: &[u8; 36]) -> IpAddr {
    let mut source = [0; 16];
    source.copy_from_slice(&addresses[..16]);
    Ipv6Addr::from(source).into()
}

/// Signature, version and command, family, length.
const FIXED_BYTES: usize = 16;

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
const TCP_4: u8 = 0x11;
const TCP_6: u8 = 0x21;

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let len = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &len, addresses].concat()
    }

    fn v4() -> Vec<u8> {
        vec![192, 0, 2, 1, 10, 0, 0, 1, 0x12, 0x34, 0, 80]
    }

    fn v6(source: &str) -> Vec<u8> {
        let source: Ipv6Addr = source.parse().unwrap();
        [&source.octets()[..], &[0; 16], &[0x12, 0x34, 0, 80]].concat()
    }

    #[test]
    fn the_source_is_the_client() {
        let with_extensions = [v4(), vec![4, 0, 1, 0]].concat();
        for (bytes, client) in [
            (header(PROXY, TCP_4, &v4()), Some("192.0.2.1")),
            (header(PROXY, TCP_4, &with_extensions), Some("192.0.2.1")),
            (header(PROXY, TCP_6, &v6("2001:db8::7")), Some("2001:db8::7")),
            (header(PROXY, TCP_6, &v6("::ffff:192.0.2.1")), Some("192.0.2.1")),
            // A balancer's own health check, and other families than TCP over IP.
            (header(LOCAL, TCP_4, &v4()), None),
            (header(LOCAL, 0, &[]), None),
            (header(PROXY, 0, &[]), None),
            (header(PROXY, 0x12, &v4()), None),
            (header(PROXY, 0x31, &[7; 216]), None),
            (header(PROXY, 0xFF, &[7; 520]), None),
        ] {
            let whole = ProxyHeader::Whole { len: bytes.len(), client: client.map(|ip| ip.parse().unwrap()) };
            assert_eq!(read(&bytes), whole);
            let followed = [&bytes[..], b"GET / HTTP/1.1\r\n"].concat();
            assert_eq!(read(&followed), whole);
            for cut in 0..bytes.len() {
                assert_eq!(read(&bytes[..cut]), ProxyHeader::NeedMore, "{cut}");
            }
        }
    }

    #[test]
    fn other_first_bytes_are_not_a_header() {
        for other in
            [&b"GET / HTTP/1.1\r\n"[..], b"\r\nGET", b"\r\n\r\n\0\r\nQUIT\r", b"PROXY TCP4 ", b"\x16\x03"]
        {
            assert_eq!(read(other), ProxyHeader::Absent, "{other:?}");
        }
        for at in 0..SIGNATURE.len() {
            let mut bytes = header(PROXY, TCP_4, &v4());
            bytes[at] ^= 1;
            assert_eq!(read(&bytes), ProxyHeader::Absent, "{at}");
        }
    }

    #[test]
    fn garbage_behind_the_signature_is_malformed() {
        for bytes in [
            header(0x11, TCP_4, &v4()),
            header(0x22, TCP_4, &v4()),
            header(0x00, TCP_4, &v4()),
            header(PROXY, TCP_4, &v4()[..11]),
            header(PROXY, TCP_4, &[]),
            header(PROXY, TCP_6, &v6("::1")[..35]),
            header(PROXY, TCP_6, &v4()),
            header(PROXY, 0, &[0; 521]),
            header(LOCAL, 0, &[0; u16::MAX as usize]),
        ] {
            assert_eq!(read(&bytes), ProxyHeader::Malformed);
        }
        // A length that is too large is refused before the bytes come.
        let claimed = [&SIGNATURE[..], &[PROXY, TCP_4, 0xFF, 0xFF]].concat();
        assert_eq!(read(&claimed), ProxyHeader::Malformed);
        assert_eq!(read(&[&SIGNATURE[..], &[0x31]].concat()), ProxyHeader::Malformed);
    }
}
