//! The desks that this phone is paired with: a file for each, in a folder that only this user can read.
//!
//! A desk's name is known after pairing and may change, so a file is named by a number, and the name lies
//! beside it.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use relay_client::lines::harmless;
use relay_client::tunnel::{Entropy, SystemEntropy};
use relay_mobile::Stop;

use crate::Failure;

const PAIR: &str = "pair";

/// The folder.
#[derive(Debug)]
pub(crate) struct Desks(PathBuf);

/// One desk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Desk {
    /// Eight hexadecimal digits.
    pub(crate) id: String,
    /// As the desk called itself last; empty if it never did.
    pub(crate) name: String,
    folder: PathBuf,
}

impl Desks {
    /// The folder of this user: made if it is not there.
    pub(crate) fn open() -> Result<Self, Failure> {
        let set = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let state = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")));
        let state = state.ok_or("no folder for the desks: set HOME or XDG_STATE_HOME to a folder")?;
        Self::at(state.join("relay-phone"))
    }

    fn at(folder: PathBuf) -> Result<Self, Failure> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&folder).map_err(|error| in_words(&folder, &error))?;
        Ok(Desks(folder))
    }

    /// All of them, by name.
    pub(crate) fn list(&self) -> Result<Vec<Desk>, Failure> {
        let entries = fs::read_dir(&self.0).map_err(|error| in_words(&self.0, &error))?;
        let paths = entries.map_while(Result::ok).map(|entry| entry.path());
        let pairs = paths.filter(|path| path.extension().is_some_and(|extension| extension == PAIR));
        let ids = pairs.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()));
        let mut desks: Vec<Desk> = ids.map(|id| self.desk(id)).collect();
        desks.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        Ok(desks)
    }

    /// The one that the user means: by its name or its number.
    pub(crate) fn find(&self, wanted: &str) -> Result<Desk, Failure> {
        let mut found = self.list()?;
        if let Some(at) = found.iter().position(|desk| desk.id == wanted) {
            return Ok(found.swap_remove(at));
        }
        found.retain(|desk| desk.name == wanted);
        match found.len() {
            0 => Err(format!("there is no desk {wanted:?}: `phone desks` lists them").into()),
            1 => Ok(found.swap_remove(0)),
            _ => {
                let ids: Vec<&str> = found.iter().map(|desk| desk.id.as_str()).collect();
                let ids = ids.join(", ");
                Err(format!("several desks are called {wanted:?}: use the number of one ({ids})").into())
            }
        }
    }

    /// A new one.
    pub(crate) fn fresh(&self) -> Result<Desk, Failure> {
        let mut random = [0; 4];
        SystemEntropy.fill(&mut random)?;
        Ok(self.desk(format!("{:08x}", u32::from_be_bytes(random))))
    }

    fn desk(&self, id: String) -> Desk {
        // A desk that never told its name has no such file.
        let name = fs::read_to_string(self.0.join(format!("{id}.name"))).unwrap_or_default();
        Desk { name: harmless(name.trim()), id, folder: self.0.clone() }
    }
}

impl Desk {
    /// The file with the pair.
    pub(crate) fn pair_file(&self) -> PathBuf {
        self.file(PAIR)
    }

    fn file(&self, extension: &str) -> PathBuf {
        self.folder.join(format!("{}.{extension}", self.id))
    }

    /// Keeps the name.
    pub(crate) fn set_name(&mut self, name: &str) -> io::Result<()> {
        if self.name == name {
            return Ok(());
        }
        self.name = name.to_owned();
        let beside = self.file("name.new");
        fs::write(&beside, name)?;
        fs::rename(beside, self.file("name"))
    }

    /// For people: its name, or its number.
    pub(crate) fn shown(&self) -> &str {
        if self.name.is_empty() { &self.id } else { &self.name }
    }

    /// Removes what lies beside a pair that is not there, or not any more.
    pub(crate) fn tidy(&self) {
        if !self.pair_file().exists() {
            for extension in ["name", "pair.lock"] {
                // What is left over is empty or a name.
                let _ = fs::remove_file(self.file(extension));
            }
        }
    }

    /// The engine has stopped. A pair that its desk has ended is of no use; what only the relay says may be
    /// wrong.
    pub(crate) fn on_stopped(&self, why: &Stop) {
        match why {
            Stop::Removed { is_proven: true, .. } => {
                if let Err(error) = self.remove() {
                    eprintln!("the pair is still kept: {error}");
                }
            }
            Stop::Removed { .. } | Stop::Killed { .. } => {
                eprintln!("`phone forget {}` removes the pair here too", self.shown());
            }
            _ => {}
        }
    }

    /// Removes the pair itself.
    pub(crate) fn remove(&self) -> Result<(), Failure> {
        let file = self.pair_file();
        fs::remove_file(&file).map_err(|error| in_words(&file, &error))?;
        self.tidy();
        Ok(())
    }
}

fn in_words(path: &Path, error: &io::Error) -> Failure {
    format!("{}: {error}", path.display()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn desks_are_found_by_name_or_number() {
        let folder = env::temp_dir().join(format!("relay-desks-{}", std::process::id()));
        let desks = Desks::at(folder.clone()).unwrap();
        let mut made = Vec::new();
        for name in ["office", "home", "home"] {
            let mut desk = desks.fresh().unwrap();
            fs::write(desk.pair_file(), "{}").unwrap();
            desk.set_name(name).unwrap();
            made.push(desk);
        }
        assert_eq!(desks.list().unwrap().len(), 3);
        assert_eq!(desks.find("office").unwrap(), made[0]);
        assert_eq!(desks.find(&made[2].id).unwrap(), made[2]);
        assert!(desks.find("home").unwrap_err().to_string().contains("several desks"));
        assert!(desks.find("Office").unwrap_err().to_string().contains("no desk"));
        made[1].remove().unwrap();
        assert_eq!(desks.find("home").unwrap(), made[2]);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 4, "nothing is left of the one that was removed");
        fs::remove_dir_all(folder).unwrap();
    }
}
