//! What is read from a certificate besides what rustls checks: its DNS names, its validity, and its name for
//! questions about its renewal.
//!
//! Only walks over DER (ITU-T X.690). Verifies nothing: these are the operator's own certificates.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What an operator and the choice by name need of a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// The DNS names of its subjectAltName, in lower case. One may begin with `*.`.
    pub names: Vec<String>,
    /// The start of its validity, in seconds since 1970.
    pub not_before: u64,
    /// The end of its validity, in seconds since 1970.
    pub not_after: u64,
}

/// Reads a certificate. `None` if it is not one.
pub fn details(certificate: &[u8]) -> Option<Details> {
    let mut fields = Der(Der(Der(certificate).expect(SEQUENCE)?).expect(SEQUENCE)?);
    fields.skip_if(VERSION);
    for field in [INTEGER, SEQUENCE, SEQUENCE] {
        fields.expect(field)?;
    }
    let mut validity = Der(fields.expect(SEQUENCE)?);
    let not_before = unix_secs(validity.next()?)?;
    let not_after = unix_secs(validity.next()?)?;
    // The subject and its key.
    fields.expect(SEQUENCE)?;
    fields.expect(SEQUENCE)?;
    let mut names = Vec::new();
    while let Some((tag, extensions)) = fields.next() {
        if tag == EXTENSIONS {
            names = dns_names(extensions)?;
        }
    }
    Some(Details { names, not_before, not_after })
}

/// What RFC 9773 §4.1 calls it by: the key identifier of its CA and its serial number. `None` if it lacks
/// one.
pub fn renewal_name(certificate: &[u8]) -> Option<String> {
    let mut fields = Der(Der(Der(certificate).expect(SEQUENCE)?).expect(SEQUENCE)?);
    fields.skip_if(VERSION);
    let serial = fields.expect(INTEGER)?;
    let all = std::iter::from_fn(|| fields.next());
    let extensions = all.filter(|(tag, _)| *tag == EXTENSIONS).last()?.1;
    let mut identifier = Der(Der(extension(extensions, AUTHORITY_KEY_ID)??).expect(SEQUENCE)?);
    let key_id = identifier.expect(KEY_ID)?;
    Some(format!("{}.{}", URL_SAFE_NO_PAD.encode(key_id), URL_SAFE_NO_PAD.encode(serial)))
}

fn dns_names(extensions: &[u8]) -> Option<Vec<String>> {
    let Some(names) = extension(extensions, SUBJECT_ALT_NAME)? else { return Some(Vec::new()) };
    let mut names = Der(Der(names).expect(SEQUENCE)?);
    let all = std::iter::from_fn(|| names.next());
    let dns = all.filter(|(tag, _)| *tag == DNS_NAME);
    Some(dns.filter_map(|(_, name)| lower_case(name)).collect())
}

/// The content of one extension. The inner `None`: it is not there. The outer one: they are damaged.
fn extension<'a>(extensions: &'a [u8], wanted: &[u8]) -> Option<Option<&'a [u8]>> {
    let mut extensions = Der(Der(extensions).expect(SEQUENCE)?);
    while let Some((_, extension)) = extensions.next() {
        let mut extension = Der(extension);
        if extension.expect(OBJECT_ID)? == wanted {
            extension.skip_if(BOOLEAN);
            return Some(Some(extension.expect(OCTET_STRING)?));
        }
    }
    Some(None)
}

fn lower_case(name: &[u8]) -> Option<String> {
    let is_plain = name.iter().all(u8::is_ascii_graphic);
    is_plain.then(|| String::from_utf8_lossy(name).to_ascii_lowercase())
}

/// RFC 5280 §4.1.2.5: `YYMMDDHHMMSSZ` for the years 1950 to 2049, else `YYYYMMDDHHMMSSZ`.
fn unix_secs((tag, text): (u8, &[u8])) -> Option<u64> {
    let digits = text.strip_suffix(b"Z")?;
    let number = |at: usize, len: usize| {
        let digits = digits.get(at..at + len)?;
        digits
            .iter()
            .try_fold(0i64, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
    };
    let (year, rest) = match tag {
        UTC_TIME => (number(0, 2).map(|year| if year < 50 { 2000 + year } else { 1900 + year })?, 2),
        GENERALIZED_TIME => (number(0, 4)?, 4),
        _ => return None,
    };
    let [month, day, hour, minute, second] = [0, 2, 4, 6, 8].map(|at| number(rest + at, 2));
    unix_secs_of([year, month?, day?], [hour?, minute?, second?])
}

/// Year, month, day; hour, minute, second; in UTC. `None` before 1970 and without such a month.
pub fn unix_secs_of([year, month, day]: [i64; 3], [hour, minute, second]: [i64; 3]) -> Option<u64> {
    let days = days_since_1970(year, Some(month).filter(|month| (1..=12).contains(month))?, day);
    u64::try_from(days * 86_400 + hour * 3600 + minute * 60 + second).ok()
}

/// In the Gregorian calendar. The year begins in March, so that a leap day is its last.
pub fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

/// Values that follow one another.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next value: its tag and its content.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (len, rest) = match first {
            0..=0x7F => (usize::from(first), rest),
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7F))?;
                (bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next value, if it has this tag.
    fn expect(&mut self, wanted: u8) -> Option<&'a [u8]> {
        self.next().filter(|(tag, _)| *tag == wanted).map(|(_, content)| content)
    }

    fn skip_if(&mut self, tag: u8) {
        if self.0.first() == Some(&tag) {
            self.next();
        }
    }
}

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xA0;
const EXTENSIONS: u8 = 0xA3;
const DNS_NAME: u8 = 0x82;
const KEY_ID: u8 = 0x80;

/// 2.5.29.17
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1D, 0x11];

/// 2.5.29.35
const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1D, 0x23];

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(year: i32) -> Vec<u8> {
        let names = ["Relay.Example.org", "*.b.example", "192.0.2.1"].map(str::to_owned);
        let mut params = CertificateParams::new(names).unwrap();
        params.not_after = date_time_ymd(year, 2, 29);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn names_and_the_end_are_read_in_both_forms_of_time() {
        for (year, not_after) in [(2028, 1_835_395_200), (2096, 3_981_312_000)] {
            let details = details(&certificate(year)).unwrap();
            assert_eq!(details.names, ["relay.example.org", "*.b.example"]);
            assert_eq!(details.not_after, not_after, "{year}");
            assert_eq!(details.not_before, 157_766_400);
        }
    }

    /// The example of RFC 9773 §4.1.
    #[test]
    fn a_renewal_is_asked_for_by_the_ca_s_key_and_the_serial_number() {
        let text = URL_SAFE_NO_PAD.decode("aYhba4dGQEHhs3uEe6CuLN4ByNQ").unwrap();
        let issuer_key = KeyPair::generate().unwrap();
        let mut issuer = CertificateParams::default();
        issuer.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(text);
        issuer.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let issuer = rcgen::CertifiedIssuer::self_signed(issuer, issuer_key).unwrap();
        let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(rcgen::SerialNumber::from_slice(&[0x87, 0x65, 0x43, 0x21]));
        let signed = params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
        assert_eq!(renewal_name(signed.der()).unwrap(), "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
        assert_eq!(renewal_name(&certificate(2028)), None);
    }

    #[test]
    fn a_cut_or_damaged_certificate_is_refused_or_read_and_never_panics() {
        let whole = certificate(2028);
        for len in 0..whole.len() {
            assert_eq!(details(&whole[..len]), None, "{len}");
        }
        for at in 0..whole.len() {
            for byte in [0, 0x7F, 0x80, 0x84, 0xFF] {
                let mut damaged = whole.clone();
                damaged[at] = byte;
                let _ = details(&damaged);
                let _ = renewal_name(&damaged);
            }
        }
    }
}
