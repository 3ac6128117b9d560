//! The phones that a command means, by their names.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::ipc::carried::{Carried, CarriedEvent, Peer};

/// The agent knows its phones at once.
const TOLD_WITHIN: Duration = Duration::from_secs(10);

/// The phones to send to: those of these names, or the only one.
///
/// # Errors
/// There is none of a name, or no name and not one phone.
pub(in crate::commands) fn chosen(carried: &Carried, names: &[String]) -> anyhow::Result<Vec<Peer>> {
    let mut phones = paired(carried)?;
    match (names, phones.len()) {
        (_, 0) => bail!("no phone is paired: the command pair adds one"),
        ([], 1) => Ok(phones),
        ([], _) => {
            phones.sort_by(|one, other| one.name.cmp(&other.name));
            let names: Vec<String> = phones.iter().map(|phone| format!("--to \"{}\"", phone.name)).collect();
            bail!("several phones are paired: say which, with {}", names.join(" or "))
        }
        _ => named(&phones, names),
    }
}

/// The phones of these names.
///
/// # Errors
/// There is none of a name.
pub(in crate::commands) fn named(phones: &[Peer], names: &[String]) -> anyhow::Result<Vec<Peer>> {
    let mut found: Vec<Peer> = Vec::new();
    for name in names {
        let phone = phones.iter().find(|phone| phone.name == *name);
        let phone = phone
            .with_context(|| format!("no phone is called \"{name}\"; the command devices lists them"))?;
        if !found.contains(phone) {
            found.push(phone.clone());
        }
    }
    Ok(found)
}

/// The paired phones: everything that the agent tells before `Told`.
///
/// # Errors
/// The agent does not tell.
pub(in crate::commands) fn paired(carried: &Carried) -> anyhow::Result<Vec<Peer>> {
    let deadline = Instant::now() + TOLD_WITHIN;
    let mut phones: Vec<Peer> = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // One at a time: what follows is for the command.
        match carried.next_events(1, left).pop() {
            Some(CarriedEvent::Phone(peer)) => {
                phones.retain(|phone| phone.id != peer.id);
                phones.push(peer);
            }
            Some(CarriedEvent::Told) => return Ok(phones),
            Some(CarriedEvent::Failed { why }) => bail!("{why}"),
            Some(_) => {}
            None => bail!("the agent did not say which phones are paired; agent.log may say why"),
        }
    }
}
