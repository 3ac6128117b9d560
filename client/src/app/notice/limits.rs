//! Every bound of this kind. Those that are marked *wire* belong to `docs/app-notices.md`.

use std::time::Duration;

/// *Wire.* The id of a notice, in bytes.
pub const ID_BYTES_MAX: usize = 64;

/// *Wire.* The title of a notice, in bytes of UTF-8.
pub const TITLE_BYTES_MAX: usize = 128;

/// *Wire.* The text of a notice, in bytes of UTF-8.
pub const TEXT_BYTES_MAX: usize = 1024;

/// *Wire.* The name of a target, in bytes of UTF-8.
pub const TARGET_BYTES_MAX: usize = 64;

/// *Wire.* The words of a state of Web Push, in bytes of UTF-8; more are cut.
pub const WORDS_BYTES_MAX: usize = 200;

/// *Wire.* The address of a subscription, in bytes.
pub const ENDPOINT_BYTES_MAX: usize = 1024;

/// *Wire.* The address of the phone's page, in bytes.
pub const PAGE_BYTES_MAX: usize = 512;

/// Notices that wait for one phone; the oldest gives way.
pub const WAITING_MAX: usize = 32;

/// The newest ids that a phone knows: more than a desk may send again.
pub const KNOWN_MAX: usize = 8 * WAITING_MAX;

/// How long a notice waits for its phone.
pub const WAIT_MAX: Duration = Duration::from_secs(24 * 3600);

/// How long a phone that is looking has to show a notice before it also goes by Web Push.
pub const SHOWN_WITHIN: Duration = Duration::from_secs(5);

/// How long a push service is tried for one notice.
pub const PUSH_WITHIN: Duration = Duration::from_secs(10 * 60);

/// After a push service has failed: the first wait, which doubles, and the longest.
pub const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The longest that a push service may ask to be left alone; after a longer wait it is tried all the same.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);
