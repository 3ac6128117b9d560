//! The outcome of one run on one target: named figures, and faults.

use crate::check::Faults;
use crate::load::Sample;

/// The result of one run.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub figures: Vec<Figure>,
    pub faults: Faults,
    /// Frames that came.
    pub frames: u64,
    /// The load was the bottleneck, or may have been.
    pub is_void: bool,
    /// The beginning of the first foreign frame.
    pub first_foreign: Option<String>,
}

/// One number of a run.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// With its unit; the same in every run of a case.
    pub name: String,
    pub kind: Kind,
    pub decimals: usize,
    pub value: f64,
}

/// What a figure is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A column.
    Shown,
    /// A column, and a ratio to other targets.
    Compared,
    /// A line below.
    Detail,
}

/// Names of figures that other modules look up.
pub(crate) const RATE: &str = "msg/s";
pub(crate) const P50: &str = "p50 µs";
pub(crate) const P99: &str = "p99 µs";
pub(crate) const P999: &str = "p99.9 µs";
pub(crate) const CPU: &str = "CPU µs/msg";
/// Percent of the two cores that other programs used.
pub(crate) const OTHERS: &str = "others %";
pub(crate) const RESIDENT: &str = "RSS MiB";

/// The prefix of a figure's name, where it is one process's share of [`CPU`].
pub(crate) const CPU_OF: &str = "CPU µs/msg of ";

const TCP_TIMEOUTS: &str = "TCP timeouts on this machine, which delay every program:";

impl Outcome {
    /// Of a run with one crowd.
    pub fn of_load(sample: Sample) -> Self {
        let mut outcome = Outcome::default();
        outcome.push(RATE, Kind::Compared, 0, Some(sample.rate()));
        outcome.push("MiB/s", Kind::Shown, 1, Some(sample.mib_rate()));
        outcome.push(P50, Kind::Shown, 0, sample.latency_us(0.5));
        outcome.push(P99, Kind::Compared, 0, sample.latency_us(0.99));
        outcome.push(P999, Kind::Shown, 0, sample.latency_us(0.999));
        outcome.push("max µs", Kind::Shown, 0, sample.latency_us(1.0));
        outcome.push(CPU, Kind::Compared, 3, sample.cpu_us());
        outcome.push_shares(&sample);
        outcome.push(RESIDENT, Kind::Shown, 1, sample.resident().map(mib));
        if sample.common.processes.len() > 1 {
            for process in &sample.common.processes {
                let name = format!("{CPU_OF}{}", process.name);
                outcome.push(name, Kind::Detail, 3, sample.cpu_us_of(process));
            }
        }
        outcome.push("frames in each PUBLISH", Kind::Detail, 2, sample.frames_per_publish());
        outcome.absorb(sample);
        outcome
    }

    /// Adds a figure, if it is known and a number.
    pub fn push(&mut self, name: impl Into<String>, kind: Kind, decimals: usize, value: Option<f64>) {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            self.figures.push(Figure { name: name.into(), kind, decimals, value });
        }
    }

    /// Adds what the load needed of its core, and what other programs had.
    pub fn push_shares(&mut self, sample: &Sample) {
        let percent = |share: Option<f64>| share.map(|share| share * 100.0);
        self.push("load %", Kind::Shown, 0, percent(sample.common.load_share));
        self.push(OTHERS, Kind::Shown, 0, percent(sample.common.others_share));
    }

    /// Adds a sample's verdict.
    pub fn absorb(&mut self, sample: Sample) {
        let timeouts = sample.common.tcp_timeouts.filter(|&count| count > 0);
        let is_told = self.figures.iter().any(|figure| figure.name == TCP_TIMEOUTS);
        self.push(TCP_TIMEOUTS, Kind::Detail, 0, timeouts.filter(|_| !is_told).map(|count| count as f64));
        self.is_void |= sample.is_void();
        self.faults += sample.faults;
        self.frames += sample.total;
        self.first_foreign = self.first_foreign.take().or(sample.first_foreign);
    }
}

/// Bytes as MiB.
pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
