//! Two clocks compared: this machine's, and that of somebody else.

use std::time::{SystemTime, UNIX_EPOCH};

use super::Finding;
use crate::tls::days_since_1970;

/// Clocks that differ by less do no harm.
pub(super) const OFF_SECS_MAX: i64 = 30;

const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";

/// Since 1970.
pub(super) fn now_secs() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// `off_secs`: how far this machine's clock is ahead of theirs.
pub(super) fn compared(check: &'static str, theirs: &str, off_secs: i64) -> Finding {
    if off_secs.abs() <= OFF_SECS_MAX {
        return Finding::ok(check, format!("this machine's clock agrees with {theirs}"));
    }
    let way = if off_secs > 0 { "ahead of" } else { "behind" };
    let words = format!("this machine's clock is {} s {way} {theirs}", off_secs.abs());
    Finding::bad(check, words, "set the wrong one: `timedatectl set-ntp true`")
}

/// The seconds since 1970 of a `Date` such as `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(super) fn of_date(text: &str) -> Option<i64> {
    let number = |at: usize, len: usize| text.get(at..at + len)?.parse::<i64>().ok();
    let month = MONTHS.find(text.get(8..11)?)? / 3;
    let days = days_since_1970(number(12, 4)?, i64::try_from(month).ok()? + 1, number(5, 2)?);
    Some(days * 86_400 + number(17, 2)? * 3600 + number(20, 2)? * 60 + number(23, 2)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn clocks_are_compared_both_ways() {
        for (off, level, words) in [
            (0, Level::Ok, "agrees with theirs"),
            (30, Level::Ok, "agrees"),
            (31, Level::Bad, "31 s ahead of theirs"),
            (-7200, Level::Bad, "7200 s behind theirs"),
        ] {
            let finding = compared("clock", "theirs", off);
            assert!(finding.level == level && finding.words.contains(words), "{finding:?}");
        }
    }

    #[test]
    fn a_date_is_read() {
        // RFC 9110 §5.6.7.
        assert_eq!(of_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        for wrong in ["", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Növ 1994 08:49:37 GMT", "Sun, 06 Nov"] {
            assert_eq!(of_date(wrong), None, "{wrong}");
        }
    }
}
