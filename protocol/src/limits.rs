//! Sizes that both sides of the wire agree on, in bytes unless the name says otherwise.

/// The largest hello; a longer first message is refused with 1009.
pub const HELLO_BYTES_MAX: usize = 4 * 1024;

/// The longest text that is looked at as a possible heartbeat; anything longer is a frame.
pub const HEARTBEAT_BYTES_MAX: usize = 512;

/// The longest HTTP head, request line to blank line.
pub const HEAD_BYTES_MAX: usize = 8 * 1024;

/// The longest HTTP request body that is read.
pub const BODY_BYTES_MAX: usize = 1024;

/// The same body in chunks, with their sizes, extensions and trailer fields.
pub const CHUNKED_BYTES_MAX: usize = 8 * 1024;

/// How deep JSON from outside may nest before any parser sees it.
pub const JSON_DEPTH_MAX: usize = 32;

/// Payload bytes of a WebSocket control frame. RFC 6455 §5.5.
pub const CONTROL_BYTES_MAX: usize = 125;

/// `MAX_MESSAGE_BYTES` where nobody set it.
pub const MESSAGE_BYTES_DEFAULT: usize = 16 * 1024 * 1024;
