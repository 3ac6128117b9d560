//! The results: printed as a table, saved as JSON, shown as a page.
//!
//! `section` sums up the runs of a case, `claims` judges what is promised, `machine` says where it was
//! measured; `findings` is all of it. `table` is for the terminal, `page` and `chart` for a browser.

mod chart;
mod claims;
mod findings;
mod machine;
mod page;
mod section;
mod spread;
mod table;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

pub(crate) use self::findings::Report;
pub(crate) use self::machine::Machine;
pub(crate) use self::section::{Run, Section, Series};
pub(crate) use self::table::{print_claims, print_foot, section_text};

/// Writes `report.json` and `report.html` to this folder, by default `bench` in the build folder. Returns the
/// HTML's path.
///
/// # Errors
/// The folder can't be written to.
pub(crate) fn write(report: &Report, folder: Option<&Path>) -> anyhow::Result<PathBuf> {
    let folder = folder.map_or_else(in_build, |folder| Ok(folder.to_owned()))?;
    fs::create_dir_all(&folder).with_context(|| format!("{} can't be made", folder.display()))?;
    let (json, html) = (folder.join("report.json"), folder.join("report.html"));
    for (file, text) in [(&json, sonic_rs::to_string_pretty(report)?), (&html, page::html(report))] {
        fs::write(file, text).with_context(|| format!("{} can't be written", file.display()))?;
    }
    Ok(html)
}

/// `bench` in the build folder. This program is in the same folder, one profile deeper.
fn in_build() -> anyhow::Result<PathBuf> {
    let program = env::current_exe().context("this program does not know where it is")?;
    let build = program
        .ancestors()
        .nth(2)
        .context("this program is not in a build folder; say where with --report FOLDER")?;
    Ok(build.join("bench"))
}
