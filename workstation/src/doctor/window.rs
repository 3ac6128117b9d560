//! The terminal: its size, its colours, its characters.

use super::{Finding, Level};
use crate::terminal::{self, Size, Terminal};

/// A code that is a link fits this window.
const NEEDED: Size = Size { rows: 24, columns: 80 };

/// Looks at the terminal that people read here.
pub(super) fn examine() -> Finding {
    of(terminal::of_stderr())
}

fn of(terminal: Option<Terminal>) -> Finding {
    let Some(Terminal { size, style, moves, .. }) = terminal else {
        return Finding::good("terminal", "none here, so nothing to look at");
    };
    let shown = size.map_or("of unknown size".to_owned(), |size| format!("{}×{}", size.columns, size.rows));
    if !moves {
        let words = format!("{shown}; TERM says that it can do nothing but print");
        return Finding::wrong("terminal", words, "set TERM to what it is, as `xterm-256color`");
    }
    if size.is_some_and(|size| size.columns < NEEDED.columns || size.rows < NEEDED.rows) {
        let words = format!("{shown}, and a code needs {}×{}", NEEDED.columns, NEEDED.rows);
        return Finding::wrong("terminal", words, "make the window larger, or use a smaller font");
    }
    let colours = if style.colours { "colours" } else { "no colours (NO_COLOR)" };
    match style.unicode {
        true => Finding::good("terminal", format!("{shown}, {colours}")),
        false => Finding::new(
            "terminal",
            Level::Note,
            &format!("{shown}, {colours}, and the locale has ASCII only, so codes need four times the room"),
            "set LANG to a UTF-8 locale, as `C.UTF-8`",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::Style;

    #[test]
    fn each_lack_has_its_remedy() {
        let terminal = |columns, rows, unicode, moves| {
            let style = Style { colours: true, unicode };
            Some(Terminal { size: Some(Size { rows, columns }), style, moves, rewraps: true })
        };
        for (terminal, level, words) in [
            (terminal(80, 24, true, true), Level::Good, "80×24, colours"),
            (terminal(79, 24, true, true), Level::Wrong, "a code needs 80×24"),
            (terminal(80, 23, true, true), Level::Wrong, "a code needs 80×24"),
            (terminal(80, 24, true, false), Level::Wrong, "TERM"),
            (terminal(80, 24, false, true), Level::Note, "ASCII"),
            (None, Level::Good, "none here"),
        ] {
            let finding = of(terminal);
            assert!(finding.level == level && finding.words.contains(words), "{finding:?}");
        }
    }
}
