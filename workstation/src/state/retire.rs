//! The sessions of revoked phones: each is written down before the phone's file goes, and stays until the
//! relay has said that it is deleted or was never there.

use std::io;
use std::path::{Path, PathBuf};

use protocol::ids::{SessionId, Token};
use relay_client::tunnel::Credentials;
use serde::{Deserialize, Serialize};

use super::file;
use super::profile::RelayRecord;

/// A session to delete, as it is written down.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    /// The id of the phone's file, which goes too.
    phone: String,
    relay: RelayRecord,
    session: String,
    token: String,
}

/// One deletion that is still to be done.
#[derive(Clone)]
pub(crate) struct Retired {
    pub(crate) relay: RelayRecord,
    pub(crate) credentials: Credentials,
}

/// The file of the sessions to delete.
pub(crate) struct RetireList {
    path: PathBuf,
    entries: Vec<Entry>,
}

impl RetireList {
    /// The list in the folder `state`.
    ///
    /// # Errors
    /// The file is damaged.
    pub(crate) fn load(state: &Path) -> anyhow::Result<Self> {
        let path = state.join("retire.json");
        let entries = file::read(&path, "delete it; the sessions in it end by themselves when they expire")?;
        Ok(RetireList { path, entries: entries.unwrap_or_default() })
    }

    /// Notes that this phone is revoked: its sessions are to be deleted.
    ///
    /// # Errors
    /// Nothing was noted.
    pub(crate) fn add(
        &mut self,
        phone: &str,
        relay: &RelayRecord,
        sessions: &[Credentials],
    ) -> io::Result<()> {
        let entry = |credentials: &Credentials| Entry {
            phone: phone.to_owned(),
            relay: relay.clone(),
            session: credentials.session.to_string(),
            token: credentials.token.reveal(),
        };
        self.replace(self.entries.iter().cloned().chain(sessions.iter().map(entry)).collect())
    }

    /// The relay has answered 204 or 404 for this session.
    ///
    /// # Errors
    /// It is still on the list.
    pub(crate) fn note_deleted(&mut self, session: SessionId) -> io::Result<()> {
        let session = session.to_string();
        self.replace(self.entries.iter().filter(|entry| entry.session != session).cloned().collect())
    }

    fn replace(&mut self, entries: Vec<Entry>) -> io::Result<()> {
        if entries == self.entries {
            return Ok(());
        }
        if entries.is_empty() {
            file::remove(&self.path)?;
        } else {
            file::write(&self.path, &entries)?;
        }
        self.entries = entries;
        Ok(())
    }

    /// True if this phone was revoked: what its file still has must not be used.
    pub(crate) fn has_phone(&self, id: &str) -> bool {
        self.entries.iter().any(|entry| entry.phone == id)
    }

    /// The sessions of this phone that are on the list.
    pub(crate) fn sessions_of(&self, phone: &str) -> Vec<SessionId> {
        let of_phone = self.entries.iter().filter(|entry| entry.phone == phone);
        of_phone.filter_map(|entry| SessionId::parse(&entry.session).ok()).collect()
    }

    /// The sessions to delete. An entry that no relay could have made is left out.
    pub(crate) fn left(&self) -> Vec<Retired> {
        let parsed = |entry: &Entry| {
            let session = SessionId::parse(&entry.session).ok()?;
            let token = Token::parse(&entry.token).ok()?;
            Some(Retired { relay: entry.relay.clone(), credentials: Credentials { session, token } })
        };
        self.entries.iter().filter_map(parsed).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_session_stays_on_the_list_until_it_is_deleted() {
        let state = std::env::temp_dir().join(format!("rw-retire-{}", std::process::id()));
        fs::create_dir_all(&state).unwrap();
        let relay = RelayRecord { server: "http://h".into(), ca: None, proxy: None, register_key: None };
        let sessions = [1, 3].map(|byte| Credentials {
            session: SessionId::from_bytes([byte; 16]),
            token: Token::from_bytes([byte + 1; 16]),
        });
        let mut list = RetireList::load(&state).unwrap();
        list.add("ab", &relay, &sessions).unwrap();
        let mut list = RetireList::load(&state).unwrap();
        assert!(list.has_phone("ab") && !list.has_phone("cd"));
        assert_eq!(list.left().iter().map(|left| left.credentials).collect::<Vec<_>>(), sessions);
        list.note_deleted(sessions[0].session).unwrap();
        assert_eq!(RetireList::load(&state).unwrap().left().len(), 1);
        list.note_deleted(sessions[1].session).unwrap();
        assert!(!list.path.exists(), "nothing is left to do");

        fs::write(&list.path, r#"[{"phone":"a"#).unwrap();
        let error = RetireList::load(&state).err().unwrap().to_string();
        assert!(error.contains("retire.json is damaged"), "{error}");
        fs::remove_dir_all(&state).unwrap();
    }
}
