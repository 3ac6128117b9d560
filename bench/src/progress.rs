//! The progress bar, on standard error, if that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// The bar. It moves once a run, so that it takes no time from the load.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A bar for this many runs.
    pub fn of(runs: usize) -> Self {
        let bar = ProgressBar::new(runs as u64);
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Progress(bar)
    }

    /// A run begins.
    pub fn begin(&self, what: &str) {
        self.0.set_message(what.to_owned());
        self.0.tick();
    }

    /// A run has ended.
    pub fn end_run(&self) {
        self.0.inc(1);
    }

    /// Prints lines above the bar, on standard output.
    pub fn print(&self, text: &str) {
        self.0.suspend(|| print!("{text}"));
    }

    /// Prints a line above the bar, on standard error.
    pub fn warn(&self, text: &str) {
        self.0.suspend(|| eprintln!("bench: {text}"));
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}
