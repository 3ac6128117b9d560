//! The phone's name for itself: the form on the wire, and the form that may be shown.

use super::limits::NAME_BYTES_MAX;
use crate::text::reorders_or_hides;

/// `name` cut to at most 64 bytes, at a character's end.
pub(super) fn cut(name: &str) -> &str {
    let mut end = name.len().min(NAME_BYTES_MAX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

/// `name` without what could move a cursor, hide or reorder text.
pub(super) fn shown(name: &str) -> String {
    name.chars().filter(|&character| !character.is_control() && !reorders_or_hides(character)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_at_characters_and_shown_without_controls() {
        assert_eq!(cut("Pixel"), "Pixel");
        let long = format!("{}ä", "x".repeat(63));
        assert_eq!(cut(&long), "x".repeat(63));
        assert_eq!(shown("a\u{1b}[2Jb\n\u{202e}c\u{200b}ä"), "a[2Jbcä");
    }
}
