//! The pages about this node.

use std::time::Duration;

use protocol::ids::{NodeId, Role};
use relayd_core::relay::{ConnectionStage, LinkState, NodeView, SessionView};

use super::closes::CloseCount;
use super::page::{Cell, Page, Part, Table};
use super::survey::{ConnectionRow, Found};
use crate::http::admin::Topic;

/// What a page needs beside a survey.
#[derive(Clone, Debug)]
pub struct Node {
    /// This node's id.
    pub id: NodeId,
    /// Since the process started.
    pub uptime: Duration,
    /// `redis` or `memory`.
    pub store: &'static str,
    /// Why it is not ready, if it is not.
    pub unready: Option<String>,
    /// Connections that speak HTTP, or nothing yet.
    pub http_connections: usize,
    /// Connections that wait for a place.
    pub waiting: usize,
    /// Bytes parked and queued, and how many there may be.
    pub buffers: (usize, usize),
    /// How connections ended.
    pub closes: Vec<CloseCount>,
    /// Other nodes. Bounded by the caller.
    pub nodes: Vec<NodeView>,
    /// How many other nodes there are.
    pub nodes_all: usize,
}

/// Rows of a table on the overview.
const FEW: usize = 10;

/// Makes a page.
pub fn make(topic: Topic, node: &Node, found: &Found) -> Page {
    let in_blocks = found.is_part;
    let (title, table) = match topic {
        Topic::Overview => return overview(node, found),
        Topic::Sessions => ("sessions", sessions("sessions", &found.sessions, found.sessions_all)),
        Topic::Connections => ("connections", connections(&found.connections, found.connections_all)),
        Topic::Nodes => return Page { title: "nodes", parts: vec![Part::Table(nodes(node, usize::MAX))] },
    };
    Page { title, parts: vec![Part::Table(Table { in_blocks, ..table })] }
}

fn overview(node: &Node, found: &Found) -> Page {
    let counts = found.counts;
    let (buffers, buffers_max) = node.buffers;
    let sessions_all = counts.alone + counts.opening + counts.linked_here + counts.linked_there;
    let about = vec![
        ("version", env!("CARGO_PKG_VERSION").into()),
        ("uptime_secs", Cell::Secs(node.uptime.as_secs())),
        ("node", Cell::Text(node.id.to_string())),
        ("store", node.store.into()),
        ("ready", Cell::Text(node.unready.as_ref().map_or("yes".to_owned(), |why| format!("no: {why}")))),
    ];
    let states = vec![
        ("sessions", Cell::from(sessions_all)),
        ("sessions_linked_here", counts.linked_here.into()),
        ("sessions_linked_to_other_nodes", counts.linked_there.into()),
        ("sessions_opening_a_link", counts.opening.into()),
        ("sessions_alone", counts.alone.into()),
        ("connections_http", node.http_connections.into()),
        ("connections_before_hello", counts.expect_hello.into()),
        ("connections_waiting_for_the_store", counts.expect_claim.into()),
        ("connections_joined", counts.joined.into()),
        ("connections_closing", counts.closing.into()),
    ];
    let window = |of: fn(&NodeView) -> usize| node.nodes.iter().map(of).sum::<usize>();
    let queues = vec![
        ("buffer_bytes", Cell::Bytes(buffers as u64)),
        ("memory_max", Cell::Bytes(buffers_max as u64)),
        ("queued_bytes", Cell::Bytes(counts.queued)),
        ("connections_not_read", counts.unread.into()),
        ("connections_congested", counts.congested.into()),
        ("connections_waiting_for_a_place", node.waiting.into()),
        ("batches_to_nodes", window(|node| node.window_batches).into()),
        ("batch_bytes_to_nodes", Cell::Bytes(window(|node| node.window_bytes) as u64)),
    ];
    let talkers = &found.sessions[..found.sessions.len().min(FEW)];
    Page {
        title: "overview",
        parts: vec![
            Part::Facts(about),
            Part::Facts(states),
            Part::Facts(queues),
            Part::Table(sessions("top_talkers", talkers, found.sessions_all)),
            Part::Table(closes(&node.closes)),
            Part::Table(nodes(node, FEW)),
        ],
    }
}

fn sessions(name: &'static str, views: &[SessionView], all: usize) -> Table {
    let row = |view: &SessionView| {
        let (state, other) = match view.link {
            LinkState::Alone => ("alone", None),
            LinkState::Opening(node) => ("opening", Some(node)),
            LinkState::Here => ("linked", None),
            LinkState::There(node) => ("linked", Some(node)),
        };
        let from = |role: Role| view.ends[role.index()].map_or(Cell::Absent, |end| Cell::Bytes(end.received));
        vec![
            Cell::Session(view.session.hash()),
            state.into(),
            from(Role::Workstation),
            from(Role::Phone),
            Cell::Secs(view.idle.as_secs()),
            other.map_or(Cell::Absent, short),
        ]
    };
    let columns = &["session", "state", "workstation", "phone", "idle_secs", "other_node"];
    Table { name, columns, rows: views.iter().map(row).collect(), all, in_blocks: false }
}

fn connections(found: &[ConnectionRow], all: usize) -> Table {
    let row = |row: &ConnectionRow| {
        let view = &row.view;
        let state = match view.stage {
            ConnectionStage::ExpectHello => "before hello",
            ConnectionStage::ExpectClaim { .. } => "waits for store",
            ConnectionStage::Joined { .. } if view.is_unread => "paused",
            ConnectionStage::Joined { .. } if view.is_congested => "slow reader",
            ConnectionStage::Joined { .. } => "joined",
            ConnectionStage::Closing => "closing",
        };
        vec![
            row.session().map_or(Cell::Absent, |session| Cell::Session(session.hash())),
            row.role().map_or(Cell::Absent, |role| role.as_str().into()),
            state.into(),
            Cell::Count(view.version as u64 + 1),
            Cell::Bytes(view.received),
            Cell::Bytes(row.queued as u64),
            Cell::Secs(view.silent.as_secs()),
        ]
    };
    let columns = &["session", "role", "state", "v", "received", "queued", "silent_secs"];
    Table { name: "connections", columns, rows: found.iter().map(row).collect(), all, in_blocks: false }
}

fn closes(counts: &[CloseCount]) -> Table {
    let row = |count: &CloseCount| {
        vec![
            count.code.map_or(Cell::Absent, |code| Cell::Count(code.code().into())),
            count.code.map_or("lost without a Close frame", |code| code.name()).into(),
            Cell::Count(count.now),
            Cell::Count(count.lately),
            Cell::Count(count.total),
        ]
    };
    let columns = &["code", "reason", "last_2_minutes", "last_10_minutes", "since_start"];
    let rows: Vec<_> = counts.iter().map(row).collect();
    Table { name: "recent_closes", columns, all: rows.len(), rows, in_blocks: false }
}

fn nodes(node: &Node, most: usize) -> Table {
    let row = |view: &NodeView| {
        vec![
            short(view.node),
            view.links.into(),
            view.window_batches.into(),
            Cell::Bytes(view.window_bytes as u64),
            Cell::Count(view.batches.sent),
            Cell::Count(view.batches.received),
            Cell::Count(view.batches.repeated),
            Cell::Secs(view.silent.as_secs()),
        ]
    };
    let columns = &["node", "links", "batches", "bytes", "sent", "received", "repeated", "silent_secs"];
    let rows = node.nodes.iter().take(most).map(row).collect();
    Table { name: "nodes", columns, rows, all: node.nodes_all, in_blocks: false }
}

/// The first 8 digits of a node's id, which is no secret. The log has all of them.
fn short(node: NodeId) -> Cell {
    Cell::Text(node.to_string().chars().take(8).collect())
}
