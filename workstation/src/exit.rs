//! How the program ends, and the exit code that tells it. The codes are a promise to scripts: see
//! docs/configuration.md.

use std::process::ExitCode;

use relay_client::Stop;
use relay_client::http::HttpError;

use crate::output::say;

/// Ctrl-C ended what was not done.
pub(crate) const INTERRUPTED: u8 = 130;

/// The outcome of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The user ended it, and the phone has taken all that was typed.
    Delivered,
    /// The phone has not confirmed this many lines: it may have those of the last fifth of a second.
    NotTaken(u64),
    /// No phone came, or none came back.
    NobodyCame,
    /// The user, the phone's side or the relay said no.
    Refused,
    /// Something else ended it.
    Failed,
}

/// The facts at the end of a conversation.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ending {
    /// A phone was there at some time.
    pub(crate) had_phone: bool,
    /// The code expired, or the phone was away for too long.
    pub(crate) waited_in_vain: bool,
    /// Nobody can use the code any more: it has expired, or its phone was sent away.
    pub(crate) code_spent: bool,
    /// The user sent the phone away.
    pub(crate) denied: bool,
    /// The pair should be ended, too, and was not in full.
    pub(crate) kill_failed: bool,
    /// Lines that were typed and that the phone has not taken.
    pub(crate) not_taken: u64,
}

impl Ending {
    /// The outcome, if the connection ended for this reason.
    pub(crate) fn outcome(self, why: &Stop) -> Outcome {
        if self.denied {
            return Outcome::Refused;
        }
        match why {
            Stop::Closed if self.waited_in_vain && !self.had_phone => Outcome::NobodyCame,
            _ if self.not_taken > 0 => Outcome::NotTaken(self.not_taken),
            Stop::Closed if self.waited_in_vain => Outcome::NobodyCame,
            Stop::Closed if self.kill_failed => Outcome::Failed,
            Stop::Closed => Outcome::Delivered,
            Stop::Refused { .. } | Stop::Unpaired(_) => Outcome::Refused,
            _ => Outcome::Failed,
        }
    }
}

impl Outcome {
    /// The exit code. 2 is a bad command line.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Outcome::Delivered => 0,
            Outcome::Failed => 1,
            Outcome::NotTaken(_) => 3,
            Outcome::NobodyCame => 4,
            Outcome::Refused => 5,
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        ExitCode::from(outcome.code())
    }
}

/// Tells the user an error, and gives its outcome.
pub(crate) fn say_error(error: &anyhow::Error) -> Outcome {
    say(&format!("error: {error:#}"));
    of_error(error)
}

/// The outcome of an error at the start.
fn of_error(error: &anyhow::Error) -> Outcome {
    match error.downcast_ref() {
        Some(HttpError::Refused { .. }) => Outcome::Refused,
        _ => Outcome::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ending_has_its_code() {
        let came = Ending { had_phone: true, ..Ending::default() };
        let refused = Stop::Refused { code: 4401, message: String::new() };
        for (ending, why, code) in [
            (came, Stop::Closed, 0),
            (Ending::default(), Stop::Closed, 0),
            (Ending { not_taken: 2, ..came }, Stop::Closed, 3),
            (Ending { not_taken: 2, ..Ending::default() }, Stop::Closed, 3),
            (Ending { waited_in_vain: true, not_taken: 2, ..Ending::default() }, Stop::Closed, 4),
            (Ending { waited_in_vain: true, not_taken: 2, ..came }, Stop::Closed, 3),
            (Ending { waited_in_vain: true, ..came }, Stop::Closed, 4),
            (Ending { denied: true, not_taken: 2, ..Ending::default() }, Stop::Closed, 5),
            (Ending { kill_failed: true, ..came }, Stop::Closed, 1),
            (Ending { kill_failed: true, not_taken: 1, ..came }, Stop::Closed, 3),
            (came, refused, 5),
            (came, Stop::Fault("x".into()), 1),
            (Ending { not_taken: 1, ..came }, Stop::Fault("x".into()), 3),
        ] {
            assert_eq!(ending.outcome(&why).code(), code, "{ending:?} {why:?}");
        }
    }
}
