//! Everything that one run of the program found.

use std::env;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::claims::{self, Claim, Verdict};
use super::machine::Machine;
use super::section::Section;

/// What is printed, kept and shown.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Seconds since 1970.
    pub started: u64,
    /// The command line's words, without the program's own name.
    pub asked: Vec<String>,
    pub machine: Machine,
    pub sections: Vec<Section>,
    pub claims: Vec<Claim>,
    /// What was skipped, and why.
    pub left_out: Vec<String>,
}

impl Report {
    /// An empty one, of now.
    pub fn begin(machine: Machine) -> Self {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        let asked = env::args().skip(1).collect();
        Report { started, asked, machine, sections: Vec::new(), claims: Vec::new(), left_out: Vec::new() }
    }

    /// Judges the promises.
    pub fn judge(&mut self) {
        self.claims = claims::judge(&self.sections);
    }

    /// True if every frame was right, and no promise failed.
    pub fn is_good(&self) -> bool {
        self.sections.iter().all(Section::is_right)
            && self.claims.iter().all(|claim| claim.verdict != Verdict::Fails)
    }
}
