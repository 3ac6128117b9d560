//! What a run of the load is given.

use crate::join::Opened;
use crate::workload::Workload;

/// Pairs that are joined, and what they are to do.
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
