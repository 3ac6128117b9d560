//! Takes the files that phones send while `serve` runs, on a thread of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::Context;
use relay_client::app::Kind;
use relay_client::folder::Inbox;
use relay_client::transfer::ReceiveOptions;

use crate::commands::inputs::{Input, Inputs};
use crate::commands::session::Session;
use crate::commands::transfer::{Arrivals, EVENTS_MAX, TURN_MAX, Teller, paired};
use crate::ipc::carried::{Carried, CarriedEvent};

/// The taker of files. Dropping it ends what is on its way; a phone that sends it again goes on there.
pub(super) struct FileTaker {
    must_end: Arc<AtomicBool>,
    carried: Carried,
    thread: Option<JoinHandle<()>>,
}

impl FileTaker {
    /// Begins to take files into this folder. A failure comes as an input.
    ///
    /// # Errors
    /// The folder can't be used, or there is no agent.
    pub(super) fn start(session: Arc<Session>, folder: &Path, inputs: &Arc<Inputs>) -> anyhow::Result<Self> {
        let inbox = Inbox::open(folder).with_context(|| format!("can't use {}", folder.display()))?;
        let json = session.json;
        let carried = Carried::start(Box::new(move || session.agent()))?;
        let phones = paired(&carried)?;
        carried.take(Kind::File, Vec::new());
        let arrivals = Arrivals::new((inbox, folder.to_owned()), phones, ReceiveOptions::default());
        let must_end = Arc::new(AtomicBool::new(false));
        let (ends, link, inputs) = (Arc::clone(&must_end), carried.clone(), Arc::clone(inputs));
        let work = move || {
            if let Err(error) = take_files(arrivals, &link, Teller::in_lines(json), &ends) {
                inputs.put(Input::Failed(error));
            }
        };
        let thread =
            thread::Builder::new().name("files".into()).spawn(work).context("no thread for files")?;
        Ok(FileTaker { must_end, carried, thread: Some(thread) })
    }
}

impl Drop for FileTaker {
    fn drop(&mut self) {
        self.must_end.store(true, Ordering::Relaxed);
        self.carried.wake();
        if let Some(thread) = self.thread.take() {
            // It has told what went wrong, if anything did.
            drop(thread.join());
        }
    }
}

fn take_files(
    mut arrivals: Arrivals,
    carried: &Carried,
    mut teller: Teller,
    must_end: &AtomicBool,
) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        let now = started.elapsed();
        if must_end.load(Ordering::Relaxed) {
            return arrivals.cancel(carried, now, &mut teller);
        }
        let due_at = arrivals.work(carried, now, &mut teller)?.unwrap_or(now + TURN_MAX);
        let wait = due_at.min(now + TURN_MAX).saturating_sub(started.elapsed());
        for event in carried.next_events(EVENTS_MAX, wait) {
            if let CarriedEvent::Failed { why } = &event {
                anyhow::bail!("{why}");
            }
            arrivals.on_event(event, carried, started.elapsed());
        }
    }
}

/// The folder by its whole path: a service runs in another one.
///
/// # Errors
/// It is not there.
pub(super) fn whole(folder: &Path) -> anyhow::Result<PathBuf> {
    let whole = std::path::absolute(folder).with_context(|| format!("can't use {}", folder.display()))?;
    anyhow::ensure!(whole.is_dir(), "there is no folder {}: make it first", whole.display());
    Ok(whole)
}
