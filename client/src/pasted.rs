//! A pairing code as people paste it: wrapped by a terminal, quoted by a shell or a chat, with words around
//! it.
//!
//! [`Pasted`] drops white space, invisible characters and paste marks, makes typographic quotes plain, and
//! finds the code between the words. It does not judge the code; the parsers of the two forms do. Pure text.

use zeroize::Zeroizing;

use crate::text::reorders_or_hides;

/// A pasted text without everything that no code contains.
pub struct Pasted {
    text: Zeroizing<String>,
    /// Where white space was, as offsets into `text`, rising.
    gaps: Vec<usize>,
}

impl Pasted {
    /// Cleans `text`. Looks at all of it: the caller bounds its length.
    pub fn new(text: &str) -> Self {
        // Room for all of it, so that no copy with a secret is left behind by a growing buffer.
        let mut pasted = Pasted { text: Zeroizing::new(String::with_capacity(text.len())), gaps: Vec::new() };
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            if let Some(after) = PASTE_MARKS.iter().find_map(|mark| rest.strip_prefix(mark)) {
                rest = after;
                continue;
            }
            rest = &rest[character.len_utf8()..];
            pasted.push(character);
        }
        pasted
    }

    fn push(&mut self, character: char) {
        if character.is_whitespace() {
            self.gaps.push(self.text.len());
        } else if is_double_quote(character) {
            self.text.push('"');
        } else if !character.is_control() && !is_invisible(character) {
            self.text.push(character);
        }
    }

    /// The whole cleaned text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The first JSON object, from `{` to its matching `}`; to the end of the text where that is missing.
    /// `None` without a `{`.
    pub fn json(&self) -> Option<&str> {
        let object = &self.text[self.text.find('{')?..];
        Some(&object[..object_len(object).unwrap_or(object.len())])
    }

    /// The text from the first `http://` or `https://` on, in any case. `None` without one.
    pub fn link(&self) -> Option<&str> {
        self.link_start().map(|start| &self.text[start..])
    }

    fn link_start(&self) -> Option<usize> {
        let lower = Zeroizing::new(self.text.to_ascii_lowercase());
        ["https://", "http://"].iter().filter_map(|scheme| lower.find(scheme)).min()
    }

    /// The base64url digits behind `before` in the link. If words follow them after white space, only the
    /// first `wanted` count.
    pub fn digits_behind(&self, before: &str, wanted: usize) -> Option<&str> {
        let link = self.link_start()?;
        let start = link + self.text[link..].find(before)? + before.len();
        let tail = &self.text[start..];
        let len = tail.bytes().take_while(|byte| is_digit(*byte)).count();
        let ends_at_gap = len > wanted && self.gaps.contains(&(start + wanted));
        Some(&tail[..if ends_at_gap { wanted } else { len }])
    }
}

/// The length of the JSON object at the start of `text`; `None` if it does not end.
fn object_len(text: &str) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' if !in_string => depth += 1,
            b'}' if !in_string => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// True for a digit of base64url (RFC 4648 §5).
fn is_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// The double quotes that keyboards and chats put in place of `"`.
fn is_double_quote(character: char) -> bool {
    matches!(character, '\u{201c}'..='\u{201f}' | '\u{ab}' | '\u{bb}' | '\u{2033}' | '\u{301d}'..='\u{301f}' | '\u{ff02}')
}

/// Direction marks, zero-width characters, a byte order mark, a soft hyphen, variation selectors.
fn is_invisible(character: char) -> bool {
    reorders_or_hides(character) || matches!(character, '\u{ad}' | '\u{fe00}'..='\u{fe0f}')
}

/// The marks that a terminal in bracketed-paste mode puts around a pasted text (xterm's control sequences,
/// "Bracketed Paste Mode").
const PASTE_MARKS: [&str; 4] = ["\u{1b}[200~", "\u{1b}[201~", "^[[200~", "^[[201~"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_code_contains_is_dropped() {
        let pasted = Pasted::new(
            "\u{feff} \u{1b}[200~{\u{201c}u\u{201d}:\r\n\u{200b}\u{a0}\"w\u{ad}s\"}\u{1b}[201~\n",
        );
        assert_eq!(pasted.text(), r#"{"u":"ws"}"#);
    }

    #[test]
    fn the_object_is_found_between_words() {
        for (text, found) in [
            ("or paste this: {\"a\":1}\nthe phone connects", Some("{\"a\":1}")),
            ("'{\"a\":{\"b\":\"}\\\"}\"}}'", Some("{\"a\":{\"b\":\"}\\\"}\"}}")),
            ("{\"a\":1} {\"b\":2}", Some("{\"a\":1}")),
            ("{\"a\":", Some("{\"a\":")),
            ("no brace }", None),
        ] {
            assert_eq!(Pasted::new(text).json(), found, "{text}");
        }
    }

    #[test]
    fn the_digits_end_at_white_space_or_where_no_digit_follows() {
        for (text, digits) in [
            ("see HTTPS://h/p#1abc", Some("abc")),
            ("\u{2018}https://h/p#1ab\nc\u{2019}", Some("abc")),
            ("http://h/p#1a\nb\nc\nmore words", Some("abc")),
            ("http://h/p#1abcd", Some("abcd")),
            ("http://h/p#1ab", Some("ab")),
            ("http://h/p", None),
            ("h/p#1abc", None),
        ] {
            assert_eq!(Pasted::new(text).digits_behind("#1", 3), digits, "{text}");
        }
    }
}
