//! How a style is written to a terminal. Pure.

use std::fmt::Write;

use relay_client::app::terminal::{Attributes, Color, Style, Underline};

/// The sequence that sets `style`, whatever was set before.
pub(super) fn sequence(style: &Style) -> String {
    let mut out = String::from("\x1b[0");
    for (attribute, code) in [
        (Attributes::BOLD, 1),
        (Attributes::DIM, 2),
        (Attributes::ITALIC, 3),
        (Attributes::BLINK, 5),
        (Attributes::REVERSE, 7),
        (Attributes::HIDDEN, 8),
        (Attributes::STRIKE, 9),
    ] {
        if style.attributes.contains(attribute) {
            // Writing into a string does not fail.
            let _ = write!(out, ";{code}");
        }
    }
    match style.underline {
        Underline::None => {}
        Underline::Single => out.push_str(";4"),
        other => drop(write!(out, ";4:{}", other as u8)),
    }
    color(&mut out, style.text, 30);
    color(&mut out, style.background, 40);
    match style.underline_color {
        Color::Default => {}
        Color::Indexed(index) => drop(write!(out, ";58:5:{index}")),
        Color::Rgb(red, green, blue) => drop(write!(out, ";58:2::{red}:{green}:{blue}")),
    }
    out.push('m');
    out
}

/// `base` is 30 for text and 40 for the background.
fn color(out: &mut String, color: Color, base: u8) {
    let _ = match color {
        Color::Default => Ok(()),
        Color::Indexed(index @ 0..=7) => write!(out, ";{}", base + index),
        Color::Indexed(index @ 8..=15) => write!(out, ";{}", base + 60 + index - 8),
        Color::Indexed(index) => write!(out, ";{};5;{index}", base + 8),
        Color::Rgb(red, green, blue) => write!(out, ";{};2;{red};{green};{blue}", base + 8),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_style_has_its_sequence() {
        let plain = Style::default();
        for (style, expected) in [
            (plain.clone(), "\x1b[0m"),
            (
                Style { text: Color::Indexed(1), background: Color::Indexed(12), ..plain.clone() },
                "\x1b[0;31;104m",
            ),
            (Style { text: Color::Indexed(200), ..plain.clone() }, "\x1b[0;38;5;200m"),
            (Style { background: Color::Rgb(1, 2, 3), ..plain.clone() }, "\x1b[0;48;2;1;2;3m"),
            (Style { attributes: Attributes::BOLD | Attributes::REVERSE, ..plain.clone() }, "\x1b[0;1;7m"),
            (
                Style { underline: Underline::Curly, underline_color: Color::Indexed(9), ..plain },
                "\x1b[0;4:3;58:5:9m",
            ),
        ] {
            assert_eq!(sequence(&style), expected);
        }
    }
}
