//! What was found, in the form in which it is printed, kept and shown.
//!
//! `section` sums up the runs of a case, `claims` judges what is promised, `machine` says where it was measured; `table`
//! is for the terminal, `page` and `chart` for a browser.

mod chart;
mod claims;
mod machine;
mod page;
mod section;
mod spread;
mod table;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use serde::Serialize;

pub(crate) use self::claims::{Claim, Verdict};
pub(crate) use self::machine::Machine;
pub(crate) use self::section::{Run, Section, Series};
pub(crate) use self::table::{print_claims, print_foot, section_text};

/// Everything that one run of the program found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Seconds since 1970.
    pub started: u64,
    /// The command line's words, without the program's own name.
    pub asked: Vec<String>,
    pub machine: Machine,
    pub sections: Vec<Section>,
    pub claims: Vec<Claim>,
    /// What was left out, and why.
    pub left_out: Vec<String>,
}

impl Report {
    /// An empty one, of now.
    pub fn begin(machine: Machine) -> Self {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        let asked = env::args().skip(1).collect();
        Report { started, asked, machine, sections: Vec::new(), claims: Vec::new(), left_out: Vec::new() }
    }

    /// Judges what was promised by what was measured.
    pub fn judge(&mut self) {
        self.claims = claims::judge(&self.sections);
    }

    /// True if every frame was right, and nothing that was promised failed.
    pub fn is_good(&self) -> bool {
        self.sections.iter().all(Section::is_right)
            && self.claims.iter().all(|claim| claim.verdict != Verdict::Fails)
    }

    /// Writes `report.json` and `report.html` to this folder, or to one in the build's, and returns the latter.
    ///
    /// # Errors
    /// The folder can't be written to.
    pub fn write(&self, folder: Option<&Path>) -> anyhow::Result<PathBuf> {
        let folder = folder.map_or_else(in_build, |folder| Ok(folder.to_owned()))?;
        fs::create_dir_all(&folder).with_context(|| format!("{} can't be made", folder.display()))?;
        let (json, html) = (folder.join("report.json"), folder.join("report.html"));
        for (file, text) in [(&json, sonic_rs::to_string_pretty(self)?), (&html, page::html(self))] {
            fs::write(file, text).with_context(|| format!("{} can't be written", file.display()))?;
        }
        Ok(html)
    }
}

/// `bench` in the build's folder, which this program is in too, a profile deeper.
fn in_build() -> anyhow::Result<PathBuf> {
    let program = env::current_exe().context("this program does not know where it is")?;
    let build = program.ancestors().nth(2).context("this program is in no build folder")?;
    Ok(build.join("bench"))
}
