//! The time of day where the user is, for people.
//!
//! The rules of time zones are the system's: `date` knows them, and this asks it. That is rare, once for each
//! phone that leaves.

use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

/// The time of day, such as `12:03`; with `UTC` behind it where the system does not tell its zone.
pub(super) fn time_of_day() -> String {
    let output = Command::new("date").arg("+%H:%M").stdin(Stdio::null()).stderr(Stdio::null()).output().ok();
    let told = output.filter(|output| output.status.success()).and_then(|output| local(&output.stdout));
    told.unwrap_or_else(|| utc(SystemTime::now()))
}

/// The answer of `date`, if it is one.
fn local(answer: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(answer).ok()?.trim_end();
    let is_time = text.len() == 5
        && text.bytes().enumerate().all(|(at, byte)| match at {
            2 => byte == b':',
            _ => byte.is_ascii_digit(),
        });
    is_time.then(|| text.to_owned())
}

fn utc(now: SystemTime) -> String {
    let minutes = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()) / 60 % (24 * 60);
    format!("{:02}:{:02} UTC", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_answer_is_a_time_or_nothing() {
        assert_eq!(local(b"09:05\n").as_deref(), Some("09:05"));
        for bad in [&b""[..], b"9:05\n", b"date: bad\n", b"09:05 \x1b[2J", b"\xff"] {
            assert_eq!(local(bad), None, "{bad:?}");
        }
        assert_eq!(utc(UNIX_EPOCH + Duration::from_secs(86_400 + 9 * 3600 + 5 * 60 + 59)), "09:05 UTC");
    }
}
