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
    /// The list in the folder `state`, and what is wrong with its file. A damaged one is put aside, so that
    /// phones can be revoked all the same.
    pub(crate) fn load(state: &Path) -> (Self, Option<String>) {
        let path = state.join("retire.json");
        let aside = path.with_extension("damaged");
        let remedy = "the sessions in it end by themselves when they expire";
        let (entries, damage) = match file::read(&path, remedy) {
            Ok(entries) => (entries.unwrap_or_default(), None),
            Err(error) => match std::fs::rename(&path, &aside) {
                Ok(()) => (Vec::new(), Some(format!("{error:#}; it is put aside as {}", aside.display()))),
                Err(other) => (Vec::new(), Some(format!("{error:#}; it can't be put aside: {other}"))),
            },
        };
        (RetireList { path, entries }, damage)
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
        let mut list = RetireList::load(&state).0;
        list.add("ab", &relay, &sessions).unwrap();
        let mut list = RetireList::load(&state).0;
        assert!(list.has_phone("ab") && !list.has_phone("cd"));
        assert_eq!(list.left().iter().map(|left| left.credentials).collect::<Vec<_>>(), sessions);
        list.note_deleted(sessions[0].session).unwrap();
        assert_eq!(RetireList::load(&state).0.left().len(), 1);
        list.note_deleted(sessions[1].session).unwrap();
        assert!(!list.path.exists(), "nothing is left to do");

        fs::write(&list.path, r#"[{"phone":"a"#).unwrap();
        let (mut list, damage) = RetireList::load(&state);
        let damage = damage.unwrap();
        assert!(damage.contains("retire.json is damaged") && damage.contains("retire.damaged"), "{damage}");
        list.add("ab", &relay, &sessions).unwrap();
        assert_eq!(RetireList::load(&state).0.left().len(), 2);
        fs::remove_dir_all(&state).unwrap();
    }
}
