//! `devices`: list the paired phones.

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use relay_client::lines::harmless;
use serde::Serialize;

use super::session::Session;
use crate::args::Global;
use crate::ipc::wire::{Phone, State};
use crate::output::{print, say};

/// List the paired phones.
///
/// A phone is online only while the agent runs, which ends with its last command and shared terminal.
#[derive(Debug, clap::Args)]
pub(crate) struct DevicesArgs {}

/// # Errors
/// The agent can't be asked, or stdout takes nothing more.
pub(crate) fn run(_: &DevicesArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let session = Session::open(global)?;
    list(&settled(&session)?, session.json)?;
    Ok(ExitCode::SUCCESS)
}

/// The phones, when the agent knows of each whether it is there: one that was just started does not yet.
fn settled(session: &Session) -> anyhow::Result<Vec<Phone>> {
    let deadline = Instant::now() + SETTLED_WITHIN;
    loop {
        let phones = session.phones()?;
        let is_settled = phones.iter().all(|phone| phone.state != State::Connecting);
        if is_settled || Instant::now() > deadline {
            return Ok(phones);
        }
        thread::sleep(ASK_EVERY);
    }
}

/// How long a connection to the relay is waited for.
const SETTLED_WITHIN: Duration = Duration::from_secs(2);

const ASK_EVERY: Duration = Duration::from_millis(100);

/// Prints the phones.
///
/// # Errors
/// stdout takes nothing more.
pub(super) fn list(phones: &[Phone], json: bool) -> anyhow::Result<()> {
    if phones.is_empty() && !json {
        say("no phone is paired: pair adds one");
    }
    let width = phones.iter().map(|phone| phone.name.chars().count()).max().unwrap_or_default();
    for phone in phones {
        let line = if json { entry(phone) } else { row(phone, width, now()) };
        print(&line, line.as_bytes())?;
    }
    Ok(())
}

/// `Pixel  online      last seen now         chat files view type`
fn row(phone: &Phone, width: usize, now: u64) -> String {
    let name = harmless(&phone.name);
    let pad = width.saturating_sub(name.chars().count());
    let seen = match phone.state {
        State::Online => "now".to_owned(),
        _ => ago(phone.last_seen, now),
    };
    let seen = format!("last seen {seen}");
    let may = may(&phone.rights);
    format!("{name}{}  {:<10}  {seen:<20}  {may}", " ".repeat(pad), state(phone.state))
}

/// A phone's rights for people.
pub(super) fn may(rights: &[String]) -> String {
    if rights.is_empty() { "no rights".to_owned() } else { rights.join(" ") }
}

fn state(state: State) -> &'static str {
    match state {
        State::Online => "online",
        State::Away => "away",
        State::Connecting => "connecting",
        State::Ended => "ended",
    }
}

/// `5 min ago`
fn ago(then: u64, now: u64) -> String {
    if then == 0 {
        return "never".to_owned();
    }
    // A clock that was set back makes the phone seen just now.
    match now.saturating_sub(then) {
        secs @ 0..60 => format!("{secs} s ago"),
        secs @ 60..3_600 => format!("{} min ago", secs / 60),
        secs @ 3_600..172_800 => format!("{} h ago", secs / 3_600),
        secs => format!("{} days ago", secs / 86_400),
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The entry for scripts.
fn entry(phone: &Phone) -> String {
    #[derive(Serialize)]
    struct Entry<'a> {
        name: &'a str,
        state: State,
        online: bool,
        last_seen: u64,
        rights: &'a [String],
        relay: &'a str,
    }
    let Phone { name, state, rights, last_seen, relay } = phone;
    let online = *state == State::Online;
    let entry = Entry { name, state: *state, online, last_seen: *last_seen, rights, relay };
    // There are no maps and no floats in it that could not be written.
    sonic_rs::to_string(&entry).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_for_people_and_entries_for_scripts() {
        let rights = vec!["chat".to_owned()];
        let relay = "http://h".to_owned();
        let phone = |state, last_seen| Phone {
            name: "Pi\u{1b}xel".into(),
            state,
            rights: rights.clone(),
            last_seen,
            relay: relay.clone(),
        };
        for (phone, line) in [
            (phone(State::Online, 1_000), r"Pi\u{1b}xel  online      last seen now         chat"),
            (phone(State::Away, 940), r"Pi\u{1b}xel  away        last seen 1 min ago   chat"),
            (phone(State::Connecting, 0), r"Pi\u{1b}xel  connecting  last seen never       chat"),
            (phone(State::Ended, 2_000), r"Pi\u{1b}xel  ended       last seen 0 s ago     chat"),
        ] {
            assert_eq!(row(&phone, 3, 1_000), line);
        }
        assert_eq!(ago(1, 200_000), "2 days ago");
        assert_eq!(
            entry(&phone(State::Away, 7)),
            r#"{"name":"Pi\u001bxel","state":"away","online":false,"last_seen":7,"rights":["chat"],"relay":"http://h"}"#
        );
    }
}
