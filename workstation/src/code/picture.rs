//! The QR code: for the terminal in half blocks, and as a PNG.
//!
//! Level L and a narrow quiet zone keep it small enough for a terminal window. The colours are set
//! explicitly, as a camera needs dark on light whatever the terminal's theme is.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use qrcode::{Color, EcLevel, QrCode};

use crate::terminal::Style;

/// Light modules around the code in the terminal, where the painted ground sets it off.
const QUIET_TERMINAL: usize = 2;
/// Light modules around the code in the PNG. ISO/IEC 18004 asks for four.
const QUIET_PNG: usize = 4;
/// Pixels of a module in the PNG.
const PNG_SCALE: usize = 8;

/// Black on white of the 256-colour palette, whose upper part no theme changes and which more terminals have
/// than 24-bit colours.
const PAINT: &str = "\x1b[38;5;16;48;5;231m";
const RESET: &str = "\x1b[0m";
/// A module in ASCII, as a ground of these two colours.
const DARK_GROUND: &str = "\x1b[48;5;16m  ";
const LIGHT_GROUND: &str = "\x1b[48;5;231m  ";

/// A QR code that can be drawn.
pub(crate) struct Picture {
    dark: Vec<bool>,
    width: usize,
}

impl Picture {
    /// Encodes `text`.
    pub(crate) fn of(text: &str) -> anyhow::Result<Self> {
        let code = QrCode::with_error_correction_level(text, EcLevel::L)
            .with_context(|| format!("{} bytes are too many for a QR code", text.len()))?;
        let width = code.width();
        let dark = code.into_colors().into_iter().map(|color| color == Color::Dark).collect();
        Ok(Picture { dark, width })
    }

    /// The code for the terminal, dark on light. With Unicode two modules a character, one above the other;
    /// in ASCII two characters a module. With colours each line is painted and reset by itself; without, what
    /// is light is filled, as suits a window that is dark.
    pub(crate) fn lines(&self, style: Style) -> String {
        let side = self.side();
        let mut out = String::new();
        for y in (0..side).step_by(modules_per_row(style)) {
            if style.colours && style.unicode {
                out.push_str(PAINT);
            }
            for x in 0..side {
                let dark = |y| self.is_dark(x, y, QUIET_TERMINAL);
                match style {
                    Style { unicode: true, colours } => {
                        out.push(half_blocks(dark(y) == colours, dark(y + 1) == colours));
                    }
                    Style { colours: true, .. } => {
                        out.push_str(if dark(y) { DARK_GROUND } else { LIGHT_GROUND });
                    }
                    Style { colours: false, .. } => out.push_str(if dark(y) { "  " } else { "##" }),
                }
            }
            if style.colours {
                out.push_str(RESET);
            }
            out.push('\n');
        }
        out
    }

    /// How many lines [`Picture::lines`] has.
    pub(crate) fn rows(&self, style: Style) -> usize {
        self.side().div_ceil(modules_per_row(style))
    }

    /// How many characters each of them shows.
    pub(crate) fn columns(&self, style: Style) -> usize {
        if style.unicode { self.side() } else { 2 * self.side() }
    }

    /// Modules along a side in the terminal, with the light ones around the code.
    fn side(&self) -> usize {
        self.width + 2 * QUIET_TERMINAL
    }

    /// Writes the code as a PNG that only this user can read: it holds the session's secret.
    /// An older file or link of this name is replaced: its target and its mode do not count.
    pub(crate) fn write_png(&self, path: &Path) -> anyhow::Result<()> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}.new", std::process::id()));
        let beside = PathBuf::from(beside);
        let written = create_private(&beside)
            .map_err(anyhow::Error::from)
            .and_then(|file| self.encode_png(file))
            .and_then(|()| Ok(fs::rename(&beside, path)?));
        if written.is_err() {
            // None may be there.
            drop(fs::remove_file(&beside));
        }
        written
    }

    fn encode_png(&self, file: File) -> anyhow::Result<()> {
        let side = (self.width + 2 * QUIET_PNG) * PNG_SCALE;
        let mut encoder = png::Encoder::new(file, u32::try_from(side)?, u32::try_from(side)?);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::One);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.bitmap(side))?;
        Ok(writer.finish()?)
    }

    /// Rows of bits, 1 for light, each row filled up to whole bytes.
    fn bitmap(&self, side: usize) -> Vec<u8> {
        let row_bytes = side.div_ceil(8);
        let mut bits = vec![0; row_bytes * side];
        for y in 0..side {
            for x in (0..side).filter(|x| !self.is_dark(x / PNG_SCALE, y / PNG_SCALE, QUIET_PNG)) {
                bits[y * row_bytes + x / 8] |= 0x80 >> (x % 8);
            }
        }
        bits
    }

    /// The module at a place counted from the quiet zone's corner; all around the code is light.
    fn is_dark(&self, x: usize, y: usize, quiet: usize) -> bool {
        let place = x.checked_sub(quiet).zip(y.checked_sub(quiet));
        place.is_some_and(|(x, y)| x < self.width && y < self.width && self.dark[y * self.width + x])
    }
}

fn modules_per_row(style: Style) -> usize {
    if style.unicode { 2 } else { 1 }
}

/// A character whose upper and lower half are filled or not.
fn half_blocks(upper: bool, lower: bool) -> char {
    match (upper, lower) {
        (false, false) => ' ',
        (true, false) => '▀',
        (false, true) => '▄',
        (true, true) => '█',
    }
}

#[cfg(unix)]
fn create_private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STYLE: Style = Style { colours: true, unicode: true };

    /// Reads the terminal's lines back into modules.
    fn modules(lines: &str) -> Vec<Vec<bool>> {
        let mut rows = Vec::new();
        for line in lines.lines() {
            let cells = line.strip_prefix(PAINT).and_then(|line| line.strip_suffix(RESET)).expect("painted");
            rows.push(cells.chars().map(|cell| matches!(cell, '▀' | '█')).collect::<Vec<_>>());
            rows.push(cells.chars().map(|cell| matches!(cell, '▄' | '█')).collect());
            assert!(cells.chars().all(|cell| " ▀▄█".contains(cell)), "{cells:?}");
        }
        rows
    }

    #[test]
    fn the_terminal_shows_every_module_and_a_quiet_zone() {
        let picture = Picture::of("ws://example").unwrap();
        let rows = modules(&picture.lines(STYLE));
        for (y, row) in rows.iter().enumerate() {
            assert_eq!(row.len(), picture.width + 4);
            for (x, dark) in row.iter().enumerate() {
                let inside = (2..picture.width + 2).contains(&x) && (2..picture.width + 2).contains(&y);
                let expected = inside && picture.dark[(y - 2) * picture.width + (x - 2)];
                assert_eq!(*dark, expected, "{x} {y}");
            }
        }
        assert!(rows.len() >= picture.width + 4);
    }

    /// What a reader that shares no code with the encoder sees in a picture of square modules.
    fn scanned(side: usize, is_dark: impl Fn(usize, usize) -> bool) -> String {
        const SCALE: usize = 4;
        let pixel = |x, y| if is_dark(x / SCALE, y / SCALE) { 0 } else { 255 };
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(side * SCALE, side * SCALE, pixel);
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1);
        grids[0].decode().unwrap().1
    }

    #[test]
    fn a_reader_sees_the_text_in_the_terminal() {
        let payload =
            format!(r#"{{"u":"ws://10.0.0.7:3001/ws","s":"{0}","t":"{0}"}}"#, "0123456789abcdef".repeat(2));
        let rows = modules(&Picture::of(&payload).unwrap().lines(STYLE));
        let is_dark = |x: usize, y: usize| rows.get(y).is_some_and(|row| row.get(x) == Some(&true));
        assert_eq!(scanned(rows.len(), is_dark), payload);
    }

    #[test]
    fn a_reader_sees_the_link_in_the_window_of_a_terminal() {
        use crate::output::screen::Screen;
        let link = format!("https://relay.example.org/p#2{}", "aZ09-_xY".repeat(4));
        let mut screen = Screen::new(24, 80);
        screen.feed(&Picture::of(&link).unwrap().lines(STYLE));
        let cells: Vec<Vec<char>> = screen.lines().iter().map(|line| line.chars().collect()).collect();
        let is_dark = |x: usize, y: usize| {
            let cell = cells.get(y / 2).and_then(|row| row.get(x)).copied().unwrap_or(' ');
            cell == '█' || cell == if y.is_multiple_of(2) { '▀' } else { '▄' }
        };
        assert_eq!(scanned(38, is_dark), link);
    }

    #[test]
    fn without_unicode_or_colours_it_is_the_same_code() {
        let picture = Picture::of("ws://example").unwrap();
        let side = picture.side();
        let seen = |style: Style, light: &str, width: usize| {
            let lines: Vec<String> = picture.lines(style).lines().map(str::to_owned).collect();
            assert_eq!(lines.len(), picture.rows(style));
            scanned(side, |x, y| {
                let line = lines.get(y).map_or("", String::as_str);
                !line.get(x * width..(x + 1) * width).unwrap_or(light).starts_with(light)
            })
        };
        let ascii = Style { colours: false, unicode: false };
        assert_eq!(seen(ascii, "##", 2), "ws://example");
        assert_eq!(picture.columns(ascii), 2 * side);
        let plain = Style { colours: false, unicode: true };
        let (drawn, inverted) = (picture.lines(STYLE), picture.lines(plain));
        let invert = |cell: char| match cell {
            ' ' => '█',
            '▀' => '▄',
            '▄' => '▀',
            '█' => ' ',
            other => other,
        };
        let bare = drawn.replace(PAINT, "").replace(RESET, "");
        assert_eq!(bare.chars().map(invert).collect::<String>(), inverted);
        let painted = picture.lines(Style { colours: true, unicode: false });
        assert!(painted.is_ascii());
        let expected = picture.lines(ascii).replace("##", LIGHT_GROUND).replace('\n', "\x1b[0m\n");
        assert_eq!(painted.replace(DARK_GROUND, "  "), expected);
    }

    #[test]
    fn a_pairing_fits_a_terminal_window() {
        let payload =
            format!(r#"{{"u":"ws://192.168.100.100:3001/ws","s":"{0}","t":"{0}"}}"#, "0".repeat(32));
        let rows = |text: &str| {
            let picture = Picture::of(text).unwrap();
            assert_eq!(picture.lines(STYLE).lines().count(), picture.rows(STYLE));
            picture.rows(STYLE)
        };
        assert!(rows(&payload) <= 23);
        let with_key = format!(r#"{},"k":"{}"}}"#, payload.trim_end_matches('}'), "0".repeat(43));
        assert!(rows(&with_key) <= 29, "{}", rows(&with_key));
        let link = format!("https://relay.example.org/p#1{}", "A".repeat(86));
        assert!(rows(&link) <= 23, "{}", rows(&link));
        let short = format!("https://{}/p#2{}", "h".repeat(34), "a".repeat(32));
        assert_eq!((rows(&short), Picture::of(&short).unwrap().width), (19, 33));
        assert_eq!(Picture::of(&format!("{short}a")).unwrap().width, 37, "version 5");
        assert!(Picture::of(&"x".repeat(3000)).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn an_old_file_or_link_is_replaced_by_one_that_this_user_alone_can_read() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
        let folder = std::env::temp_dir().join(format!("rw-png-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (old, target, link) = (folder.join("old.png"), folder.join("target"), folder.join("link.png"));
        fs::write(&old, "old").unwrap();
        fs::set_permissions(&old, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(&target, "kept").unwrap();
        symlink(&target, &link).unwrap();
        for path in [&old, &link] {
            Picture::of("ws://example").unwrap().write_png(path).unwrap();
            let metadata = fs::symlink_metadata(path).unwrap();
            assert!(metadata.is_file() && metadata.mode() & 0o777 == 0o600, "{}", path.display());
        }
        assert_eq!(fs::read_to_string(&target).unwrap(), "kept");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_bitmap_is_the_same_code() {
        let picture = Picture::of("ws://example").unwrap();
        let side = (picture.width + 8) * PNG_SCALE;
        let bits = picture.bitmap(side);
        let light = |x: usize, y: usize| bits[y * side.div_ceil(8) + x / 8] & (0x80 >> (x % 8)) != 0;
        for y in 0..picture.width {
            for x in 0..picture.width {
                let pixel = light((x + 4) * PNG_SCALE + 3, (y + 4) * PNG_SCALE + 3);
                assert_eq!(pixel, !picture.dark[y * picture.width + x]);
            }
        }
        assert!(light(0, 0) && light(side - 1, side - 1));
    }
}
