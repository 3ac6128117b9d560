//! What the user has decided. The threads that read the keyboard and the signals write it, the caller's reads
//! it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The decisions so far. All methods may be called from any thread.
#[derive(Debug, Default)]
pub(super) struct Decisions {
    made: Mutex<Made>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Made {
    /// The user ends the program.
    closing: bool,
    /// The user rejected the phone of the present code.
    denied: bool,
    /// The answer to the question whether to show a new code.
    new_code: Option<bool>,
}

impl Decisions {
    fn made(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The program ends.
    pub(super) fn close(&self) {
        self.made().closing = true;
        self.changed.notify_all();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.made().closing
    }

    /// The phone of the present code was rejected.
    pub(super) fn deny(&self) {
        self.made().denied = true;
    }

    pub(super) fn has_denied(&self) -> bool {
        self.made().denied
    }

    /// A new code is wanted, or not.
    pub(super) fn decide_on_code(&self, wanted: bool) {
        self.made().new_code = Some(wanted);
        self.changed.notify_all();
    }

    /// Blocks until the user has decided on a new code, or ends the program. True if a new code is wanted:
    /// then a former no to a phone no longer counts.
    pub(super) fn wait_for_new_code(&self) -> bool {
        let mut made = self.made();
        while made.new_code.is_none() && !made.closing {
            made = self.changed.wait(made).unwrap_or_else(PoisonError::into_inner);
        }
        made.denied = false;
        made.new_code.take() == Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_counts_once() {
        let decisions = Decisions::default();
        decisions.deny();
        decisions.decide_on_code(true);
        assert!(decisions.has_denied() && decisions.wait_for_new_code() && !decisions.has_denied());
        decisions.close();
        assert!(decisions.is_closing() && !decisions.wait_for_new_code());
    }
}
