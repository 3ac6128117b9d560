//! Numbered frames that carry the name of their session. The receiver can detect foreign, repeated, late,
//! lost and damaged frames.
//!
//! A frame is `session:role:number:length:` and a filler derived from these, without repeated parts. The
//! receiver makes the same frame again and compares all of it.

use super::json::cut;
use super::random::Random;
use super::role::Role;
use super::session::Session;

/// One direction of one session, at the sender.
#[derive(Clone, Debug)]
pub struct Numbered {
    tag: String,
    next: u64,
}

/// The same direction, at the receiver.
#[derive(Clone, Debug)]
pub struct Checker {
    tag: String,
    next: u64,
    gap_allowed: bool,
    gap_to: u64,
}

/// What is wrong with a frame, in words.
pub type Wrong = String;

impl Numbered {
    /// Numbers what `from` sends.
    pub fn new(session: &Session, from: Role) -> Self {
        Self { tag: tag(session, from), next: 0 }
    }

    /// The next frame, as a text of at least `length` bytes.
    pub fn text(&mut self, length: usize) -> String {
        String::from_utf8(self.frame(length, Kind::Text)).expect("a filler of ASCII")
    }

    /// The next frame, as a binary message of at least `length` bytes.
    pub fn binary(&mut self, length: usize) -> Vec<u8> {
        self.frame(length, Kind::Binary)
    }

    /// How many were made.
    pub fn count(&self) -> u64 {
        self.next
    }

    fn frame(&mut self, length: usize, kind: Kind) -> Vec<u8> {
        self.next += 1;
        frame(&self.tag, self.next - 1, length, kind)
    }
}

impl Checker {
    /// Expects what `from` sends.
    pub fn new(session: &Session, from: Role) -> Self {
        Self { tag: tag(session, from), next: 0, gap_allowed: false, gap_to: 0 }
    }

    /// A link ended here. Frames may be missing before the next frame, and only there.
    pub fn allow_gap(&mut self) {
        self.gap_allowed = true;
    }

    /// Takes one received text.
    ///
    /// # Panics If it is not the next frame.
    pub fn take(&mut self, text: &str) {
        if let Err(wrong) = self.try_take(text) {
            panic!("{wrong}");
        }
    }

    /// Takes one received text, or says what is wrong with it.
    pub fn try_take(&mut self, text: &str) -> Result<(), Wrong> {
        self.judge(text.as_bytes(), Kind::Text)
    }

    /// Takes one received binary message, or says what is wrong with it.
    pub fn try_take_binary(&mut self, bytes: &[u8]) -> Result<(), Wrong> {
        self.judge(bytes, Kind::Binary)
    }

    /// How many came.
    pub fn count(&self) -> u64 {
        self.next
    }

    /// The number of the first frame after the last allowed gap: those before it may have been lost.
    pub fn gap_to(&self) -> u64 {
        self.gap_to
    }

    fn judge(&mut self, bytes: &[u8], kind: Kind) -> Result<(), Wrong> {
        let expected = self.next;
        let Some(number) = self.number_of(bytes) else {
            return Err(format!("a foreign frame: {}", cut(&String::from_utf8_lossy(bytes))));
        };
        if number < expected {
            return Err(format!("frame {number} twice; {expected} was due"));
        }
        if number > expected && !self.gap_allowed {
            return Err(format!("frames {expected} to {} are missing", number - 1));
        }
        // The length is in the head, so a different length makes a different frame.
        let sent = frame(&self.tag, number, bytes.len(), kind);
        if bytes != sent {
            let right = bytes.iter().zip(&sent).take_while(|(came, sent)| came == sent).count();
            let (length, text) = (bytes.len(), String::from_utf8_lossy(bytes));
            return Err(format!(
                "frame {number} is not what was sent: {right} bytes of {length} are right: {}",
                cut(&text)
            ));
        }
        self.next = number + 1;
        if std::mem::take(&mut self.gap_allowed) {
            self.gap_to = number;
        }
        Ok(())
    }

    /// The number, if the frame is one of this direction.
    fn number_of(&self, bytes: &[u8]) -> Option<u64> {
        let rest = bytes.strip_prefix(self.tag.as_bytes())?.strip_prefix(b":")?;
        let digits = rest.split(|&byte| byte == b':').next()?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }
}

/// The kind of message. The filler depends on it, so that a text is never taken for a binary message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Binary,
}

fn frame(tag: &str, number: u64, length: usize, kind: Kind) -> Vec<u8> {
    let head = |length: usize| format!("{tag}:{number}:{length:08}:").into_bytes();
    let length = length.max(head(0).len() + FILLER_MIN);
    let mut frame = head(length);
    let mut random = Random::new(
        frame.iter().fold(FNV_BASIS, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(FNV_PRIME)),
    );
    while frame.len() < length {
        let bytes = random.any().to_le_bytes();
        let room = bytes.len().min(length - frame.len());
        frame.extend(bytes[..room].iter().map(|&byte| match kind {
            Kind::Text => LETTERS[usize::from(byte % 64)],
            Kind::Binary => byte,
        }));
    }
    frame
}

fn tag(session: &Session, from: Role) -> String {
    format!("{}:{from}", session.id)
}

/// Even the shortest frame has a filler, which tells a text from a binary message.
const FILLER_MIN: usize = 8;
/// JSON escapes none of these characters, so a frame keeps its length in the envelope.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-";
/// The FNV-1a hash of 64 bits, <http://www.isthe.com/chongo/tech/comp/fnv/>.
const FNV_BASIS: u64 = 0xCBF2_9CE4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01B3;

#[cfg(test)]
mod tests {
    use super::*;

    fn session(digit: &str) -> Session {
        Session { id: digit.repeat(32), token: digit.repeat(32) }
    }

    #[test]
    fn only_the_next_frame_passes() {
        let (one, two) = (session("1"), session("2"));
        let mut numbered = Numbered::new(&one, Role::Phone);
        let frames: Vec<String> = (0..4).map(|_| numbered.text(100)).collect();
        let mut checker = Checker::new(&one, Role::Phone);
        checker.take(&frames[0]);
        checker.take(&frames[1]);
        assert!(checker.try_take(&frames[1]).unwrap_err().contains("twice"));
        assert!(checker.try_take(&frames[3]).unwrap_err().contains("missing"));
        for foreign in [Numbered::new(&two, Role::Phone), Numbered::new(&one, Role::Workstation)] {
            let mut foreign = foreign;
            assert!(checker.try_take(&foreign.text(0)).unwrap_err().contains("foreign"));
        }
        let mut after_gap = checker.clone();
        after_gap.allow_gap();
        after_gap.take(&frames[3]);
        checker.take(&frames[2]);
        assert_eq!((checker.count(), numbered.count(), frames[0].len()), (3, 4, 100));
        assert_eq!((checker.gap_to(), after_gap.gap_to()), (0, 3));
    }

    #[test]
    fn a_frame_passes_only_whole() {
        let one = session("1");
        let mut numbered = Numbered::new(&one, Role::Phone);
        let (text, binary) = (numbered.text(1000), numbered.binary(1000));
        let mut checker = Checker::new(&one, Role::Phone);
        let swapped = [&text[..200], &text[300..400], &text[200..300], &text[400..]].concat();
        for damaged in
            [&text[..999], &text[..49], &format!("{text}."), &swapped, &text.replacen("0000", "0001", 1)]
        {
            assert!(checker.try_take(damaged).unwrap_err().contains("not what was sent"), "{damaged}");
        }
        assert!(checker.try_take_binary(text.as_bytes()).unwrap_err().contains("not what was sent"));
        checker.take(&text);
        let mut damaged = binary.clone();
        damaged[999] ^= 1;
        assert!(checker.try_take_binary(&damaged).unwrap_err().contains("999 bytes of 1000 are right"));
        checker.try_take_binary(&binary).unwrap();
    }
}
