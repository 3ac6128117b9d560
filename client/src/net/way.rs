//! The ways to a relay: its addresses, or those of the proxy before it; and connecting by the first that is
//! open. Blocks; a name's look-up has the system's own time limit.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use super::endpoint::Endpoint;
use super::proxy::{ProxyUrl, Target, Through, pass};
use super::stream::unreachable_words;

/// One way: an address to connect to, and what to ask for there if that is a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    address: SocketAddr,
    through: Option<(Through, Target)>,
}

impl Way {
    /// The relay's own address.
    pub(crate) fn direct(address: SocketAddr) -> Self {
        Way { address, through: None }
    }

    /// The address that it ends at; `None` for a name that only the proxy looks up.
    pub(crate) fn leads_to(&self) -> Option<IpAddr> {
        match &self.through {
            None => Some(self.address.ip()),
            Some((_, Target::Address(address))) => Some(address.ip()),
            Some((_, Target::Name(name, _))) => name.parse().ok(),
        }
    }
}

/// The ways to a relay, those behind `failed` first: that one was open and led to no relay.
///
/// # Errors
/// A text for people: which name, what happened, what to try.
pub(crate) fn ways(endpoint: &Endpoint, failed: Option<&Way>) -> Result<Vec<Way>, String> {
    let through = endpoint.through().map_err(|error| format!("can't reach {endpoint}: {error}"))?;
    let unreachable = |error: &io::Error| unreachable_words(endpoint, error);
    let found = match through {
        None => {
            endpoint.look_up().map_err(|error| unreachable(&error))?.into_iter().map(Way::direct).collect()
        }
        Some(through) => {
            let proxies = look_up(through.proxy()).map_err(|error| unreachable(&error))?;
            let targets = match through.proxy().looks_up_names() {
                true => vec![Target::Name(endpoint.host().to_owned(), endpoint.port())],
                false => {
                    let found = endpoint.look_up().map_err(|error| unreachable(&error))?;
                    found.into_iter().map(Target::Address).collect()
                }
            };
            each_by_each(&proxies, &targets, &through)
        }
    };
    Ok(behind(failed, found))
}

/// Every target by every address of the proxy.
fn each_by_each(proxies: &[SocketAddr], targets: &[Target], through: &Through) -> Vec<Way> {
    let by = |target: &Target| {
        let through = Some((through.clone(), target.clone()));
        proxies
            .iter()
            .map(move |address| Way { address: *address, through: through.clone() })
            .collect::<Vec<_>>()
    };
    targets.iter().flat_map(by).collect()
}

fn look_up(proxy: &ProxyUrl) -> io::Result<Vec<SocketAddr>> {
    let found = (proxy.host(), proxy.port()).to_socket_addrs();
    found.map(Iterator::collect).map_err(|error| {
        io::Error::other(format!("the proxy's name {:?} is not known ({error}); is it right?", proxy.host()))
    })
}

fn behind(failed: Option<&Way>, mut ways: Vec<Way>) -> Vec<Way> {
    if let Some(at) = ways.iter().position(|way| Some(way) == failed) {
        ways.rotate_left(at + 1);
    }
    ways
}

/// The share of the time left for the first of this many ways, so that a dead one does not use it all up.
pub(crate) fn share_of(deadline: Instant, ways: usize) -> io::Result<Duration> {
    let share = time_left(deadline)? / u32::try_from(ways.max(1)).unwrap_or(u32::MAX);
    Ok(share.max(Duration::from_millis(1)))
}

/// Connects by the first way that is open, up to the end of the proxy's answer if there is a proxy.
pub(super) fn connect_by_any(ways: &[Way], deadline: Instant) -> io::Result<(TcpStream, Way)> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for (done, way) in ways.iter().enumerate() {
        let share = share_of(deadline, ways.len() - done)?;
        match connect_by(way, share) {
            Ok(socket) => return Ok((socket, way.clone())),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn connect_by(way: &Way, time: Duration) -> io::Result<TcpStream> {
    let deadline = Instant::now() + time;
    let Some((through, target)) = &way.through else {
        let socket = TcpStream::connect_timeout(&way.address, time)?;
        socket.set_nodelay(true)?;
        return Ok(socket);
    };
    let socket =
        TcpStream::connect_timeout(&way.address, time).map_err(|error| of_proxy(&error, "its port"))?;
    socket.set_nodelay(true)?;
    let mut socket = Blocking { socket, deadline };
    pass(&mut socket, through, target).map_err(|error| of_proxy(&error, "its answer"))?;
    Ok(socket.socket)
}

/// The words for what happened between here and a proxy: a kind of its own would be read as the relay's.
fn of_proxy(error: &io::Error, what: &str) -> io::Error {
    io::Error::other(match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "the proxy refuses connections; is it running, and is its port right?".to_owned()
        }
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            format!("waited for {what} in vain; is the proxy's address right, and can it reach the relay?")
        }
        _ => error.to_string(),
    })
}

/// ` through the proxy …` where there is one, for messages.
pub(super) fn through_words(endpoint: &Endpoint) -> String {
    match endpoint.through() {
        Ok(Some(through)) => format!(" through {through}"),
        // A wrong address of a proxy has a message of its own.
        Ok(None) | Err(_) => String::new(),
    }
}

/// A socket that waits until its deadline and no longer, however slowly bytes come.
#[derive(Debug)]
pub(super) struct Blocking {
    pub(super) socket: TcpStream,
    pub(super) deadline: Instant,
}

impl Read for Blocking {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(time_left(self.deadline)?))?;
        self.socket.read(out)
    }
}

impl Write for Blocking {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(time_left(self.deadline)?))?;
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The time left until `deadline`; an error when it has passed.
pub(crate) fn time_left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::proxy::Proxy;

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, last], 9))
    }

    #[test]
    fn the_next_try_starts_behind_the_way_that_failed() {
        let [first, second, third] = [1, 2, 3].map(|last| Way::direct(address(last)));
        for (failed, order) in [
            (None, [&first, &second, &third]),
            (Some(&first), [&second, &third, &first]),
            (Some(&second), [&third, &first, &second]),
            (Some(&third), [&first, &second, &third]),
            (Some(&Way::direct(address(4))), [&first, &second, &third]),
        ] {
            let found = vec![first.clone(), second.clone(), third.clone()];
            assert_eq!(behind(failed, found), order.map(Clone::clone));
        }
    }

    #[test]
    fn a_proxy_is_asked_for_the_name_or_for_each_address() {
        let endpoint = Endpoint::parse_ws("wss://two.test/ws").unwrap().found_at(&[address(1), address(2)]);
        let by = |proxy: &str| {
            let endpoint = endpoint.clone().with_proxy(proxy.parse::<Proxy>().unwrap());
            let ways = ways(&endpoint, None).unwrap();
            let asked = |way: &Way| way.through.as_ref().map(|(_, target)| (way.address, target.to_string()));
            ways.iter().map(asked).collect::<Option<Vec<_>>>()
        };
        let proxy = SocketAddr::from(([127, 0, 0, 9], 1080));
        let name = Some(vec![(proxy, "two.test:443".to_owned())]);
        assert_eq!(by("http://127.0.0.9:1080"), name);
        assert_eq!(by("socks5h://127.0.0.9"), name);
        let both = ["127.0.0.1:9", "127.0.0.2:9"].map(|target| (proxy, target.to_owned()));
        assert_eq!(by("socks5://127.0.0.9"), Some(both.to_vec()));
        assert_eq!(by("none"), None);
    }
}
