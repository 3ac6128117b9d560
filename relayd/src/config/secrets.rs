//! Secrets have one place each: in the settings themselves, or in a file or a command that they name.

use super::flags::Flags;
use super::listing::{Origin, Setting};
use super::redis_url::RedisUrl;
use super::settings::{EarlyExit, SettingReader};
use crate::backend::RedisPassword;
use crate::http::{InvalidRegisterKey, RegisterKeys};
use crate::secrets;

/// The password has one place. A file is read once here, so that a mistake ends the program at once.
pub(super) fn redis_password(
    flags: &Flags,
    settings: &SettingReader<'_>,
    url: Option<&RedisUrl>,
) -> Result<RedisPassword, EarlyExit> {
    let (in_file, of_command) = ("redis_password_file", "redis_password_command");
    let file = settings.read_secret_file(in_file, &flags.redis_password_file)?.map(|(path, _)| path);
    let command = settings.read(of_command, &flags.redis_password_command, |text| Ok(text.to_owned()))?;
    let twice = |one: &str, other: &str| {
        EarlyExit::bad_value(format_args!("{one} and {other} both give the password of Redis: leave one out"))
    };
    let in_url = url.is_some_and(RedisUrl::has_password);
    match (file, command) {
        (Some(_), Some(_)) => Err(twice(&settings.name(in_file), &settings.name(of_command))),
        (Some(_), None) if in_url => Err(twice(&settings.name("redis_url"), &settings.name(in_file))),
        (None, Some(_)) if in_url => Err(twice(&settings.name("redis_url"), &settings.name(of_command))),
        (Some(path), None) => Ok(RedisPassword::File(path)),
        (None, Some(command)) => Ok(RedisPassword::Command(command)),
        (None, None) => Ok(RedisPassword::InUrl),
    }
}

/// The keys, from the settings themselves or from the file that they name.
pub(super) fn register_keys(
    flags: &Flags,
    settings: &SettingReader<'_>,
) -> Result<Option<RegisterKeys>, EarlyExit> {
    let (id, file_id) = ("register_key", "register_key_file");
    let keys = settings.read_secrets(id, &flags.register_key)?;
    let in_file = settings.read_secret_file(file_id, &flags.register_key_file)?;
    match (keys, in_file) {
        (Some(_), Some(_)) => Err(EarlyExit::bad_value(format_args!(
            "{} and {} are both set: leave one out; two keys go into one of them, one a line",
            settings.name(id),
            settings.name(file_id)
        ))),
        (None, Some((_, text))) => {
            let name = settings.name(file_id);
            let invalid = |error| EarlyExit::bad_value(format_args!("{name}: the file is invalid: {error}"));
            text.parse().map(Some).map_err(|error: InvalidRegisterKey| invalid(error))
        }
        (keys, None) => Ok(keys),
    }
}

/// A settings file that holds a secret should not be for everybody.
pub(super) fn warning_of_file(settings: &[Setting]) -> Option<String> {
    settings.iter().filter(|setting| setting.holds_secret()).find_map(|setting| match &setting.origin {
        Origin::File { path, .. } if secrets::is_open_to_all(path) => Some(format!(
            "every user of this machine may read {}, which holds {}: \
             chgrp it to the server's group, then chmod o-r",
            path.display(),
            setting.name
        )),
        _ => None,
    })
}
