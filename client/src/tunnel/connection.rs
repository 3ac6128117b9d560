//! The keys of one confirmed handshake, how much they were used, and the small records that wait.
//!
//! Sealing and opening only; what records mean is the roles' and the stream's. Called by the core.

use std::collections::VecDeque;
use std::time::Duration;

use zeroize::Zeroizing;

use super::credentials::Credentials;
use super::event::Fault;
use super::limits::{KEYS_AGE_GRACE, KEYS_AGE_MAX, RECORDS_GRACE, RECORDS_MAX};
use super::noise::{Keys, NoiseError};
use super::record::Record;
use super::wire::{self, Tag};
use super::words::Words;

/// The connection that a handshake opened.
pub(super) struct SealedConnection {
    c: Tag,
    keys: Keys,
    /// The phone's first record is queued or came: other records may follow it.
    pub(super) greeted: bool,
    /// Messages may go both ways.
    pub(super) open: bool,
    /// DENIED follows the messages that wait: the pair is over.
    pub(super) is_revoked: bool,
    due: VecDeque<QueuedRecord>,
    /// Where records are written before they are sealed; kept for its room.
    plaintext: Zeroizing<Vec<u8>>,
    sealed: u64,
    opened: u64,
    since: Duration,
}

/// A record that is written when its turn comes, before any data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueuedRecord {
    Hello,
    Welcome(Option<Credentials>),
    Settled,
    Denied,
    Ping(u64),
    Pong(u64),
}

impl SealedConnection {
    /// Not open yet; nothing was sealed or opened.
    pub(super) fn new(c: Tag, keys: Keys, since: Duration) -> Self {
        SealedConnection {
            c,
            keys,
            greeted: false,
            open: false,
            is_revoked: false,
            due: VecDeque::new(),
            plaintext: Zeroizing::default(),
            sealed: 0,
            opened: 0,
            since,
        }
    }

    /// What names it on the wire.
    pub(super) fn c(&self) -> Tag {
        self.c
    }

    /// The words of its handshake.
    pub(super) fn words(&self) -> Words {
        Words::of(self.keys.hash())
    }

    /// Puts a small record in its queue. Of each kind only the newest waits, so the queue is bounded.
    pub(super) fn queue(&mut self, due: QueuedRecord) {
        self.due.retain(|waiting| std::mem::discriminant(waiting) != std::mem::discriminant(&due));
        self.due.push_back(due);
    }

    /// The next small record.
    pub(super) fn poll_due(&mut self) -> Option<QueuedRecord> {
        self.due.pop_front()
    }

    /// Seals a record into a message for the wire.
    pub(super) fn seal(&mut self, record: &Record<'_>) -> Result<Vec<u8>, Fault> {
        self.plaintext.clear();
        record.write(&mut self.plaintext);
        let mut message = wire::record_head(self.c, self.plaintext.len());
        self.keys.seal(&self.plaintext, &mut message).map_err(|NoiseError| Fault::KeysExhausted)?;
        self.sealed += 1;
        self.check_records()?;
        Ok(message)
    }

    /// Seals bytes that need be no record.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn seal_bytes(&mut self, plaintext: &[u8]) -> Result<Vec<u8>, NoiseError> {
        let mut message = wire::record_head(self.c, plaintext.len());
        self.keys.seal(plaintext, &mut message)?;
        Ok(message)
    }

    /// Decrypts `sealed` in `room`, whose former contents are gone.
    pub(super) fn open<'a>(&mut self, sealed: &[u8], room: &'a mut Vec<u8>) -> Result<&'a [u8], Fault> {
        let plaintext = self.keys.open(sealed, room).map_err(|NoiseError| Fault::Unopenable)?;
        self.opened += 1;
        self.check_records()?;
        Ok(plaintext)
    }

    fn check_records(&self) -> Result<(), Fault> {
        let is_too_much = self.sealed.max(self.opened) > RECORDS_MAX + RECORDS_GRACE;
        if is_too_much { Err(Fault::KeysExhausted) } else { Ok(()) }
    }

    /// True if the keys are due for renewal: the phone should make a new handshake.
    pub(super) fn is_due_for_renewal(&self, now: Duration) -> bool {
        self.sealed.max(self.opened) >= RECORDS_MAX || now >= self.renew_at()
    }

    /// When the keys are due for renewal at the latest.
    pub(super) fn renew_at(&self) -> Duration {
        self.since + KEYS_AGE_MAX
    }

    /// When the connection is dropped if the phone did not.
    pub(super) fn dead_at(&self) -> Duration {
        self.renew_at() + KEYS_AGE_GRACE
    }

    /// As if this many records had been sealed.
    #[cfg(test)]
    pub(super) fn set_sealed(&mut self, sealed: u64) {
        self.sealed = sealed;
    }
}

impl std::fmt::Debug for SealedConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let SealedConnection { c, open, due, sealed, opened, .. } = self;
        write!(f, "SealedConnection({c:?}, open {open}, due {due:?}, {sealed} sealed, {opened} opened)")
    }
}
