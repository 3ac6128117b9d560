//! Every bound of this kind.

use std::time::Duration;

/// The most bytes of one message in a channel. Longer ones go in parts.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024;

/// The most columns, and the most rows, of a screen.
pub const SIDE_MAX: u16 = 1000;

/// The fewest columns. A wide character needs two.
pub const COLUMNS_MIN: u16 = 2;

/// The most cells of a screen.
pub const CELLS_MAX: u32 = 128 * 1024;

/// The most bytes of a title. Longer ones are cut.
pub const TITLE_BYTES_MAX: usize = 256;

/// The most bytes of the text in one cell: a character and those that combine with it.
pub const CELL_BYTES_MAX: usize = 32;

/// The most bytes of a hyperlink's address. Longer ones are left out.
pub const LINK_BYTES_MAX: usize = 1024;

/// The most different hyperlinks in one update or answer. Further ones are left out.
pub const LINKS_MAX: usize = 1024;

/// The most bytes of a notice's title, and of its text. Longer ones are cut.
pub const NOTICE_BYTES_MAX: usize = 1024;

/// The most bytes of all parts of one message of the desk.
pub const DESK_BYTES_MAX: usize = 12 * 1024 * 1024;

/// The most bytes of one text that is pasted.
pub const PASTE_BYTES_MAX: usize = 1024 * 1024;

/// The most rows of one answer with scrollback.
pub const SCROLLBACK_ROWS_MAX: u16 = 200;

/// The time from one update to the next: at most 30 a second.
pub const UPDATE_INTERVAL: Duration = Duration::from_millis(33);

/// The span of the measured rate that may be under way to a viewer.
pub const UNDER_WAY: Duration = Duration::from_millis(100);

/// Updates that may be under way whatever the rate.
pub const UPDATES_UNDER_WAY_MIN: usize = 2;

/// The most updates under way.
pub const UPDATES_UNDER_WAY_MAX: usize = 32;

/// The most bytes under way, if more than [`UPDATES_UNDER_WAY_MIN`] updates are.
pub const BYTES_UNDER_WAY_MAX: usize = 256 * 1024;
