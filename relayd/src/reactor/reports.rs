//! What the node says of itself when it is asked: whether it is ready, and its metrics.

use std::time::Duration;

use relayd_core::relay::Relay;
use relayd_core::time::Time;

use super::conns::Conns;
use crate::backend::{Backend, Status};
use crate::metrics::Metrics;

/// Which store answers; or why this node is not ready.
pub(super) fn readiness(backend: &Backend, is_stopping: bool, is_deaf: bool) -> Result<String, String> {
    match backend.status() {
        _ if is_stopping => Err("this node is stopping: ask another one".to_owned()),
        Status::Available if is_deaf => Err("this node does not hear the other nodes".to_owned()),
        Status::Available => Ok(backend.kind().to_owned()),
        Status::Full { reason } | Status::Away { reason } => Err(reason.clone()),
    }
}

/// The text of the metrics, with every gauge set to what is now.
pub(super) fn metrics_text(
    metrics: &mut Metrics,
    relay: &Relay,
    conns: &Conns,
    backend: &Backend,
    now: Time,
) -> String {
    metrics.ws_connections = relay.connections() as u64;
    metrics.http_connections = conns.len() as u64 - metrics.ws_connections;
    metrics.sessions = relay.sessions() as u64;
    metrics.links_local = relay.links() as u64;
    metrics.links_remote = relay.links_remote() as u64;
    metrics.links_opening = relay.links_opening() as u64;
    metrics.timers = relay.timers() as u64;
    metrics.nodes = relay.node_counts();
    // Without other nodes there is no probe, and nothing to hear.
    let probe_age = if relay.is_alone() { Duration::ZERO } else { relay.probe_age(now) };
    metrics.probe_age_secs = probe_age.as_secs();
    metrics.bus = backend.bus_counts();
    metrics.buffer_bytes = conns.pool.lent() as u64;
    metrics.store_up = *backend.status() == Status::Available;
    let mut text = String::new();
    metrics.write_text(backend.kind(), relay.node(), &mut text);
    text
}
