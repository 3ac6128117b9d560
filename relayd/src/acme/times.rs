//! Times as CAs write them, in seconds since 1970.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::tls::unix_secs_of;

/// The time now.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
}

/// RFC 3339, such as `2026-11-29T18:00:00.5Z` or with `+01:00`. Parts of a second are cut off.
pub(super) fn rfc3339(text: &str) -> Option<u64> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let at = rest.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = rest.split_at(at);
    let time = time.split('.').next()?;
    let [year, month, day] = numbers(date, '-')?;
    let secs = unix_secs_of([year, month, day], numbers(time, ':')?)?;
    let offset = match zone.as_bytes().first()? {
        b'Z' | b'z' => 0,
        sign => {
            let (hours, minutes) = zone[1..].split_once(':')?;
            let secs = (two_digits(hours)? * 60 + two_digits(minutes)?) * 60;
            if *sign == b'+' { secs } else { -secs }
        }
    };
    secs.checked_add_signed(-offset)
}

/// `Retry-After` of RFC 9110 §10.2.3: a number of seconds, or a date such as `Sun, 06 Nov 1994 08:49:37 GMT`.
/// Gives seconds from `now` on.
pub(super) fn retry_after(text: &str, now: u64) -> Option<u64> {
    if let Ok(secs) = text.parse() {
        return Some(secs);
    }
    let mut parts = text.split_once(", ")?.1.split(' ');
    let day = two_digits(parts.next()?)?;
    let name = parts.next()?;
    let month = MONTHS.iter().position(|month| *month == name)? + 1;
    let year = parts.next().filter(|year| year.len() == 4)?.parse().ok()?;
    let time = numbers(parts.next()?, ':')?;
    let at = unix_secs_of([year, i64::try_from(month).ok()?, day], time)?;
    Some(at.saturating_sub(now))
}

fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()) && (1..=4).contains(&part.len());
    let numbers: Option<Vec<i64>> =
        text.split(separator).map(|part| digits(part).then(|| part.parse().ok())?).collect();
    numbers?.try_into().ok()
}

fn two_digits(text: &str) -> Option<i64> {
    (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_rfc_3339() {
        for (text, secs) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2021-01-03T00:00:00Z", 1_609_632_000),
            ("2021-01-03T00:00:00.999Z", 1_609_632_000),
            ("2021-01-03T01:00:00+01:00", 1_609_632_000),
            ("2021-01-02T19:00:00-05:00", 1_609_632_000),
        ] {
            assert_eq!(rfc3339(text), Some(secs), "{text}");
        }
        for bad in [
            "",
            "T",
            "2021-01-03",
            "2021-13-03T00:00:00Z",
            "2021-01-03T00:00:00",
            "2021-01-03T00:00:00+1:00",
            "2021-01-03T0:0Z",
            "x-01-03T00:00:00Z",
            "2021-01-03T00:00:00+\u{e9}:00",
            "1960-01-01T00:00:00Z",
            "99999-01-03T00:00:00Z",
            "1970-01-01T00:00:00+01:00",
        ] {
            assert_eq!(rfc3339(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_wait_is_a_number_or_a_date() {
        assert_eq!(retry_after("120", 5), Some(120));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_770), Some(7));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 999_999_999), Some(0));
        for bad in ["", "soon", "-1", "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06 Nov", "1.5"] {
            assert_eq!(retry_after(bad, 0), None, "{bad}");
        }
    }
}
