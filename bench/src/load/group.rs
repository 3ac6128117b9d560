//! The input of a run: joined pairs, and what they do.

use crate::join::Opened;
use crate::workload::Workload;

/// Joined pairs, and what they are to do.
#[derive(Debug)]
pub(crate) struct Group {
    pub workload: Workload,
    pub opened: Vec<Opened>,
    /// Their phones read nothing before the drain.
    pub reads_late: bool,
}

impl Group {
    /// Pairs that read what comes.
    pub fn new(workload: Workload, opened: Vec<Opened>) -> Self {
        Group { workload, opened, reads_late: false }
    }
}
