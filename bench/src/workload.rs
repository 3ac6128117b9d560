//! A load as numbers: which set-up, how many pairs, what a frame is, when the next one is sent, and for how
//! long.

use std::fmt;
use std::time::Duration;

/// One kind of load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    pub setup: Setup,
    pub pairs: usize,
    /// Bytes of payload.
    pub size: usize,
    pub mode: Mode,
    pub pace: Pace,
}

/// Which processes the relay is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setup {
    /// One relay with the embedded store.
    Local,
    /// Two relays and the Redis they share; every frame crosses.
    Redis,
}

/// What is sent, and how it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// JSON text, which arrives in an envelope.
    Enveloped,
    /// Binary in raw mode, which arrives without an envelope.
    Raw,
}

/// When the next frame is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Closed loop: this many frames in flight per pair.
    Window(u32),
    /// Open loop: this many frames a second over all pairs.
    Rate(u32),
}

/// How long one run takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub warmup: Duration,
    pub measured: Duration,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Enveloped => "enveloped",
            Mode::Raw => "raw",
        })
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Setup::Local => "one node, sessions in the process",
            Setup::Redis => "two nodes on one Redis, every frame crosses",
        })
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pace {
            Pace::Window(window) => write!(f, "{}, window {window}", self.mode),
            Pace::Rate(rate) => write!(f, "{}, {rate}/s", self.mode),
        }
    }
}
