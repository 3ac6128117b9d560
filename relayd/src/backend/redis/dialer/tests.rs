//! Tests against sentinels and servers that give the same answer to every command.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use protocol::ids::NodeId;

use super::*;

/// Listens, and answers every read of each connection with `answer`. If that is empty, it stays silent.
fn server(answer: impl Into<Vec<u8>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, answer) = (listener.local_addr().unwrap(), answer.into());
    let serve = move |mut socket: TcpStream| {
        while socket.read(&mut [0; 1024]).is_ok_and(|count| count > 0) && socket.write_all(&answer).is_ok() {}
    };
    // Ends with the test program.
    thread::spawn(move || listener.incoming().flatten().for_each(serve));
    address
}

/// A server that is a master, or a replica.
fn node(role: &str) -> SocketAddr {
    server(format!("*2\r\n${}\r\n{role}\r\n:0\r\n", role.len()))
}

/// A sentinel that names this master.
fn sentinel(master: SocketAddr) -> SocketAddr {
    let port = master.port().to_string();
    server(format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len()))
}

fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap()
}

fn dial(sentinels: &[SocketAddr]) -> Result<RedisConnection, Fault> {
    let sentinels: Vec<_> = sentinels.iter().map(SocketAddr::to_string).collect();
    let url = format!("redis+sentinel://{}/the-master", sentinels.join(","));
    Dialer::for_requests(&settings(&url)).unwrap().dial()
}

fn settings(url: &str) -> RedisSettings {
    let node = NodeId::from_bytes([7; 16]);
    RedisSettings {
        url: url.to_owned(),
        password: RedisPassword::InUrl,
        ca: None,
        prefix: "relay:".to_owned(),
        idle_secs: 60,
        node,
    }
}

fn reason(sentinels: &[SocketAddr]) -> String {
    match dial(sentinels) {
        Ok(_) => panic!("let in"),
        Err(fault) => fault.why().to_owned(),
    }
}

#[test]
fn one_sentinel_that_knows_the_master_is_enough() {
    let master = node("master");
    assert!(dial(&[sentinel(master)]).is_ok());
    let useless =
        [nobody(), server("*-1\r\n"), server("-ERR no\r\n"), server("+OK\r\n"), server("*1\r\n$1\r\nx\r\n")];
    assert!(dial(&[&useless[..], &[sentinel(master)]].concat()).is_ok());
}

#[test]
fn a_sentinel_that_lags_does_not_hide_one_that_is_up_to_date() {
    let replica = sentinel(node("slave"));
    let dead = sentinel(nobody());
    assert!(dial(&[replica, dead, replica, sentinel(node("master"))]).is_ok());
}

#[test]
fn a_silent_sentinel_delays_the_others_by_its_share_only() {
    let silent = server("");
    let begun = Instant::now();
    let others = [sentinel(node("master")); 11];
    assert!(dial(&[&[silent][..], &others].concat()).is_ok());
    assert!(begun.elapsed() >= SHARE_MIN);
    let begun = Instant::now();
    let why = reason(&[silent; 40]);
    assert!(why.contains("does not answer in time"), "{why}");
    assert!(begun.elapsed() < ASKED_FOR_MAX * 2, "{:?}", begun.elapsed());
}

#[test]
fn the_reason_names_the_failing_server_and_its_failure() {
    let replica = node("slave");
    let why = reason(&[sentinel(replica), nobody()]);
    assert_eq!(why, format!("the master at {replica}, named by sentinels: it is a replica"));
    let stranger = server("*-1\r\n");
    let why = reason(&[nobody(), stranger]);
    assert_eq!(
        why,
        format!(
            "no sentinel names a master; the one at {stranger}: it does not know a master named \"the-master\""
        )
    );
    let why = reason(&[server("-NOAUTH Authentication required.\r\n")]);
    assert!(why.contains("NOAUTH"), "{why}");
}

#[test]
fn no_line_shows_a_password() {
    for (url, address) in [
        ("redis://me:s%21cret@127.0.0.1:6379/3", "127.0.0.1:6379"),
        (
            "redis+sentinel://me:s%21cret@[::1]:7,h/master/3?sentinel_username=u&sentinel_password=hid%64en",
            "h:26379",
        ),
        ("unix:///run/redis.sock?user=me&pass=s%21cret&db=3", "\"/run/redis.sock\""),
    ] {
        let shown = format!("{:?}", Dialer::for_requests(&settings(url)).unwrap());
        assert!(shown.contains(address) && !shown.contains("cret") && !shown.contains("hid"), "{shown}");
    }
}

#[test]
fn the_error_about_an_unusable_url_hides_its_password() {
    for url in ["", "http://localhost", "redis://:hidden@host/nodb", "redis://:hidden@:0x", "host:6379"] {
        let error = Dialer::for_requests(&settings(url)).unwrap_err().to_string();
        assert!(error.contains("redis://") && !error.contains("hidden"), "{url}: {error}");
    }
}
