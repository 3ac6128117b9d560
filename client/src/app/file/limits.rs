//! Every bound of this kind. Those marked *wire* belong to `docs/app-files.md`.

use std::time::Duration;

/// *Wire.* The relative name of a file, in bytes.
pub const NAME_BYTES_MAX: usize = 1024;

/// *Wire.* The longest file: what a number of JavaScript holds exactly.
pub const SIZE_MAX: u64 = (1 << 53) - 1;

/// *Wire.* The longest file whose data may follow its offer at once.
pub const INLINE_BYTES_MAX: u64 = 16 * 1024;

/// *Wire.* Files that were offered and that the receiver has not called done or failed.
pub const UNSETTLED_MAX: usize = 1024;

/// *Wire.* Those among them that are not inline.
pub const OFFERS_MAX: usize = 32;

/// *Wire.* The longest hole of one record.
pub const HOLE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// *Wire.* The token of a reason, and its words, in bytes; more are cut.
pub const REASON_BYTES_MAX: usize = 256;

/// Room that any record but data needs at most.
pub const RECORD_BYTES_MAX: usize = 1280;

/// The shortest message that is filled, even where less is suggested, so that each record fits.
pub const MESSAGE_BYTES_MIN: usize = 2 * 1024;

/// Bytes of a file that are written before the sender is told.
pub const WRITTEN_STEP: u64 = 1024 * 1024;

/// Written bytes are told after this, however few they are.
pub const WRITTEN_EVERY: Duration = Duration::from_millis(200);

/// *Wire.* An end that has nothing else to say says so after this.
pub const WAIT_EVERY: Duration = Duration::from_secs(30);

/// *Wire.* An end that is connected and has said nothing for this long is given up.
pub const SILENCE_MAX: Duration = Duration::from_secs(300);
