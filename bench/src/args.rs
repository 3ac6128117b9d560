//! The command line.

use std::fmt;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use relay_client::Endpoint;

/// Measures relayd: latency, throughput, CPU time and memory, with every frame checked.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Without a scenario, --window, --rate or --raw, the standard set runs beside the floor, in under two \
                  minutes. Frames go one way, from the workstation to the phone. The report is \
                  target/bench/report.html, with report.json beside it. The exit code is 1 if a frame was lost, \
                  doubled, reordered or foreign, or if a promise of docs/performance.md was measured and did not hold."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// What to measure [default: local; in the standard set local and redis]
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenarios: Vec<Scenario>,

    /// The relayd to start [default: the one beside this program]
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    pub(crate) relayd: Option<PathBuf>,

    /// Measure a server that is running already, without its CPU time and memory
    #[arg(long, value_name = "WS_URL", value_parser = Endpoint::parse_ws)]
    pub(crate) url: Option<Endpoint>,

    /// Compare with these, measured in turns; separated by commas
    #[arg(long, value_name = "LIST", value_delimiter = ',', conflicts_with = "url")]
    pub(crate) vs: Vec<Vs>,

    /// Compare with the same relayd under TLS
    #[arg(long, conflicts_with = "url")]
    pub(crate) tls: bool,

    /// Pairs of a workstation and a phone [default: 50; idle and growth 4000, connect and mixed 2000,
    /// handshakes 1000, large 8]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) pairs: Option<u32>,

    /// Bytes of payload in each frame [default: 200; large 1048576]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..=16 << 20))]
    pub(crate) size: Option<u32>,

    /// Raw mode: binary frames, relayed without an envelope
    #[arg(long)]
    pub(crate) raw: bool,

    /// Closed loop: frames in flight per pair [default: 64; large 4]
    #[arg(long, value_name = "FRAMES", conflicts_with = "rate", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub(crate) window: Option<u32>,

    /// Open loop: frames per second over all pairs. Latency counts from the time at which a frame was due
    #[arg(long, value_name = "FRAMES", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: Option<u32>,

    /// Seconds to measure in each run [default: by scenario, 1.2 to 5]
    #[arg(long, value_name = "SECS", value_parser = parse_secs)]
    pub(crate) seconds: Option<f64>,

    /// Seconds of load before the measurement [default: by scenario, 0.3 to 1]
    #[arg(long, value_name = "SECS", value_parser = parse_secs)]
    pub(crate) warmup: Option<f64>,

    /// Runs of each case on each target
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) repeats: u32,

    /// Write the report here [default: target/bench]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) report: Option<PathBuf>,
}

/// What this program does instead of measuring.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve as the floor: join the two sockets of each pair and copy bytes, until standard input ends
    Floor,
    /// Measure what AES-GCM alone costs for the bytes of a frame, in records of several sizes
    Aead {
        /// Bytes of payload in each frame
        #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=16 << 10))]
        size: u32,
    },
    /// Pairs of this project's clients that talk until standard input ends. Each line on it is answered by a
    /// line of JSON: what was sent and received, and how long the messages of each pair waited at most since
    /// the last line
    Pairs {
        /// The relay's WebSocket address
        #[arg(value_name = "WS_URL", value_parser = Endpoint::parse_ws)]
        url: Endpoint,
        /// Trust only the CAs in this PEM file
        #[arg(long, value_name = "FILE")]
        ca: Option<PathBuf>,
        /// How many
        #[arg(long, value_name = "COUNT", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=2000))]
        pairs: u32,
        /// Milliseconds between two messages of an end
        #[arg(long, value_name = "MS", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=60_000))]
        every_ms: u32,
    },
}

/// What the command line asks for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// One relay with its sessions in memory
    Local,
    /// Two relays and one Redis; every frame crosses from one relay to the other
    Redis,
    /// Silent connections: the memory of each, and how fast they connect
    Idle,
    /// Many registrations at once, then many hellos at once
    Connect,
    /// Clients that connect and leave, unknown and known to the server: the cost of a TLS handshake
    Handshakes,
    /// Many quiet pairs, first alone and then beside busy ones
    Mixed,
    /// Messages of 1 MiB
    Large,
    /// Pairs beside a pair whose phone does not read
    SlowReader,
    /// Few pairs, then many, at the same total rate: the cost of a pair
    Growth,
    /// One pair of this project's clients, with the tunnel and without
    Sealed,
}

/// What relayd is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Vs {
    /// The same relayd under TLS
    Tls,
    /// The same relayd behind nginx, which speaks TLS
    Nginx,
    /// A loop that only copies bytes, without any protocol
    Floor,
    /// A relay in Rust with tokio, where every frame crosses Redis
    Tokio,
    /// A relay in Node with ws
    Node,
    /// A relay in Bun
    Bun,
    /// All of them
    All,
}

impl Args {
    /// True if an option asks for a kind of load.
    pub fn has_load(&self) -> bool {
        self.window.is_some() || self.rate.is_some() || self.raw
    }

    /// What to compare with, each once.
    pub fn others(&self) -> Vec<Vs> {
        let mut others: Vec<Vs> = self.tls.then_some(Vs::Tls).into_iter().collect();
        for &vs in &self.vs {
            let named = [vs];
            let each = if vs == Vs::All { &[Vs::Floor, Vs::Tokio, Vs::Node, Vs::Bun][..] } else { &named };
            for &other in each {
                if !others.contains(&other) {
                    others.push(other);
                }
            }
        }
        others
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_possible_value().as_ref().map_or("", |value| value.get_name()))
    }
}

fn parse_secs(text: &str) -> Result<f64, String> {
    let secs = text.parse().ok().filter(|secs| (0.05..=3600.0).contains(secs));
    secs.ok_or_else(|| format!("{text:?} is no number of seconds from 0.05 to 3600"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn what_makes_no_sense_together_is_refused() {
        for bad in [
            "--window 1 --rate 1",
            "--url ws://h/ws --vs floor",
            "--url ws://h/ws --relayd x",
            "--url h",
            "--url ws://h/ws --tls",
            "--pairs 0",
            "--seconds 0",
            "--seconds NaN",
            "--warmup -1",
            "remote",
            "--vs floor,nobody",
        ] {
            let args = ["bench"].into_iter().chain(bad.split(' '));
            assert_eq!(Args::try_parse_from(args).unwrap_err().exit_code(), 2, "{bad}");
        }
    }

    #[test]
    fn everybody_is_compared_with_once() {
        let others = |list: &str| Args::parse_from(["bench", "--vs", list]).others();
        assert_eq!(Args::parse_from(["bench", "--tls", "--vs", "floor"]).others(), [Vs::Tls, Vs::Floor]);
        assert_eq!(others("bun,floor,bun"), [Vs::Bun, Vs::Floor]);
        assert_eq!(others("node,all"), [Vs::Node, Vs::Floor, Vs::Tokio, Vs::Bun]);
    }
}
