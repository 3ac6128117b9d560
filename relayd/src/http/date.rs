//! The `Date` of an answer. RFC 9110 §5.6.7. Knows no clock: the reactor says what time it is.

/// A moment as an answer states it. Written once a second, however many answers state it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpDate {
    /// Since 1970-01-01 00:00 UTC. `secs <= SECS_MAX`
    secs: u64,
    /// Such as `Sun, 06 Nov 1994 08:49:37 GMT`. ASCII.
    text: [u8; 29],
}

impl HttpDate {
    /// So many seconds after 1970-01-01 00:00 UTC, leap seconds left out. A year has four digits here, so a
    /// later moment than the last second of 9999 is shown as that second.
    pub fn at(unix_secs: u64) -> Self {
        let secs = unix_secs.min(SECS_MAX);
        HttpDate { secs, text: write(secs) }
    }

    /// It is this moment now. Costs a comparison while it is the same second.
    pub fn advance(&mut self, unix_secs: u64) {
        if self.secs != unix_secs {
            *self = HttpDate::at(unix_secs);
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.text
    }
}

fn write(secs: u64) -> [u8; 29] {
    let (days, second) = (secs / DAY, secs % DAY);
    let (year, month, day) = civil(days);
    let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    // 1970-01-01 was a Thursday.
    text[..3].copy_from_slice(pick(b"ThuFriSatSunMonTueWed", days % 7));
    write_two(&mut text[5..7], day);
    text[8..11].copy_from_slice(pick(b"JanFebMarAprMayJunJulAugSepOctNovDec", month));
    write_two(&mut text[12..14], year / 100);
    write_two(&mut text[14..16], year % 100);
    write_two(&mut text[17..19], second / 3600);
    write_two(&mut text[20..22], second / 60 % 60);
    write_two(&mut text[23..25], second % 60);
    text
}

/// The year, the month from 0 and the day from 1, in the Gregorian calendar.
fn civil(days_since_1970: u64) -> (u64, u64, u64) {
    // Counted from 1 March of a year that 400 divides, so that a leap day is the last day of its year, and
    // of its four and four hundred years. 719,468 days lie between 0000-03-01 and 1970-01-01.
    let days = days_since_1970 + 719_468;
    let (era, day) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    // Without the leap days before it, each year has 365 days.
    let leap_days = day / (DAYS_OF_4_YEARS - 1) - day / DAYS_OF_100_YEARS + day / (DAYS_OF_400_YEARS - 1);
    let year = (day - leap_days) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // From March on, months have 31, 30, 31, 30 and 31 days, over and over: five months are 153 days.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year_later, month) = if month < 10 { (0, month + 2) } else { (1, month - 10) };
    (400 * era + year + year_later, month, day)
}

/// The three letters at this place of a list of names.
fn pick(names: &[u8], place: u64) -> &[u8] {
    let at = 3 * usize::try_from(place).unwrap_or(0);
    &names[at..at + 3]
}

fn write_two(text: &mut [u8], number: u64) {
    let digit = |value: u64| b'0' + u8::try_from(value % 10).unwrap_or(0);
    text[0] = digit(number / 10);
    text[1] = digit(number);
}

const DAY: u64 = 24 * 60 * 60;
const DAYS_OF_4_YEARS: u64 = 4 * 365 + 1;
const DAYS_OF_100_YEARS: u64 = 25 * DAYS_OF_4_YEARS - 1;
const DAYS_OF_400_YEARS: u64 = 4 * DAYS_OF_100_YEARS + 1;

/// Friday, 31 Dec 9999 23:59:59.
const SECS_MAX: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(secs: u64) -> String {
        String::from_utf8(HttpDate::at(secs).as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn it_is_written_as_the_rfc_does() {
        for (secs, expected) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (SECS_MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(text(secs), expected);
        }
    }

    /// Every day of 800 years, against a calendar that counts days one by one.
    #[test]
    fn every_day_follows_the_day_before() {
        let is_leap =
            |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let mut days = 0;
        for year in 1970..2770 {
            let february = if is_leap(year) { 29 } else { 28 };
            let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            for (month, length) in (0..).zip(lengths) {
                for day in 1..=length {
                    assert_eq!(civil(days), (year, month, day));
                    days += 1;
                }
            }
        }
    }

    #[test]
    fn it_is_written_again_when_the_second_changes() {
        let mut date = HttpDate::at(7);
        for secs in [7, 8, 9_999, 3, u64::MAX] {
            date.advance(secs);
            assert_eq!(date, HttpDate::at(secs));
        }
    }
}
