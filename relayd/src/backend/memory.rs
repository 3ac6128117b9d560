//! The embedded store: a table, and the answers that were not fetched yet.

use std::collections::VecDeque;

use protocol::ids::NodeId;
use relayd_core::store::table::{Table, TableLimits};
use relayd_core::store::{Answer, Request};
use relayd_core::time::Time;

/// Sessions in this process's memory. It answers at once; [`Memory::drain`] gives the answers, as with Redis.
#[derive(Debug)]
pub struct Memory {
    node: NodeId,
    table: Table,
    /// At most one for each waiting connection or HTTP exchange, and for each hold under a check, so their
    /// tables bound it.
    answers: VecDeque<Answer>,
}

impl Memory {
    /// An empty store.
    pub fn new(idle_secs: u64, limits: TableLimits, node: NodeId) -> Self {
        let table = Table::new(idle_secs.saturating_mul(1000), limits);
        Memory { node, table, answers: VecDeque::new() }
    }

    /// Carries out a request and keeps its answer.
    pub fn submit(&mut self, request: &Request, now: Time) {
        self.answers.extend(self.table.apply(self.node, request, now));
    }

    /// The oldest answer that was not fetched.
    pub fn drain(&mut self) -> Option<Answer> {
        self.answers.pop_front()
    }

    /// A time in the past while answers wait, otherwise never.
    pub fn next_deadline(&self) -> Option<Time> {
        (!self.answers.is_empty()).then_some(Time::from_ms(0))
    }
}
