//! SIGTERM and SIGINT as a source of the poll.

use std::io;

use mio::{Interest, Registry, Token};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;

pub(super) struct StopSignals {
    signals: Signals,
}

impl StopSignals {
    pub fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let mut signals = Signals::new([SIGTERM, SIGINT])?;
        registry.register(&mut signals, token, Interest::READABLE)?;
        Ok(StopSignals { signals })
    }

    /// True if one came since the last call.
    pub fn came(&mut self) -> bool {
        self.signals.pending().count() > 0
    }
}
