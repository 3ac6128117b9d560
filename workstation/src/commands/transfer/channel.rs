//! The channel of a set of files, carried by the agent.

use relay_client::app::Reason;
use relay_client::transfer::{FileChannel, SendRefused};

use crate::ipc::carried::{Carried, CarriedChannel, CarriedError};

/// See the module.
pub(in crate::commands) struct SetChannel<'a> {
    carried: &'a Carried,
    ch: CarriedChannel,
}

impl<'a> SetChannel<'a> {
    pub(in crate::commands) fn new(carried: &'a Carried, ch: CarriedChannel) -> Self {
        SetChannel { carried, ch }
    }
}

impl FileChannel for SetChannel<'_> {
    fn try_send(&mut self, payload: &[u8]) -> Result<(), SendRefused> {
        self.carried.put(self.ch, payload).map_err(|error| match error {
            CarriedError::Full => SendRefused::Full,
            _ => SendRefused::Gone,
        })
    }

    fn flush(&mut self) {
        self.carried.flush(self.ch);
    }

    fn message_len(&self) -> usize {
        self.carried.message_len(self.ch)
    }

    fn consumed(&mut self, bytes: usize) {
        self.carried.consumed(self.ch, bytes);
    }

    fn end(&mut self) {
        self.carried.end(self.ch);
    }

    fn reset(&mut self, reason: Reason) {
        self.carried.reset(self.ch, &reason);
    }
}
