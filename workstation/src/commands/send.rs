//! `send`: files and folders to phones.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use relay_client::transfer::{SendOptions, SendSet};

use super::session::Session;
use super::transfer::{self, Delivery, EVENTS_MAX, TURN_MAX, Teller, Verdict, chosen};
use crate::args::Global;
use crate::exit::INTERRUPTED;
use crate::ipc::carried::{Carried, CarriedEvent};
use crate::status::{Event, FileState, TransferState};

/// Send files and folders to a phone.
///
/// A transfer goes on after any break, also after either program was started again: run the same command
/// again. Ctrl-C stops it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct SendArgs {
    /// The files and folders.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Send to this phone. Can be given several times. [default: the only one]
    #[arg(long, value_name = "PHONE")]
    pub(crate) to: Vec<String>,

    /// Send the permissions of each file too.
    #[arg(long)]
    pub(crate) mode: bool,

    /// Give up on a phone that is not there for this long. [default: wait]
    #[arg(long, value_name = "SECS")]
    pub(crate) wait: Option<u32>,
}

/// Files on their way.
struct Sending {
    carried: Carried,
    deliveries: Vec<Delivery>,
    teller: Teller,
    started: Instant,
    wait_max: Option<Duration>,
}

/// # Errors
/// A path can't be read, a phone is not known, or there is no agent.
pub(crate) fn run(args: &SendArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let session = Arc::new(Session::open(global)?);
    let json = session.json;
    let options = SendOptions { mode: args.mode };
    // Before a phone is waited for: a path may be wrong.
    SendSet::new(&args.files, options)?;
    let (carried, interrupted) = transfer::connect(session)?;
    let mut deliveries = Vec::new();
    for peer in chosen(&carried, &args.to)? {
        deliveries.push(Delivery::new(peer, SendSet::new(&args.files, options)?));
    }
    let wait_max = args.wait.map(|secs| Duration::from_secs(secs.into()));
    let teller = Teller::new(json);
    let mut sending = Sending { carried, deliveries, teller, started: Instant::now(), wait_max };
    while !sending.is_over() {
        if interrupted.load(Ordering::Relaxed) {
            sending.cancel();
        }
        sending.turn()?;
    }
    sending.end()
}

impl Sending {
    fn is_over(&self) -> bool {
        self.deliveries.iter().all(|delivery| delivery.verdict().is_some())
    }

    /// Everything that there is to do now, then waits for more.
    fn turn(&mut self) -> anyhow::Result<()> {
        let now = self.started.elapsed();
        let mut due_at = now + TURN_MAX;
        let mut told = Vec::new();
        for delivery in &mut self.deliveries {
            let (events, until) = delivery.work(&self.carried, now, self.wait_max);
            told.extend(events);
            due_at = until.map_or(due_at, |until| until.min(due_at));
        }
        for event in &told {
            if matches!(event, Event::File { state: FileState::Resumed { .. }, .. }) {
                self.teller.on_resumed();
            }
            self.teller.tell(event)?;
        }
        self.tell_progress(now)?;
        if self.is_over() {
            return Ok(());
        }
        let wait = due_at.saturating_sub(self.started.elapsed());
        for event in self.carried.next_events(EVENTS_MAX, wait) {
            self.on_event(&event)?;
        }
        Ok(())
    }

    fn on_event(&mut self, event: &CarriedEvent) -> anyhow::Result<()> {
        if let CarriedEvent::Failed { why } = event {
            anyhow::bail!("{why}");
        }
        let now = self.started.elapsed();
        self.deliveries.iter_mut().for_each(|delivery| delivery.on_event(event, now));
        Ok(())
    }

    fn tell_progress(&mut self, now: Duration) -> anyhow::Result<()> {
        let under_way: Vec<_> = self
            .deliveries
            .iter()
            .filter(|delivery| delivery.is_under_way())
            .map(|delivery| (delivery.phone().to_owned(), delivery.progress()))
            .collect();
        self.teller.progress(&under_way, now)
    }

    fn cancel(&mut self) {
        let now = self.started.elapsed();
        for delivery in &mut self.deliveries {
            delivery.cancel(&self.carried, now);
        }
    }

    /// Tells how it ended for each phone. The exit code is the worst one.
    fn end(mut self) -> anyhow::Result<ExitCode> {
        self.teller.rest();
        let mut code = 0;
        for delivery in &self.deliveries {
            let Some(verdict) = delivery.verdict() else { continue };
            code = code.max(code_of(verdict));
            let (phone, state) = (delivery.phone().to_owned(), state_of(verdict));
            self.teller.tell(&Event::Transfer { phone, state })?;
        }
        Ok(ExitCode::from(code))
    }
}

fn state_of(verdict: &Verdict) -> TransferState {
    match verdict {
        Verdict::Complete(totals) => {
            TransferState::Complete { done: totals.done, failed: totals.failed, bytes: totals.bytes }
        }
        Verdict::Refused(reason) => TransferState::Refused { why: reason.to_string() },
        Verdict::Broken(reason) => TransferState::Broken { why: reason.to_string() },
        Verdict::Absent => TransferState::Absent,
        Verdict::Cancelled => TransferState::Cancelled,
    }
}

/// As docs/configuration.md promises.
fn code_of(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Complete(totals) if totals.failed == 0 => 0,
        Verdict::Complete(_) | Verdict::Broken(_) => 3,
        Verdict::Absent => 4,
        Verdict::Refused(_) => 5,
        Verdict::Cancelled => INTERRUPTED,
    }
}
