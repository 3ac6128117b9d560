//! What every JSON text from outside goes through before and around the parser.

mod escape;

use sonic_rs::writer::WriteExt;

pub use self::escape::{GROWTH_MAX, char_boundary_before, escape_into, escape_within};

/// True if brackets outside strings never nest deeper than `depth_max`. Linear, allocates nothing.
///
/// The parser has no depth limit and aborts the process on deep nesting, so nothing from outside reaches it
/// before this scan has passed.
pub fn nesting_within(text: &[u8], depth_max: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for &byte in text {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > depth_max {
                    return false;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    true
}

/// Appends `text` as a quoted JSON string.
pub fn write_quoted<W: WriteExt>(out: W, text: &str) {
    // Writing a string into memory has no way to fail.
    let written = sonic_rs::to_writer(out, text);
    debug_assert!(written.is_ok(), "{written:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_is_counted_outside_strings_only() {
        for (text, depth_max, within) in [
            (r#"{"a":[]}"#, 2, true),
            (r#"{"a":[]}"#, 1, false),
            (r#"{"a":"[[[[\"[["}"#, 1, true),
            (r#"{"a":"\\"}[["#, 2, true),
            ("[][][]", 1, true),
            ("]]]][", 1, true),
            ("", 0, true),
        ] {
            assert_eq!(nesting_within(text.as_bytes(), depth_max), within, "{text}");
        }
        assert!(!nesting_within(&b"[".repeat(100_000), 32));
    }
}
