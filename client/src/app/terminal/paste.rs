//! What a child reads when a viewer pastes.

use super::screen::Modes;

const START: &str = "\x1b[200~";
const END: &str = "\x1b[201~";

/// The bytes for the child: between markers if the program asked for that, and then without any marker
/// inside, so that no pasted text can end the paste and act as typed keys.
pub fn paste_bytes(text: &str, modes: &Modes) -> Vec<u8> {
    let lines = text.replace("\r\n", "\r").replace('\n', "\r");
    if !modes.has_bracketed_paste {
        return lines.into_bytes();
    }
    format!("{START}{}{END}", without_markers(&lines)).into_bytes()
}

/// Removes markers until none is left: removing one may join another.
fn without_markers(text: &str) -> String {
    let mut left = String::with_capacity(text.len());
    for char in text.chars() {
        // The 8-bit form of ESC [ is read as a marker by some programs too.
        left.push(char);
        for marker in [START, END, "\u{9b}200~", "\u{9b}201~"] {
            if left.ends_with(marker) {
                left.truncate(left.len() - marker.len());
            }
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasted_text_stays_between_its_markers() {
        let modes = Modes { has_bracketed_paste: true, ..Modes::default() };
        for (text, expected) in [
            ("ls\nrm", "ls\rrm"),
            ("a\x1b[201~b", "ab"),
            ("a\x1b[20\x1b[201~1~b", "ab"),
            ("a\x1b[2\x1b[200~01~b", "ab"),
            ("\u{9b}201~x", "x"),
            ("", ""),
        ] {
            assert_eq!(paste_bytes(text, &modes), format!("{START}{expected}{END}").as_bytes(), "{text:?}");
        }
    }

    #[test]
    fn without_the_mode_there_are_no_markers() {
        assert_eq!(paste_bytes("a\r\nb", &Modes::default()), b"a\rb");
    }
}
