//! The QR code as a picture that a web page can show without any other library.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use png::{BitDepth, ColorType, Compression, Encoder, Filter};
use qrcode::canvas::{Canvas, MaskPattern};
use qrcode::{Color, EcLevel, bits, ec, types};
use thiserror::Error;

/// Why a picture could not be drawn.
#[derive(Debug, Error)]
pub enum PictureError {
    /// The text does not fit a QR code.
    #[error("{len} bytes do not fit a QR code ({reason}); shorten the public WebSocket URL")]
    TooLong {
        /// How long the text is.
        len: usize,
        /// What the encoder said.
        reason: types::QrError,
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
    let code = QrCode::of(text).map_err(|reason| PictureError::TooLong { len: text.len(), reason })?;
    let side = (code.width + 2 * QUIET_MODULES) * MODULE_PIXELS;
    let side_u32 = u32::try_from(side).unwrap_or(u32::MAX);
    let mut picture = Vec::with_capacity(4096);
    let mut encoder = Encoder::new(&mut picture, side_u32, side_u32);
    encoder.set_color(ColorType::Grayscale);
    encoder.set_depth(BitDepth::One);
    // Most rows equal the one above. So this costs some 20 us for 2 KiB; the default, 300 us for 1 KiB.
    encoder.set_compression(Compression::Fast);
    encoder.set_filter(Filter::Up);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&code.pixels(side))?;
    writer.finish()?;
    Ok(picture)
}

/// The modules of a QR code, row by row, without the quiet zone.
struct QrCode {
    width: usize,
    modules: Vec<Color>,
}

impl QrCode {
    /// The smallest code that holds `text`.
    ///
    /// Always with the same mask. To try all eight and keep the prettiest takes fifty times as long, on the
    /// thread that moves all frames, and the code names its mask to the reader. Ids are random, so
    /// that no mask meets large even areas.
    fn of(text: &str) -> types::QrResult<Self> {
        let data = bits::encode_auto(text.as_bytes(), LEVEL)?;
        let version = data.version();
        let (data, correction) = ec::construct_codewords(&data.into_bytes(), version, LEVEL)?;
        let mut canvas = Canvas::new(version, LEVEL);
        canvas.draw_all_functional_patterns();
        canvas.draw_data(&data, &correction);
        canvas.apply_mask(MaskPattern::Checkerboard);
        let width = usize::try_from(version.width()).unwrap_or_default();
        Ok(QrCode { width, modules: canvas.into_colors() })
    }

    /// One bit a pixel, 1 is white; each row starts on a byte.
    fn pixels(&self, side: usize) -> Vec<u8> {
        let row_bytes = side.div_ceil(8);
        let mut rows = vec![0xff; row_bytes * side];
        for (y, line) in self.modules.chunks(self.width).enumerate() {
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

/// Restores some 15 % of damage.
const LEVEL: EcLevel = EcLevel::M;

const PREFIX: &str = "data:image/png;base64,";

#[cfg(test)]
mod tests {
    use protocol::ids::{SessionId, Token};
    use protocol::qr::Pairing;

    use super::*;

    /// What a reader that knows nothing of this module sees in the picture.
    fn read_back(url: &str) -> String {
        let bytes = STANDARD.decode(url.strip_prefix(PREFIX).unwrap()).unwrap();
        let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        let (width, height) = (info.width as usize, info.height as usize);
        assert!(pixels[..width * QUIET_MODULES * MODULE_PIXELS].iter().all(|pixel| *pixel == 255));
        let mut image =
            rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| pixels[y * width + x]);
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1);
        grids[0].decode().unwrap().1
    }

    #[test]
    fn a_reader_finds_exactly_the_text() {
        for url_bytes in [6, 24, 60, 200, 512] {
            for _ in 0..20 {
                let (session, token) = (SessionId::random().unwrap(), Token::random().unwrap());
                let text = Pairing { ws: format!("{:x<url_bytes$}", "ws://"), session, token }.to_json();
                assert_eq!(read_back(&data_url(&text).unwrap()), text);
            }
        }
    }

    #[test]
    fn a_text_that_fits_no_code_is_an_error() {
        let error = data_url(&"x".repeat(3000)).unwrap_err();
        assert!(error.to_string().starts_with("3000 bytes do not fit a QR code"), "{error}");
    }
}
