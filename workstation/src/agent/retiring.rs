//! Revoked phones: their sessions are deleted at the relay, again and again until it has answered.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use protocol::ids::SessionId;
use relay_client::engine::ForgetError;

use super::chores::Chores;
use super::log::Log;
use crate::state::phones::PhoneFile;
use crate::state::retire::RetireList;

/// After a try that failed.
const TRY_EVERY: Duration = Duration::from_secs(60);

/// The list of sessions to delete, and when it is tried.
pub(super) struct Retiring {
    list: RetireList,
    damage: Option<String>,
    /// `None` while a try is under way, or there is nothing to do.
    due_at: Option<Instant>,
}

impl Retiring {
    pub(super) fn load(state: &Path) -> Self {
        let (list, damage) = RetireList::load(state);
        let has_work = !list.left().is_empty();
        Retiring { list, damage, due_at: has_work.then(Instant::now) }
    }

    /// What was wrong with the list's file.
    pub(super) fn damage(&self) -> Option<String> {
        self.damage.clone()
    }

    /// True if this phone was revoked.
    pub(super) fn has_phone(&self, id: &str) -> bool {
        self.list.has_phone(id)
    }

    /// Notes a phone that is going to be revoked.
    ///
    /// # Errors
    /// It can't be noted: only now can its session be deleted.
    pub(super) fn add(&mut self, file: &PhoneFile) -> io::Result<()> {
        self.list.add(file.id(), &file.relay(), &file.sessions())
    }

    /// When the next try is due.
    pub(super) fn due_at(&self) -> Option<Instant> {
        self.due_at
    }

    /// Has the sessions deleted, if it is time.
    pub(super) fn begin_if_due(&mut self, now: Instant, chores: &mut Chores) {
        if self.due_at.is_none_or(|due_at| due_at > now) {
            return;
        }
        self.due_at = None;
        chores.delete(self.list.left());
    }

    /// The engine of a revoked phone has ended. What the relay was not told stays on the list.
    ///
    /// # Errors
    /// The pair is still on disk.
    pub(super) fn on_forgotten(
        &mut self,
        id: &str,
        outcome: Result<(), ForgetError>,
        log: &mut Log,
    ) -> anyhow::Result<()> {
        match outcome {
            Ok(()) => {
                let sessions = self.list.sessions_of(id);
                self.on_deleted(&sessions, &[], log);
                Ok(())
            }
            // The file itself was erased before; the engine had only to tell the phone.
            Err(ForgetError::NotErased(error)) => Err(anyhow!("the pair is still on disk: {error}")),
            Err(error @ (ForgetError::NotDeleted(_) | ForgetError::Stopped)) => {
                log.line(&error.to_string());
                self.due_at = Some(Instant::now());
                Ok(())
            }
        }
    }

    /// The relay was asked to delete.
    pub(super) fn on_deleted(&mut self, gone: &[SessionId], failed: &[String], log: &mut Log) {
        for words in failed {
            log.line(&format!("a session that is not needed any more is still there: {words}"));
        }
        for session in gone {
            if let Err(error) = self.list.note_deleted(*session) {
                log.line(&error.to_string());
            }
        }
        self.due_at = (!self.list.left().is_empty()).then(|| Instant::now() + TRY_EVERY);
    }
}
