//! The plan of a run: what the command line means as cases, targets and times.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;

use crate::args::{Args, Scenario, Vs};
use crate::frame;
use crate::scenario::{Case, Connect, Growth, Handshakes, Idle, Mixed, Sealed, SlowReader, What};
use crate::target::Subject;
use crate::workload::{Mode, Pace, Setup, Timing, Workload};

/// One run of the program.
#[derive(Debug)]
pub(crate) struct Plan {
    pub subject: Subject,
    /// What the subject is compared with.
    pub others: Vec<Vs>,
    pub cases: Vec<Case>,
    pub repeats: u32,
    /// The folder of the report, if it is not the usual one.
    pub report: Option<PathBuf>,
    /// Nothing was asked for by name, so what cannot be set up here is skipped with a note.
    pub is_standard: bool,
}

/// The published load: so many frames a second over so many pairs.
pub(crate) const PUBLISHED_RATE: u32 = 6000;
pub(crate) const PUBLISHED_PAIRS: usize = 50;

impl Plan {
    /// What the command line asks for.
    ///
    /// # Errors The size is too small for a frame's number, or the server uses TLS.
    pub fn new(args: &Args) -> anyhow::Result<Self> {
        let is_standard = args.scenarios.is_empty() && !args.has_load() && args.url.is_none();
        let scenarios = match &args.scenarios[..] {
            [] if is_standard => &[Scenario::Local, Scenario::Redis],
            [] => &[Scenario::Local][..],
            some => some,
        };
        let mut cases = Vec::new();
        for &scenario in scenarios {
            cases.extend(cases_of(scenario, args)?);
        }
        let subject = match &args.url {
            Some(url) => {
                ensure!(
                    !url.is_tls(),
                    "{url} uses TLS, which cannot be measured; give the ws:// address behind the proxy"
                );
                Subject::Running(url.clone())
            }
            None => Subject::Own(args.relayd.clone()),
        };
        let mut others = args.others();
        let wants_floor = is_standard || scenarios.contains(&Scenario::Growth);
        if wants_floor && args.url.is_none() && !others.contains(&Vs::Floor) {
            others.insert(0, Vs::Floor);
        }
        Ok(Plan { subject, others, cases, repeats: args.repeats, report: args.report.clone(), is_standard })
    }
}

fn cases_of(scenario: Scenario, args: &Args) -> anyhow::Result<Vec<Case>> {
    let pairs = |default: usize| args.pairs.map_or(default, |pairs| pairs as usize);
    let mode = if args.raw { Mode::Raw } else { Mode::Enveloped };
    let workload = |setup, pairs, size: usize, mode, pace| {
        let size = args.size.map_or(size, |size| size as usize);
        let size_min = frame::size_min(mode);
        ensure!(size >= size_min, "--size {size} is too small: {mode} frames need {size_min} bytes");
        Ok(Workload { setup, pairs, size, mode, pace })
    };
    let window = |default| Pace::Window(args.window.unwrap_or(default));
    let rate = |default| Pace::Rate(args.rate.unwrap_or(default));
    let case = |what, warmup, measured| {
        let timing = Timing {
            warmup: Duration::from_secs_f64(args.warmup.unwrap_or(warmup)),
            measured: Duration::from_secs_f64(args.seconds.unwrap_or(measured)),
        };
        Case { scenario, what, timing }
    };
    let loads = |setup, standard: &[(Mode, Pace)]| {
        let asked = [(mode, args.rate.map_or(window(64), Pace::Rate))];
        let (loads, warmup, measured) =
            if args.has_load() { (&asked[..], 1.0, 3.0) } else { (standard, 0.3, 1.2) };
        let one = |&(mode, pace): &(Mode, Pace)| {
            workload(setup, pairs(PUBLISHED_PAIRS), SIZE, mode, pace)
                .map(|load| case(What::Load(load), warmup, measured))
        };
        loads.iter().map(one).collect()
    };
    match scenario {
        Scenario::Local => loads(Setup::Local, &STANDARD),
        Scenario::Redis => loads(Setup::Redis, &STANDARD_REDIS),
        Scenario::Idle => {
            let many = pairs(4000);
            Ok(vec![case(What::Idle(Idle { few: many.div_ceil(8), many }), 0.0, 0.0)])
        }
        Scenario::Connect => Ok(vec![case(What::Connect(Connect { sessions: pairs(2000) }), 0.0, 0.0)]),
        Scenario::Handshakes => {
            Ok(vec![case(What::Handshakes(Handshakes { count: pairs(1000) * 2 }), 0.0, 0.0)])
        }
        Scenario::Mixed => {
            let quiet = pairs(2000);
            let pace = rate((quiet / QUIET_SECS).max(1) as u32);
            let quiet = workload(Setup::Local, quiet, SIZE, mode, pace)?;
            let busy = workload(Setup::Local, PUBLISHED_PAIRS.min(quiet.pairs), SIZE, mode, window(64))?;
            Ok(vec![case(What::Mixed(Mixed { quiet, busy }), 0.5, 5.0)])
        }
        Scenario::Large => {
            let pace = args.rate.map_or(window(4), Pace::Rate);
            let modes: &[Mode] = if args.raw { &[Mode::Raw] } else { &[Mode::Enveloped, Mode::Raw] };
            let one = |&mode: &Mode| {
                let load = workload(Setup::Local, pairs(8), LARGE_SIZE, mode, pace)?;
                Ok(case(What::Load(load), 0.5, 3.0))
            };
            modes.iter().map(one).collect()
        }
        Scenario::SlowReader => {
            let others = workload(Setup::Local, pairs(PUBLISHED_PAIRS), SIZE, mode, rate(PUBLISHED_RATE))?;
            // More frames in flight than the buffers on the way can hold.
            let pace = Pace::Window(4096);
            let stuck = Workload { setup: Setup::Local, pairs: 1, size: STUCK_SIZE, mode, pace };
            Ok(vec![case(What::SlowReader(SlowReader { others, stuck }), 0.5, 3.0)])
        }
        Scenario::Growth => {
            let many = workload(Setup::Local, pairs(4000), SIZE, mode, rate(20_000))?;
            let few = Workload { pairs: PUBLISHED_PAIRS.min(many.pairs.div_ceil(2)), ..many };
            Ok(vec![case(What::Growth(Growth { few, many }), 0.5, 2.0)])
        }
        Scenario::Sealed => {
            let asked = args.size.map(|size| size as usize);
            let sizes = asked.map_or(vec![SIZE, SEALED_SIZE], |size| vec![size]);
            sizes
                .into_iter()
                .map(|size| {
                    ensure!(size >= 8, "--size {size} is too small: a message carries its number in 8 bytes");
                    Ok(case(What::Sealed(Sealed { size }), 0.5, 3.0))
                })
                .collect()
        }
    }
}

/// One frame at a time shows the cost of a wake-up, 64 the cost of a message. The last is a busy service.
const STANDARD: [(Mode, Pace); 5] = [
    (Mode::Enveloped, Pace::Window(1)),
    (Mode::Raw, Pace::Window(1)),
    (Mode::Enveloped, Pace::Window(64)),
    (Mode::Raw, Pace::Window(64)),
    (Mode::Enveloped, Pace::Rate(PUBLISHED_RATE)),
];

const STANDARD_REDIS: [(Mode, Pace); 2] =
    [(Mode::Enveloped, Pace::Window(64)), (Mode::Enveloped, Pace::Rate(PUBLISHED_RATE))];

/// Bytes of payload, where nothing else is asked for.
const SIZE: usize = 200;
const LARGE_SIZE: usize = 1 << 20;
const STUCK_SIZE: usize = 16 << 10;
const SEALED_SIZE: usize = 16 << 10;

/// A quiet pair sends a frame in so many seconds.
const QUIET_SECS: usize = 3;

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
        assert_eq!((plan.cases.len(), &plan.others[..]), (7, &[Vs::Floor][..]));
        let one = |case: &Case| case.timing.warmup + case.timing.measured;
        let all: Duration = plan.cases.iter().map(one).sum::<Duration>() * plan.repeats * 2;
        assert!(all < Duration::from_secs(70), "{all:?} and the time to start must stay under two minutes");
    }

    #[test]
    fn a_scenario_a_pace_or_a_mode_is_what_is_measured() {
        for (line, shown) in [
            ("--raw", "local: raw, window 64"),
            ("local --window 3", "local: enveloped, window 3"),
            ("redis --rate 100 --raw", "redis: raw, 100/s"),
            ("idle --pairs 80", "idle: from 20 to 160 connections, in linked pairs"),
            (
                "mixed --pairs 90",
                "mixed: 90 quiet pairs (30/s in all) and 50 busy ones (enveloped, window 64)",
            ),
            ("growth --pairs 4", "growth: 2 pairs and 4 pairs, enveloped, 20000/s"),
        ] {
            let plan = plan(line).unwrap();
            assert_eq!(plan.cases.len(), 1, "{line}");
            assert_eq!(plan.cases[0].to_string(), shown);
            assert_eq!(plan.others.len(), usize::from(line.starts_with("growth")));
        }
        assert_eq!(plan("large idle").unwrap().cases.len(), 3);
        assert_eq!(plan("local --vs all").unwrap().others.len(), 4);
    }

    #[test]
    fn what_cant_be_measured_is_refused() {
        for bad in ["--size 10", "--raw --size 8", "--url wss://h/ws"] {
            assert!(plan(bad).is_err(), "{bad}");
        }
    }
}
