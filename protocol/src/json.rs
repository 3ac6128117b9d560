//! What every JSON text from outside goes through before and around the parser.

use sonic_rs::writer::WriteExt;

/// True if brackets outside strings never nest deeper than `depth_max`. Linear, allocates nothing.
///
/// The parser has no depth limit and aborts the process on deep nesting, so nothing from outside reaches it before
/// this scan has passed.
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

/// Appends `text` escaped as the inside of a JSON string, without quotes. Allocates nothing if `out` has
/// `6 × text.len() + 64` bytes to spare.
pub fn escape_into(out: &mut Vec<u8>, text: &str) {
    // The writer adds quotes. The opening one is put over the last byte before it, which is restored afterwards.
    let Some(saved) = out.pop() else {
        out.push(b'"');
        escape_into(out, text);
        out.remove(0);
        return;
    };
    let at = out.len();
    write_quoted(&mut *out, text);
    out[at] = saved;
    out.pop();
}

/// Appends `text` as a quoted JSON string.
pub fn write_quoted<W: WriteExt>(out: W, text: &str) {
    // Writing a string into memory has no way to fail.
    let written = sonic_rs::to_writer(out, text);
    debug_assert!(written.is_ok(), "{written:?}");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn an_escaped_text_parses_back(text: String, before in "[a-z]{0,3}") {
            let mut out = before.clone().into_bytes();
            escape_into(&mut out, &text);
            prop_assert_eq!(&out[..before.len()], before.as_bytes());
            let quoted = format!("\"{}\"", std::str::from_utf8(&out[before.len()..]).unwrap());
            prop_assert_eq!(sonic_rs::from_str::<String>(&quoted).unwrap(), text);
        }
    }
}
