//! The one table from close code to the client's next step.

use protocol::close::CloseCode;

/// The next step after a close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Connect again, at once if the connection had been stable.
    Again,
    /// Connect again, but not within ten seconds.
    AgainLater,
    /// The role went to another client.
    Replaced,
    /// The session is over.
    Killed,
    /// The relay has no such session, or none that this token opens.
    Unknown,
    /// Another try would be answered the same.
    Refused,
}

/// Judges a close code; `None` is a close frame without one. `replaced_by_own`: the relay said that the newer
/// holder is this very client.
pub(super) fn verdict(code: Option<u16>, replaced_by_own: bool) -> Verdict {
    let Some(code) = code else { return Verdict::Again };
    match CloseCode::parse(code) {
        Some(CloseCode::Normal | CloseCode::GoingAway | CloseCode::TryLater | CloseCode::TimedOut) => {
            Verdict::Again
        }
        Some(CloseCode::Internal | CloseCode::TooMany) => Verdict::AgainLater,
        Some(CloseCode::Replaced) if replaced_by_own => Verdict::Again,
        Some(CloseCode::Replaced) => Verdict::Replaced,
        Some(CloseCode::SessionKilled) => Verdict::Killed,
        Some(CloseCode::Protocol | CloseCode::InvalidUtf8 | CloseCode::TooBig | CloseCode::BadHello) => {
            Verdict::Refused
        }
        Some(CloseCode::Unauthorized) => Verdict::Unknown,
        // A code of a later relay: neither given up for it nor hammered with retries.
        None => Verdict::AgainLater,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_verdict() {
        use Verdict::*;
        for (code, expected) in [
            (None, Again),
            (Some(1000), Again),
            (Some(1001), Again),
            (Some(1013), Again),
            (Some(4408), Again),
            (Some(1011), AgainLater),
            (Some(4429), AgainLater),
            (Some(1002), Refused),
            (Some(1007), Refused),
            (Some(1009), Refused),
            (Some(4400), Refused),
            (Some(4401), Unknown),
            (Some(4409), Replaced),
            (Some(4410), Killed),
            (Some(4999), AgainLater),
        ] {
            assert_eq!(verdict(code, false), expected, "{code:?}");
        }
        assert_eq!(verdict(Some(4409), true), Again);
    }
}
