//! Fuzz bodies for the core: what must hold of any bytes from a client or from the bus. No part of the
//! library but in tests and for `fuzz/`.

#[path = "../../../fuzz/support.rs"]
mod support;

mod inbound;
mod relay;
mod stream;

pub use inbound::ws_inbound;
pub use relay::node_relay;
pub use stream::{node_packets, node_stream};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_a_client() {
        support::drive("ws_inbound", 60_000, ws_inbound);
    }

    #[test]
    fn packets_of_a_node() {
        support::drive("node_packets", 60_000, node_packets);
    }

    #[test]
    fn streams_between_nodes() {
        support::drive("node_stream", 20_000, node_stream);
    }

    #[test]
    fn a_relay_whose_neighbour_says_anything() {
        support::drive("node_relay", 20_000, node_relay);
    }
}
