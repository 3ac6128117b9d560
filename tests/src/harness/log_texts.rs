//! Texts of the server's log that cases expect not to find.
//!
//! If the server's words change, such a case can no longer fail. So a source check compares these with
//! relayd's code.

/// The store went away after it was there.
pub const STORE_AWAY: &str = "the store is away";

/// Redis refused a command.
pub const REDIS_REFUSED: &str = "Redis refused";

/// A node that has not heard its own probe for ten seconds subscribes again.
pub const SUBSCRIBES_AGAIN: &str = "subscribes again";

/// All of them.
pub const ALL: [&str; 3] = [STORE_AWAY, REDIS_REFUSED, SUBSCRIBES_AGAIN];
