//! Between this node and others: packets in from the bus, packets out to it.
//!
//! The core says what a packet means, and what this node has to say to others. The backend carries both.

use relayd_core::node_link::item::Item;

use super::Reactor;
use super::backend_watch::DEAF_AFTER;
use crate::backend::Published;

/// Packets of the bus that one turn takes at most, so that sockets are served in between.
const PACKETS_PER_TURN: usize = 256;

impl Reactor {
    /// Takes in packets of other nodes.
    pub(super) fn drain_bus(&mut self) {
        let mut budget = PACKETS_PER_TURN;
        self.watch.has_more_packets = loop {
            let Some(packet) = self.backend.poll_packet() else { break false };
            self.take_packet(&packet);
            self.backend.recycle(packet);
            budget -= 1;
            if budget == 0 {
                break true;
            }
        };
    }

    fn take_packet(&mut self, packet: &[u8]) {
        let now = self.clock.now();
        let taken = self.relay.take_message(packet, now);
        self.carry_out();
        let Some((from, mut items)) = taken else { return };
        while let Some(item) = Item::take(&mut items) {
            let delivery = self.relay.handle_item(from, item, now);
            self.carry_out();
            if let Some(delivery) = delivery {
                self.forwarder().deliver(&delivery);
                self.carry_out();
            }
        }
        if !items.is_empty() {
            tracing::warn!(node = %from, bytes = items.len(), "the rest of a batch of another node can't be read");
        }
    }

    /// Hands the core's packets for other nodes to the backend. The core writes each into the buffer that is
    /// sent.
    pub(super) fn publish(&mut self) {
        let now = self.clock.now();
        loop {
            match self.backend.publish(|packet| self.relay.poll_publish(now, packet)) {
                Published::Nothing => return,
                Published::Queued => {}
                // The stream repeats it.
                Published::Refused(to) => tracing::debug!(node = %to, "no room for a packet"),
            }
        }
    }

    /// Subscribes again if this node has not heard its own probe for long, and so hears nothing.
    pub(super) fn listen_again(&mut self) {
        if self.is_deaf() && self.watch.take_listen_turn(self.clock.now()) {
            tracing::warn!(
                "this node has not heard its own probe for 10 s: it subscribes again and is not ready"
            );
            self.backend.resubscribe();
        }
    }

    /// True if this node does not hear the bus.
    pub(super) fn is_deaf(&self) -> bool {
        !self.relay.is_alone() && self.relay.probe_age(self.clock.now()) >= DEAF_AFTER
    }
}
