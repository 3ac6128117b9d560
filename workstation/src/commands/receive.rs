//! `receive`: files that phones send go into a folder.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context;
use relay_client::app::Kind;
use relay_client::folder::Inbox;
use relay_client::transfer::ReceiveOptions;

use super::session::Session;
use super::transfer::{self, Arrivals, EVENTS_MAX, TURN_MAX, Teller, named, paired};
use crate::args::Global;
use crate::exit::INTERRUPTED;
use crate::ipc::carried::{Carried, CarriedEvent};
use crate::output::say;
use crate::status::Event;

/// Take the files that phones send, into a folder.
///
/// Nothing is overwritten: a file whose name is taken gets a number. The path of each file is printed when it
/// is whole. What is not whole lies in the folder as NAME.part, and goes on when it is sent again.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ReceiveArgs {
    /// The folder. [default: the present one]
    #[arg(value_name = "DIR", default_value = ".", hide_default_value = true)]
    pub(crate) folder: PathBuf,

    /// Take files of this phone only. Can be given several times.
    #[arg(long, value_name = "PHONE")]
    pub(crate) from: Vec<String>,

    /// Give each file the permissions that its sender says. [default: no file can be run]
    #[arg(long)]
    pub(crate) mode: bool,

    /// End when a phone has sent everything that it offered.
    #[arg(long)]
    pub(crate) once: bool,

    /// Give up if nothing is on its way for this long. [default: wait]
    #[arg(long, value_name = "SECS")]
    pub(crate) wait: Option<u32>,
}

/// # Errors
/// The folder can't be used, a phone is not known, or there is no agent.
pub(crate) fn run(args: &ReceiveArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let folder = &args.folder;
    let inbox = Inbox::open(folder).with_context(|| format!("can't use {}", folder.display()))?;
    let session = Arc::new(Session::open(global)?);
    let json = session.json;
    let (carried, interrupted) = transfer::connect(session)?;
    let phones = paired(&carried)?;
    anyhow::ensure!(!phones.is_empty(), "no phone is paired: the command pair adds one");
    let from = named(&phones, &args.from)?;
    carried.take(Kind::File, from.into_iter().map(|peer| peer.id).collect());
    let options = ReceiveOptions { mode: args.mode, ..ReceiveOptions::default() };
    let mut arrivals = Arrivals::new((inbox, folder.clone()), phones, options);
    let mut teller = Teller::new(json);
    let text = format!("phones can send files to {} now; Ctrl-C ends it", folder.display());
    teller.tell(&Event::Note { text })?;
    let (started, mut idle_since) = (Instant::now(), Duration::ZERO);
    let wait_max = args.wait.map(|secs| Duration::from_secs(secs.into()));
    loop {
        let now = started.elapsed();
        if interrupted.load(Ordering::Relaxed) {
            return stop(arrivals, &carried, now, teller, args.once);
        }
        let due_at = arrivals.work(&carried, now, &mut teller)?.unwrap_or(now + TURN_MAX);
        if let Some(outcome) = arrivals.last_outcome().filter(|_| args.once && arrivals.is_idle()) {
            return Ok(ExitCode::from(if outcome { 0 } else { 3 }));
        }
        if !arrivals.is_idle() {
            idle_since = now;
        }
        if wait_max.is_some_and(|max| now >= idle_since + max) {
            say("nothing came in time");
            return Ok(ExitCode::from(4));
        }
        let wait = due_at.min(now + TURN_MAX).saturating_sub(started.elapsed());
        for event in carried.next_events(EVENTS_MAX, wait) {
            if let CarriedEvent::Failed { why } = &event {
                anyhow::bail!("{why}");
            }
            arrivals.on_event(event, &carried, started.elapsed());
        }
    }
}

/// Ctrl-C. It is the usual end where nothing is expected.
fn stop(
    mut arrivals: Arrivals,
    carried: &Carried,
    now: Duration,
    mut teller: Teller,
    once: bool,
) -> anyhow::Result<ExitCode> {
    let was_idle = arrivals.is_idle();
    arrivals.cancel(carried, now, &mut teller)?;
    Ok(ExitCode::from(if was_idle && !once { 0 } else { INTERRUPTED }))
}
