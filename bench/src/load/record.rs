//! The counters of a run, and the sample they result in.

use hdrhistogram::Histogram;

use crate::affinity::Cores;
use crate::check::Faults;
use crate::meter;
use crate::target::Watched;

/// Collects while the load runs.
#[derive(Debug)]
pub(super) struct Recorder {
    /// Payload of a frame.
    frame_bytes: usize,
    /// Frames that came so far.
    pub arrived: u64,
    /// Frames sent from then until then count.
    measured: std::ops::Range<u64>,
    latency: Histogram<u64>,
    first_foreign: Option<String>,
}

/// The counters at one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    at: u64,
    /// Frames that came, by crowd.
    pub arrived: Vec<u64>,
    /// CPU time and memory of each process that is watched.
    processes: Vec<(Option<u64>, Option<u64>)>,
    own_cpu: Option<u64>,
    tcp_timeouts: Option<u64>,
    busy: Option<u64>,
    spun: u64,
}

/// What one process of a target needed in a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent {
    pub name: &'static str,
    /// CPU time in nanoseconds.
    pub cpu: Option<u64>,
    /// Bytes of memory held at the end.
    pub resident: Option<u64>,
}

/// What all crowds of a run have in common.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    /// Seconds between the two readings of the counters.
    pub secs: f64,
    /// By process of the target; empty if it was not started here.
    pub processes: Vec<Spent>,
    /// How often something was published in that time, if the target has a Redis.
    pub publishes: Option<u64>,
    /// Retransmission timeouts of TCP meanwhile, on the whole machine. On the loopback they show full
    /// buffers, of this load or another.
    pub tcp_timeouts: Option<u64>,
    /// Share of its core that the load needed, from 0 to 1.
    pub load_share: Option<f64>,
    /// Share of the two cores that programs outside this run used, from 0 to 1. `None` if not all processes
    /// are known.
    pub others_share: Option<f64>,
}

/// One crowd's result of a run.
#[derive(Debug)]
pub(crate) struct Sample {
    pub common: Common,
    /// Frames that came between the two readings of the counters.
    pub frames: u64,
    /// Frames that came after that.
    pub late: u64,
    /// Frames that came in all.
    pub total: u64,
    /// Payload of one.
    pub frame_bytes: usize,
    /// Nanoseconds from sent, or due, to received.
    pub latency: Histogram<u64>,
    pub faults: Faults,
    /// The beginning of the first foreign frame.
    pub first_foreign: Option<String>,
}

/// If the load uses more of its core than this, the result is the load's limit, not the server's.
pub(crate) const LOAD_SHARE_MAX: f64 = 0.9;

/// Longer latencies are recorded as this one.
const LATENCY_MAX: u64 = 60_000_000_000;

impl Recorder {
    pub fn new(frame_bytes: usize) -> Self {
        let latency = Histogram::new_with_bounds(1, LATENCY_MAX, 3).expect("these bounds are valid");
        Recorder { frame_bytes, arrived: 0, measured: 0..0, latency, first_foreign: None }
    }

    /// Latencies of frames sent from `from` until `until` are recorded, whenever they come.
    pub fn measure_from(&mut self, from: u64, until: u64) {
        self.measured = from..until;
    }

    /// A frame took from `sent` to `now`.
    pub fn record(&mut self, sent: u64, now: u64) {
        if self.measured.contains(&sent) {
            self.latency.saturating_record(now.saturating_sub(sent));
        }
    }

    /// Keeps the beginning of the first one, to find out what it was.
    pub fn note_foreign(&mut self, body: &[u8]) {
        let shown = &body[..body.len().min(200)];
        self.first_foreign.get_or_insert_with(|| String::from_utf8_lossy(shown).into_owned());
    }
}

impl Snapshot {
    pub fn take(watched: &[Watched], cores: Cores, at: u64, arrived: Vec<u64>, spun: u64) -> Self {
        let meters =
            |watched: &Watched| (meter::process_cpu_ns(watched.pid), meter::resident_bytes(watched.pid));
        Snapshot {
            at,
            arrived,
            processes: watched.iter().map(meters).collect(),
            own_cpu: meter::own_cpu_ns(),
            tcp_timeouts: meter::tcp_timeouts(),
            busy: meter::busy_ns(&cores.both()),
            spun,
        }
    }
}

/// What happened between two readings; `publishes` is what Redis counted meanwhile.
pub(super) fn common(
    before: &Snapshot,
    after: &Snapshot,
    watched: &[Watched],
    publishes: Option<u64>,
) -> Common {
    let wall = after.at - before.at;
    let between = |before: Option<u64>, after: Option<u64>| Some(after?.saturating_sub(before?));
    let spun = after.spun - before.spun;
    let spent = |(at, watched): (usize, &Watched)| Spent {
        name: watched.name,
        cpu: between(before.processes[at].0, after.processes[at].0),
        resident: after.processes[at].1,
    };
    let own_cpu = between(before.own_cpu, after.own_cpu);
    let processes: Vec<Spent> = watched.iter().enumerate().map(spent).collect();
    let ours = processes.iter().map(|process| process.cpu).chain([own_cpu]).sum::<Option<u64>>();
    // Without two cores of its own, this run does not know what other programs used.
    let others = between(before.busy, after.busy).filter(|&busy| busy > 0 && !processes.is_empty()).zip(ours);
    Common {
        secs: wall as f64 / 1e9,
        others_share: others.map(|(busy, ours)| busy.saturating_sub(ours) as f64 / (2 * wall) as f64),
        processes,
        publishes,
        tcp_timeouts: between(before.tcp_timeouts, after.tcp_timeouts),
        load_share: own_cpu.map(|cpu| cpu.saturating_sub(spun) as f64 / wall as f64),
    }
}

impl Sample {
    /// `arrived` are the counts at the two readings.
    pub(super) fn new(common: Common, arrived: [u64; 2], recorder: Recorder, faults: Faults) -> Self {
        let Recorder { frame_bytes, latency, first_foreign, arrived: total, .. } = recorder;
        let (frames, late) = (arrived[1] - arrived[0], total - arrived[1]);
        Sample { common, frames, late, total, frame_bytes, latency, faults, first_foreign }
    }

    /// Frames a second.
    pub fn rate(&self) -> f64 {
        self.frames as f64 / self.common.secs
    }

    /// Payload a second, in MiB.
    pub fn mib_rate(&self) -> f64 {
        self.rate() * self.frame_bytes as f64 / f64::from(1 << 20)
    }

    /// Microseconds of CPU time of all processes for one frame.
    pub fn cpu_us(&self) -> Option<f64> {
        let each = self.common.processes.iter().map(|process| self.cpu_us_of(process));
        (!self.common.processes.is_empty()).then(|| each.sum::<Option<f64>>()).flatten()
    }

    /// Microseconds of CPU time of one process for one frame.
    pub fn cpu_us_of(&self, process: &Spent) -> Option<f64> {
        (self.frames > 0).then_some(process.cpu? as f64 / 1e3 / self.frames as f64)
    }

    /// Memory of all processes at the end, in bytes.
    pub fn resident(&self) -> Option<u64> {
        let each = self.common.processes.iter().map(|process| process.resident);
        (!self.common.processes.is_empty()).then(|| each.sum::<Option<u64>>()).flatten()
    }

    /// How many frames one PUBLISH carried.
    pub fn frames_per_publish(&self) -> Option<f64> {
        let publishes = self.common.publishes.filter(|&count| count > 0)?;
        Some(self.frames as f64 / publishes as f64)
    }

    /// The latency that this share of the frames stayed within, in microseconds.
    pub fn latency_us(&self, share: f64) -> Option<f64> {
        (!self.latency.is_empty()).then(|| self.latency.value_at_quantile(share) as f64 / 1e3)
    }

    /// True if the load was the bottleneck, or may have been: the rate is then a lower bound of the server's.
    pub fn is_void(&self) -> bool {
        self.common.load_share.is_some_and(|share| share > LOAD_SHARE_MAX)
    }
}
