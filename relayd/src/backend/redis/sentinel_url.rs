//! Splits a URL that names sentinels. The configuration has checked it; here it is only read.

/// `redis+sentinel://[[user]:password@]host[:port],…/master[/db][?sentinel_username=…&sentinel_password=…]`.
/// User and password are for Redis, those of the query for the sentinels.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SentinelUrl<'a> {
    /// The scheme for one Redis: `redis` or `rediss`.
    scheme: &'a str,
    /// The text up to and including the at sign, or nothing.
    user_info: &'a str,
    hosts: &'a str,
    /// The name under which the sentinels watch the master.
    pub(super) master: &'a str,
    /// May be empty.
    database: &'a str,
    query: &'a str,
}

impl<'a> SentinelUrl<'a> {
    /// `None`: it names no sentinels.
    pub(super) fn parse(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once("+sentinel://")?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user_info, hosts) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
        let (master, database) = path.split_once('/').unwrap_or((path, ""));
        Some(SentinelUrl { scheme, user_info, hosts, master, database, query })
    }

    /// One URL for each sentinel, in the order of asking.
    pub(super) fn sentinels(&self) -> impl Iterator<Item = String> {
        self.hosts.split(',').map(|host| {
            // An IPv6 address is in brackets.
            let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
            let port = if has_port { "" } else { PORT_DEFAULT };
            format!("{}://{host}{port}", self.scheme)
        })
    }

    /// The URL of the master, with a placeholder for its address, which only the sentinels know.
    pub(super) fn of_master(&self) -> String {
        format!("{}://{}{}/{}", self.scheme, self.user_info, "master", self.database)
    }

    /// The user at the sentinels, decoded.
    pub(super) fn sentinel_username(&self) -> Option<String> {
        self.query_value("sentinel_username").map(decoded)
    }

    /// The password at the sentinels, decoded.
    pub(super) fn sentinel_password(&self) -> Option<String> {
        self.query_value("sentinel_password").map(decoded)
    }

    /// The password at the sentinels, as written.
    pub(super) fn written_sentinel_password(&self) -> Option<&'a str> {
        self.query_value("sentinel_password")
    }

    fn query_value(&self, name: &str) -> Option<&'a str> {
        let mut pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}

/// RFC 3986 §2.1. Text that is not a valid escape is kept as it is.
fn decoded(text: &str) -> String {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, after @ ..] = rest {
        let code = match *rest {
            [b'%', high, low, ..] => digit(high).zip(digit(low)),
            _ => None,
        };
        bytes.push(code.map_or(*first, |(high, low)| high << 4 | low));
        rest = if code.is_some() { &rest[3..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The default port of sentinels.
const PORT_DEFAULT: &str = ":26379";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_found() {
        let url = "rediss+sentinel://me:p@a,b@s1:1,s2,[::1],[::1]:4/the-master/3?sentinel_username=u&sentinel_password=%21%2f%+1%2";
        let parsed = SentinelUrl::parse(url).unwrap();
        let sentinels: Vec<_> = parsed.sentinels().collect();
        assert_eq!(
            sentinels,
            ["rediss://s1:1", "rediss://s2:26379", "rediss://[::1]:26379", "rediss://[::1]:4"]
        );
        assert_eq!(
            (parsed.master, parsed.of_master().as_str()),
            ("the-master", "rediss://me:p@a,b@master/3")
        );
        assert_eq!(parsed.sentinel_username().as_deref(), Some("u"));
        assert_eq!(parsed.sentinel_password().as_deref(), Some("!/%+1%2"));
    }

    #[test]
    fn the_least_is_one_sentinel_and_a_name() {
        let parsed = SentinelUrl::parse("redis+sentinel://h/m").unwrap();
        assert_eq!(parsed.sentinels().collect::<Vec<_>>(), ["redis://h:26379"]);
        assert_eq!((parsed.master, parsed.of_master().as_str()), ("m", "redis://master/"));
        assert_eq!((parsed.sentinel_username(), parsed.sentinel_password()), (None, None));
    }

    #[test]
    fn other_urls_name_no_sentinels() {
        for url in ["redis://h", "rediss://h/0", "unix:///redis.sock", "", "+sentinel:/h"] {
            assert_eq!(SentinelUrl::parse(url), None, "{url}");
        }
    }
}
