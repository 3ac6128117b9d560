//! The kind *pipe*: bytes of a length that nobody knows before, both ways, and the word of each end that it
//! has written all of them.
//!
//! Pure: bytes in, bytes out. [`PipeEnd`] is the same at both ends. See `docs/app.md`.

use thiserror::Error;

use super::limits::PAYLOAD_BYTES_MAX;

/// *Wire.* The longest piece in one message.
pub const PIECE_BYTES_MAX: usize = PAYLOAD_BYTES_MAX - 1;

/// *Wire.* The parameters of the channel.
pub const PARAMS: &str = r#"{"v":1}"#;

const BYTES: u8 = 0;
const END: u8 = 1;
const TAKEN: u8 = 2;

/// One end of a pipe.
///
/// Send what [`PipeEnd::data`] makes of the input, and then what [`PipeEnd::input_ended`] makes; after each
/// input, send [`PipeEnd::next_part`] while there is one.
#[derive(Debug, Default)]
pub struct PipeEnd {
    /// Bytes of this end's input that were sent.
    sent: u64,
    has_ended: bool,
    /// The other end has written all of them.
    is_taken: bool,
    /// Bytes that came, and how many of them this end's app has written.
    came: u64,
    written: u64,
    /// How many there are in all, when the other end has said so.
    total: Option<u64>,
    /// This end has said that it has written all of them.
    has_confirmed: bool,
}

/// What a message of the other end means.
#[derive(Debug, PartialEq, Eq)]
pub enum PipeNews<'a> {
    /// Write these, and call [`PipeEnd::wrote`].
    Bytes(&'a [u8]),
    /// No more bytes come.
    End,
    /// The other end has written everything that this one sent.
    Taken,
    /// Nothing that this version knows.
    Unknown,
}

/// The other end does not keep to the rules: reset the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PipeError {
    /// A message is empty or has another length than its kind.
    #[error("a message of the pipe is damaged")]
    Malformed,
    /// Bytes came behind the end, or the count is not that of what came.
    #[error("the pipe lost or gained bytes")]
    Count,
}

impl PipeEnd {
    /// The message for a piece of the input, at most [`PIECE_BYTES_MAX`] bytes. It counts as sent.
    pub fn data(&mut self, piece: &[u8]) -> Vec<u8> {
        self.sent += piece.len() as u64;
        [&[BYTES], piece].concat()
    }

    /// The message for the end of the input. It counts as sent.
    pub fn input_ended(&mut self) -> Vec<u8> {
        self.has_ended = true;
        counted(END, self.sent)
    }

    /// Reads a message.
    ///
    /// # Errors
    /// Reset the channel.
    pub fn on_message<'a>(&mut self, message: &'a [u8]) -> Result<PipeNews<'a>, PipeError> {
        let (kind, payload) = message.split_first().ok_or(PipeError::Malformed)?;
        match *kind {
            BYTES if self.total.is_some() => Err(PipeError::Count),
            BYTES => {
                self.came += payload.len() as u64;
                Ok(PipeNews::Bytes(payload))
            }
            END => {
                let is_right = self.total.is_none() && count(payload)? == self.came;
                self.total = Some(self.came).filter(|_| is_right);
                if is_right { Ok(PipeNews::End) } else { Err(PipeError::Count) }
            }
            TAKEN => {
                self.is_taken = self.has_ended && count(payload)? == self.sent;
                if self.is_taken { Ok(PipeNews::Taken) } else { Err(PipeError::Count) }
            }
            _ => Ok(PipeNews::Unknown),
        }
    }

    /// The app has written so many more of the bytes that came.
    pub fn wrote(&mut self, bytes: usize) {
        self.written += bytes as u64;
    }

    /// The next message of this end's own: its word that it has written everything.
    pub fn next_part(&mut self) -> Option<Vec<u8>> {
        let is_all = self.total == Some(self.written) && !self.has_confirmed;
        is_all.then(|| {
            self.has_confirmed = true;
            counted(TAKEN, self.written)
        })
    }

    /// True if both ends have written everything and said so: end the channel.
    pub fn is_complete(&self) -> bool {
        self.is_taken && self.has_confirmed
    }

    /// Bytes that were sent, and bytes that were written here.
    pub fn counts(&self) -> (u64, u64) {
        (self.sent, self.written)
    }
}

fn counted(kind: u8, count: u64) -> Vec<u8> {
    [&[kind][..], &count.to_be_bytes()].concat()
}

fn count(payload: &[u8]) -> Result<u64, PipeError> {
    payload.try_into().map(u64::from_be_bytes).map_err(|_| PipeError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passes a message on, and what the other end answers by itself.
    fn pass(to: &mut PipeEnd, message: &[u8], out: &mut Vec<u8>) -> Option<Vec<u8>> {
        if let PipeNews::Bytes(bytes) = to.on_message(message).unwrap() {
            out.extend_from_slice(bytes);
            to.wrote(bytes.len());
        }
        to.next_part()
    }

    #[test]
    fn both_directions_are_complete_when_both_ends_have_written_everything() {
        let (mut one, mut other) = (PipeEnd::default(), PipeEnd::default());
        let (mut here, mut there) = (Vec::new(), Vec::new());
        for piece in [&b"a\0\xff"[..], b"", b"bc"] {
            let message = one.data(piece);
            assert_eq!(pass(&mut other, &message, &mut there), None);
        }
        let taken = pass(&mut other, &one.input_ended(), &mut there).expect("all is written");
        assert_eq!(one.on_message(&taken), Ok(PipeNews::Taken));
        assert!(!one.is_complete() && there == b"a\0\xffbc" && one.counts() == (5, 0));
        let taken = pass(&mut one, &other.input_ended(), &mut here).expect("there is nothing to write");
        assert_eq!(other.on_message(&taken), Ok(PipeNews::Taken));
        assert!(one.is_complete() && other.is_complete() && here.is_empty());
    }

    #[test]
    fn what_was_not_written_is_not_confirmed() {
        let (mut one, mut other) = (PipeEnd::default(), PipeEnd::default());
        other.on_message(&one.data(b"abc")).unwrap();
        other.wrote(2);
        other.on_message(&one.input_ended()).unwrap();
        assert_eq!(other.next_part(), None);
        other.wrote(1);
        assert_eq!(other.next_part(), Some([&[2][..], &3u64.to_be_bytes()].concat()));
        assert_eq!(other.next_part(), None, "it is said once");
    }

    #[test]
    fn counts_that_are_wrong_are_noticed() {
        let eight = |kind: u8, count: u64| counted(kind, count);
        for (messages, error) in [
            (vec![vec![]], PipeError::Malformed),
            (vec![vec![1, 0]], PipeError::Malformed),
            (vec![eight(1, 1)], PipeError::Count),
            (vec![eight(1, 0), vec![0, 7]], PipeError::Count),
            (vec![eight(1, 0), eight(1, 0)], PipeError::Count),
            (vec![eight(2, 0)], PipeError::Count),
            (vec![vec![0, 7], eight(1, 2)], PipeError::Count),
        ] {
            let mut end = PipeEnd::default();
            let results: Vec<_> = messages.iter().map(|message| end.on_message(message).err()).collect();
            assert_eq!(results.last(), Some(&Some(error)), "{messages:?}");
        }
        assert_eq!(PipeEnd::default().on_message(&[9, 9]), Ok(PipeNews::Unknown));
    }
}
