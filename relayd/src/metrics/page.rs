//! The text of the metrics under way: families, and their samples.

use std::fmt::{Display, Write as _};

use super::histogram::Histogram;

/// The text under way.
pub(super) struct Page<'a> {
    pub out: &'a mut String,
    /// The family that labelled samples belong to.
    pub family: &'static str,
}

impl Page<'_> {
    /// A family of one sample without a label.
    pub fn single(&mut self, name: &'static str, kind: &str, help: &str, value: u64) {
        self.family(name, kind, help);
        self.line(format_args!("{name} {value}"));
    }

    /// Begins a family.
    pub fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.family = name;
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    /// Samples of the family begun, by the value of one label.
    pub fn labelled<V: Display>(&mut self, label: &str, samples: impl IntoIterator<Item = (V, u64)>) {
        let name = self.family;
        for (value, count) in samples {
            self.line(format_args!("{name}{{{label}=\"{value}\"}} {count}"));
        }
    }

    /// The one sample of the family begun.
    pub fn value(&mut self, value: f64) {
        let name = self.family;
        self.line(format_args!("{name} {value}"));
    }

    /// A family of buckets. Bounds and sum are divided by `unit`.
    pub fn histogram(&mut self, name: &'static str, help: &str, histogram: &Histogram, unit: f64) {
        self.family(name, "histogram", help);
        for (bound, count) in histogram.cumulated() {
            let bound = bound as f64 / unit;
            self.line(format_args!("{name}_bucket{{le=\"{bound}\"}} {count}"));
        }
        let (sum, count) = (histogram.sum() as f64 / unit, histogram.count());
        self.line(format_args!("{name}_bucket{{le=\"+Inf\"}} {count}"));
        self.line(format_args!("{name}_sum {sum}"));
        self.line(format_args!("{name}_count {count}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing into a string has no way to fail.
        let written = writeln!(self.out, "{line}");
        debug_assert!(written.is_ok());
    }
}

/// May rise and fall.
pub(super) const GAUGE: &str = "gauge";

/// Only rises.
pub(super) const COUNTER: &str = "counter";
