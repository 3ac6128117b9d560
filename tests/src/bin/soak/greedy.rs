//! Greedy crowds: what they cost a node, compared with its stated bounds.

use std::time::{Duration, Instant};

use relay_tests::harness::guard::let_pass;
use relay_tests::harness::http::fetch;
use relay_tests::harness::process::allow_descriptors;
use relay_tests::harness::wire::Wire;
use relay_tests::harness::{Bystander, Options, Relay, SetUp};
use relay_tests::stuck_readers::stuck;

const STUCK: usize = 1000;
const SLOW: usize = 2000;
/// What 2,000 half requests may cost together.
const SLOW_KIB: u64 = 20 << 10;
const MEMORY_MAX_MIB: u64 = 64;

/// A thousand phones that do not read.
///
/// # Panics They cost more than stated, or a pair beside them is disturbed.
pub fn stuck_readers() {
    allow_descriptors(8192);
    let options = Options::new().arg("--memory-max", &format!("{MEMORY_MAX_MIB}MiB"));
    let relay = Relay::start_with(SetUp::Memory, &options.env("MAX_MESSAGE_BYTES", "1000000"));
    let bystander = Bystander::start(&relay);
    let process = relay.node().process();
    let before = process.resident_kib();
    let pairs = stuck(&relay, STUCK);
    let (grown, held) = (process.resident_kib() - before, relay.node().metric("relay_buffer_bytes") >> 10);
    // What one turn reads from every sender before it checks the bound, and the connections themselves.
    let bound = (MEMORY_MAX_MIB << 10) + 64 * STUCK as u64 + 2 * 8 * STUCK as u64;
    println!("{STUCK} stuck readers: RSS + {grown} KiB, {held} KiB of them buffers; bound {bound} KiB");
    assert!(grown < bound, "over the bound");
    bystander.done();
    drop(pairs);
}

/// Two thousand clients that send a header line every half second and never end their request.
///
/// # Panics They cost more than stated, are not closed, or a pair beside them is disturbed.
pub fn slow_requests() {
    allow_descriptors(8192);
    let relay = Relay::start(SetUp::Memory);
    let bystander = Bystander::start(&relay);
    let process = relay.node().process();
    let (before, ticks_before) = (process.resident_kib(), process.cpu_ticks());
    let mut slow: Vec<Wire> = (0..SLOW).map(|_| Wire::connect(relay.addr())).collect();
    slow.iter_mut().for_each(|wire| wire.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n"));
    let (started, mut most, mut longest) = (Instant::now(), 0, Duration::ZERO);
    while !slow.is_empty() {
        assert!(started.elapsed() < Duration::from_secs(100), "{} are still open", slow.len());
        slow.retain_mut(|wire| wire.try_send(b"X: y\r\n").is_ok());
        let asked_at = Instant::now();
        fetch(relay.addr(), "/health").expect(200);
        longest = longest.max(asked_at.elapsed());
        most = most.max(process.resident_kib());
        let_pass(Duration::from_millis(500));
    }
    let (grown, ticks) = (most - before, process.cpu_ticks() - ticks_before);
    println!(
        "{SLOW} slow requests: RSS + {grown} KiB, bound {SLOW_KIB} KiB; all closed after {:.1} s; another client's \
         request took {} ms at most; {ticks} ticks of a hundredth of a second of CPU",
        started.elapsed().as_secs_f64(),
        longest.as_millis()
    );
    assert!(grown < SLOW_KIB, "over the bound");
    bystander.done();
}
