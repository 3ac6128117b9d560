//! What is measured: the workloads, and how long each.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use clap::ValueEnum;
use relay_client::Endpoint;

use crate::args::{Args, Vs};
use crate::frame;

/// One run of the program.
#[derive(Debug)]
pub(crate) struct Plan {
    pub subject: Subject,
    pub with_floor: bool,
    pub workloads: Vec<Workload>,
    pub timing: Timing,
    pub repeats: u32,
}

/// Which relay is measured.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    /// One that is started here: this file, or the one beside this program.
    Own(Option<PathBuf>),
    /// One that runs already.
    Running(Endpoint),
}

/// One kind of load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    pub setup: Setup,
    pub pairs: usize,
    /// Bytes of payload.
    pub size: usize,
    pub mode: Mode,
    pub pace: Pace,
}

/// Which processes the relay is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Setup {
    /// One relay with the embedded store.
    Local,
    /// Two relays and the Redis they share; every frame crosses.
    Redis,
}

/// What is sent and how it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// JSON text, which comes in an envelope.
    Enveloped,
    /// Binary in raw mode, which comes bare.
    Raw,
}

/// When the next frame is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Closed loop: this many frames under way per pair.
    Window(u32),
    /// Open loop: this many frames a second over all pairs.
    Rate(u32),
}

/// How long one run takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub warmup: Duration,
    pub measured: Duration,
}

impl Plan {
    /// What the command line asks for.
    ///
    /// # Errors
    /// A frame of the size asked for has no room for its number, or the server asked for speaks TLS.
    pub fn new(args: &Args) -> anyhow::Result<Self> {
        let is_standard = args.window.is_none() && args.rate.is_none() && !args.raw;
        let loads = |setup: Setup| {
            let workload = |(mode, pace)| Workload {
                setup,
                pairs: args.pairs as usize,
                size: args.size as usize,
                mode,
                pace,
            };
            if is_standard {
                return setup.standard().iter().copied().map(workload).collect::<Vec<_>>();
            }
            let mode = if args.raw { Mode::Raw } else { Mode::Enveloped };
            let pace = match args.rate {
                Some(rate) => Pace::Rate(rate),
                None => Pace::Window(args.window.unwrap_or(64)),
            };
            vec![workload((mode, pace))]
        };
        let setups: &[Setup] = if args.scenarios.is_empty() { &[Setup::Local] } else { &args.scenarios };
        let workloads: Vec<_> = setups.iter().copied().flat_map(loads).collect();
        for workload in &workloads {
            let size_min = frame::size_min(workload.mode);
            ensure!(
                workload.size >= size_min,
                "--size {} is too small: {} frames need {size_min} bytes",
                workload.size,
                workload.mode
            );
        }
        let subject = match &args.url {
            Some(url) => {
                ensure!(
                    !url.is_tls(),
                    "{url} speaks TLS, which is not measured here; give the ws:// address behind the proxy"
                );
                Subject::Running(url.clone())
            }
            None => Subject::Own(args.relayd.clone()),
        };
        let (warmup, seconds) = if is_standard { (0.3, 1.2) } else { (1.0, 3.0) };
        Ok(Plan {
            with_floor: args.vs == Some(Vs::Floor) || (is_standard && args.url.is_none()),
            subject,
            workloads,
            timing: Timing {
                warmup: Duration::from_secs_f64(args.warmup.unwrap_or(warmup)),
                measured: Duration::from_secs_f64(args.seconds.unwrap_or(seconds)),
            },
            repeats: args.repeats,
        })
    }
}

impl Setup {
    fn standard(self) -> &'static [(Mode, Pace)] {
        match self {
            Setup::Local => &STANDARD,
            Setup::Redis => &STANDARD_REDIS,
        }
    }
}

/// One frame at a time shows the price of a wake, 64 that of a message; the third is a busy service of 50 pairs.
const STANDARD: [(Mode, Pace); 5] = [
    (Mode::Enveloped, Pace::Window(1)),
    (Mode::Raw, Pace::Window(1)),
    (Mode::Enveloped, Pace::Window(64)),
    (Mode::Raw, Pace::Window(64)),
    (Mode::Enveloped, Pace::Rate(6000)),
];

const STANDARD_REDIS: [(Mode, Pace); 2] =
    [(Mode::Enveloped, Pace::Window(64)), (Mode::Enveloped, Pace::Rate(6000))];

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Setup::Local => "local",
            Setup::Redis => "redis",
        })
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Enveloped => "enveloped",
            Mode::Raw => "raw",
        })
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pace {
            Pace::Window(window) => write!(f, "{}: {}, window {window}", self.setup, self.mode),
            Pace::Rate(rate) => write!(f, "{}: {}, {rate}/s", self.setup, self.mode),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn plan(line: &str) -> anyhow::Result<Plan> {
        Plan::new(&Args::parse_from(["bench"].into_iter().chain(line.split_whitespace())))
    }

    #[test]
    fn no_option_is_the_standard_set_beside_the_floor() {
        let plan = plan("").unwrap();
        assert_eq!((plan.workloads.len(), plan.with_floor), (STANDARD.len(), true));
        let all = (plan.timing.warmup + plan.timing.measured) * plan.repeats * 2 * STANDARD.len() as u32;
        assert!(
            all < Duration::from_secs(50),
            "{all:?} and the time to start and join must stay under a minute"
        );
    }

    #[test]
    fn a_pace_or_mode_is_one_workload() {
        for (line, shown) in [
            ("--raw", "local: raw, window 64"),
            ("redis --window 3", "redis: enveloped, window 3"),
            ("--rate 100 --raw", "local: raw, 100/s"),
        ] {
            let plan = plan(line).unwrap();
            assert_eq!((plan.workloads.len(), plan.with_floor), (1, false));
            assert_eq!(plan.workloads[0].to_string(), shown);
        }
    }

    #[test]
    fn what_cant_be_measured_is_refused() {
        for bad in ["--size 10", "--raw --size 8", "--url wss://h/ws"] {
            assert!(plan(bad).is_err(), "{bad}");
        }
    }
}
