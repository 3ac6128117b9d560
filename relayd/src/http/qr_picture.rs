//! The QR code as a picture that a web page can show without any other library.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use png::{BitDepth, ColorType, Encoder};
use qrcode::{Color, EcLevel, QrCode};
use thiserror::Error;

/// Why there is no picture.
#[derive(Debug, Error)]
pub enum PictureError {
    /// The text does not fit a QR code.
    #[error("{len} bytes do not fit a QR code ({reason}); shorten the public WebSocket URL")]
    TooLong {
        /// How long the text is.
        len: usize,
        /// What the encoder said.
        reason: qrcode::types::QrError,
    },
    /// The PNG could not be written.
    #[error("the picture could not be encoded: {0}")]
    Png(#[from] png::EncodingError),
}

/// A `data:image/png;base64,` URL of `text` as a QR code, black on white, error correction level M.
pub fn data_url(text: &str) -> Result<String, PictureError> {
    let picture = png_of(text)?;
    let mut url = String::with_capacity(PREFIX.len() + picture.len().div_ceil(3) * 4);
    url.push_str(PREFIX);
    STANDARD.encode_string(&picture, &mut url);
    Ok(url)
}

fn png_of(text: &str) -> Result<Vec<u8>, PictureError> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M)
        .map_err(|reason| PictureError::TooLong { len: text.len(), reason })?;
    let side = (code.width() + 2 * QUIET_MODULES) * MODULE_PIXELS;
    let side_u32 = u32::try_from(side).unwrap_or(u32::MAX);
    let mut picture = Vec::with_capacity(2048);
    let mut encoder = Encoder::new(&mut picture, side_u32, side_u32);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(BitDepth::One);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels(&code, side))?;
    writer.finish()?;
    Ok(picture)
}

/// One bit a pixel, 1 is white; each row starts on a byte.
fn pixels(code: &QrCode, side: usize) -> Vec<u8> {
    let row_bytes = side.div_ceil(8);
    let mut rows = vec![0xff; row_bytes * side];
    let colors = code.to_colors();
    for (y, line) in colors.chunks(code.width()).enumerate() {
        let top = (y + QUIET_MODULES) * MODULE_PIXELS * row_bytes;
        let band = &mut rows[top..top + MODULE_PIXELS * row_bytes];
        let (first, others) = band.split_at_mut(row_bytes);
        for x in (0..line.len()).filter(|x| line[*x] == Color::Dark) {
            blacken(first, (x + QUIET_MODULES) * MODULE_PIXELS);
        }
        others.chunks_mut(row_bytes).for_each(|row| row.copy_from_slice(first));
    }
    rows
}

fn blacken(row: &mut [u8], left: usize) {
    for pixel in left..left + MODULE_PIXELS {
        row[pixel / 8] &= !(0x80 >> (pixel % 8));
    }
}

/// The white border that readers need. ISO/IEC 18004 §5.3.8.
const QUIET_MODULES: usize = 4;

/// Side of one module in pixels.
const MODULE_PIXELS: usize = 6;

const PREFIX: &str = "data:image/png;base64,";
