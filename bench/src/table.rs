//! The printed table: two lines per target, the median of all runs above and what they lie between below.

use crate::affinity::Cores;
use crate::load::{LOAD_SHARE_MAX, Sample};
use crate::plan::{Plan, Workload};
use crate::run::Series;
use crate::spread::Spread;

/// A column: its title, what it takes from a sample, and decimals.
struct Column {
    title: &'static str,
    value: fn(&Sample) -> Option<f64>,
    decimals: usize,
}

const COLUMNS: [Column; 9] = [
    Column { title: "msg/s", value: |sample| Some(sample.rate()), decimals: 0 },
    Column { title: "MiB/s", value: |sample| Some(sample.mib_rate()), decimals: 1 },
    Column { title: "p50 us", value: |sample| sample.latency_us(0.5), decimals: 0 },
    Column { title: "p99 us", value: |sample| sample.latency_us(0.99), decimals: 0 },
    Column { title: "p99.9 us", value: |sample| sample.latency_us(0.999), decimals: 0 },
    Column { title: "max us", value: |sample| sample.latency_us(1.0), decimals: 0 },
    Column { title: "CPU us/msg", value: Sample::cpu_us, decimals: 3 },
    Column { title: "load %", value: |sample| sample.load_share.map(|share| share * 100.0), decimals: 0 },
    Column {
        title: "RSS MiB",
        value: |sample| sample.resident().map(|bytes| bytes as f64 / f64::from(1 << 20)),
        decimals: 1,
    },
];

const NAME_WIDTH: usize = 10;
const CELL_WIDTH: usize = 15;

/// What is about to be measured.
pub(crate) fn print_head(plan: &Plan, cores: Cores) {
    let first = plan.workloads.first();
    let (pairs, size) = first.map_or((0, 0), |workload| (workload.pairs, workload.size));
    println!(
        "{pairs} pairs, {size} bytes of payload, {} runs of {:?} after {:?} of warm-up",
        plan.repeats, plan.timing.measured, plan.timing.warmup
    );
    match (cores.server, cores.load) {
        (Some(server), Some(load)) => println!("server on core {server}, load on core {load}"),
        _ => println!("server and load share what cores there are: the figures are noisy"),
    }
}

/// One workload on all its targets.
pub(crate) fn print(workload: &Workload, series: &[Series]) {
    println!("\n{workload}");
    let titles: String = COLUMNS.iter().map(|column| format!("{:>CELL_WIDTH$}", column.title)).collect();
    println!("{:NAME_WIDTH$}{titles}", "");
    for Series { target, samples } in series {
        let (mut medians, mut ranges) = (format!("{target:NAME_WIDTH$}"), " ".repeat(NAME_WIDTH));
        for (at, column) in COLUMNS.iter().enumerate() {
            let spread = Spread::of(samples.iter().map(column.value));
            let is_void = at == 0 && samples.iter().any(Sample::is_void);
            let (median, range) = cells(spread, column.decimals, is_void);
            medians += &format!("{median:>CELL_WIDTH$}");
            ranges += &format!("{range:>CELL_WIDTH$}");
        }
        println!("{medians}\n{ranges}");
    }
    for Series { target, samples } in series {
        print_processes(target, samples);
    }
    if let [subject, floor] = series
        && let Some(ratio) = cpu_ratio(&subject.samples, &floor.samples)
    {
        let Spread { median, min, max } = ratio;
        println!(
            "{} / {}: {median:.2} times the CPU time per message ({min:.2}-{max:.2})",
            subject.target, floor.target
        );
    }
}

/// The share of each process, where there are several, and what crossed between them.
fn print_processes(target: &str, samples: &[Sample]) {
    let Some(first) = samples.first().filter(|sample| sample.processes.len() > 1) else { return };
    for (at, process) in first.processes.iter().enumerate() {
        let of = |sample: &Sample| sample.cpu_us_of(&sample.processes[at]);
        if let Some(Spread { median, min, max }) = Spread::of(samples.iter().map(of)) {
            println!("{target}: {} {median:.3} us/msg of CPU time ({min:.3}-{max:.3})", process.name);
        }
    }
    if let Some(spread) = Spread::of(samples.iter().map(Sample::frames_per_publish)) {
        let Spread { median, min, max } = spread;
        println!("{target}: {median:.2} frames in each PUBLISH ({min:.2}-{max:.2})");
    }
}

/// What the words of the table mean.
pub(crate) fn print_foot() {
    println!(
        "\nMedian of all runs, below it least-most. CPU us/msg is the server's; load % is what the load needed of its own \
         core.\nvoid: it needed more than {:.0} %, so the rate may be the load's limit and not the server's.",
        LOAD_SHARE_MAX * 100.0
    );
}

fn cells(spread: Option<Spread>, decimals: usize, is_void: bool) -> (String, String) {
    let Some(Spread { median, min, max }) = spread else { return ("?".to_owned(), String::new()) };
    let mark = if is_void { "void >" } else { "" };
    (format!("{mark}{median:.decimals$}"), format!("{min:.decimals$}-{max:.decimals$}"))
}

/// Neighbours in time are compared, so that a slow moment of the machine cancels out.
fn cpu_ratio(subject: &[Sample], floor: &[Sample]) -> Option<Spread> {
    Spread::of(subject.iter().zip(floor).map(|(subject, floor)| Some(subject.cpu_us()? / floor.cpu_us()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_show_the_median_above_its_range() {
        let spread = Some(Spread { median: 1.26, min: 1.0, max: 2.0 });
        assert_eq!(cells(spread, 1, false), ("1.3".to_owned(), "1.0-2.0".to_owned()));
        assert_eq!(cells(spread, 0, true).0, "void >1");
        assert_eq!(cells(None, 1, false), ("?".to_owned(), String::new()));
    }
}
