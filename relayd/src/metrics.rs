//! The figures of `/metrics`: plain counters and gauges, which the reactor owns and updates.
//!
//! No atomics and no registry: one thread counts, and the same thread writes the text when it is asked for.
//! The format is a line of text per sample, so it is written by hand; a metrics library would hold a second
//! copy of every number behind atomics, for the sake of these few lines.

mod histogram;
mod nodes;
mod outcomes;
mod page;
mod process;
mod tls;

use protocol::close::CloseCode;
use protocol::ids::{NodeId, Role};
use relayd_core::relay::NodeCounts;

pub use self::histogram::Histogram;
pub use self::outcomes::Histograms;
use self::outcomes::Outcomes;
use self::page::{COUNTER, GAUGE, Page};
pub use self::process::ProcessFigures;
use crate::backend::BusCounts;
use crate::tls::AttemptOutcome;

/// The content type of [`Metrics::write_text`]: the Prometheus text format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything counted. Counters only rise; gauges are set to what is.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Gauge: connections that speak HTTP, or nothing yet.
    pub http_connections: u64,
    /// Gauge: connections that speak WebSocket.
    pub ws_connections: u64,
    /// Gauge: sessions with a role held by this node.
    pub sessions: u64,
    /// Gauge: links between two connections of this node.
    pub links_local: u64,
    /// Gauge: established links to connections of other nodes.
    pub links_remote: u64,
    /// Gauge: links to other nodes that are not accepted yet.
    pub links_opening: u64,
    /// Gauge: armed timers of connections, sessions and the node itself.
    pub timers: u64,
    /// Connections accepted.
    pub accepts: u64,
    /// Frames that went to the other role, by the sender's [`Role::index`].
    pub frames: [u64; 2],
    /// Their payload bytes, by the sender's [`Role::index`].
    pub frame_bytes: [u64; 2],
    /// Frames put whole into the stream to another node, by the sender's [`Role::index`].
    pub frames_to_nodes: [u64; 2],
    /// Frames dropped because no connection held the other role, by the sender's [`Role::index`].
    pub frames_absent: [u64; 2],
    /// Heartbeats answered.
    pub heartbeats: u64,
    /// Sessions registered.
    pub registers: u64,
    /// Sessions ended by a delete.
    pub deletes: u64,
    /// Gauge: bytes parked and queued in all buffers, which `--memory-max` bounds.
    pub buffer_bytes: u64,
    /// Gauge: the store answers.
    pub store_up: bool,
    /// The streams to other nodes.
    pub nodes: NodeCounts,
    /// Gauge: seconds since this node heard its own probe; 0 without other nodes.
    pub probe_age_secs: u64,
    /// The bus.
    pub bus: BusCounts,
    /// The name and the end of validity, in seconds since 1970, of each certificate that is shown.
    pub certificates: Vec<(String, u64)>,
    /// How attempts to get a certificate from a CA ended, by the order of [`AttemptOutcome::ALL`].
    pub certificate_attempts: [u64; AttemptOutcome::ALL.len()],
    /// Gauge: seconds since the process started.
    pub uptime_secs: u64,
    /// The process, as of the last look.
    pub process: ProcessFigures,
    /// How long, or how large, things are.
    pub histograms: Histograms,
    outcomes: Outcomes,
    /// TLS handshakes that ended well: new keys, and resumed.
    handshakes: [u64; 2],
    handshake_failures: [u64; HandshakeFailure::ALL.len()],
    refused: RefusedCounts,
    closes: [u64; CloseCode::ALL.len()],
    answers: [u64; STATUS_CLASSES.len()],
}

/// Things that a limit refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A connection beyond its address's limit.
    Connection,
    /// A registration beyond its address's rate.
    Register,
    /// A hello of an address with too many failed ones.
    Hello,
    /// A session for which the store had no room.
    Session,
    /// A connection beyond the limit of all connections.
    Place,
    /// A TLS handshake beyond its address's rate.
    Handshake,
}

/// How often each limit refused something.
#[derive(Clone, Debug, Default)]
pub struct RefusedCounts([u64; Refused::ALL.len()]);

impl RefusedCounts {
    /// A limit refused one of these.
    pub fn count(&mut self, what: Refused) {
        self.0[what as usize] += 1;
    }

    /// Each limit's name and its count.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Refused::ALL.map(Refused::why).into_iter().zip(self.0)
    }
}

impl Refused {
    const ALL: [Refused; 6] = [
        Refused::Connection,
        Refused::Register,
        Refused::Hello,
        Refused::Session,
        Refused::Place,
        Refused::Handshake,
    ];

    const fn why(self) -> &'static str {
        match self {
            Refused::Connection => "connections_per_address",
            Refused::Register => "registers_per_minute",
            Refused::Hello => "failed_hellos_per_minute",
            Refused::Session => "store_full",
            Refused::Place => "connections_max",
            Refused::Handshake => "tls_handshakes_per_minute",
        }
    }
}

/// Why a TLS handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeFailure {
    /// The client did not finish in time.
    Timeout,
    /// The client went away, or gave up.
    Left,
    /// The client does not trust the certificate.
    CertificateRefused,
    /// Both sides have no version, cipher or protocol in common.
    Incompatible,
    /// What came is not TLS, or damaged.
    Malformed,
    /// There is no certificate to show: none yet, or no proof for the name that a CA checks.
    NoCertificate,
}

impl HandshakeFailure {
    const ALL: [HandshakeFailure; 6] = [
        HandshakeFailure::Timeout,
        HandshakeFailure::Left,
        HandshakeFailure::CertificateRefused,
        HandshakeFailure::Incompatible,
        HandshakeFailure::Malformed,
        HandshakeFailure::NoCertificate,
    ];

    const fn why(self) -> &'static str {
        match self {
            HandshakeFailure::Timeout => "timeout",
            HandshakeFailure::Left => "left",
            HandshakeFailure::CertificateRefused => "certificate_refused",
            HandshakeFailure::Incompatible => "incompatible",
            HandshakeFailure::Malformed => "malformed",
            HandshakeFailure::NoCertificate => "no_certificate",
        }
    }
}

impl Metrics {
    /// A TLS handshake ended well.
    pub fn count_handshake(&mut self, is_resumed: bool) {
        self.handshakes[usize::from(is_resumed)] += 1;
    }

    /// A TLS handshake failed.
    pub fn count_handshake_failure(&mut self, why: HandshakeFailure) {
        self.handshake_failures[why as usize] += 1;
    }

    /// A limit refused something.
    pub fn count_refused(&mut self, what: Refused) {
        self.refused.count(what);
    }

    /// This node closed a WebSocket.
    pub fn count_close(&mut self, code: CloseCode) {
        if let Some(place) = CloseCode::ALL.iter().position(|known| *known == code) {
            self.closes[place] += 1;
        }
    }

    /// An HTTP request was answered with this status; an upgrade with 101.
    pub fn count_answer(&mut self, status: u16) {
        let class = usize::from(status / 100).wrapping_sub(1);
        if let Some(count) = self.answers.get_mut(class) {
            *count += 1;
        }
    }

    /// Appends every sample, in the format that [`CONTENT_TYPE`] names. `store` is `redis` or `memory`,
    /// `node` this node.
    pub fn write_text(&self, store: &str, node: NodeId, out: &mut String) {
        let mut page = Page { out, family: "" };
        page.family("relay_build_info", GAUGE, "1, with the version of the program.");
        page.labelled("version", [(env!("CARGO_PKG_VERSION"), 1)]);
        page.single("relay_uptime_seconds", GAUGE, "Seconds since the process started.", self.uptime_secs);
        page.single("relay_sessions", GAUGE, "Sessions with a role held by this node.", self.sessions);
        page.single(
            "relay_buffer_bytes",
            GAUGE,
            "Bytes parked and queued in all buffers.",
            self.buffer_bytes,
        );
        page.single("relay_timers", GAUGE, "Armed timers: a connection or a session has one.", self.timers);
        page.single("relay_accepts_total", COUNTER, "Connections accepted.", self.accepts);
        page.single("relay_heartbeats_total", COUNTER, "Heartbeats answered.", self.heartbeats);
        page.single("relay_registers_total", COUNTER, "Sessions registered.", self.registers);
        page.single("relay_deletes_total", COUNTER, "Sessions ended by a delete.", self.deletes);

        page.family("relay_connections", GAUGE, "Open connections, by what they speak.");
        page.labelled("protocol", [("http", self.http_connections), ("websocket", self.ws_connections)]);
        page.family("relay_links", GAUGE, "Linked pairs, by where the other connection is.");
        page.labelled("to", [("local", self.links_local), ("remote", self.links_remote)]);
        page.family("relay_store_up", GAUGE, "1 while the store answers and has room.");
        page.labelled("store", [(store, u64::from(self.store_up))]);
        page.family(
            "relay_frames_total",
            COUNTER,
            "Frames passed to the other role, by the role of the sender.",
        );
        page.labelled("from", by_role(self.frames));
        page.family(
            "relay_frame_bytes_total",
            COUNTER,
            "Payload bytes of the frames passed, by the role of the sender.",
        );
        page.labelled("from", by_role(self.frame_bytes));
        page.family(
            "relay_frames_absent_total",
            COUNTER,
            "Frames dropped because no connection held the other role.",
        );
        page.labelled("from", by_role(self.frames_absent));
        page.family("relay_closes_total", COUNTER, "WebSockets closed by this node, by close code.");
        page.labelled("code", CloseCode::ALL.iter().zip(self.closes).map(|(code, n)| (code.code(), n)));
        page.family("relay_refused_total", COUNTER, "Refused by a limit, by the name of the limit.");
        page.labelled("why", self.refused.iter());
        page.family("relay_http_answers_total", COUNTER, "HTTP answers, by status class.");
        page.labelled("status", STATUS_CLASSES.into_iter().zip(self.answers));
        self.write_outcomes(&mut page);
        self.process.write(&mut page);
        self.write_tls(&mut page);
        self.write_nodes(node, &mut page);
        self.write_bus(&mut page);
    }
}

fn by_role(counts: [u64; 2]) -> impl Iterator<Item = (Role, u64)> {
    Role::ALL.into_iter().map(move |role| (role, counts[role.index()]))
}

const STATUS_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn text(metrics: &Metrics) -> String {
        let mut out = String::new();
        metrics.write_text("redis", NodeId::from_bytes([0xA5; 16]), &mut out);
        out
    }

    #[test]
    fn every_line_is_help_type_or_a_sample_of_the_family_before_it() {
        let (mut family, mut samples, mut is_histogram) = (String::new(), HashSet::new(), false);
        for line in text(&Metrics::default()).lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                family = help.split_once(' ').unwrap().0.to_owned();
                assert!(family.starts_with("relay_") || family.starts_with("process_"), "{line}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let kind = kind.strip_prefix(&family).unwrap().trim_start();
                assert_eq!(kind == "counter", family.ends_with("_total"), "{line}");
                is_histogram = kind == "histogram";
            } else {
                let (sample, value) = line.rsplit_once(' ').unwrap();
                let name = sample.split('{').next().unwrap();
                let ends: &[&str] = if is_histogram { &["_bucket", "_sum", "_count"] } else { &[""] };
                assert!(ends.iter().any(|end| name == format!("{family}{end}")), "{line}");
                assert!(value.parse::<f64>().is_ok() && samples.insert(sample.to_owned()), "{line}");
                let labels = sample.strip_prefix(name).unwrap();
                assert!(labels.is_empty() || (labels.starts_with('{') && labels.ends_with("\"}")), "{line}");
            }
        }
        assert!(samples.len() > 50);
    }

    #[test]
    fn what_is_counted_is_shown() {
        let mut metrics = Metrics { store_up: true, frames: [3, 4], timers: 5, ..Metrics::default() };
        metrics.count_close(CloseCode::Replaced);
        metrics.count_refused(Refused::Hello);
        metrics.count_hello(Ok(()));
        metrics.count_hello(Err(CloseCode::TryLater));
        metrics.count_register(None);
        metrics.histograms.turns.observe(20_000);
        metrics.histograms.writes.observe(1 << 30);
        for status in [101, 204, 404, 404, 999, 0] {
            metrics.count_answer(status);
        }
        let text = text(&metrics);
        for line in [
            &format!("relay_node_info{{node=\"{}\"}} 1", "a5".repeat(16)),
            concat!("relay_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            "relay_store_up{store=\"redis\"} 1",
            "relay_timers 5",
            "relay_hellos_total{outcome=\"joined\"} 1",
            "relay_hellos_total{outcome=\"try_later\"} 1",
            "relay_register_answers_total{outcome=\"limited\"} 1",
            "relay_turn_seconds_bucket{le=\"0.00001\"} 0",
            "relay_turn_seconds_bucket{le=\"0.00003\"} 1",
            "relay_turn_seconds_sum 0.00002",
            "relay_write_bytes_bucket{le=\"524288\"} 0",
            "relay_write_bytes_bucket{le=\"+Inf\"} 1",
            "relay_redis_seconds_count 0",
            "relay_frames_total{from=\"workstation\"} 3",
            "relay_frames_total{from=\"phone\"} 4",
            "relay_closes_total{code=\"4409\"} 1",
            "relay_closes_total{code=\"1000\"} 0",
            "relay_refused_total{why=\"failed_hellos_per_minute\"} 1",
            "relay_refused_total{why=\"store_full\"} 0",
            "relay_http_answers_total{status=\"1xx\"} 1",
            "relay_http_answers_total{status=\"4xx\"} 2",
            "relay_http_answers_total{status=\"5xx\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
