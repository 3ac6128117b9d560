//! How a call that failed says so: a status, and a sentence that its thread keeps for the next question.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use relay_client::engine::{ForgetError, SendError, StartError};

use super::codes::Status;

/// What a call returns besides `Status::Ok`.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: Status,
    pub(super) words: String,
}

impl Failure {
    pub(super) fn new(status: Status, words: impl Into<String>) -> Self {
        Failure { status, words: words.into() }
    }

    /// A null pointer or a text that can't be taken.
    pub(super) fn argument(words: impl Into<String>) -> Self {
        Self::new(Status::InvalidArgument, words)
    }
}

/// Runs a call's body: no panic gets out, and a failure's words are kept for [`last_error`].
pub(super) fn guarded(body: impl FnOnce() -> Result<(), Failure>) -> Status {
    // What a body touches outlives a panic in order: the engine's lock and the table's are recovered by their
    // owners.
    let outcome = catch_unwind(AssertUnwindSafe(body));
    let panicked = || Err(Failure::new(Status::Internal, "internal fault of the library"));
    match outcome.unwrap_or_else(|_| panicked()) {
        Ok(()) => Status::Ok,
        Err(Failure { status, words }) => {
            // The thread may be past the end of its own values; then nobody is left to ask.
            let _ = LAST.try_with(|last| last.replace(words));
            status
        }
    }
}

/// The words of this thread's last failure.
pub(super) fn last_error() -> String {
    LAST.try_with(|last| last.borrow().clone()).unwrap_or_default()
}

thread_local! {
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let status = match &error {
            StartError::NoKey => Status::NoKey,
            StartError::Address(_) => Status::BadCode,
            StartError::NothingKept => Status::NothingKept,
            StartError::Damaged(_) => Status::Damaged,
            StartError::Unreadable(_) => Status::NotRead,
            StartError::InUse(_) => Status::NotRead,
            StartError::NotKept(_)
            | StartError::Ca(_)
            | StartError::Proxy(_)
            | StartError::Random(_)
            | StartError::System(_) => Status::System,
        };
        Self::new(status, error.to_string())
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        let status = match error {
            SendError::NotOpen => Status::NotOpen,
            SendError::Closed => Status::Closed,
            SendError::Full => Status::Full,
            SendError::TooLarge { .. } => Status::TooLarge,
        };
        Self::new(status, error.to_string())
    }
}

impl From<ForgetError> for Failure {
    fn from(error: ForgetError) -> Self {
        let status = match &error {
            ForgetError::NotErased(_) => Status::NotErased,
            ForgetError::NotDeleted(_) => Status::NotDeleted,
            ForgetError::Stopped => Status::Closed,
        };
        Self::new(status, error.to_string())
    }
}
