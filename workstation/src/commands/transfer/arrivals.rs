//! Sets of files that phones send into one folder. Each set has a channel of its own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use relay_client::app::{Kind, Reason};
use relay_client::folder::Inbox;
use relay_client::lines::harmless;
use relay_client::transfer::{Outcome, ReceiveEvent, ReceiveOptions, ReceiveSet, Step};

use super::{SetChannel, Teller};
use crate::ipc::carried::{Carried, CarriedChannel, CarriedEvent, Peer};
use crate::ipc::wire::carry::Presence;
use crate::output::print;
use crate::status::{Event, FileState, TransferState};

/// Sets that one phone may send at once.
const SETS_MAX: usize = 4;

/// See the module.
pub(in crate::commands) struct Arrivals {
    inbox: Inbox,
    folder: PathBuf,
    options: ReceiveOptions,
    phones: BTreeMap<String, Peer>,
    sets: Vec<Arrival>,
    /// Whether all files of the set that ended last were taken.
    last_outcome: Option<bool>,
}

struct Arrival {
    ch: CarriedChannel,
    phone: String,
    set: ReceiveSet,
    outcome: Option<TransferState>,
}

impl Arrivals {
    pub(in crate::commands) fn new(
        (inbox, folder): (Inbox, PathBuf),
        phones: Vec<Peer>,
        options: ReceiveOptions,
    ) -> Self {
        let phones = phones.into_iter().map(|peer| (peer.id.clone(), peer)).collect();
        Arrivals { inbox, folder, options, phones, sets: Vec::new(), last_outcome: None }
    }

    /// True if no set is on its way.
    pub(in crate::commands) fn is_idle(&self) -> bool {
        self.sets.is_empty()
    }

    /// Of the set that ended last: whether all files were taken.
    pub(in crate::commands) fn last_outcome(&self) -> Option<bool> {
        self.last_outcome
    }

    pub(in crate::commands) fn on_event(&mut self, event: CarriedEvent, carried: &Carried, now: Duration) {
        match event {
            CarriedEvent::Phone(peer) => self.on_phone(peer, now),
            CarriedEvent::Opened { ch, phone, kind: Kind::File, params } => {
                if let Err(reason) = self.on_opened(ch, phone, &params, carried) {
                    carried.refuse(ch, &reason);
                }
            }
            CarriedEvent::Opened { ch, .. } => {
                carried.refuse(ch, &Reason::new(Reason::UNAVAILABLE, "only files are taken here"));
            }
            CarriedEvent::Data { ch, bytes } => self.with(ch, |arrival| arrival.set.on_data(bytes, now)),
            CarriedEvent::Ended { ch } => self.with(ch, |arrival| arrival.set.on_ended()),
            CarriedEvent::Reset { ch, reason } => self.with(ch, |arrival| {
                arrival.set.on_gone();
                arrival.outcome.get_or_insert(TransferState::Broken { why: reason.to_string() });
            }),
            CarriedEvent::Lost { ch } => self.with(ch, |arrival| {
                arrival.set.on_gone();
                arrival.outcome.get_or_insert(TransferState::Waiting);
            }),
            _ => {}
        }
    }

    fn on_phone(&mut self, peer: Peer, now: Duration) {
        let is_here = peer.presence == Presence::Here;
        for arrival in self.sets.iter_mut().filter(|arrival| arrival.phone == peer.id) {
            arrival.set.on_link(is_here, now);
        }
        self.phones.insert(peer.id.clone(), peer);
    }

    fn on_opened(
        &mut self,
        ch: CarriedChannel,
        phone: String,
        params: &str,
        carried: &Carried,
    ) -> Result<(), Reason> {
        if self.sets.iter().filter(|arrival| arrival.phone == phone).count() >= SETS_MAX {
            return Err(Reason::new(Reason::TOO_MANY, "this phone sends several sets of files already"));
        }
        let set = ReceiveSet::new(self.inbox.clone(), &phone, params, self.options)?;
        carried.accept(ch, &set.params());
        self.sets.push(Arrival { ch, phone, set, outcome: None });
        Ok(())
    }

    fn with(&mut self, ch: CarriedChannel, change: impl FnOnce(&mut Arrival)) {
        if let Some(arrival) = self.sets.iter_mut().find(|arrival| arrival.ch == ch) {
            change(arrival);
        }
    }

    /// Works on, and tells what there is to tell. Gives when to call it again at the latest.
    ///
    /// # Errors
    /// stdout takes nothing more.
    pub(in crate::commands) fn work(
        &mut self,
        carried: &Carried,
        now: Duration,
        teller: &mut Teller,
    ) -> anyhow::Result<Option<Duration>> {
        let mut due_at = None;
        for at in 0..self.sets.len() {
            if let Some(until) = self.sets[at].step(carried, now) {
                due_at = Some(due_at.map_or(until, |due_at: Duration| due_at.min(until)));
            }
            self.tell_files(at, teller)?;
        }
        let progress: Vec<_> =
            self.sets.iter().map(|arrival| (self.name(&arrival.phone), arrival.set.progress())).collect();
        teller.progress(&progress, now)?;
        self.finish(teller)?;
        Ok(due_at)
    }

    /// Lets go of the sets that are over, and tells how they ended.
    fn finish(&mut self, teller: &mut Teller) -> anyhow::Result<()> {
        let over: Vec<Arrival> = self.sets.extract_if(.., |arrival| arrival.outcome.is_some()).collect();
        if over.is_empty() {
            return Ok(());
        }
        if self.sets.is_empty() {
            teller.rest();
        }
        for Arrival { phone, outcome, .. } in over {
            let Some(state) = outcome else { continue };
            self.last_outcome = match &state {
                TransferState::Complete { failed, .. } => Some(*failed == 0),
                // It begins again.
                TransferState::Waiting => self.last_outcome,
                _ => Some(false),
            };
            teller.tell(&Event::Transfer { phone: self.name(&phone), state })?;
        }
        Ok(())
    }

    fn tell_files(&mut self, at: usize, teller: &mut Teller) -> anyhow::Result<()> {
        let phone = self.name(&self.sets[at].phone);
        while let Some(event) = self.sets[at].set.poll_event() {
            let (name, state) = match event {
                ReceiveEvent::Started { name, size, offset } => {
                    if offset > 0 {
                        teller.on_resumed();
                    }
                    (name, FileState::Started { size, offset })
                }
                ReceiveEvent::Done { name, kept_as, .. } => {
                    if !teller.is_json() {
                        let path = self.folder.join(&kept_as).display().to_string();
                        print(&harmless(&path), path.as_bytes())?;
                    }
                    (name, FileState::Done { kept_as })
                }
                ReceiveEvent::Failed { name, reason } => (name, FileState::failed(&reason)),
            };
            teller.tell(&Event::File { phone: phone.clone(), name, state })?;
        }
        Ok(())
    }

    fn name(&self, phone: &str) -> String {
        self.phones.get(phone).map_or_else(|| phone.to_owned(), |peer| peer.name.clone())
    }

    /// The user wants no more of it.
    ///
    /// # Errors
    /// stdout takes nothing more.
    pub(in crate::commands) fn cancel(
        &mut self,
        carried: &Carried,
        now: Duration,
        teller: &mut Teller,
    ) -> anyhow::Result<()> {
        for arrival in &mut self.sets {
            arrival.set.cancel();
            arrival.step(carried, now);
            carried.reset(arrival.ch, &Reason::new(Reason::CANCELLED, "the desk does not take it any more"));
            arrival.outcome = Some(TransferState::Cancelled);
        }
        self.work(carried, now, teller).map(drop)
    }
}

impl Arrival {
    fn step(&mut self, carried: &Carried, now: Duration) -> Option<Duration> {
        if self.outcome.is_some() {
            return None;
        }
        match self.set.advance(&mut SetChannel::new(carried, self.ch), now) {
            Step::More => return Some(now),
            Step::Wait { until } => return Some(until),
            Step::Over(Outcome::Complete(totals)) => {
                let (done, failed, bytes) = (totals.done, totals.failed, totals.bytes);
                self.outcome = Some(TransferState::Complete { done, failed, bytes });
            }
            Step::Over(Outcome::Broken(reason)) => {
                self.outcome = Some(TransferState::Broken { why: reason.to_string() });
            }
        }
        None
    }
}
