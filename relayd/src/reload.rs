//! SIGHUP: the settings are read again, and those that can change without a restart do.
//!
//! Reading them may block, so it has a thread of its own, which starts with the first request. If anything is
//! wrong with the new settings, none is taken.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::config::{EarlyExit, Loaded, Setting};
use crate::logging::LogFilter;
use crate::notify::ServiceManager;
use crate::reactor::{LiveSettings, Updater};
use crate::tls::Reloader;

/// The flags of the settings that can change while the server runs.
pub const LIVE: &[&str] = &[
    "allowed-origins",
    "connections-per-address",
    "delete-needs-token",
    "failed-hellos-per-minute",
    "log",
    "metrics-public",
    "no-public-metrics",
    "register-key",
    "register-key-file",
    "registers-per-minute",
    "tls-handshakes-per-minute",
    "trusted-proxy",
];

/// What is told about settings that change. Owned by the thread.
pub struct Reload {
    /// Reads them as at the start.
    pub read: Box<dyn Fn() -> Result<Loaded, EarlyExit> + Send>,
    /// Those in force.
    pub in_force: Loaded,
    /// Hands some to the reactor.
    pub updater: Updater,
    /// Has the certificates read again, if there are any.
    pub certificates: Option<Reloader>,
    /// Changes what is logged.
    pub log: LogFilter,
    /// Is told when a reload begins and ends, and waits for it.
    pub manager: ServiceManager,
}

impl std::fmt::Debug for Reload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reload").finish_non_exhaustive()
    }
}

/// Asks for the settings to be read again.
#[derive(Debug)]
pub struct ReloadRequests {
    reload: Arc<Mutex<Reload>>,
    manager: ServiceManager,
    /// `None` until the first request.
    thread: Option<SyncSender<()>>,
}

impl ReloadRequests {
    /// Nothing is read before a request.
    pub fn new(reload: Reload) -> Self {
        let manager = reload.manager.clone();
        ReloadRequests { reload: Arc::new(Mutex::new(reload)), manager, thread: None }
    }

    /// Returns at once. Requests that come while the settings are read count as one.
    pub fn request(&mut self) {
        self.manager.reloading();
        if self.thread.is_none() {
            self.start();
        }
        match self.thread.as_ref().map(|thread| thread.try_send(())) {
            Some(Ok(()) | Err(TrySendError::Full(()))) => return,
            Some(Err(TrySendError::Disconnected(()))) => {
                tracing::error!(
                    "the settings can't be read again, because their thread ended: restart relayd"
                );
            }
            // It was logged.
            None => {}
        }
        self.manager.reloaded();
    }

    fn start(&mut self) {
        let (sender, requests) = sync_channel(1);
        let reload = Arc::clone(&self.reload);
        let thread = thread::Builder::new().name("settings".into());
        match thread.spawn(move || serve(&requests, &reload)) {
            Ok(_) => self.thread = Some(sender),
            Err(error) => tracing::error!(
                "the settings can't be read again: no thread could be started ({error}); raise the process's thread \
                 or memory limit"
            ),
        }
    }
}

/// The thread's body.
fn serve(requests: &Receiver<()>, reload: &Mutex<Reload>) {
    for () in requests {
        let mut reload = reload.lock().unwrap_or_else(PoisonError::into_inner);
        reload.run();
        reload.manager.reloaded();
    }
}

impl Reload {
    /// Reads the settings, and changes what can change.
    fn run(&mut self) {
        // Their files may be renewed whatever the settings are.
        self.certificates.iter().for_each(Reloader::reload);
        match (self.read)() {
            Ok(fresh) => self.take(fresh),
            Err(stop) => {
                tracing::error!(
                    "the settings can't be read again, so those in force stay: {}",
                    stop.message()
                );
            }
        }
    }

    fn take(&mut self, fresh: Loaded) {
        fresh.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let (live, fixed) = self.changes(&fresh);
        if !fixed.is_empty() {
            tracing::warn!(settings = fixed.join(","), "these settings changed, and need a restart");
        }
        if live.is_empty() {
            tracing::info!("the settings were read again: none changed that can change without a restart");
            return;
        }
        tracing::info!(settings = live.join(","), "these settings changed");
        self.log.set(&fresh.config.log_filter);
        self.updater.update(fresh.config.live(&self.in_force.config));
        self.keep(fresh);
    }

    /// The names of the settings that changed: those that can, and those that need a restart.
    fn changes(&self, fresh: &Loaded) -> (Vec<String>, Vec<String>) {
        let was = |setting: &Setting| self.in_force.settings.iter().find(|it| it.name == setting.name);
        let is_other = |setting: &&Setting| was(setting).is_none_or(|was| !was.is_same(setting));
        let changed = fresh.settings.iter().filter(is_other).map(|setting| setting.name.clone());
        let (mut live, fixed): (Vec<_>, Vec<_>) = changed.partition(|name| LIVE.contains(&name.as_str()));
        let keys = |loaded: &Loaded| loaded.config.policy.register_keys.clone();
        if live.iter().all(|name| !name.starts_with("register-key")) && keys(fresh) != keys(&self.in_force) {
            live.push("register-key-file".to_owned());
        }
        (live, fixed)
    }

    /// The others keep the values that they have until a restart, and are named again at the next request.
    fn keep(&mut self, fresh: Loaded) {
        for setting in fresh.settings.into_iter().filter(|it| LIVE.contains(&it.name.as_str())) {
            self.in_force.settings.retain(|it| it.name != setting.name);
            self.in_force.settings.push(setting);
        }
        let LiveSettings { policy, admission } = fresh.config.live(&self.in_force.config);
        self.in_force.config.policy = policy;
        self.in_force.config.admission = admission;
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::config;
    use crate::logging::LogFilter;
    use crate::reactor::Wakeable;

    struct Case {
        reload: Reload,
        updater: Updater,
        file: PathBuf,
        _wakeable: Wakeable,
    }

    impl Case {
        /// With this settings file in force.
        fn new(name: &str, text: &str) -> Self {
            let file = std::env::temp_dir().join(format!("relayd-reload-{name}-{}.toml", std::process::id()));
            fs::write(&file, text).unwrap();
            let args = [OsString::from("relayd"), "--config".into(), file.clone().into()];
            let read = move || {
                let command = config::command().mut_args(|arg| arg.env(None::<&str>));
                config::load_for(&command, args.clone()).map(|(loaded, _)| loaded)
            };
            let wakeable = Wakeable::new().unwrap();
            let updater = wakeable.updater();
            let reload = Reload {
                in_force: read().unwrap(),
                read: Box::new(read),
                updater: updater.clone(),
                certificates: None,
                log: LogFilter::unused(),
                manager: ServiceManager::default(),
            };
            Case { reload, updater, file, _wakeable: wakeable }
        }

        /// Writes another file, and gives what the reactor is handed.
        fn run(&mut self, text: &str) -> Option<LiveSettings> {
            fs::write(&self.file, text).unwrap();
            self.reload.run();
            self.updater.take()
        }

        fn changes(&self) -> (Vec<String>, Vec<String>) {
            self.reload.changes(&(self.reload.read)().unwrap())
        }
    }

    impl Drop for Case {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.file);
        }
    }

    #[test]
    fn what_can_change_is_handed_over_and_the_rest_is_named_until_a_restart() {
        let mut case = Case::new("changes", "port = 1");
        assert!(case.run("port = 1").is_none(), "nothing changed");
        let live = case.run("port = 2\nregister-key = [\"a\", \"b\"]\nregisters-per-minute = 7").unwrap();
        assert_eq!(live.policy.register_keys, Some("a\nb".parse().unwrap()));
        assert_eq!(live.admission.registers_per_minute, 7);
        assert_eq!(case.changes(), (vec![], vec!["port".to_owned()]), "the port still waits for a restart");
        assert!(case.run("port = 2\nregister-key = \"b\"").is_some());
        fs::write(&case.file, "register-key = \"b\"\nlog = \"debug\"\nport = 1").unwrap();
        assert_eq!(case.changes(), (vec!["log".to_owned()], vec![]));
    }

    #[test]
    fn a_broken_file_changes_nothing() {
        let mut case = Case::new("broken", "register-key = \"a\"");
        for broken in
            ["register-key = \"b\"\nprot = 1", "register-key = \"b c\"", "register-key", "port = true"]
        {
            assert!(case.run(broken).is_none(), "{broken}");
        }
        let keys = &case.reload.in_force.config.policy.register_keys;
        assert_eq!(keys, &Some("a".parse().unwrap()));
        fs::remove_file(&case.file).unwrap();
        case.reload.run();
        assert!(case.updater.take().is_none(), "the file that was named is gone");
    }

    #[test]
    fn another_key_in_the_same_file_counts_as_a_change() {
        let key = std::env::temp_dir().join(format!("relayd-reload-key-{}", std::process::id()));
        fs::write(&key, "old").unwrap();
        let text = format!("register-key-file = {key:?}");
        let mut case = Case::new("key", &text);
        fs::write(&key, "old\nnew").unwrap();
        let live = case.run(&text).unwrap();
        assert_eq!(live.policy.register_keys, Some("old\nnew".parse().unwrap()));
        assert!(case.run(&text).is_none());
        fs::remove_file(&key).unwrap();
    }

    #[test]
    fn the_page_stays_where_it_is() {
        let mut case = Case::new("page", "public-ws-url = \"wss://a.example/ws\"");
        let live = case
            .run("public-ws-url = \"wss://b.example/ws\"\nno-page = true\nallowed-origins = \"null\"")
            .unwrap();
        assert_eq!(live.policy.page_url.as_deref(), Some("https://a.example/p"));
        assert!(live.policy.serves_page);
        assert_eq!(live.policy.origins.to_string(), "null,https://a.example");
    }

    #[test]
    fn every_setting_that_can_change_exists() {
        let command = config::command();
        for name in LIVE {
            assert!(config::keys(&command).any(|arg| arg.get_long() == Some(name)), "{name}");
        }
    }

    #[test]
    fn the_pages_name_the_settings_that_can_change() {
        let page = |name: &str| {
            let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs");
            fs::read_to_string(docs.join(name)).unwrap()
        };
        let (configuration, operations) = (page("configuration.md"), page("operations.md"));
        let section = operations.split_once("\n### Changing settings\n").unwrap().1;
        let section = section.split("\n## ").next().unwrap();
        let marked: Vec<&str> = configuration.lines().filter(|line| line.ends_with("↻ |")).collect();
        for name in LIVE {
            let row = format!("| `--{name}` |");
            assert!(marked.iter().any(|line| line.contains(&row)), "{name} in configuration.md");
            assert!(section.contains(&format!("`{name}`")), "{name} in operations.md");
        }
        assert_eq!(marked.len(), LIVE.len(), "{marked:#?}");
    }
}
