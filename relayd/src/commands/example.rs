//! The settings file with every key, as a comment, made from the flags and their help.

use clap::Arg;

use crate::config;

/// The file's text.
pub(super) fn text() -> String {
    let command = config::command();
    config::keys(&command).fold(HEADER.to_owned(), |text, arg| text + "\n" + &entry(arg))
}

/// The help of one setting, its variable, and its key at its default.
fn entry(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let default = config::default_in_help(arg);
    let (said, _) = help.split_once(" [default: ").unwrap_or((&help, ""));
    let mut words = vec![format!("{}.", said.trim_end_matches('.'))];
    let literal = default.as_deref().filter(|text| is_literal(text));
    words.extend(default.as_ref().filter(|_| literal.is_none()).map(|text| format!("Default: {text}.")));
    words.extend(arg.get_env().map(|name| format!("Variable: {}.", name.to_string_lossy())));
    let value = match (config::is_switch(arg), literal) {
        (true, _) => "false".to_owned(),
        (_, Some(text)) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.to_owned(),
        (_, Some(text)) => format!("{text:?}"),
        (_, None) => format!("{:?}", config::value_name(arg)),
    };
    format!("{}#{} = {value}\n", comment(&words.join(" ")), arg.get_long().unwrap_or_default())
}

/// True if a default in the help is a value that can be written. The others are words about what happens.
fn is_literal(default: &str) -> bool {
    !default.contains(' ') && !["none", "plain"].contains(&default)
}

/// Lines of at most [`COLUMNS`].
fn comment(text: &str) -> String {
    let mut lines = vec!["#".to_owned()];
    for word in text.split_whitespace() {
        let is_full =
            lines.last().is_some_and(|line| line.chars().count() + 1 + word.chars().count() > COLUMNS);
        if is_full {
            lines.push("#".to_owned());
        }
        if let Some(line) = lines.last_mut() {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines.join("\n") + "\n"
}

const HEADER: &str = "\
# Settings of relayd. It reads this file from /etc/relayd/relayd.toml, or from where --config says.
#
# Each key is the name of a flag. To change a setting, take the # away from the line of its key. The values
# here are the defaults; one in CAPITALS stands for a value of yours.
# A flag wins over its variable, and a variable over this file. Check it with: relayd check
";

const COLUMNS: usize = 100;

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn the_file_in_deploy_is_this_one() {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/relayd.toml");
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert!(written == text(), "it differs: relayd check --example > deploy/relayd.toml");
    }

    #[test]
    fn its_values_are_the_defaults() {
        let load = |path: &std::path::Path| {
            let args = ["relayd".into(), "--config".into(), OsString::from(path)];
            let command = config::command().mut_args(|arg| arg.env(None::<&str>));
            config::load_for(&command, args).unwrap().0.config
        };
        let uncommented = |line: &str| {
            let key =
                line.strip_prefix('#').filter(|line| !line.starts_with([' ', '\n']) && !line.is_empty())?;
            let value = key.split_once(" = ")?.1;
            let is_placeholder = value.starts_with("\"")
                && value.bytes().any(|byte| byte.is_ascii_uppercase())
                && !value.bytes().any(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
            (!is_placeholder).then(|| key.to_owned())
        };
        let keys: Vec<String> = text().lines().filter_map(uncommented).collect();
        assert!(keys.len() > 15, "{keys:?}");
        let path = std::env::temp_dir().join(format!("relayd-example-{}.toml", std::process::id()));
        fs::write(&path, keys.join("\n")).unwrap();
        let defaults = format!("{:?}", load("/dev/null".as_ref()));
        assert_eq!(format!("{:?}", load(&path)), defaults);
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn every_setting_is_in_it_once() {
        let text = text();
        for arg in config::keys(&config::command()) {
            let key = format!("\n#{} = ", arg.get_long().unwrap());
            assert_eq!(text.matches(&key).count(), 1, "{key}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS + 10), "{text}");
    }
}
