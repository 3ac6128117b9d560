//! Tells people and scripts how files are: a line at the bottom of a terminal, plain lines every few seconds
//! elsewhere, and JSON for scripts.

use std::time::Duration;

use relay_client::transfer::Progress;

use super::meter::Meter;
use crate::output::{print, say, show_status};
use crate::status::Event;
use crate::terminal;

/// How often the line at the bottom is written again, and how often progress is told elsewhere.
const REDRAW_EVERY: Duration = Duration::from_millis(100);
const JSON_EVERY: Duration = Duration::from_secs(1);
const LINE_EVERY: Duration = Duration::from_secs(5);

/// See the module.
pub(in crate::commands) struct Teller {
    json: bool,
    /// stderr is a terminal whose last line can be replaced.
    rewrites: bool,
    meter: Meter,
    told_at: Option<Duration>,
    told: Option<Progress>,
}

impl Teller {
    pub(in crate::commands) fn new(json: bool) -> Self {
        let terminal = terminal::of_stderr();
        let rewrites = !json && terminal.is_some_and(|terminal| terminal.moves && terminal.size.is_some());
        Teller { json, rewrites, meter: Meter::default(), told_at: None, told: None }
    }

    /// One that leaves the last line of the terminal to another.
    pub(in crate::commands) fn in_lines(json: bool) -> Self {
        let mut teller = Self::new(json);
        teller.rewrites = false;
        teller
    }

    /// True if programs read what is told.
    pub(in crate::commands) fn is_json(&self) -> bool {
        self.json
    }

    /// Tells what happened.
    ///
    /// # Errors
    /// stdout takes nothing more.
    pub(in crate::commands) fn tell(&self, event: &Event) -> anyhow::Result<()> {
        if self.json {
            let json = event.to_json();
            return print(&json, json.as_bytes());
        }
        if let Some(line) = event.plain() {
            say(&line);
        }
        Ok(())
    }

    /// Tells how far it is, if it is time for that. `phones` are those that take part.
    ///
    /// # Errors
    /// stdout takes nothing more.
    pub(in crate::commands) fn progress(
        &mut self,
        phones: &[(String, Progress)],
        now: Duration,
    ) -> anyhow::Result<()> {
        let sum = sum(phones);
        self.meter.note(sum.bytes_written, now);
        let every = match (self.json, self.rewrites) {
            (true, _) => JSON_EVERY,
            (_, true) => REDRAW_EVERY,
            _ => LINE_EVERY,
        };
        let since = *self.told_at.get_or_insert(now);
        // The first line comes after a while: a small file needs none.
        if phones.is_empty() || now < since + every {
            return Ok(());
        }
        self.told_at = Some(now);
        if self.rewrites {
            self.draw(&sum);
            return Ok(());
        }
        if self.told.replace(sum) == Some(sum) {
            return Ok(());
        }
        if !self.json {
            say(&self.meter.words(&sum));
            return Ok(());
        }
        for (phone, progress) in phones {
            self.tell(&Event::Progress {
                phone: phone.clone(),
                files: progress.files_settled,
                files_total: progress.files_total,
                bytes: progress.bytes_written,
                bytes_total: progress.bytes_total,
            })?;
        }
        Ok(())
    }

    fn draw(&self, sum: &Progress) {
        let Some((size, style)) =
            terminal::of_stderr().and_then(|terminal| terminal.size.zip(Some(terminal.style)))
        else {
            return;
        };
        show_status(&self.meter.bar(sum, size.columns.saturating_sub(1), style.unicode));
    }

    /// What is written was there before, so it says nothing about the rate.
    pub(in crate::commands) fn on_resumed(&mut self) {
        self.meter.skip();
    }

    /// Nothing is on its way.
    pub(in crate::commands) fn rest(&mut self) {
        if self.rewrites {
            show_status("");
        }
        self.meter.skip();
        (self.told_at, self.told) = (None, None);
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.rest();
    }
}

fn sum(phones: &[(String, Progress)]) -> Progress {
    phones.iter().fold(Progress::default(), |sum, (_, one)| Progress {
        files_total: sum.files_total + one.files_total,
        bytes_total: sum.bytes_total + one.bytes_total,
        files_settled: sum.files_settled + one.files_settled,
        bytes_written: sum.bytes_written + one.bytes_written,
    })
}
