//! The address of Redis, which may hold a password.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A Redis URL. `Debug` and `Display` leave out all parts that could be a password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(String);

/// Why a text is not a Redis URL. Never contains the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidRedisUrl {
    /// The scheme is unknown.
    #[error(
        "write redis://[user][:password@]host[:port][/db], rediss:// for TLS, redis+sentinel:// or unix:///path/to/socket"
    )]
    Scheme,
    /// A fragment. In other programs it can switch off the verification of the certificate.
    #[error(
        "there is a # in it: a certificate is always verified, --redis-ca names its CA; in a password write %23"
    )]
    Fragment,
    /// No host, or no path of a socket.
    #[error("there is no host in it: write redis://host:port, or unix:///path/to/socket with three slashes")]
    Host,
    /// The port is not a number from 1 to 65535.
    #[error("its port must be a number from 1 to 65535; percent-encode : / ? # @ in a password")]
    Port,
    /// The database is not a number.
    #[error("its path must be the number of a database, such as /0")]
    Database,
    /// Sentinels without a valid name of a master.
    #[error("it must name the master: write redis+sentinel://host:port,host:port/master-name[/db]")]
    Master,
    /// The query of a URL with sentinels contains more than a user and a password.
    #[error("its query may hold sentinel_username and sentinel_password only")]
    Query,
    /// A space, control character or the like.
    #[error("it holds a character that is not allowed in a URL; percent-encode it")]
    Character,
}

impl RedisUrl {
    /// True if the connection uses TLS, and so verifies the certificate.
    pub fn is_tls(&self) -> bool {
        ["rediss://", "valkeys://", "rediss+sentinel://"].iter().any(|scheme| self.0.starts_with(scheme))
    }

    /// True if there is a password for Redis in it. One for sentinels does not count.
    pub fn has_password(&self) -> bool {
        let (_, rest) = self.0.split_once("://").unwrap_or_default();
        let (authority, path) = split_authority(rest);
        let user_info = authority.rsplit_once('@').and_then(|(user_info, _)| user_info.split_once(':'));
        let query = path.split_once('?').map_or("", |(_, query)| query);
        let is_pass = |pair: &str| pair.strip_prefix("pass=").is_some_and(|it| !it.is_empty());
        user_info.is_some_and(|(_, password)| !password.is_empty()) || query.split('&').any(is_pass)
    }

    /// The whole URL, password included. For the connection only.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for RedisUrl {
    type Err = InvalidRedisUrl;

    fn from_str(text: &str) -> Result<Self, InvalidRedisUrl> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidRedisUrl::Character);
        }
        let (scheme, rest) = text.split_once("://").ok_or(InvalidRedisUrl::Scheme)?;
        match scheme {
            "redis" | "valkey" => check_tcp(rest)?,
            "unix" | "redis+unix" | "valkey+unix" if rest.starts_with('/') => {}
            "unix" | "redis+unix" | "valkey+unix" => return Err(InvalidRedisUrl::Host),
            "rediss" | "valkeys" | "rediss+sentinel" if rest.contains('#') => {
                return Err(InvalidRedisUrl::Fragment);
            }
            "rediss" | "valkeys" => check_tcp(rest)?,
            "redis+sentinel" | "rediss+sentinel" => check_sentinel(rest)?,
            _ => return Err(InvalidRedisUrl::Scheme),
        }
        Ok(RedisUrl(text.to_owned()))
    }
}

fn check_tcp(rest: &str) -> Result<(), InvalidRedisUrl> {
    let (authority, path) = split_authority(rest);
    check_address(without_user(authority))?;
    check_database(path.split(['?', '#']).next().unwrap_or_default().trim_start_matches('/'))
}

fn check_sentinel(rest: &str) -> Result<(), InvalidRedisUrl> {
    let (authority, tail) = split_authority(rest);
    without_user(authority).split(',').try_for_each(check_address)?;
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    let path = path.strip_prefix('/').unwrap_or_default();
    let (master, database) = path.split_once('/').unwrap_or((path, ""));
    // The characters that sentinels allow in a name.
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    if master.is_empty() || !master.bytes().all(allowed) {
        return Err(InvalidRedisUrl::Master);
    }
    check_database(database)?;
    let names = ["sentinel_username", "sentinel_password"];
    let known = |pair: &str| pair.split_once('=').is_some_and(|(name, _)| names.contains(&name));
    if !query.is_empty() && !query.split('&').all(known) {
        return Err(InvalidRedisUrl::Query);
    }
    Ok(())
}

fn check_address(address: &str) -> Result<(), InvalidRedisUrl> {
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (address, None),
    };
    if port.is_some_and(|port| !port.parse::<u16>().is_ok_and(|port| port > 0)) {
        return Err(InvalidRedisUrl::Port);
    }
    if host.is_empty() {
        return Err(InvalidRedisUrl::Host);
    }
    Ok(())
}

fn check_database(text: &str) -> Result<(), InvalidRedisUrl> {
    if !text.is_empty() && text.parse::<u32>().is_err() {
        return Err(InvalidRedisUrl::Database);
    }
    Ok(())
}

fn without_user(authority: &str) -> &str {
    authority.rsplit_once('@').map_or(authority, |(_, address)| address)
}

/// RFC 3986 §3.2: the authority ends at the first slash, question mark or number sign.
fn split_authority(rest: &str) -> (&str, &str) {
    rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once("://").unwrap_or_default();
        let (authority, path) = split_authority(rest);
        // A query may carry a password too.
        let path = path.split(['?', '#']).next().unwrap_or_default();
        match authority.rsplit_once('@') {
            Some((_, address)) => write!(f, "{scheme}://***@{address}{path}"),
            None => write!(f, "{scheme}://{authority}{path}"),
        }
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        for (url, shown) in [
            ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379"),
            ("redis://:s3cret@h:1/2?protocol=resp3", "redis://***@h:1/2"),
            ("redis://user:s3@cret@[::1]:6379", "redis://***@[::1]:6379"),
            ("valkey://h", "valkey://h"),
            ("unix:///run/redis.sock?pass=s3cret", "unix:///run/redis.sock"),
            ("rediss://me:s3cret@h/1", "rediss://***@h/1"),
            (
                "rediss+sentinel://me:s3,cret@a:1,[::1],c/m.a-s_ter/2?sentinel_username=u&sentinel_password=s3cret",
                "rediss+sentinel://***@a:1,[::1],c/m.a-s_ter/2",
            ),
            ("redis+sentinel://h/m/", "redis+sentinel://h/m/"),
        ] {
            let parsed: RedisUrl = url.parse().unwrap();
            assert_eq!((parsed.to_string().as_str(), parsed.reveal()), (shown, url));
            assert_eq!(format!("{parsed:?}"), format!("RedisUrl({shown})"));
        }
    }

    #[test]
    fn tls_is_what_the_scheme_says() {
        for (url, is_tls) in [
            ("redis://h", false),
            ("redis+sentinel://h/m", false),
            ("unix:///rediss://h", false),
            ("rediss://h", true),
            ("valkeys://h", true),
            ("rediss+sentinel://h/m", true),
        ] {
            assert_eq!(url.parse::<RedisUrl>().unwrap().is_tls(), is_tls, "{url}");
        }
    }

    #[test]
    fn each_fault_is_named_without_a_password() {
        use InvalidRedisUrl::*;
        for (url, fault) in [
            ("", Scheme),
            ("127.0.0.1:6379", Scheme),
            ("http://h", Scheme),
            ("sentinel://h/m", Scheme),
            ("rediss://h/#insecure", Fragment),
            ("rediss://:s3#cret@h", Fragment),
            ("rediss+sentinel://h/m#insecure", Fragment),
            ("rediss://:6379", Host),
            ("redis+sentinel:///m", Host),
            ("redis+sentinel://h,,h/m", Host),
            ("redis+sentinel://h,:1/m", Host),
            ("redis+sentinel://h,h:x/m", Port),
            ("redis+sentinel://h", Master),
            ("redis+sentinel://:s3@h/", Master),
            ("redis+sentinel://h//0", Master),
            ("redis+sentinel://h/m%20", Master),
            ("redis+sentinel://h/m#s3", Master),
            ("redis+sentinel://h/0/m", Database),
            ("redis+sentinel://h/m/0/", Database),
            ("redis+sentinel://h/m?password=s3cret", Query),
            ("redis+sentinel://h/m?sentinel_password=s3&", Query),
            ("redis://", Host),
            ("redis://:6379", Host),
            ("redis://u:s3cret@:6379", Host),
            ("unix://redis.sock", Host),
            ("redis://h:0", Port),
            ("redis://h:65536", Port),
            ("redis://:s3/cret@h:1", Port),
            ("redis://h/x", Database),
            ("redis://h/0 ", Character),
            ("redis://h\n", Character),
        ] {
            let error = url.parse::<RedisUrl>().unwrap_err();
            assert_eq!(error, fault, "{url}");
            assert!(!error.to_string().contains("s3"));
        }
    }
}
