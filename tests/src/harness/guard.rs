//! Guards against hanging: how long a case waits for something before it calls it missing.
//!
//! No case depends on speed. A guard is long enough for a loaded machine, and ends in a panic that names what
//! was expected.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take before a case fails.
pub const GUARD: Duration = Duration::from_secs(60);

/// Calls `look` until it answers.
///
/// # Panics
/// When [`GUARD`] is over; the message names `what`.
pub fn read_until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    read_until_within(GUARD, what, look)
}

/// [`read_until`] with a guard of its own.
pub fn read_until_within<T>(guard: Duration, what: &str, look: impl FnMut() -> Option<T>) -> T {
    read_until_or(guard, what, look, String::new)
}

/// [`read_until_within`] whose panic says besides what `tell` gives.
pub fn read_until_or<T>(
    guard: Duration,
    what: &str,
    mut look: impl FnMut() -> Option<T>,
    tell: impl Fn() -> String,
) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < guard, "waited {guard:?} for {what}, which never came{}", tell());
        // Only the pace of looking; the answer itself ends the wait.
        thread::park_timeout(Duration::from_millis(10));
    }
}

/// Lets time pass, for cases about time itself: a pace, a silence, a stop. To wait for an event, use
/// [`read_until`].
pub fn let_pass(time: Duration) {
    let started = Instant::now();
    while let Some(left) = time.checked_sub(started.elapsed()).filter(|left| !left.is_zero()) {
        thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_until_something_is_there() {
        let mut looks = 0;
        let found = read_until("three looks", || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(found, 3);
    }

    #[test]
    #[should_panic(expected = "for the moon, which never came")]
    fn it_names_what_never_came() {
        read_until_within(Duration::ZERO, "the moon", || None::<()>);
    }
}
