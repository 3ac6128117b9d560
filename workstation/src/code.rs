//! The code on the screen: the picture where it fits, the same as text on one line, and where the phone will
//! connect to.
//!
//! `layout` decides what is shown and is pure; `show` asks the terminal and prints.

use anyhow::Context;

use crate::address::Address;
use crate::args::CodeArgs;
use crate::output::say;
use crate::picture::Picture;
use crate::terminal::{self, Size, Terminal};

/// Shows the code `text`, which leads the phone to `address`.
pub(crate) fn show(args: &CodeArgs, text: &str, address: &Address) -> anyhow::Result<()> {
    let picture = Picture::of(text)?;
    let mut below = vec![
        format!("or paste this: {text}"),
        format!("the phone connects to {}{}", address.endpoint, address.remark),
    ];
    below.extend(address.warning.iter().map(|warning| format!("warning: {warning}")));
    if let Some(file) = &args.png {
        picture.write_png(file).with_context(|| format!("can't write the picture to {}", file.display()))?;
        below.push(format!("the code is also in {}", file.display()));
    }
    say(&layout(&picture, &below, terminal::of_stderr()));
    Ok(())
}

/// The picture, or what is in its way, and the lines below it. A pipe gets the lines alone.
fn layout(picture: &Picture, below: &[String], terminal: Option<Terminal>) -> String {
    let above = match terminal {
        None => String::new(),
        Some(Terminal { size, style }) => {
            let needed = Size { rows: picture.rows(style), columns: picture.columns(style) };
            match size.and_then(|window| lack(needed, below, window)) {
                None => picture.lines(style),
                Some(lack) => format!("{lack}; make it larger and start again, or add --png FILE\n"),
            }
        }
    };
    above + &below.join("\n") + "\n"
}

/// Which side of the window is too small, and by how much; `None` if the picture fits.
fn lack(needed: Size, below: &[String], window: Size) -> Option<String> {
    if needed.columns > window.columns {
        return Some(format!(
            "the window has {} columns and the code needs {}",
            window.columns, needed.columns
        ));
    }
    let wrapped: usize = below.iter().map(|line| window.rows_of(line.chars().count())).sum();
    let rows = needed.rows + wrapped + LINES_AFTER;
    (rows > window.rows).then(|| format!("the window has {} rows and the code needs {rows}", window.rows))
}

/// What is printed before a phone scans the code (`connected`), and the line of the cursor, must not push it
/// out of the window.
const LINES_AFTER: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::Style;

    const STYLE: Style = Style { colours: true, unicode: true };

    fn shown(rows: usize, columns: usize, style: Style) -> String {
        let picture = Picture::of(&"x".repeat(140)).unwrap();
        assert_eq!((picture.rows(STYLE), picture.columns(STYLE)), (25, 49));
        let below = ["paste ".repeat(20), "to ws://h/ws".to_owned()];
        layout(&picture, &below, Some(Terminal { size: Some(Size { rows, columns }), style }))
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
    fn what_is_in_the_way_is_said_with_its_size() {
        let text = shown(24, 80, STYLE);
        assert!(text.starts_with("the window has 24 rows and the code needs 30; make it larger"), "{text}");
        let text = shown(50, 40, STYLE);
        assert!(
            text.starts_with("the window has 40 columns and the code needs 49; make it larger"),
            "{text}"
        );
    }

    #[test]
    fn a_terminal_without_unicode_gets_ascii_and_a_pipe_no_picture() {
        let ascii = Style { unicode: false, ..STYLE };
        assert!(shown(60, 100, ascii).is_ascii());
        assert!(shown(60, 97, ascii).starts_with("the window has 97 columns and the code needs 98"));
        let picture = Picture::of("x").unwrap();
        assert_eq!(layout(&picture, &["to".to_owned()], None), "to\n");
    }
}
