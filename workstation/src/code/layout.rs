//! What a window shows of a code: the picture where it fits, the text on one line, and where the phone will
//! connect to. Pure.

use super::picture::Picture;
use crate::terminal::{Size, Terminal};

/// All that can be shown of a code.
pub(super) struct Content {
    /// `None` if it is not wanted, or the text is too long for one.
    pub(super) picture: Option<Picture>,
    /// Without their line ends. The first is the code as text, never wrapped by us.
    pub(super) lines: Vec<String>,
}

impl Content {
    /// The picture, or what is in its way, and the lines below it. A pipe gets the lines alone.
    pub(super) fn layout(&self, terminal: Option<Terminal>) -> String {
        let above = match (&self.picture, terminal) {
            (Some(picture), Some(terminal)) => self.picture_or_lack(picture, terminal),
            _ => String::new(),
        };
        above + &self.lines.join("\n") + "\n"
    }

    fn picture_or_lack(&self, picture: &Picture, Terminal { size, style, moves, .. }: Terminal) -> String {
        let needed = Size { rows: picture.rows(style), columns: picture.columns(style) };
        let Some(lack) = size.and_then(|window| self.lack(needed, window)) else {
            return picture.lines(style);
        };
        let again = if moves { "make it larger" } else { "make it larger and start again" };
        format!("no picture: {lack}; {again}, paste the text, or add --png FILE\n")
    }

    /// Which side of the window is too small, and by how much; `None` if the picture fits.
    fn lack(&self, needed: Size, window: Size) -> Option<String> {
        if needed.columns > window.columns {
            return Some(format!(
                "the window has {} columns and the code needs {}",
                window.columns, needed.columns
            ));
        }
        let below: usize = self.lines.iter().map(|line| window.rows_of(line)).sum();
        let rows = needed.rows + below + LINES_AFTER;
        (rows > window.rows).then(|| format!("the window has {} rows and the code needs {rows}", window.rows))
    }
}

/// What is printed before a phone scans the code (`connected`, or the status), and the line of the cursor,
/// must not push it out of the window.
const LINES_AFTER: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::Style;

    const STYLE: Style = Style { colours: true, unicode: true };

    fn content(text: &str, lines: &[&str]) -> Content {
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        Content { picture: Some(Picture::of(text).unwrap()), lines }
    }

    fn window(rows: usize, columns: usize, style: Style) -> Option<Terminal> {
        Some(Terminal { size: Some(Size { rows, columns }), style, moves: true, rewraps: true })
    }

    fn shown(rows: usize, columns: usize, style: Style) -> String {
        let content = content(&"x".repeat(140), &[&"paste ".repeat(20), "to ws://h/ws"]);
        content.layout(window(rows, columns, style))
    }

    #[test]
    fn the_picture_is_drawn_where_it_and_the_wrapped_lines_below_fit() {
        // 25 rows of picture, 120 characters and 12 wrapped, "connected" and the cursor.
        for (rows, columns, fits) in [
            (30, 80, true),
            (29, 80, false),
            (31, 49, true),
            (31, 48, false),
            (29, 120, true),
            (28, 120, false),
        ] {
            let text = shown(rows, columns, STYLE);
            assert_eq!(text.contains('▀'), fits, "{rows} {columns}");
            assert!(text.ends_with("to ws://h/ws\n"), "{text}");
        }
    }

    #[test]
    fn a_link_of_version_2_fits_80_by_24_with_a_host_of_34_characters() {
        let host = format!("{}.example.org", "h".repeat(22));
        assert_eq!(host.len(), 34);
        let link = format!("https://{host}/p#2{}", "A".repeat(32));
        let to = format!("the phone connects to wss://{host}/ws");
        let content = content(&link, &[&format!("or paste this: {link}"), &to]);
        assert_eq!(content.picture.as_ref().unwrap().rows(STYLE), 19);
        assert_eq!(content.picture.as_ref().unwrap().columns(STYLE), 37);
        assert!(content.layout(window(24, 80, STYLE)).contains('▀'));
        let lack = content.layout(window(23, 80, STYLE));
        assert!(lack.starts_with("no picture: the window has 23 rows and the code needs 24;"), "{lack}");
        let ascii = Style { unicode: false, ..STYLE };
        let lack = content.layout(window(24, 80, ascii));
        assert!(lack.starts_with("no picture: the window has 24 rows and the code needs 42;"), "{lack}");
    }

    #[test]
    fn what_is_in_the_way_is_said_with_its_size_and_the_text_is_there() {
        for (rows, columns, words) in [
            (24, 80, "no picture: the window has 24 rows and the code needs 30; make it larger, paste"),
            (50, 40, "no picture: the window has 40 columns and the code needs 49; make it larger, paste"),
        ] {
            let text = shown(rows, columns, STYLE);
            assert!(text.starts_with(words), "{text}");
            assert!(text.contains(&"paste ".repeat(20)) && !text.contains('▀'), "{text}");
        }
    }

    #[test]
    fn a_terminal_without_unicode_gets_ascii_and_a_pipe_no_picture() {
        let ascii = Style { unicode: false, ..STYLE };
        assert!(shown(60, 100, ascii).is_ascii());
        let lack = shown(60, 97, ascii);
        assert!(lack.contains("the window has 97 columns and the code needs 98"), "{lack}");
        assert_eq!(content("x", &["to"]).layout(None), "to\n");
        let without = Content { picture: None, lines: vec!["to".into()] };
        assert_eq!(without.layout(window(60, 100, STYLE)), "to\n");
    }
}
