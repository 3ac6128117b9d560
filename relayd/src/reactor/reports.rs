//! What the node says of itself when it is asked: whether it is ready, and its metrics.

use std::time::Duration;

use super::Reactor;
use crate::backend::Status;
use crate::metrics::ProcessFigures;

/// Connections up to which descriptors may be counted one by one.
const COUNTED_MAX: usize = 4096;

impl Reactor {
    /// Which store answers; or why this node is not ready.
    pub(super) fn readiness(&self) -> Result<String, String> {
        match self.backend.status() {
            _ if self.stop.is_asked() => Err("this node is stopping: ask another one".to_owned()),
            Status::Available if self.is_deaf() => Err("this node does not hear the other nodes".to_owned()),
            Status::Available => Ok(self.backend.kind().to_owned()),
            Status::Full { reason } | Status::Away { reason } => Err(reason.clone()),
        }
    }

    /// The text of the metrics, with every gauge set to what is now.
    pub(super) fn metrics_text(&mut self) -> String {
        let (metrics, relay, now) = (&mut self.metrics, &self.relay, self.clock.now());
        if let Some(handshakes) = &mut self.handshakes {
            metrics.certificates.clone_from(&handshakes.presenter.current().certificates);
            metrics.certificate_attempts = handshakes.presenter.attempts();
        }
        metrics.ws_connections = relay.connections() as u64;
        metrics.http_connections = self.conns.len() as u64 - metrics.ws_connections;
        metrics.sessions = relay.sessions() as u64;
        metrics.links_local = relay.links() as u64;
        metrics.links_remote = relay.links_remote() as u64;
        metrics.links_opening = relay.links_opening() as u64;
        metrics.timers = relay.timers() as u64;
        metrics.nodes = relay.node_counts();
        // Without other nodes there is no probe, and nothing to hear.
        let probe_age = if relay.is_alone() { Duration::ZERO } else { relay.probe_age(now) };
        metrics.probe_age_secs = probe_age.as_secs();
        metrics.bus = self.backend.bus_counts();
        metrics.buffer_bytes = self.conns.pool.lent() as u64;
        metrics.uptime_secs = self.clock.uptime().as_secs();
        let are_few = self.conns.len() < COUNTED_MAX;
        metrics.process = ProcessFigures::read(self.clock.started_unix_secs(), are_few);
        if let Some(round_trips) = self.backend.round_trips() {
            metrics.histograms.round_trips.clone_from(round_trips);
        }
        metrics.store_up = *self.backend.status() == Status::Available;
        let mut text = String::new();
        metrics.write_text(self.backend.kind(), relay.node(), &mut text);
        text
    }
}
