//! Text from elsewhere, made harmless for whoever shows it.

/// `text` with everything that could move a terminal's cursor, colour it, hide or reorder its text written as an
/// escape: `\n`, `\u{1b}`.
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

/// Unicode's line separators, direction marks and overrides, zero-width characters.
pub(crate) fn reorders_or_hides(character: char) -> bool {
    matches!(character,
        '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_acts_on_a_terminal_passes() {
        let text = "a\r\t\u{7}\u{7f}\u{9b}31m\u{202e}\u{200b}\u{2028}z";
        assert_eq!(harmless(text), r"a\r\t\u{7}\u{7f}\u{9b}31m\u{202e}\u{200b}\u{2028}z");
        assert_eq!(harmless("ä € 漢 👋 \\"), "ä € 漢 👋 \\");
    }
}
