//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use relay_client::Endpoint;

use crate::plan::Setup;

/// Measures relayd: latency, throughput and CPU time per message, with every frame checked.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Without --window, --rate and --raw the standard set runs, beside the floor and in under a minute. Frames go one way, \
                  from the workstation to the phone. The exit code is 1 if a frame was lost, doubled, reordered or foreign."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// What is set up: one relay, or two with a private Redis between them
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenarios: Vec<Setup>,

    /// The relayd to start [default: the one beside this program]
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    pub(crate) relayd: Option<PathBuf>,

    /// Measure a server that runs already; its CPU time and memory are not known then
    #[arg(long, value_name = "WS_URL", value_parser = Endpoint::parse_ws)]
    pub(crate) url: Option<Endpoint>,

    /// What else is measured in turns, to compare CPU time per message with
    #[arg(long, value_name = "TARGET", conflicts_with = "url")]
    pub(crate) vs: Option<Vs>,

    /// Pairs of a workstation and a phone
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) pairs: u32,

    /// Bytes of payload in a frame
    #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=16 << 20))]
    pub(crate) size: u32,

    /// Raw mode: binary frames, relayed bare
    #[arg(long)]
    pub(crate) raw: bool,

    /// Closed loop: frames under way per pair [default: 64]
    #[arg(long, value_name = "FRAMES", conflicts_with = "rate", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub(crate) window: Option<u32>,

    /// Open loop: frames a second in all, whatever becomes of them; latency counts from when a frame was due
    #[arg(long, value_name = "FRAMES", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: Option<u32>,

    /// Seconds measured in one run [default: 3; 1.2 in the standard set]
    #[arg(long, value_name = "SECS", value_parser = parse_secs)]
    pub(crate) seconds: Option<f64>,

    /// Seconds of load before that [default: 1; 0.3 in the standard set]
    #[arg(long, value_name = "SECS", value_parser = parse_secs)]
    pub(crate) warmup: Option<f64>,

    /// Runs of each workload
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) repeats: u32,
}

/// What this program does instead of measuring.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum Command {
    /// Serves as the floor: joins the two sockets of a pair and copies bytes, until its standard input ends
    Floor,
}

/// What relayd is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Vs {
    /// A loop that copies bytes and knows no protocol
    Floor,
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
            "--pairs 0",
            "--seconds 0",
            "--seconds NaN",
            "--warmup -1",
        ] {
            let args = ["bench"].into_iter().chain(bad.split(' '));
            assert_eq!(Args::try_parse_from(args).unwrap_err().exit_code(), 2, "{bad}");
        }
    }
}
