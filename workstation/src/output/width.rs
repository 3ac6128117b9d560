//! How many columns a text takes in a terminal, and where to cut it. Pure.
//!
//! Good for our own lines and for names; terminals differ about rare characters, which no line relies on.

/// The columns that a line takes. Escape sequences (CSI, ECMA-48 §5.4) take none.
pub(crate) fn width(line: &str) -> usize {
    let mut chars = line.chars();
    let mut columns = 0;
    while let Some(char) = chars.next() {
        if char == '\x1b' {
            skip_sequence(&mut chars);
        } else {
            columns += width_of(char);
        }
    }
    columns
}

/// The beginning of a line without escape sequences that takes at most `columns`, with `…` where something
/// was cut, or `.` in ASCII.
pub(crate) fn cut(line: &str, columns: usize, unicode: bool) -> String {
    if width(line) <= columns {
        return line.to_owned();
    }
    let mut left = columns.saturating_sub(1);
    let fits = |char: &char| {
        let width = width_of(*char);
        let fits = width <= left;
        left = if fits { left - width } else { 0 };
        fits
    };
    let mut out: String = line.chars().take_while(fits).collect();
    if columns > 0 {
        out.push(if unicode { '…' } else { '.' });
    }
    out
}

/// Passes over what follows an ESC.
fn skip_sequence(chars: &mut std::str::Chars<'_>) {
    if chars.next() == Some('[') {
        // Parameters and intermediates end with a byte from `@` to `~`.
        chars.find(|char| matches!(char, '@'..='~'));
    }
}

/// The columns of one character: none where it combines with the one before, two where East Asian scripts and
/// emoji are wide (Unicode Standard Annex 11).
fn width_of(char: char) -> usize {
    match char {
        '\0'..='\x1f' | '\x7f'..='\u{9f}' => 0,
        '\u{300}'..='\u{36f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{20d0}'..='\u{20ff}'
        | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{303e}'
        | '\u{3041}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1f64f}'
        | '\u{1f680}'..='\u{1f6ff}'
        | '\u{1f900}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_combining_and_escaped_characters() {
        for (line, columns) in [
            ("", 0),
            ("abc", 3),
            ("日本", 4),
            ("e\u{301}", 1),
            ("😀!", 3),
            ("▀▄█ ", 4),
            ("\x1b[38;5;16;48;5;231mx\x1b[0m", 1),
            ("\x1b[", 0),
            ("\x1b", 0),
        ] {
            assert_eq!(width(line), columns, "{line:?}");
        }
    }

    #[test]
    fn a_line_is_cut_where_its_columns_end() {
        for (line, columns, unicode, cut_line) in [
            ("encrypted", 9, true, "encrypted"),
            ("encrypted", 8, true, "encrypt…"),
            ("encrypted", 8, false, "encrypt."),
            ("日本語", 5, true, "日本…"),
            ("日本語", 4, true, "日…"),
            ("日a", 2, true, "…"),
            ("abc", 1, true, "…"),
            ("abc", 0, true, ""),
        ] {
            let shown = cut(line, columns, unicode);
            assert_eq!(shown, cut_line, "{line} {columns}");
            assert!(width(&shown) <= columns);
        }
    }
}
