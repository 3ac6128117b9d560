//! Names on the wire: sessions, tokens, nodes and roles.
//!
//! An id is 128 bits, written as 32 lower-case hex digits, and only that form parses: what can't be an id
//! never reaches a store, a channel name or a log line. [`Token`] and [`TokenDigest`] never show their value
//! in `Debug`.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

/// The operating system gave no random bits.
pub use getrandom::Error as RandomError;

/// The text is not an id: not 32 lower-case hex digits. Carries the length only; the text itself may be a
/// secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an id is 32 lower-case hex digits; got {len} bytes that are not that")]
pub struct InvalidId {
    /// How many bytes the refused text had.
    pub len: usize,
}

/// Names one session. Not a secret by itself, but logged only as [`SessionId::log_tag`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId([u8; 16]);

/// The secret that admits to a session. Redacted in `Debug`, without `Display`; the server keeps only its
/// digest.
#[derive(Clone, Copy)]
pub struct Token([u8; 16]);

/// SHA-256 of a [`Token`]'s 32 hex digits: what the stores keep and compare.
#[derive(Clone, Copy)]
pub struct TokenDigest([u8; 32]);

/// Names one relayd process; new at every start.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId([u8; 16]);

/// Which of the two ends of a session a connection holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// The machine that shows the QR code.
    Workstation,
    /// The device that scans it.
    Phone,
}

impl SessionId {
    /// 128 fresh random bits.
    ///
    /// # Errors
    /// The operating system's random source failed.
    pub fn random() -> Result<Self, RandomError> {
        random16().map(Self)
    }

    /// Parses 32 lower-case hex digits.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        parse_hex(text.as_bytes()).map(Self)
    }

    /// From the 16 bytes themselves.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The 32 hex digits, without an allocation.
    pub fn hex(&self) -> [u8; 32] {
        hex(&self.0)
    }

    /// The first 8 hex digits of SHA-256 over the id's hex form: what logs say, and the balancer's affinity
    /// parameter.
    pub fn log_tag(&self) -> LogTag {
        self.hash().tag()
    }

    /// The whole SHA-256 over the id's hex form, which names the session to an operator without being its id.
    pub fn hash(&self) -> SessionHash {
        SessionHash(Sha256::digest(self.hex()).into())
    }
}

/// SHA-256 over the hex form of a session's id. Its first 8 digits are the session's [`LogTag`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SessionHash([u8; 32]);

impl SessionHash {
    /// Parses 64 lower-case hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let (first, second) = text.as_bytes().split_at_checked(32)?;
        let (first, second): ([u8; 16], [u8; 16]) = (parse_hex(first).ok()?, parse_hex(second).ok()?);
        let mut hash = [0; 32];
        hash[..16].copy_from_slice(&first);
        hash[16..].copy_from_slice(&second);
        Some(SessionHash(hash))
    }

    /// Its beginning, as logs say it.
    pub fn tag(&self) -> LogTag {
        LogTag([self.0[0], self.0[1], self.0[2], self.0[3]])
    }

    /// True if its hex form begins with these lower-case digits.
    pub fn begins_with(&self, digits: &str) -> bool {
        let digit = |at: usize| (self.0[at / 2] >> (4 * (1 - at % 2))) & 0xF;
        digits.len() <= 2 * self.0.len()
            && digits.bytes().enumerate().all(|(at, byte)| hex_digit(byte) == Some(digit(at)))
    }
}

/// A session's tag for logs: joins lines of one session without naming it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LogTag([u8; 4]);

impl Token {
    /// 128 fresh random bits.
    ///
    /// # Errors
    /// The operating system's random source failed.
    pub fn random() -> Result<Self, RandomError> {
        random16().map(Self)
    }

    /// Parses 32 lower-case hex digits.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        parse_hex(text.as_bytes()).map(Self)
    }

    /// From the 16 bytes themselves.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 32 hex digits in clear; for the wire and the QR picture. Besides [`Token::reveal_bytes`] the only
    /// way to see a token.
    pub fn reveal(&self) -> String {
        String::from_utf8_lossy(&hex(&self.0)).into_owned()
    }

    /// The 16 bytes in clear. As [`Token::reveal`], where bytes are wanted: the tunnel's records and links.
    pub const fn reveal_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// What the stores keep of this token.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest(Sha256::digest(hex(&self.0)).into())
    }
}

impl TokenDigest {
    /// From the 32 bytes themselves, as read back from a store.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes, to write into a store.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compares in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl NodeId {
    /// 128 fresh random bits.
    ///
    /// # Errors
    /// The operating system's random source failed.
    pub fn random() -> Result<Self, RandomError> {
        random16().map(Self)
    }

    /// Parses 32 lower-case hex digits.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        parse_hex(text.as_bytes()).map(Self)
    }

    /// From the 16 bytes themselves.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl Role {
    /// Both roles, in the order of [`Role::index`].
    pub const ALL: [Role; 2] = [Role::Workstation, Role::Phone];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Workstation => "workstation",
            Role::Phone => "phone",
        }
    }

    /// Parses the word on the wire; `None` for any other.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "workstation" => Some(Role::Workstation),
            "phone" => Some(Role::Phone),
            _ => None,
        }
    }

    /// The role at the other end.
    pub const fn other(self) -> Self {
        match self {
            Role::Workstation => Role::Phone,
            Role::Phone => Role::Workstation,
        }
    }

    /// 0 or 1: the place of this role in a pair.
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId(#{})", self.log_tag())
    }
}

impl fmt::Display for SessionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for SessionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionHash({self})")
    }
}

impl fmt::Display for LogTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for LogTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(redacted)")
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({self})")
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn random16() -> Result<[u8; 16], RandomError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn hex(bytes: &[u8; 16]) -> [u8; 32] {
    let mut out = [0; 32];
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = HEX[usize::from(byte >> 4)];
        pair[1] = HEX[usize::from(byte & 15)];
    }
    out
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    for byte in bytes {
        write!(f, "{byte:02x}")?;
    }
    Ok(())
}

fn parse_hex(text: &[u8]) -> Result<[u8; 16], InvalidId> {
    let invalid = InvalidId { len: text.len() };
    if text.len() != 32 {
        return Err(invalid);
    }
    let mut out = [0; 16];
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        let (high, low) = (hex_digit(pair[0]).ok_or(invalid)?, hex_digit(pair[1]).ok_or(invalid)?);
        *byte = high << 4 | low;
    }
    Ok(out)
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_32_lower_case_hex_digits_are_an_id() {
        let good = "00112233445566778899aabbccddeeff";
        assert_eq!(SessionId::parse(good).unwrap().to_string(), good);
        assert_eq!(Token::parse(good).unwrap().reveal(), good);
        for bad in ["", "0", &good[1..], &good.to_uppercase(), &format!("{good}0"), &good.replace('0', " ")] {
            assert_eq!(SessionId::parse(bad), Err(InvalidId { len: bad.len() }), "{bad:?}");
        }
    }

    #[test]
    fn a_token_shows_itself_to_no_debug_line() {
        let token = Token::random().unwrap();
        let shown = format!("{token:?} {:?}", token.digest());
        assert_eq!(shown, "Token(redacted) TokenDigest(redacted)");
    }

    #[test]
    fn a_digest_matches_its_own_token_only() {
        let (one, two) = (Token::random().unwrap(), Token::random().unwrap());
        assert!(one.digest().matches(&one.digest()));
        assert!(!one.digest().matches(&two.digest()));
    }

    #[test]
    fn a_balancer_is_told_the_digits_that_the_contract_gives() {
        let session = SessionId::parse("3f4ffe2e903d2b0a2734e470a987e39b").unwrap();
        let contract = include_str!("../../docs/contract.md");
        let query = format!("?a={}", session.log_tag());
        let contract = contract.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(contract.contains(&format!("For `{session}` that is `{query}`")), "{query}");
    }

    #[test]
    fn a_hash_is_named_by_its_own_digits_only() {
        let session = SessionId::parse("3f4ffe2e903d2b0a2734e470a987e39b").unwrap();
        let (hash, text) = (session.hash(), session.hash().to_string());
        assert_eq!((text.len(), SessionHash::parse(&text)), (64, Some(hash)));
        assert_eq!(session.log_tag().to_string(), text[..8]);
        assert!(["", &text[..1], &text[..9], &text].into_iter().all(|digits| hash.begins_with(digits)));
        let other = if text.starts_with('0') { "1" } else { "0" };
        for wrong in [other, &format!("{text}0"), &text.to_uppercase(), &format!("{}x", &text[..3])] {
            assert!(!hash.begins_with(wrong), "{wrong}");
        }
        for bad in ["", &text[..63], &format!("{text}0"), &text.to_uppercase(), &text[..8]] {
            assert_eq!(SessionHash::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn random_ids_differ() {
        assert_ne!(SessionId::random().unwrap(), SessionId::random().unwrap());
    }
}
