//! A shared terminal as text, for scripts and tests.

use relay_client::app::terminal::Screen;

/// Prints the screen each time it changes.
#[derive(Debug, Default)]
pub(crate) struct Dump {
    printed: String,
    /// It ends behind the first screen.
    pub(super) is_once: bool,
}

impl Dump {
    pub(crate) fn new(is_once: bool) -> Self {
        Dump { printed: String::new(), is_once }
    }

    /// The text of `screen`, if it is another one than the last.
    pub(super) fn text_of(&mut self, screen: &Screen) -> Option<String> {
        let text = text_of(screen);
        (text != self.printed).then(|| {
            self.printed.clone_from(&text);
            text
        })
    }
}

/// A line about the screen, and then each of its rows: so a reader knows how many lines belong to it.
fn text_of(screen: &Screen) -> String {
    let (size, cursor) = (screen.size(), screen.cursor);
    let place = if cursor.is_visible { format!("{},{}", cursor.row, cursor.column) } else { "hidden".into() };
    let mut text =
        format!("screen {}x{} cursor {place} title {:?}", size.columns(), size.rows(), screen.title());
    for row in screen.rows() {
        text.push('\n');
        text.push_str(row.to_text().trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use relay_client::app::terminal::{RowBuilder, Size, Style};

    use super::*;

    #[test]
    fn a_screen_is_printed_when_it_changes() {
        let mut screen = Screen::new(Size::new(20, 2).unwrap());
        let mut builder = RowBuilder::new();
        builder.skip(2);
        "hi  ".chars().for_each(|char| builder.push(&char.to_string(), false, &Style::default()));
        screen.set_row(1, builder.finish(false));
        screen.set_title("a \"b\"");
        let mut dump = Dump::default();
        let text = dump.text_of(&screen).unwrap();
        assert_eq!(text, "screen 20x2 cursor 0,0 title \"a \\\"b\\\"\"\n\n  hi");
        assert_eq!(dump.text_of(&screen), None);
        screen.cursor.is_visible = false;
        assert!(dump.text_of(&screen).unwrap().starts_with("screen 20x2 cursor hidden"));
    }
}
