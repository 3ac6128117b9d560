//! What the relay decides, apart from what carries it out.
//!
//! Owns the state of every connection, session and link. Contains no socket, clock or thread: time is an
//! argument, bytes are slices. The reactor drives it, and so does a simulator.

pub mod bus;
pub mod deadlines;
pub mod event;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
pub mod limits;
pub mod node_link;
pub mod note;
pub mod relay;
pub mod store;
pub mod time;
pub mod wire;

#[cfg(test)]
mod testkit;
