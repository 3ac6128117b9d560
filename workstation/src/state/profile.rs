//! The profile's relay, as `setup` keeps it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::file;

/// A relay, as it is written down.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RelayRecord {
    /// Its address.
    pub(crate) server: String,
    /// The CAs to trust there, if not this machine's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<PathBuf>,
    /// The proxy that leads there, with its password, or `none`; if not what the environment says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) proxy: Option<String>,
    /// The key to register there, if it requires one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) register_key: Option<String>,
}

/// What `setup` keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Profile {
    /// The relay of new pairs.
    pub(crate) relay: RelayRecord,
    /// The address that phones connect to, if the detected one does not fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) public_url: Option<String>,
    /// Push services that notices may go to, besides the known ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) push_services: Vec<String>,
}

/// Shows no key and no proxy, which may have a password.
impl std::fmt::Debug for RelayRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RelayRecord")
            .field("server", &self.server)
            .field("ca", &self.ca)
            .finish_non_exhaustive()
    }
}

impl Profile {
    /// The profile in the folder `state`; `None` before the first `setup`.
    ///
    /// # Errors
    /// The file is damaged.
    pub(crate) fn load(state: &Path) -> anyhow::Result<Option<Self>> {
        file::read(&path(state), "run setup again")
    }

    /// # Errors
    /// The profile is as it was before.
    pub(crate) fn save(&self, state: &Path) -> std::io::Result<()> {
        file::write(&path(state), self)
    }
}

fn path(state: &Path) -> PathBuf {
    state.join("profile.json")
}
