//! Numbered frames with their session's name on them: whoever receives them can tell a foreign, a doubled, a late and
//! a lost one.

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
}

/// What is wrong with a frame, in words.
pub type Wrong = String;

impl Numbered {
    /// Numbers what `from` sends.
    pub fn new(session: &Session, from: Role) -> Self {
        Self { tag: tag(session, from), next: 0 }
    }

    /// The next frame, padded to at least `length` bytes.
    pub fn text(&mut self, length: usize) -> String {
        let mut text = format!("{}:{}:", self.tag, self.next);
        self.next += 1;
        text.extend(std::iter::repeat_n('.', length.saturating_sub(text.len())));
        text
    }

    /// How many were made.
    pub fn count(&self) -> u64 {
        self.next
    }
}

impl Checker {
    /// Expects what `from` sends.
    pub fn new(session: &Session, from: Role) -> Self {
        Self { tag: tag(session, from), next: 0, gap_allowed: false }
    }

    /// A link ended here: before the next frame, and only there, some may be missing.
    pub fn allow_gap(&mut self) {
        self.gap_allowed = true;
    }

    /// Takes one received frame.
    ///
    /// # Panics
    /// When it is not the next one.
    pub fn take(&mut self, text: &str) {
        if let Err(wrong) = self.judge(text) {
            panic!("{wrong}");
        }
    }

    /// Takes one received frame, or says what is wrong with it.
    pub fn try_take(&mut self, text: &str) -> Result<(), Wrong> {
        self.judge(text)
    }

    /// How many came.
    pub fn count(&self) -> u64 {
        self.next
    }

    fn judge(&mut self, text: &str) -> Result<(), Wrong> {
        let rest = text.strip_prefix(&self.tag).and_then(|rest| rest.strip_prefix(':'));
        let number = rest.and_then(|rest| rest.split_once(':')?.0.parse::<u64>().ok());
        let expected = self.next;
        match number {
            None => Err(format!("a foreign frame: {}", super::json::cut(text))),
            Some(number) if number < expected => Err(format!("frame {number} twice; {expected} was due")),
            Some(number) if number > expected && !self.gap_allowed => {
                Err(format!("frames {expected} to {} are missing", number - 1))
            }
            Some(number) => {
                self.next = number + 1;
                self.gap_allowed = false;
                Ok(())
            }
        }
    }
}

fn tag(session: &Session, from: Role) -> String {
    format!("{}:{from}", session.id)
}

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
        assert!(checker.judge(&frames[1]).unwrap_err().contains("twice"));
        assert!(checker.judge(&frames[3]).unwrap_err().contains("missing"));
        for foreign in [Numbered::new(&two, Role::Phone), Numbered::new(&one, Role::Workstation)] {
            let mut foreign = foreign;
            assert!(checker.judge(&foreign.text(0)).unwrap_err().contains("foreign"));
        }
        let mut after_gap = checker.clone();
        after_gap.allow_gap();
        after_gap.take(&frames[3]);
        checker.take(&frames[2]);
        assert_eq!((checker.count(), numbered.count(), frames[0].len()), (3, 4, 100));
    }
}
