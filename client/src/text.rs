//! Text from elsewhere, made harmless before it is shown; and a moment in words.

use std::time::{SystemTime, UNIX_EPOCH};

/// `text` with everything that could move a terminal's cursor, colour it, hide or reorder its text written as
/// an escape: `\n`, `\u{1b}`.
pub fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || reorders_or_hides(character) {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

/// At most 200 characters of a text from elsewhere, made harmless.
pub(crate) fn excerpt(text: &str) -> String {
    harmless(&text.chars().take(EXCERPT_CHARS_MAX).collect::<String>())
}

const EXCERPT_CHARS_MAX: usize = 200;

/// A moment as `2026-11-29 05:07 UTC`.
pub(crate) fn utc(moment: SystemTime) -> String {
    let secs = moment.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, minutes) = (secs / 86_400, secs % 86_400 / 60);
    let (year, month, day) = date_of(days);
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", minutes / 60, minutes % 60)
}

/// The date of a day that is counted from 1970-01-01. Years are counted from March, so that a leap day is the
/// last of its year; 146,097 days are 400 such years.
fn date_of(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

/// Unicode's line separators, direction marks and overrides, zero-width characters.
pub(crate) fn reorders_or_hides(character: char) -> bool {
    matches!(character,
        '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_read_as_dates() {
        use std::time::Duration;
        for (secs, words) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399, "2000-02-28 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59 UTC"),
            (1_795_928_829, "2026-11-29 05:07 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
        ] {
            assert_eq!(utc(UNIX_EPOCH + Duration::from_secs(secs)), words);
        }
        assert_eq!(utc(UNIX_EPOCH - Duration::from_secs(9)), "1970-01-01 00:00 UTC", "no date before it");
    }

    #[test]
    fn an_excerpt_is_short_and_harmless() {
        assert_eq!(excerpt("a\u{1b}b"), r"a\u{1b}b");
        assert_eq!(excerpt(&"x".repeat(1_000)).len(), EXCERPT_CHARS_MAX);
    }

    #[test]
    fn nothing_that_acts_on_a_terminal_passes() {
        let text = "a\r\t\u{7}\u{7f}\u{9b}31m\u{202e}\u{200b}\u{2028}z";
        assert_eq!(harmless(text), r"a\r\t\u{7}\u{7f}\u{9b}31m\u{202e}\u{200b}\u{2028}z");
        assert_eq!(harmless("ä € 漢 👋 \\"), "ä € 漢 👋 \\");
    }
}
