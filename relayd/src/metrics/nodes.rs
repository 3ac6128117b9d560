//! What the metrics say of other nodes and of the bus between them: sums over all nodes, as a node's id lasts
//! only as long as its process and a sample by node would never go away.

use protocol::ids::NodeId;

use super::page::{COUNTER, GAUGE, Page};
use super::{Metrics, by_role};

impl Metrics {
    /// Appends what is known of other nodes.
    pub(super) fn write_nodes(&self, node: NodeId, page: &mut Page<'_>) {
        let (nodes, batches) = (&self.nodes, &self.nodes.batches);
        page.family("relay_node_info", GAUGE, "1, with the id of this node, which is new with each start.");
        page.labelled("node", [(node, 1)]);
        for (name, help, value) in [
            ("relay_nodes", "Other nodes with a stream to this node.", nodes.nodes as u64),
            ("relay_links_opening", "Links to other nodes that are not accepted yet.", self.links_opening),
            (
                "relay_window_batches",
                "Batches that other nodes have not acknowledged.",
                nodes.window_batches as u64,
            ),
            ("relay_window_bytes", "Bytes of those batches.", nodes.window_bytes as u64),
            (
                "relay_probe_age_seconds",
                "Seconds since this node heard its own probe; 0 without other nodes.",
                self.probe_age_secs,
            ),
        ] {
            page.single(name, GAUGE, help, value);
        }
        page.family(
            "relay_frames_to_nodes_total",
            COUNTER,
            "Frames sent to other nodes, by the role of the sender.",
        );
        page.labelled("from", by_role(self.frames_to_nodes));
        for (name, help, value) in [
            ("relay_batches_sent_total", "Batches sent to other nodes, each counted once.", batches.sent),
            ("relay_batches_repeated_total", "Batches sent again.", batches.repeated),
            ("relay_batches_received_total", "Batches received from other nodes.", batches.received),
            ("relay_batches_doubled_total", "Batches that came twice and were dropped.", batches.doubled),
        ] {
            page.single(name, COUNTER, help, value);
        }
    }

    /// Appends the counts of the bus.
    pub(super) fn write_bus(&self, page: &mut Page<'_>) {
        let bus = &self.bus;
        for (name, help, value) in [
            ("relay_bus_published_total", "Packets given to Redis.", bus.published),
            ("relay_bus_writes_total", "Writes that carried them.", bus.writes),
            ("relay_bus_refused_total", "Packets refused because the queue to Redis was full.", bus.refused),
            ("relay_bus_lost_total", "Packets dropped because there was no connection to Redis.", bus.lost),
            ("relay_bus_received_total", "Packets received for this node.", bus.received),
            (
                "relay_bus_overflowed_total",
                "Packets received and dropped because the queue was full.",
                bus.overflowed,
            ),
            (
                "relay_bus_junk_total",
                "Packets received that are longer than any that a node sends.",
                bus.junk,
            ),
            ("relay_bus_subscribed_total", "Subscriptions confirmed.", bus.subscribed),
            ("relay_bus_faults_total", "Connections of the bus that broke or failed.", bus.faults),
        ] {
            page.single(name, COUNTER, help, value);
        }
    }
}
