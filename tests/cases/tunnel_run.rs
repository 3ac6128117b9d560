//! Tunnels under faults, for a short time. `./run-test.sh --tunnel` plays it longer, and with other seeds.

use std::time::Duration;

use relay_tests::tunnel_run::TunnelRun;

#[test]
fn messages_arrive_once_in_order_and_whole_over_bad_networks() {
    let time = Duration::from_secs(10);
    let seen = TunnelRun { pairs: 3, time, below_every: Duration::from_secs(4), seed: 4 }.play();
    println!("{seen}");
    assert!(seen.breaches.is_empty(), "{seen}");
    assert!(seen.sent > 0 && seen.sent == seen.came, "{seen}");
    assert!(seen.reconnects > 0 && seen.faults.len() > 3, "{seen}");
}
