//! Where settings come from: the file, variables, credentials, and which of them wins.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// A folder of this test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("relayd-settings-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// Writes a file that only its owner may read.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The settings without the variables of this machine.
fn bare() -> clap::Command {
    command().mut_args(|arg| arg.env(None::<&str>))
}

/// Loads `text` as the settings file of this machine.
fn load_text(text: &str, command: &clap::Command, args: &[&str]) -> Result<Loaded, EarlyExit> {
    static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let folder = Folder::new(&format!("file-{count}"));
    let places = Places { file: Some(folder.write("relayd.toml", text)), credentials: None };
    load_args(command, args, &places)
}

fn load_args(command: &clap::Command, args: &[&str], places: &Places) -> Result<Loaded, EarlyExit> {
    let args = ["relayd"].iter().chain(args).map(OsString::from).collect();
    load_at(command, args, places).map(|(loaded, _)| loaded)
}

fn setting<'a>(loaded: &'a Loaded, name: &str) -> &'a Setting {
    loaded.settings.iter().find(|it| it.name == name).unwrap()
}

#[test]
fn every_flag_is_a_key_of_the_file_and_becomes_that_flag() {
    let command = command();
    let mut count = 0;
    for arg in
        command.get_arguments().filter(|arg| !["help", "version", CONFIG_ID].contains(&arg.get_id().as_str()))
    {
        let name = arg.get_long().expect("a setting is a flag");
        let value = if is_switch(arg) { "true" } else { "\"x\"" };
        let file =
            file::SettingsFile::parse(&format!("\n{name} = {value}"), Path::new("f"), &command).unwrap();
        let flag = if is_switch(arg) { format!("--{name}") } else { format!("--{name}=x") };
        assert_eq!(file.entries.len(), 1, "{name}");
        let entry = &file.entries[0];
        assert_eq!((entry.id.as_str(), entry.line), (arg.get_id().as_str(), 2), "{name}");
        assert_eq!(entry.args, [OsString::from(flag)], "{name}");
        count += 1;
    }
    assert!(count > 30, "{count} settings");
}

#[test]
fn a_variable_in_the_file_leads_to_its_key() {
    let read = |text: &str| file::SettingsFile::parse(text, Path::new("f"), &command()).unwrap_err().text;
    assert_eq!(
        read("RELAY_LOG = \"x\""),
        "relayd: f line 1: there is no key \"RELAY_LOG\": did you mean log?\n"
    );
}

/// The pairs of the table in docs/configuration.md. The variable is one that every test run has.
#[test]
fn a_flag_wins_over_a_variable_over_the_file_over_the_default() {
    let with_variable = bare().mut_arg("drain_secs", |arg| arg.env("CARGO_PKG_VERSION_MINOR"));
    let variable: u64 = env!("CARGO_PKG_VERSION_MINOR").parse().unwrap();
    let (file, flag) = ("drain-secs = 33", "--drain-secs=44");
    for (text, command, args, secs, origin) in [
        ("", &bare(), &[][..], 5, "default"),
        (file, &bare(), &[], 33, "line 1"),
        ("", &with_variable, &[], variable, "variable CARGO_PKG_VERSION_MINOR"),
        ("", &bare(), &[flag], 44, "flag"),
        (file, &with_variable, &[], variable, "variable"),
        (file, &bare(), &[flag], 44, "flag"),
        ("", &with_variable, &[flag], 44, "flag"),
        (file, &with_variable, &[flag], 44, "flag"),
    ] {
        let loaded = load_text(text, command, args).unwrap();
        assert_eq!(loaded.config.stop.drain.as_secs(), secs, "{text} {args:?} {origin}");
        let drain = setting(&loaded, "drain-secs");
        assert!(drain.origin.to_string().contains(origin), "{drain:?} {origin}");
    }
}

#[test]
fn an_empty_variable_leaves_the_file_in_force() {
    // Set but empty in every test run of this package.
    let command = bare().mut_arg("port", |arg| arg.env("CARGO_PKG_HOMEPAGE"));
    assert_eq!(load_text("port = 77", &command, &[]).unwrap().config.port, 77);
}

#[test]
fn the_file_takes_the_kinds_of_toml() {
    let text = "port = 0x1_0\nmemory-max = \"64MiB\"\nallowed-origins = [\"https://a.example\", \"null\"]\n\
                trusted-proxy = \"10.0.0.0/8\"\nmetrics-public = true\nno-page = false\n\
                register-key = [\"one\", \"two\"]\ndrain-secs = 1";
    let config = load_text(text, &bare(), &[]).unwrap().config;
    assert_eq!((config.port, config.memory_max), (16, 64 << 20));
    assert_eq!(config.policy.origins.to_string(), "https://a.example,null");
    assert!(config.policy.metrics_public && config.policy.serves_page);
    assert_eq!(config.policy.register_keys, Some("one\ntwo".parse().unwrap()));
    let switched = load_text("no-page = false", &bare(), &["--no-page"]).unwrap();
    assert!(!switched.config.policy.serves_page, "a flag wins");
}

#[test]
fn a_mistake_in_the_file_is_one_line_with_its_place_and_the_way_out() {
    for (text, said) in [
        ("\nprot = 1", "relayd.toml line 2: there is no key \"prot\": did you mean port?"),
        ("redis_url = \"x\"", "line 1: there is no key \"redis_url\": did you mean redis-url?"),
        ("quux = 1", "there is no key \"quux\": relayd check --example lists them all"),
        ("config = \"x\"", "there is no key \"config\""),
        ("help = true", "there is no key \"help\""),
        ("port = true", "line 1: port = true is invalid: write a whole number"),
        ("port = [1]", "port = […] is invalid: write a whole number"),
        ("no-page = \"yes\"", "no-page = \"yes\" is invalid: write true or false"),
        ("memory-max = false", "write a whole number, or a text such as \"512MiB\""),
        ("allowed-origins = [true]", "several in brackets"),
        ("listen = 1979-05-27", "listen = 1979-05-27 is invalid: write a text in quotes"),
        ("\n\nport = 70000", "line 3: port=\"70000\" is invalid: write a whole number from 0 to 65535"),
        ("drain-secs = 1.5", "line 1: drain-secs=\"1.5\" is invalid: write a whole number"),
        ("port = \"\"", "port=\"\" is invalid"),
        ("[server]\nport = 1", "line 1: \"server\" is a section: write all keys without sections"),
        ("port = 1\nport = 2", "relayd.toml line 2: "),
        ("port 1", "relayd.toml line 1: "),
        ("register-key = [\"s3 cret\"]", "line 1: register-key is invalid: the key must be visible"),
        ("register-key = true", "line 1: register-key = … is invalid"),
        ("register-key = \"s3cret", "relayd.toml line 1: "),
    ] {
        let stop = load_text(text, &bare(), &[]).unwrap_err();
        assert!(stop.text.contains(said), "{text}: {}", stop.text);
        assert_eq!((stop.text.matches('\n').count(), stop.code), (1, 2), "{}", stop.text);
        assert!(!stop.text.contains("s3"), "{}", stop.text);
    }
}

#[test]
fn a_file_that_is_named_must_be_there_and_the_one_of_the_machine_need_not() {
    let absent = Places { file: Some("/no/such/file".into()), credentials: None };
    assert!(load_args(&bare(), &[], &absent).is_ok());
    let stop = load_args(&bare(), &["--config=/no/such/file"], &absent).unwrap_err();
    assert!(
        stop.text.starts_with("relayd: the settings file /no/such/file can't be read ("),
        "{}",
        stop.text
    );
    let folder = Folder::new("named");
    let (one, other) = (folder.write("one.toml", "port = 1"), folder.write("other.toml", "port = 2"));
    let places = Places { file: Some(one), credentials: None };
    let named = load_args(&bare(), &["--config", other.to_str().unwrap()], &places).unwrap();
    assert_eq!(named.config.port, 2, "only the file that is named is read");
}

#[test]
fn register_keys_come_from_one_place_and_two_of_them_count() {
    let folder = Folder::new("keys");
    let file = folder.write("key", "old\nnew\n");
    let flag = format!("--register-key-file={}", file.display());
    let keys = |args: &[&str]| {
        load_args(&bare(), args, &Places::default()).map(|loaded| loaded.config.policy.register_keys)
    };
    let two = Some("old\nnew".parse().unwrap());
    assert_eq!(keys(&[&flag]).unwrap(), two);
    assert_eq!(keys(&["--register-key=old", "--register-key=new"]).unwrap(), two);
    let twice = keys(&[&flag, "--register-key=s3cret"]).unwrap_err();
    assert!(twice.text.contains("--register-key and --register-key-file are both set"), "{}", twice.text);
    assert!(!twice.text.contains("s3cret"));
    fs::write(&file, "s3 cret\n").unwrap();
    let bad = keys(&[&flag]).unwrap_err();
    assert!(bad.text.contains("--register-key-file: the file is invalid: the key must be"), "{}", bad.text);
    fs::write(&file, "a\nb\nc\n").unwrap();
    assert!(keys(&[&flag]).unwrap_err().text.contains("more than 2 keys"));
    let absent = keys(&["--register-key-file=/no/such"]).unwrap_err();
    assert!(absent.text.contains("--register-key-file=\"/no/such\" is invalid: it can't be read ("));
}

#[test]
fn a_secret_that_everybody_may_read_gives_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("mode");
    let file = folder.write("key", "k\n");
    let flag = format!("--register-key-file={}", file.display());
    let warnings = || load_args(&bare(), &[&flag], &Places::default()).unwrap().warnings;
    assert!(warnings().is_empty());
    fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    assert!(warnings()[0].starts_with("every user of this machine may read the secret in "));
    let toml = folder.write("relayd.toml", "register-key = \"k\"");
    let places = Places { file: Some(toml.clone()), credentials: None };
    let warnings = || load_args(&bare(), &[], &places).unwrap().warnings;
    assert!(warnings().is_empty());
    fs::set_permissions(&toml, PermissionsExt::from_mode(0o644)).unwrap();
    assert!(
        warnings()[0].ends_with(
            "relayd.toml, which holds register-key: chgrp it to the server's group, then chmod o-r"
        )
    );
    fs::write(&toml, "port = 1").unwrap();
    assert!(warnings().is_empty(), "it holds no secret");
}

#[test]
fn the_password_of_redis_has_one_place() {
    let folder = Folder::new("redis");
    let file = format!("--redis-password-file={}", folder.write("password", "p\n").display());
    let read = |args: &[&str]| {
        load_args(&bare(), args, &Places::default()).map(|loaded| loaded.config.redis_password)
    };
    let command = "--redis-password-command=echo s3cret";
    assert!(matches!(read(&[&file]), Ok(RedisPassword::File(_))));
    assert_eq!(read(&[command]).unwrap(), RedisPassword::Command("echo s3cret".to_owned()));
    assert_eq!(read(&["--redis-url=redis://me@h", command]).unwrap(), read(&[command]).unwrap());
    for args in [
        &[&file, command][..],
        &["--redis-url=redis://me:s3@h", command],
        &["--redis-url=unix:///s?pass=s3", &file],
    ] {
        let twice = read(args).unwrap_err();
        assert!(twice.text.contains("both give the password of Redis"), "{args:?}: {}", twice.text);
        assert!(!twice.text.contains("s3"), "{}", twice.text);
    }
    let absent = read(&["--redis-password-file=/no/such"]).unwrap_err();
    assert!(absent.text.contains("it can't be read"), "{}", absent.text);
}

#[test]
fn credentials_count_where_nothing_else_is_set() {
    let folder = Folder::new("credentials");
    folder.write("register-key", "from-credential\n");
    folder.write("redis-password", "p\n");
    let places = Places { file: None, credentials: Some(folder.0.clone()) };
    let loaded = load_args(&bare(), &[], &places).unwrap();
    assert_eq!(loaded.config.policy.register_keys, Some("from-credential".parse().unwrap()));
    assert!(matches!(loaded.config.redis_password, RedisPassword::File(_)));
    assert_eq!(setting(&loaded, "register-key-file").origin, Origin::Credential);
    let loaded = load_args(&bare(), &["--register-key=k", "--redis-password-command=c"], &places).unwrap();
    assert_eq!(loaded.config.policy.register_keys, Some("k".parse().unwrap()));
    assert!(matches!(loaded.config.redis_password, RedisPassword::Command(_)));
}

#[test]
fn the_list_shows_values_with_their_origins_and_no_secrets() {
    let text = "port = 1\nregister-key = \"s3cret\"";
    let args = ["--redis-url=redis://me:s3cret@h:1", "--redis-password-file=", "--tls-cert="];
    let loaded = load_text(text, &bare(), &args[..1]).unwrap();
    let shown =
        |name: &str| (setting(&loaded, name).shown().to_owned(), setting(&loaded, name).origin.to_string());
    assert_eq!(shown("register-key").0, "(set)");
    assert_eq!(shown("redis-url"), ("redis://***@h:1".to_owned(), "flag".to_owned()));
    assert_eq!(shown("port").0, "1");
    assert!(shown("port").1.ends_with("relayd.toml line 1"), "{}", shown("port").1);
    assert_eq!(shown("drain-secs"), ("5".to_owned(), "default".to_owned()));
    assert_eq!(shown("no-page"), ("off".to_owned(), "default".to_owned()));
    let all = format!("{loaded:?}");
    assert!(!all.contains("s3cret"), "{all}");
    let command = load_text("redis-password-command = \"echo s3cret\"", &bare(), &[]).unwrap();
    assert!(!format!("{command:?}").contains("s3cret"));
}

/// A new flag that takes a secret must be hidden: its value is named KEY, PASSWORD, SECRET, TOKEN or CMD.
#[test]
fn settings_that_sound_secret_are_hidden() {
    let command = command();
    for arg in keys(&command).filter(|arg| !is_switch(arg) && value_name(arg) != "FILE") {
        let id = arg.get_id().as_str();
        let sounds =
            ["key", "password", "secret", "command"].iter().any(|word| id.split('_').any(|it| it == *word));
        assert!(!sounds || listing::is_secret(arg), "{id}");
    }
}
