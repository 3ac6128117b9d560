//! The emulation library's cells as rows of the screen.

use alacritty_terminal::event::EventListener;
use alacritty_terminal::grid::Dimensions;
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::Term;
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::term::color::Colors;
use alacritty_terminal::vte::ansi::{Color as CellColor, NamedColor, Rgb};
use relay_client::app::terminal::{Attributes, Color, Link, Row, RowBuilder, Style, Underline};

/// Put into one cell to find its line again; never shown. No program can write it: it is not a character
/// that combines with others.
pub(super) const MARK: char = '\u{10FFFE}';

/// One line as a row; line 0 is the top of the screen, and history is above it.
pub(super) fn row<T: EventListener>(term: &Term<T>, line: Line) -> Row {
    let cells = &term.grid()[line];
    let columns = term.columns();
    let (mut builder, mut text, mut looks) = (RowBuilder::new(), String::new(), Looks::default());
    let mut at = 0;
    while at < columns {
        let cell = &cells[Column(at)];
        let is_followed = at + 1 < columns && cells[Column(at + 1)].flags.contains(Flags::WIDE_CHAR_SPACER);
        let is_wide = cell.flags.contains(Flags::WIDE_CHAR) && is_followed;
        text.clear();
        if cell.flags.contains(Flags::WIDE_CHAR) && !is_wide {
            // It lost its second half, so it is not shown.
            text.push(' ');
        } else {
            text.push(cell.c);
            text.extend(cell.zerowidth().into_iter().flatten().filter(|char| **char != MARK));
        }
        builder.push(&text, is_wide, looks.style(cell, term.colors()));
        at += if is_wide { 2 } else { 1 };
    }
    let is_wrapped = cells[Column(columns - 1)].flags.contains(Flags::WRAPLINE);
    builder.finish(is_wrapped)
}

/// Remembers the last cell's style: most cells look like the one before.
#[derive(Default)]
struct Looks {
    of: Option<Cell>,
    style: Style,
}

/// Flags that change how a cell looks.
const LOOKS: Flags = Flags::from_bits_retain(
    Flags::INVERSE.bits()
        | Flags::BOLD.bits()
        | Flags::ITALIC.bits()
        | Flags::DIM.bits()
        | Flags::HIDDEN.bits()
        | Flags::STRIKEOUT.bits()
        | Flags::ALL_UNDERLINES.bits(),
);

impl Looks {
    fn style(&mut self, cell: &Cell, colors: &Colors) -> &Style {
        let is_same = self.of.as_ref().is_some_and(|of| {
            (of.fg, of.bg, of.flags & LOOKS) == (cell.fg, cell.bg, cell.flags & LOOKS)
                && (of.extra.is_none() && cell.extra.is_none())
        });
        if !is_same {
            self.style = style(cell, colors);
            self.of = Some(cell.clone());
        }
        &self.style
    }
}

/// How a cell looks, with the colors that the child has redefined.
pub(super) fn style(cell: &Cell, colors: &Colors) -> Style {
    let attributes = [
        (Flags::BOLD, Attributes::BOLD),
        (Flags::DIM, Attributes::DIM),
        (Flags::ITALIC, Attributes::ITALIC),
        (Flags::INVERSE, Attributes::REVERSE),
        (Flags::HIDDEN, Attributes::HIDDEN),
        (Flags::STRIKEOUT, Attributes::STRIKE),
    ];
    let set = attributes.iter().filter(|(flag, _)| cell.flags.contains(*flag));
    Style {
        text: color(cell.fg, colors),
        background: color(cell.bg, colors),
        attributes: set.fold(Attributes::default(), |set, (_, attribute)| set | *attribute),
        underline: underline(cell.flags),
        underline_color: cell.underline_color().map_or(Color::Default, |wanted| color(wanted, colors)),
        link: cell.hyperlink().and_then(|link| Link::new(link.uri())),
    }
}

fn underline(flags: Flags) -> Underline {
    let kinds = [
        (Flags::UNDERLINE, Underline::Single),
        (Flags::DOUBLE_UNDERLINE, Underline::Double),
        (Flags::UNDERCURL, Underline::Curly),
        (Flags::DOTTED_UNDERLINE, Underline::Dotted),
        (Flags::DASHED_UNDERLINE, Underline::Dashed),
    ];
    kinds.iter().find(|(flag, _)| flags.contains(*flag)).map_or(Underline::None, |(_, kind)| *kind)
}

fn color(color: CellColor, colors: &Colors) -> Color {
    match color {
        CellColor::Spec(Rgb { r, g, b }) => Color::Rgb(r, g, b),
        CellColor::Indexed(index) => redefined(colors, index.into()).unwrap_or(Color::Indexed(index)),
        CellColor::Named(name) => {
            let usual = match u8::try_from(name as usize) {
                Ok(index) => Color::Indexed(index),
                Err(_) => Color::Default,
            };
            let name = match name {
                NamedColor::BrightForeground | NamedColor::DimForeground => NamedColor::Foreground,
                other => other,
            };
            redefined(colors, name as usize).unwrap_or(usual)
        }
    }
}

fn redefined(colors: &Colors, index: usize) -> Option<Color> {
    colors[index].map(|Rgb { r, g, b }| Color::Rgb(r, g, b))
}
