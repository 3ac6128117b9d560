//! What `/metrics` shows about other nodes and the bus. `docs/operations.md` explains every name.

use std::fs;
use std::path::Path;

use relay_tests::harness::guard::read_until;
use relay_tests::harness::http::fetch;
use relay_tests::harness::redis::Keep;
use relay_tests::harness::{Event, Fleet, Pair, Peer, Relay, Relayd, Role, Session, SetUp};

const FRAMES: u64 = 50;
/// More than fits into one batch.
const LARGE: usize = 300_000;

fn join(fleet: &Fleet, session: &Session, role: Role, at: usize) -> Peer {
    Peer::join_as(fleet.addr(at), &session.hello(role))
}

/// Waits until a gauge has this value.
fn until(node: &Relayd, gauge: &str, value: u64) {
    read_until(&format!("{gauge} {value}"), || (node.metric(gauge) == value).then_some(()));
}

#[test]
fn frames_to_another_node_are_counted_on_their_way() {
    let fleet = Fleet::start(2, Keep::Nothing);
    let session = Session::register_at(fleet.addr(0));
    let (workstation, phone) =
        (join(&fleet, &session, Role::Workstation, 0), join(&fleet, &session, Role::Phone, 1));
    let mut pair = Pair::linked(session, workstation, phone);
    for number in 0..FRAMES {
        pair.workstation.text(&number.to_string());
    }
    for number in 0..FRAMES {
        pair.phone.expect_text(&number.to_string());
    }
    pair.phone.binary(&[7; LARGE]);
    pair.workstation.expect(&Event::Binary(vec![7; LARGE]));
    let nodes = [fleet.node(0), fleet.node(1)];
    for (here, there, from, frames) in [(0, 1, "workstation", FRAMES), (1, 0, "phone", 1)] {
        let (here, there) = (nodes[here], nodes[there]);
        until(here, "relay_window_batches", 0);
        assert_eq!(here.metric("relay_window_bytes"), 0);
        assert_eq!(here.metric(&format!("relay_frames_to_nodes_total{{from=\"{from}\"}}")), frames);
        assert_eq!(there.metric(&format!("relay_frames_to_nodes_total{{from=\"{from}\"}}")), 0);
        assert_eq!(there.metric(&format!("relay_frames_total{{from=\"{from}\"}}")), frames);
        let (sent, received) =
            (here.metric("relay_batches_sent_total"), there.metric("relay_batches_received_total"));
        // Credit goes the other way, also in batches.
        assert!(sent > 0 && sent == received, "{sent} batches sent, {received} received");
        assert!(here.metric("relay_bus_published_total") >= sent);
        assert!(here.metric("relay_bus_writes_total") > 0);
        assert!(there.metric("relay_bus_received_total") >= received);
    }
    for node in nodes {
        assert_eq!(node.metric("relay_nodes"), 1);
        assert_eq!(node.metric("relay_links_opening"), 0);
        assert_eq!(node.metric(r#"relay_links{to="remote"}"#), 1);
        assert_eq!(node.metric(r#"relay_links{to="local"}"#), 0);
        assert_eq!(node.metric("relay_bus_subscribed_total"), 1);
        for nothing in ["refused", "lost", "overflowed", "junk"] {
            assert_eq!(node.metric(&format!("relay_bus_{nothing}_total")), 0, "{nothing}");
        }
    }
    assert_ne!(id_of(nodes[0]), id_of(nodes[1]));
}

/// The node id in `relay_node_info`.
fn id_of(node: &Relayd) -> String {
    let page = fetch(node.addr(), "/metrics").expect(200);
    let id = page.text().lines().find_map(|line| {
        line.strip_prefix("relay_node_info{node=\"").and_then(|rest| rest.strip_suffix("\"} 1"))
    });
    id.unwrap_or_else(|| panic!("no id: {}", page.text())).to_owned()
}

#[test]
fn a_link_is_opening_until_the_other_node_accepts_it() {
    let fleet = Fleet::start(2, Keep::Nothing);
    let session = Session::register_at(fleet.addr(0));
    let phone = join(&fleet, &session, Role::Phone, 1);
    fleet.node(1).process().signal("STOP");
    let workstation = join(&fleet, &session, Role::Workstation, 0);
    until(fleet.node(0), "relay_links_opening", 1);
    assert_eq!(fleet.node(0).metric(r#"relay_links{to="remote"}"#), 0);
    fleet.node(1).process().signal("CONT");
    let mut pair = Pair::linked(session, workstation, phone);
    assert_eq!(fleet.node(0).metric("relay_links_opening"), 0);
    assert_eq!(fleet.node(0).metric(r#"relay_links{to="remote"}"#), 1);
    pair.expect_alive();
}

#[test]
fn the_age_of_the_probe_grows_while_nothing_is_heard() {
    let mut fleet = Fleet::start(1, Keep::Nothing);
    fleet.redis().process().signal("STOP");
    let age = || fleet.node(0).metric("relay_probe_age_seconds");
    read_until("an old probe", || (age() >= 3).then_some(()));
    fleet.redis().process().signal("CONT");
    let age = || fleet.node(0).metric("relay_probe_age_seconds");
    read_until("a fresh probe", || (age() <= 1).then_some(()));
}

#[test]
fn every_name_is_explained() {
    let relay = Relay::start(SetUp::Memory);
    let page = fetch(relay.addr(), "/metrics").expect(200);
    let operations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let operations = fs::read_to_string(operations).unwrap();
    for line in page.text().lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, _) = line.split_once(' ').unwrap();
        let is_there =
            [format!("`{name}`"), format!("`{name}{{")].iter().any(|form| operations.contains(form));
        assert!(is_there, "{name} is not in docs/operations.md");
    }
}
