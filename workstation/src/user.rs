//! What the system's list of users says of this one.

use std::ffi::OsString;
use std::fs;

/// This user's entry; what is not in it is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: Option<String>,
    pub(crate) home: Option<OsString>,
    pub(crate) shell: Option<OsString>,
}

impl User {
    /// The user of this process. Nothing is known of one that the system has elsewhere than in its file.
    pub(crate) fn own() -> Self {
        let list = fs::read_to_string("/etc/passwd").unwrap_or_default();
        Self::of(rustix::process::getuid().as_raw(), &list).unwrap_or_default()
    }

    /// The entry of this number in a file of the form of passwd(5).
    fn of(uid: u32, passwd: &str) -> Option<Self> {
        let mut entries = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let own = entries.find(|fields| fields.get(2).is_some_and(|id| *id == uid.to_string()))?;
        let field = |at: usize| own.get(at).filter(|text| !text.is_empty()).map(|text| (*text).to_owned());
        Some(User { name: field(0), home: field(5).map(OsString::from), shell: field(6).map(OsString::from) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_users_is_read() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nbroken\nanna:x:1000:1000:,,,:/srv/anna:/usr/bin/fish\n\
                      bare:x:7:7:::\n";
        let user = |name: &str, home: &str, shell: &str| {
            let filled = |text: &str| Some(OsString::from(text)).filter(|text| !text.is_empty());
            Some(User { name: Some(name.into()), home: filled(home), shell: filled(shell) })
        };
        assert_eq!(User::of(1000, passwd), user("anna", "/srv/anna", "/usr/bin/fish"));
        assert_eq!(User::of(0, passwd), user("root", "/root", "/bin/bash"));
        assert_eq!(User::of(7, passwd), user("bare", "", ""));
        assert_eq!(User::of(5, passwd), None);
    }
}
