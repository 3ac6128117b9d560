//! The settings of `--domain`: certificates by ACME.

use std::collections::HashSet;
use std::path::PathBuf;

use super::flags::Flags;
use super::settings::{EarlyExit, SettingReader};
use super::values;
use crate::acme::{AcmeSettings, ChallengeKind, HttpsUrl, NAMES_MAX};
use crate::tls::CaBundle;

/// `None` without `--domain`.
pub(super) fn read(flags: &Flags, settings: &SettingReader<'_>) -> Result<Option<AcmeSettings>, EarlyExit> {
    let names = read_names(flags, settings)?;
    let directory = settings.read("acme_directory", &flags.acme_directory, str::parse)?;
    let email = settings.read("acme_email", &flags.acme_email, values::email)?;
    let challenge = settings.read("acme_challenge", &flags.acme_challenge, |text| {
        values::word(text, &[ChallengeKind::TlsAlpn01, ChallengeKind::Http01].map(|kind| (kind.name(), kind)))
    })?;
    let ca = settings.read("acme_ca_cert", &flags.acme_ca_cert, |path| {
        CaBundle::read(path).map_err(|error| error.to_string())
    })?;
    let http_port = settings.read("http_port", &flags.http_port, |text| values::number(text, 0..=65535))?;
    let http_port = http_port.and_then(|port| u16::try_from(port).ok());
    if names.is_empty() {
        let needless = [
            ("--acme-directory", directory.is_some()),
            ("--acme-email", email.is_some()),
            ("--acme-ca-cert", ca.is_some()),
            ("--acme-agree-tos", flags.acme_agree_tos),
            ("--http-port", http_port.is_some()),
        ];
        return match needless.into_iter().find(|(_, is_set)| *is_set) {
            Some((flag, _)) => Err(EarlyExit::bad_value(format_args!(
                "{flag} is set, but --domain is not: add --domain with this server's public name, or leave {flag} out"
            ))),
            None => Ok(None),
        };
    }
    let directory = directory.map_or_else(|| LETS_ENCRYPT.parse().map_err(EarlyExit::bad_value), Ok)?;
    check_terms(flags, &directory)?;
    let (challenge, http_port) = (challenge.unwrap_or_default(), http_port.unwrap_or(HTTP_PORT_DEFAULT));
    if challenge == ChallengeKind::Http01 && http_port == 0 {
        return Err(EarlyExit::bad_value(
            "--acme-challenge http-01 needs a listener for it: leave --http-port out, or name the port that port 80 \
             leads to",
        ));
    }
    let state_dir = read_state_dir(flags, settings);
    let http_port = Some(http_port).filter(|port| *port != 0);
    Ok(Some(AcmeSettings { names, email, directory, ca, challenge, state_dir, http_port }))
}

fn read_names(flags: &Flags, settings: &SettingReader<'_>) -> Result<Vec<String>, EarlyExit> {
    let mut names = settings.read_each("domain", &flags.domain, values::dns_name)?;
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    if names.len() > NAMES_MAX {
        return Err(EarlyExit::bad_value(format_args!(
            "--domain has {} names: give at most {NAMES_MAX}, as all of them are in one certificate",
            names.len()
        )));
    }
    Ok(names)
}

/// Nothing is asked of a CA before somebody agreed to its terms.
fn check_terms(flags: &Flags, directory: &HttpsUrl) -> Result<(), EarlyExit> {
    if flags.acme_agree_tos {
        return Ok(());
    }
    let terms = if directory.host().ends_with(".letsencrypt.org") {
        "https://letsencrypt.org/repository/".to_owned()
    } else {
        format!("named as termsOfService in {directory}")
    };
    Err(EarlyExit::bad_value(format_args!(
        "--domain asks a CA for a certificate, which needs your consent to its terms: read them ({terms}) and add \
         --acme-agree-tos"
    )))
}

/// systemd may name several folders, of which the first is ours.
fn read_state_dir(flags: &Flags, settings: &SettingReader<'_>) -> Option<PathBuf> {
    let given = settings.read_path("state_dir", &flags.state_dir);
    let of_systemd = || {
        let folders = std::env::var("STATE_DIRECTORY").ok()?;
        folders.split(':').next().filter(|first| !first.is_empty()).map(PathBuf::from)
    };
    given.or_else(of_systemd)
}

/// Only a server needs the folder: in a shell, where systemd names none, settings can be checked without it.
pub(super) fn missing_state_dir(acme: Option<&AcmeSettings>) -> Option<EarlyExit> {
    acme.filter(|acme| acme.state_dir.is_none()).map(|_| {
        EarlyExit::bad_value(
            "--domain needs a folder that survives a restart, for the account and the certificate: name one with \
             --state-dir, or write StateDirectory=relayd into the systemd unit",
        )
    })
}

/// Let's Encrypt.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

const HTTP_PORT_DEFAULT: u16 = 80;
