//! Every bound of the tunnel, in one place. Both sides of the wire rely on those marked *wire*; a change of
//! one of them is a new version of the protocol.

use std::time::Duration;

/// *Wire.* Payload bytes of one DATA record. A longer message is cut into pieces of this size.
pub const PIECE_BYTES_MAX: usize = 32 * 1024;

/// *Wire.* The cost of a piece against the window, besides its bytes, so that empty messages are bounded too.
pub const PIECE_COST: usize = 64;

/// *Wire.* The smallest window that may be advertised: one whole piece and its cost fit into half of it.
pub const WINDOW_MIN: u32 = 128 * 1024;

/// *Wire.* The largest window that may be advertised: the most that a peer can make this end keep for
/// sending.
pub const WINDOW_MAX: u32 = 16 * 1024 * 1024;

/// The window that a phone advertises by default.
pub const WINDOW_PHONE: u32 = 1024 * 1024;

/// The window that a workstation advertises by default.
pub const WINDOW_WORKSTATION: u32 = 4 * 1024 * 1024;

/// *Wire.* A phone's name, in bytes of UTF-8.
pub const NAME_BYTES_MAX: usize = 64;

/// *Wire.* A whole message between the two, in bytes: type, `c`, the largest record's plaintext, tag.
pub const WIRE_BYTES_MAX: usize = 1 + 4 + 18 + PIECE_BYTES_MAX + 16;

/// A pairing text, in bytes: an address of a few hundred and the ids fit many times over.
pub const PAIRING_BYTES_MAX: usize = 4 * 1024;

/// Saved state as JSON, in bytes, with the relay's address that a driver keeps beside it.
pub const SAVED_BYTES_MAX: usize = 8 * 1024;

/// Handshakes that a workstation has answered and that are not confirmed yet; the oldest is dropped for a new
/// one.
pub const PENDING_MAX: usize = 4;

/// Pair keys handed out under a code and not confirmed yet; the oldest gives way, and its phone must scan
/// again.
pub const CANDIDATES_MAX: usize = 8;

/// Messages in clear (H1, H2, refusals) waiting to be written; the oldest gives way, as its handshake is the
/// stalest.
pub const CLEAR_MAX: usize = 8;

/// How long a code is valid by default.
pub const PAIR_FOR: Duration = Duration::from_secs(300);

/// A question that the user leaves open ends this long after the time of the code by which its phone came.
pub const ANSWER_GRACE: Duration = Duration::from_secs(60);

/// A phone's H1 must be answered in this time; then it tries once more with a new one.
pub const ANSWER_MAX: Duration = Duration::from_secs(5);

/// H1s that a phone sends on one link before it gives the connection up.
pub const TRIES_MAX: u32 = 3;

/// A phone that was handed a new session looks for the workstation there, and in the old one, in turns of
/// this length.
pub const SETTLE_WAIT: Duration = Duration::from_secs(10);

/// An acknowledgement that nothing else carries goes out after this time at the latest.
pub const ACK_DELAY: Duration = Duration::from_millis(200);

/// An acknowledgement of this many pieces goes out at once; so does one of a quarter of the window.
pub const ACK_PIECES: u64 = 64;

/// After this many records in one direction the phone makes a new handshake, beside the live connection.
pub const RECORDS_MAX: u64 = 1 << 20;

/// Records in one direction beyond [`RECORDS_MAX`] while the new handshake is under way; then the connection
/// is dropped.
pub const RECORDS_GRACE: u64 = 1 << 16;

/// After this time the phone makes a new handshake.
pub const KEYS_AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Time beyond [`KEYS_AGE_MAX`] after which the connection is dropped where the phone did not.
pub const KEYS_AGE_GRACE: Duration = Duration::from_secs(3600);
