//! The kind *clipboard*: one text, which its reader shows in a box and puts into the clipboard when its user
//! says so.
//!
//! Pure: bytes in, bytes out. The end that has the text opens a channel with [`TextSender::params`], sends
//! its pieces and ends. The other one collects it by [`TextReceiver`] and answers [`GOT`]. See
//! `docs/app.md`.

use std::fmt;

use protocol::json;
use protocol::limits::JSON_DEPTH_MAX;
use serde::Deserialize;

use super::reason::Reason;

/// *Wire.* The longest text, in bytes of UTF-8.
pub const CLIPBOARD_BYTES_MAX: usize = 1024 * 1024;

/// *Wire.* The reader's answer: its user can see the text.
pub const GOT: &[u8] = br#"{"t":"got"}"#;

/// A text on its way out. `Debug` does not show it.
pub struct TextSender {
    text: String,
    sent: usize,
}

impl TextSender {
    /// # Errors
    /// It is too long.
    pub fn new(text: String) -> Result<Self, Reason> {
        if text.len() <= CLIPBOARD_BYTES_MAX { Ok(TextSender { text, sent: 0 }) } else { Err(too_long()) }
    }

    /// The parameters of the channel.
    pub fn params(&self) -> String {
        format!(r#"{{"v":1,"bytes":{}}}"#, self.text.len())
    }

    /// Another channel is opened: all of it goes again.
    pub fn begin_again(&mut self) {
        self.sent = 0;
    }

    /// The next piece, at most `len` bytes; `None` when all were sent. Call [`TextSender::piece_sent`] when
    /// the channel has taken it.
    pub fn next_piece(&self, len: usize) -> Option<&[u8]> {
        let rest = &self.text.as_bytes()[self.sent..];
        (!rest.is_empty()).then(|| &rest[..rest.len().min(len.max(1))])
    }

    /// The channel has taken a piece of this length.
    pub fn piece_sent(&mut self, len: usize) {
        self.sent = (self.sent + len).min(self.text.len());
    }
}

impl fmt::Debug for TextSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TextSender({} of {} bytes)", self.sent, self.text.len())
    }
}

/// True if this message says that the reader has the text.
pub fn is_got(message: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Answer<'a> {
        t: &'a str,
    }
    let text = std::str::from_utf8(message).ok().filter(|_| json::nesting_within(message, JSON_DEPTH_MAX));
    let answer: Option<Answer<'_>> = text.and_then(|text| sonic_rs::from_str(text).ok());
    answer.is_some_and(|answer| answer.t == "got")
}

/// A text on its way in. `Debug` does not show it.
pub struct TextReceiver {
    len: usize,
    bytes: Vec<u8>,
}

impl TextReceiver {
    /// A text of a channel with these parameters.
    ///
    /// # Errors
    /// Refuse the channel: the parameters make no sense, or the text is too long.
    pub fn new(params: &str) -> Result<Self, Reason> {
        #[derive(Deserialize)]
        struct Params {
            bytes: usize,
        }
        let params: Params = sonic_rs::from_str(params)
            .map_err(|_| Reason::new(Reason::MALFORMED, "the parameters do not say how long the text is"))?;
        if params.bytes > CLIPBOARD_BYTES_MAX {
            return Err(too_long());
        }
        // Grows with what comes.
        Ok(TextReceiver { len: params.bytes, bytes: Vec::new() })
    }

    /// Takes a piece.
    ///
    /// # Errors
    /// Reset the channel: more comes than was said.
    pub fn on_data(&mut self, piece: &[u8]) -> Result<(), Reason> {
        if piece.len() > self.len - self.bytes.len() {
            return Err(Reason::new(Reason::PROTOCOL, "more text came than was said"));
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    /// The sender has ended: the text. Answer with [`GOT`] when the user can see it.
    ///
    /// # Errors
    /// Reset the channel: something is missing, or it is not text.
    pub fn on_end(self) -> Result<String, Reason> {
        if self.bytes.len() < self.len {
            return Err(Reason::new(Reason::PROTOCOL, "less text came than was said"));
        }
        String::from_utf8(self.bytes)
            .map_err(|_| Reason::new(Reason::MALFORMED, "the text is not valid UTF-8"))
    }
}

impl fmt::Debug for TextReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TextReceiver({} of {} bytes)", self.bytes.len(), self.len)
    }
}

fn too_long() -> Reason {
    let words =
        format!("a text for the clipboard has at most {CLIPBOARD_BYTES_MAX} bytes: send it as a file");
    Reason::new("too-long", words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_passes_in_pieces_and_is_shown_by_nobody_else() {
        for (text, len) in [("", 10), ("grüß dich\n\u{1b}", 3), (&"x".repeat(CLIPBOARD_BYTES_MAX), 30_000)]
        {
            let mut sender = TextSender::new(text.to_owned()).unwrap();
            let mut receiver = TextReceiver::new(&sender.params()).unwrap();
            while let Some(piece) = sender.next_piece(len) {
                receiver.on_data(piece).unwrap();
                let len = piece.len();
                sender.piece_sent(len);
            }
            assert!(!format!("{sender:?} {receiver:?}").contains("dich"));
            assert_eq!(receiver.on_end().unwrap(), text);
            sender.begin_again();
            assert_eq!(sender.next_piece(9).is_none(), text.is_empty());
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        assert_eq!(TextSender::new("x".repeat(CLIPBOARD_BYTES_MAX + 1)).unwrap_err().token(), "too-long");
        for (params, token) in [
            ("{}", Reason::MALFORMED),
            (r#"{"bytes":-1}"#, Reason::MALFORMED),
            (r#"{"bytes":"1"}"#, Reason::MALFORMED),
            (r#"{"bytes":1048577}"#, "too-long"),
            (r#"{"bytes":99999999999999999999}"#, Reason::MALFORMED),
        ] {
            assert_eq!(TextReceiver::new(params).unwrap_err().token(), token, "{params}");
        }
        let receiver = || TextReceiver::new(r#"{"v":2,"bytes":2,"later":[]}"#).unwrap();
        assert_eq!(receiver().on_data(b"abc").unwrap_err().token(), Reason::PROTOCOL);
        assert_eq!(receiver().on_end().unwrap_err().token(), Reason::PROTOCOL);
        let mut damaged = receiver();
        damaged.on_data(b"\xff\xff").unwrap();
        assert_eq!(damaged.on_end().unwrap_err().token(), Reason::MALFORMED);
    }

    #[test]
    fn only_the_answer_counts_as_one() {
        assert!(is_got(GOT) && is_got(br#"{"later":[1],"t":"got"}"#));
        for other in [&b""[..], b"got", b"{}", br#"{"t":"gone"}"#, b"\xff", &b"[".repeat(9999)] {
            assert!(!is_got(other));
        }
    }
}
