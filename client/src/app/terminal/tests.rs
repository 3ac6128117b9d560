//! Desk and viewer together: whatever happens to the screen and the line, the viewer's screen is one that the
//! desk had, and in the end the desk's last.

mod changes;
mod exact;
mod round_trip;
mod vectors;
