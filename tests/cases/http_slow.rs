//! Clients that never finish their request are closed at a deadline, which a trickle does not move.

use std::time::{Duration, Instant};

use relay_tests::harness::http::{Http, fetch, request};
use relay_tests::harness::process::allow_descriptors;
use relay_tests::harness::wire::{End, Wire};
use relay_tests::harness::{Bystander, Relay, SetUp};
use relay_tests::on_each_setup;

on_each_setup!(a_trickling_head_ends_at_the_deadline, two_thousand_half_requests_cost_little);

/// From accept to a whole first head, and for later heads from the first byte: section 1 of the contract.
const DEADLINE: Duration = Duration::from_secs(10);

/// Fault 6: Requests that never end.
/// Played: One byte at a time. 2,000 half requests. Soak: 2,000 that send a line every half second.
/// Holds: 408 or a close at the deadline. RSS grows by less than 20 MiB (soak: 11 MiB). Other clients are
/// served (soak: in 10 ms).
fn a_trickling_head_ends_at_the_deadline(set_up: SetUp) {
    let relay = Relay::start(set_up);
    let mut fresh = Http::connect(relay.addr());
    fresh.send("GET /health HTTP/1.1\r\n");
    let mut used = Http::connect(relay.addr());
    used.send(request("GET", "/health", &[], ""));
    used.response().expect(200);
    used.send("GET /health HTTP/1.1\r\n");
    let mut body = Http::connect(relay.addr());
    body.send("POST /api/register HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n");
    let mut chunks = Http::connect(relay.addr());
    chunks.send("POST /api/register HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n");
    let started = Instant::now();
    let mut waiting = vec![fresh, used, body, chunks];
    while !waiting.is_empty() {
        // One more byte each, a few times a second.
        waiting.retain_mut(|http| {
            let _ = http.wire().try_send(b"x");
            let ended = http.wire().fill_for(Duration::from_millis(100)).is_err();
            if ended {
                let said = String::from_utf8_lossy(http.wire().pending()).into_owned();
                assert!(said.is_empty() || said.starts_with("HTTP/1.1 408 "), "{said}");
            }
            !ended
        });
        assert!(started.elapsed() < DEADLINE * 10, "{} are still open", waiting.len());
    }
    assert!(started.elapsed() >= DEADLINE - Duration::from_secs(1), "they were closed before the deadline");
}

/// Fault 6.
fn two_thousand_half_requests_cost_little(set_up: SetUp) {
    allow_descriptors(8192);
    let relay = Relay::start(set_up);
    let bystander = Bystander::start(&relay);
    fetch(relay.addr(), "/health").expect(200);
    let before = relay.node().process().resident_kib();
    let mut half: Vec<Wire> = Vec::new();
    for _ in 0..2000 {
        let mut wire = Wire::connect(relay.addr());
        wire.send(b"GET /health HTTP/1.1\r\nHost: h\r\nX: ");
        half.push(wire);
    }
    // A new client is served, and by then the server has seen all of them.
    fetch(relay.addr(), "/health").expect(200);
    let grown = relay.node().process().resident_kib().saturating_sub(before);
    assert!(grown < 20 * 1024, "{grown} KiB for 2,000 half requests");
    for mut wire in half {
        let end = wire.read_to_end("the deadline of half a request");
        assert!(matches!(end, End::Eof | End::Reset));
        let said = String::from_utf8_lossy(wire.pending());
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408 "), "{said}");
    }
    bystander.done();
}
