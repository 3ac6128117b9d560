//! How far files are, as a line: a bar, bytes, rate, time left. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use relay_client::transfer::Progress;

use crate::output::width::cut;

/// The rate is that of so long.
const RATE_OVER: Duration = Duration::from_secs(5);

/// How often the rate is measured.
const SAMPLE_EVERY: Duration = Duration::from_millis(250);

const BAR_COLUMNS: usize = 16;

/// Measures the rate of bytes that the other end has written.
#[derive(Debug, Default)]
pub(in crate::commands) struct Meter {
    /// When so many bytes were written; the oldest first.
    samples: VecDeque<(Duration, u64)>,
}

impl Meter {
    /// So many bytes are written now.
    pub(in crate::commands) fn note(&mut self, bytes: u64, now: Duration) {
        if self.samples.back().is_some_and(|(at, of)| now < *at + SAMPLE_EVERY && bytes >= *of) {
            return;
        }
        // A set that begins again measures again.
        if self.samples.back().is_some_and(|(_, of)| bytes < *of) {
            self.samples.clear();
        }
        self.samples.push_back((now, bytes));
        while self.samples.len() > 2 && self.samples[1].0 + RATE_OVER < now {
            self.samples.pop_front();
        }
    }

    /// What came at once was there already.
    pub(in crate::commands) fn skip(&mut self) {
        self.samples.clear();
    }

    /// Bytes in a second; `None` before it can be told.
    fn rate(&self) -> Option<u64> {
        let (&(from, before), &(to, after)) = self.samples.front().zip(self.samples.back())?;
        let millis = to.saturating_sub(from).as_millis();
        let rate = u128::from(after.saturating_sub(before)) * 1000;
        u64::try_from(rate.checked_div(millis)?).ok()
    }

    /// The line at a terminal, at most `columns` wide.
    pub(in crate::commands) fn bar(&self, progress: &Progress, columns: usize, unicode: bool) -> String {
        let done = share(progress, BAR_COLUMNS as u64);
        let (full, empty) = if unicode { ('█', '░') } else { ('#', '.') };
        let bar: String = (0..BAR_COLUMNS as u64).map(|at| if at < done { full } else { empty }).collect();
        cut(&format!("{bar}  {}", self.words(progress)), columns, unicode)
    }

    /// The same without a bar.
    pub(in crate::commands) fn words(&self, progress: &Progress) -> String {
        let Progress { files_total, bytes_total, files_settled, bytes_written } = *progress;
        let mut words = vec![
            format!("{} %", share(progress, 100)),
            format!("{} of {}", size(bytes_written), size(bytes_total)),
        ];
        if let Some(rate) = self.rate() {
            words.push(format!("{}/s", size(rate)));
            if let Some(left) = bytes_total.saturating_sub(bytes_written).checked_div(rate) {
                words.push(format!("{} left", time(left)));
            }
        }
        if files_total > 1 {
            words.push(format!("{files_settled} of {files_total} files"));
        }
        words.join("  ")
    }
}

/// How many of `of` parts are done.
fn share(progress: &Progress, of: u64) -> u64 {
    let (done, all) = match progress.bytes_total {
        0 => (progress.files_settled, progress.files_total),
        total => (progress.bytes_written, total),
    };
    let parts = u128::from(done.min(all)) * u128::from(of);
    parts.checked_div(u128::from(all)).and_then(|parts| u64::try_from(parts).ok()).unwrap_or(0)
}

/// A number of bytes, short.
pub(in crate::commands) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    // In tenths of the unit.
    let (mut tenths, mut unit) = (bytes / 100, 0);
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        (tenths, unit) = (tenths / 1000, unit + 1);
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

fn time(secs: u64) -> String {
    match secs {
        0..60 => format!("{secs} s"),
        60..3600 => format!("{} min", secs.div_ceil(60)),
        _ => format!("{} h {} min", secs / 3600, secs % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn sizes_and_times_are_short() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1_234_567, "1.2 MB"),
            (999_999, "999.9 kB"),
            (1 << 30, "1.0 GB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        for (secs, text) in [(0, "0 s"), (59, "59 s"), (61, "2 min"), (7300, "2 h 1 min")] {
            assert_eq!(time(secs), text);
        }
    }

    #[test]
    fn the_line_has_share_rate_time_left_and_files() {
        let mut meter = Meter::default();
        let mut progress =
            Progress { files_total: 3, bytes_total: 10_000_000, files_settled: 0, bytes_written: 0 };
        assert_eq!(meter.words(&progress), "0 %  0 B of 10.0 MB  0 of 3 files");
        for secs in 0..=20 {
            progress.bytes_written = secs * 100_000;
            meter.note(progress.bytes_written, at(secs));
        }
        progress.files_settled = 1;
        assert_eq!(meter.words(&progress), "20 %  2.0 MB of 10.0 MB  100.0 kB/s  2 min left  1 of 3 files");
        assert_eq!(meter.bar(&progress, 30, false), "###.............  20 %  2.0 M.");
        assert!(meter.samples.len() < 10);
    }

    #[test]
    fn nothing_is_divided_by_nothing() {
        let (mut meter, empty) = (Meter::default(), Progress::default());
        meter.note(0, at(1));
        meter.note(0, at(2));
        assert_eq!(meter.words(&empty), "0 %  0 B of 0 B  0 B/s");
        let progress = Progress { files_total: 2, files_settled: 1, ..empty };
        assert!(meter.words(&progress).starts_with("50 %"));
        meter.note(u64::MAX, at(3));
        meter.note(5, at(4));
        assert_eq!(meter.rate(), None, "it began again");
    }
}
