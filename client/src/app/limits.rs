//! Every bound of the app protocol, in one place. Both sides of the wire rely on those marked *wire*; a
//! change of one of them is a new version of the protocol.

/// *Wire.* A whole control message, in bytes of JSON.
pub const CONTROL_BYTES_MAX: usize = 16 * 1024;

/// Parameters of an `open` or `accept`, in bytes of JSON; the rest of the message needs little.
pub const PARAMS_BYTES_MAX: usize = 15 * 1024;

/// *Wire.* A whole data message, header included: one piece of the tunnel.
pub const DATA_BYTES_MAX: usize = 32 * 1024;

/// *Wire.* The header of a data message: its first byte and the channel.
pub const DATA_HEADER_BYTES: usize = 5;

/// *Wire.* The longest payload of one data message.
pub const PAYLOAD_BYTES_MAX: usize = DATA_BYTES_MAX - DATA_HEADER_BYTES;

/// *Wire.* The cost of a data message against the credit, besides its payload, so that empty messages are
/// bounded too.
pub const MESSAGE_COST: usize = 64;

/// *Wire.* Channels that one end has opened and that have not ended yet, at both ends together.
pub const CHANNELS_MAX: usize = 64;

/// *Wire.* The least credit of an `open` or `accept`: a message of full length always fits, even while less
/// than a quarter of it has not been returned yet.
pub const CREDIT_MIN: usize = 64 * 1024;

/// *Wire.* The most credit that a channel may have at any time.
pub const CREDIT_MAX: usize = 4 * 1024 * 1024;

/// The credit that this end gives to a channel by default.
pub const CREDIT_DEFAULT: usize = 64 * 1024;

/// The same for terminals.
pub const CREDIT_TERMINAL: usize = 256 * 1024;

/// The same for files: what a line of 10 Mbit/s and 300 ms has under way.
pub const CREDIT_FILE: usize = 512 * 1024;

/// *Wire.* A name of a device, a desk or a terminal, in bytes of UTF-8; a longer one is cut.
pub const NAME_BYTES_MAX: usize = 64;

/// *Wire.* The title of a terminal in the desk's list, in bytes of UTF-8; a longer one is cut.
pub const TITLE_BYTES_MAX: usize = 128;

/// *Wire.* Terminals in the desk's list; further ones are left out.
pub const TERMINALS_MAX: usize = 32;

/// *Wire.* Features that an end may name; further ones are ignored.
pub const FEATURES_MAX: usize = 32;

/// *Wire.* The token of a reason, in bytes.
pub const TOKEN_BYTES_MAX: usize = 32;

/// *Wire.* The words of a reason, in bytes of UTF-8; more are cut.
pub const WORDS_BYTES_MAX: usize = 200;

/// *Wire.* The text of one chat message, in bytes of UTF-8.
pub const CHAT_TEXT_BYTES_MAX: usize = 8 * 1024;

/// *Wire.* The id of a chat message, in bytes.
pub const CHAT_ID_BYTES_MAX: usize = 64;

/// Chat messages kept until the other app has them, and the newest that a history keeps.
pub const CHAT_KEPT_MAX: usize = 200;
