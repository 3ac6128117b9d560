//! The paired phones, each in a file of its own: the pair, the phone's name, its rights, when it was seen.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use relay_client::app::limits::NAME_BYTES_MAX;
use relay_client::app::notice::Subscription;
use relay_client::app::{Right, Rights};
use relay_client::engine::Keeper;
use relay_client::lines::harmless;
use relay_client::tunnel::{Credentials, Entropy, RandomError, Saved, SystemEntropy};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::file;
use super::profile::RelayRecord;

/// One phone, as it is written down.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PhoneRecord {
    name: String,
    rights: Vec<String>,
    /// When its tunnel was open last, in seconds since 1970.
    last_seen: u64,
    relay: RelayRecord,
    /// What the engine keeps.
    pair: String,
    /// The subscription to Web Push with its keys, as the phone said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    push: Option<String>,
}

/// The place of one phone on disk. Shared by the agent and the phone's engine.
pub(crate) struct PhoneFile {
    id: String,
    path: PathBuf,
    record: Mutex<PhoneRecord>,
}

/// A phone's files that could not be used, each with the reason.
pub(crate) type Damaged = Vec<String>;

/// The phones in the folder `state`, and what is wrong with the others.
///
/// # Errors
/// The folder can't be read.
pub(crate) fn load_all(state: &Path) -> anyhow::Result<(Vec<Arc<PhoneFile>>, Damaged)> {
    let folder = folder(state);
    let (mut phones, mut damaged) = (Vec::new(), Vec::new());
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((phones, damaged)),
        entries => entries.with_context(|| format!("can't read {}", folder.display()))?,
    };
    for entry in entries {
        let path = entry.with_context(|| format!("can't read {}", folder.display()))?.path();
        let Some(id) = id_of(&path) else { continue };
        match file::read::<PhoneRecord>(&path, "delete it, and pair that phone again") {
            Ok(Some(record)) => phones.push(Arc::new(PhoneFile { id, path, record: Mutex::new(record) })),
            Ok(None) => {}
            Err(error) => damaged.push(format!("{error:#}")),
        }
    }
    phones.sort_by_key(|phone| phone.name());
    damaged.sort_unstable();
    Ok((phones, damaged))
}

impl PhoneFile {
    /// A place for a phone that is going to pair. Nothing is written before it has.
    ///
    /// # Errors
    /// The folder can't be made, or the system gave no random bytes.
    pub(crate) fn new(state: &Path, relay: RelayRecord) -> anyhow::Result<Arc<Self>> {
        let folder = folder(state);
        match fs::DirBuilder::new().create(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error).with_context(|| format!("can't make the folder {}", folder.display()));
            }
            _ => {}
        }
        let id = new_id()?;
        let rights = words_of(Rights::default());
        let record =
            PhoneRecord { name: String::new(), rights, last_seen: 0, relay, pair: String::new(), push: None };
        Ok(Arc::new(PhoneFile { path: folder.join(format!("{id}.json")), id, record: Mutex::new(record) }))
    }

    fn record(&self) -> MutexGuard<'_, PhoneRecord> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names the file; no other phone of the profile has the same.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn name(&self) -> String {
        self.record().name.clone()
    }

    pub(crate) fn rights(&self) -> Rights {
        Rights::parse(self.record().rights.iter().map(String::as_str))
    }

    /// In seconds since 1970; 0 is never.
    pub(crate) fn last_seen(&self) -> u64 {
        self.record().last_seen
    }

    pub(crate) fn relay(&self) -> RelayRecord {
        self.record().relay.clone()
    }

    /// True if there is a pair to go on with.
    pub(crate) fn is_paired(&self) -> bool {
        !self.record().pair.is_empty()
    }

    /// The sessions of the pair: where it is, and where it may be on its way to or from.
    pub(crate) fn sessions(&self) -> Vec<Credentials> {
        let saved = Saved::parse(&self.record().pair);
        saved.map(|saved| std::iter::once(saved.home).chain(saved.other).collect()).unwrap_or_default()
    }

    /// # Errors
    /// The old name is still in the file.
    pub(crate) fn set_name(&self, name: &str) -> io::Result<()> {
        self.change(|record| name.clone_into(&mut record.name))
    }

    /// # Errors
    /// The phone has its old rights.
    pub(crate) fn set_rights(&self, rights: Rights) -> io::Result<()> {
        self.change(|record| record.rights = words_of(rights))
    }

    /// The phone is there now, or just was.
    ///
    /// # Errors
    /// The file has the old time.
    pub(crate) fn note_seen(&self) -> io::Result<()> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.change(|record| record.last_seen = since.as_secs())
    }

    /// The phone's subscription to Web Push. One that is damaged is none: the phone says it again.
    pub(crate) fn push(&self) -> Option<Subscription> {
        Subscription::parse(self.record().push.as_deref()?).ok()
    }

    /// # Errors
    /// The file has what it had before.
    pub(crate) fn set_push(&self, subscription: Option<&Subscription>) -> io::Result<()> {
        let push = subscription.map(|subscription| subscription.to_json().to_string());
        // A phone says it whenever it comes.
        if self.record().push == push {
            return Ok(());
        }
        self.change(|record| record.push = push)
    }

    /// Changes the record, and the file if the phone has paired.
    fn change(&self, change: impl FnOnce(&mut PhoneRecord)) -> io::Result<()> {
        let mut record = self.record();
        let mut changed = record.clone();
        change(&mut changed);
        if !changed.pair.is_empty() {
            file::write(&self.path, &changed)?;
        }
        *record = changed;
        Ok(())
    }

    /// Erases the pair and the file.
    ///
    /// # Errors
    /// The file is still there.
    pub(crate) fn erase(&self) -> io::Result<()> {
        let mut record = self.record();
        record.pair.clear();
        file::remove(&self.path)
    }
}

/// Where a phone's engine keeps its pair. The agent's own lock keeps other processes away.
pub(crate) struct PhoneKeeper(pub(crate) Arc<PhoneFile>);

impl Keeper for PhoneKeeper {
    fn load(&mut self) -> io::Result<Option<Zeroizing<String>>> {
        let pair = Zeroizing::new(self.0.record().pair.clone());
        Ok(Some(pair).filter(|pair| !pair.is_empty()))
    }

    fn store(&mut self, text: &str) -> io::Result<()> {
        self.0.change(|record| text.clone_into(&mut record.pair))
    }

    fn forget(&mut self) -> io::Result<()> {
        self.0.erase()
    }
}

/// A name that none of `others` has: `wanted`, or that with a number.
pub(crate) fn unused_name(wanted: &str, others: &[String]) -> String {
    let wanted = if wanted.trim().is_empty() { "phone" } else { wanted.trim() };
    let is_free = |name: &String| !others.contains(name);
    let numbered = (2..).map(|number| format!("{wanted} {number}"));
    std::iter::once(wanted.to_owned()).chain(numbered).find(is_free).unwrap_or_default()
}

/// A name that a phone may be given: short, on one line, without what hides or reorders text.
///
/// # Errors
/// It is not one.
pub(crate) fn checked_name(name: &str) -> anyhow::Result<String> {
    let name = name.trim();
    let is_good = (1..=NAME_BYTES_MAX).contains(&name.len()) && harmless(name) == name;
    anyhow::ensure!(is_good, "a phone's name has 1 to {NAME_BYTES_MAX} bytes of printable text");
    Ok(name.to_owned())
}

/// The words that are written down.
fn words_of(rights: Rights) -> Vec<String> {
    Right::ALL.into_iter().filter(|right| rights.has(*right)).map(|right| right.as_str().to_owned()).collect()
}

fn folder(state: &Path) -> PathBuf {
    state.join("phones")
}

fn id_of(path: &Path) -> Option<String> {
    let is_json = path.extension().is_some_and(|extension| extension == "json");
    path.file_stem().and_then(|stem| stem.to_str()).filter(|_| is_json).map(str::to_owned)
}

fn new_id() -> Result<String, RandomError> {
    let mut bytes = [0; 6];
    SystemEntropy.fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    const PAIR: &str = r#"{"u":"ws://h/ws","role":"workstation"}"#;

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("rw-phones-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            Place(path)
        }

        fn phone(&self, name: &str) -> Arc<PhoneFile> {
            let relay = RelayRecord { server: "http://h".into(), ca: None, proxy: None, register_key: None };
            let phone = PhoneFile::new(&self.0, relay).unwrap();
            phone.set_name(name).unwrap();
            phone
        }

        fn names(&self) -> (Vec<String>, Damaged) {
            let (phones, damaged) = load_all(&self.0).unwrap();
            (phones.iter().map(|phone| phone.name()).collect(), damaged)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_phone_is_kept_from_its_pairing_until_it_is_erased() {
        let place = Place::new("kept");
        assert_eq!(place.names(), (vec![], vec![]));
        let phone = place.phone("Pixel");
        assert_eq!(place.names().0, Vec::<String>::new(), "nothing is kept before the pairing");
        let mut keeper = PhoneKeeper(Arc::clone(&phone));
        keeper.store(PAIR).unwrap();
        phone.note_seen().unwrap();
        assert_eq!(fs::metadata(&phone.path).unwrap().mode() & 0o777, 0o600);
        let (again, _) = load_all(&place.0).unwrap();
        assert_eq!((again[0].name(), again[0].id()), ("Pixel".to_owned(), phone.id()));
        assert!(again[0].rights() == Rights::default() && again[0].last_seen() > 0);
        let kept = PhoneKeeper(Arc::clone(&again[0])).load().unwrap().unwrap();
        assert_eq!(kept.as_str(), PAIR);
        keeper.forget().unwrap();
        assert_eq!(place.names(), (vec![], vec![]));
        phone.note_seen().unwrap();
        assert_eq!(place.names().0, Vec::<String>::new(), "nothing brings it back");
    }

    #[test]
    fn a_file_cut_in_half_is_named_and_harms_no_other() {
        let place = Place::new("cut");
        let (good, bad) = (place.phone("good"), place.phone("bad"));
        for phone in [&good, &bad] {
            PhoneKeeper(Arc::clone(phone)).store(PAIR).unwrap();
        }
        let text = fs::read_to_string(&bad.path).unwrap();
        fs::write(&bad.path, &text[..text.len() / 2]).unwrap();
        let (names, damaged) = place.names();
        assert_eq!((names, damaged.len()), (vec!["good".to_owned()], 1));
        assert!(damaged[0].contains(bad.id()) && damaged[0].contains("pair that phone again"), "{damaged:?}");
        assert!(!damaged[0].contains("role"), "no secret is shown: {damaged:?}");
    }

    #[test]
    fn names_are_numbered_where_they_are_taken() {
        for (wanted, others, name) in [
            ("Pixel", &[][..], "Pixel"),
            ("Pixel", &["Pixel"], "Pixel 2"),
            ("Pixel", &["Pixel", "Pixel 2"], "Pixel 3"),
            ("  ", &["phone"], "phone 2"),
        ] {
            let others: Vec<String> = others.iter().map(|&other| other.to_owned()).collect();
            assert_eq!(unused_name(wanted, &others), name);
        }
    }
}
