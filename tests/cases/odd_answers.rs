//! Something else answers at the relay's address for a while: a proxy that is reloaded, a portal. An existing
//! pair waits until it is over.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::thread;

use protocol::ids::Role;
use relay_client::Lost;
use relay_client::engine::EngineEvent as Event;
use relay_tests::harness::tunnel::{End, Ends, at, fresh_code};
use relay_tests::harness::{FaultProxy, Options, Relayd};

/// Answers every connection with this, and waits for its end.
fn answering(text: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                // The client may be gone already.
                let _ = stream.read(&mut [0; 4096]).and_then(|_| stream.write_all(text.as_bytes()));
                let _ = stream.shutdown(Shutdown::Write);
                let _ = stream.read_to_end(&mut Vec::new());
            });
        }
    };
    thread::spawn(answer);
    address
}

fn until_odd(end: &mut End) -> String {
    end.until("odd answer", |event| match event {
        Event::Reconnecting { why: why @ Lost::Odd(_), .. } => Some(why.to_string()),
        _ => None,
    })
}

/// Fault 63: Something else answers at the relay's address.
/// Played: 404, 403, redirects, a portal's page, an SSH banner, no raw mode, junk, every close code: at the
/// upgrade, at the hello, within a link, and to a register.
/// Holds: At the first contact the client stops and asks whether the address is right. Later it retries
/// without end, and says what answered. A pair ends only when it is deleted, when another program uses
/// the same pair, or by a code that names a fault of the client.
#[test]
fn an_existing_pair_waits_until_its_relay_answers_again() {
    let relayd = Relayd::start_ready(&Options::new());
    let proxies = [(); 2].map(|()| FaultProxy::start(relayd.addr()));
    let [desk, phone] = proxies.each_ref().map(FaultProxy::addr);
    let mut ends =
        Ends::pair(fresh_code(relayd.addr()), &at(Role::Workstation, desk), &at(Role::Phone, phone));
    for (text, words) in [
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "answered 404 Not Found"),
        ("HTTP/1.1 302 Found\r\nLocation: http://portal/\r\n\r\n", "sends us to http://portal/"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "answered 200 OK"),
        ("SSH-2.0-OpenSSH_9.9\r\n\r\n", "did not answer as a WebSocket server"),
    ] {
        let other = answering(text);
        for proxy in &proxies {
            proxy.set_upstream(other);
            proxy.reset();
        }
        ends.workstation.send(b"over a reload");
        for end in [&mut ends.workstation, &mut ends.phone] {
            let said = until_odd(end);
            assert!(said.contains(words), "{said}");
        }
        for proxy in &proxies {
            proxy.set_upstream(relayd.addr());
        }
        ends.workstation.engine.retry_now();
        ends.phone.engine.retry_now();
        ends.workstation.until_open();
        ends.phone.until_open();
        assert_eq!(ends.phone.message(), b"over a reload");
    }
}
