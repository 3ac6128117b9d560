//! `rights`: show or change what a phone may do.

use std::process::ExitCode;

use relay_client::app::{Right, Rights};
use relay_client::lines::harmless;

use super::devices::may;
use super::session::Session;
use crate::args::Global;
use crate::ipc::wire::{FromAgent, Phone, RightsChange, ToAgent};
use crate::output::{print, say};

/// Show or change what a phone may do.
///
/// The rights are chat, files, view (see shared terminals), type (into them) and shell (open shells of its
/// own, while `serve --shell` runs). +RIGHT gives one, -RIGHT takes one away, and RIGHT,RIGHT gives these
/// alone; `default` is all but shell, and `none` is none. A connected phone is told at once.
#[derive(Debug, clap::Args)]
pub(crate) struct RightsArgs {
    /// The phone's name, as `devices` lists it.
    #[arg(value_name = "NAME")]
    pub(crate) name: String,

    /// What to change. Without it, the phone's rights are shown.
    #[arg(value_name = "CHANGE", allow_hyphen_values = true, value_parser = Change::parse)]
    pub(crate) changes: Vec<Change>,
}

/// One change, as it is typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Add(Vec<Right>),
    Remove(Vec<Right>),
    Only(Vec<Right>),
}

impl Change {
    fn parse(text: &str) -> Result<Self, String> {
        let listed = |list: &str| list.split(',').map(right).collect::<Result<Vec<_>, _>>();
        match (text, text.strip_prefix('+'), text.strip_prefix('-')) {
            ("default", ..) => Ok(Change::Only(Rights::default().iter().collect())),
            ("none", ..) => Ok(Change::Only(Vec::new())),
            (_, Some(list), _) => listed(list).map(Change::Add),
            (_, _, Some(list)) => listed(list).map(Change::Remove),
            (list, ..) => listed(list).map(Change::Only),
        }
    }
}

fn right(word: &str) -> Result<Right, String> {
    let all: Vec<&str> = Right::ALL.into_iter().map(Right::as_str).collect();
    Right::parse(word).ok_or_else(|| format!("{word:?} is not a right; the rights are {}", all.join(", ")))
}

/// # Errors
/// No phone has this name, or its file can't be written.
pub(crate) fn run(args: &RightsArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let session = Session::open(global)?;
    let change = together(&args.changes);
    let phone = changed(&session, &args.name, &change)?;
    if global.json {
        super::devices::list(std::slice::from_ref(&phone), true)?;
    } else if args.changes.is_empty() {
        let line = may(&phone.rights);
        print(&line, line.as_bytes())?;
    } else {
        say(&format!("\"{}\" now has: {}", harmless(&phone.name), may(&phone.rights)));
    }
    Ok(ExitCode::SUCCESS)
}

/// Changes the rights of a phone, and gives what the agent then knows of it.
///
/// # Errors
/// No phone has this name, or its file can't be written.
pub(super) fn changed(session: &Session, name: &str, change: &RightsChange) -> anyhow::Result<Phone> {
    let request = ToAgent::Rights { name: name.to_owned(), change: change.clone() };
    let FromAgent::Devices { phones, .. } = session.ask(&request)? else {
        anyhow::bail!("the agent gave no list of phones");
    };
    let found = phones.into_iter().find(|phone| phone.name == name);
    found.ok_or_else(|| anyhow::anyhow!("\"{name}\" is no longer paired"))
}

/// The changes in their order as one.
fn together(changes: &[Change]) -> RightsChange {
    let mut whole = RightsChange::default();
    let words = |rights: &[Right]| rights.iter().map(|right| right.as_str().to_owned()).collect::<Vec<_>>();
    for change in changes {
        match change {
            Change::Only(rights) => whole = RightsChange { only: Some(words(rights)), ..Default::default() },
            Change::Add(rights) => {
                let added = words(rights);
                whole.remove.retain(|word| !added.contains(word));
                whole.add.extend(added);
            }
            Change::Remove(rights) => {
                let removed = words(rights);
                whole.add.retain(|word| !removed.contains(word));
                whole.remove.extend(removed);
            }
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(changes: &[&str]) -> String {
        let changes: Vec<Change> = changes.iter().map(|text| Change::parse(text).unwrap()).collect();
        let rights = together(&changes).applied_to(Rights::default());
        rights.iter().map(Right::as_str).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn changes_are_made_in_their_order() {
        for (changes, rights) in [
            (&[][..], "chat files view type"),
            (&["+shell"], "chat files view type shell"),
            (&["-type,files"], "chat view"),
            (&["+shell", "-shell"], "chat files view type"),
            (&["-type", "+type"], "chat files view type"),
            (&["chat,view"], "chat view"),
            (&["none", "+view"], "view"),
            (&["+shell", "default"], "chat files view type"),
            (&["none"], ""),
        ] {
            assert_eq!(after(changes), rights, "{changes:?}");
        }
    }

    #[test]
    fn what_is_not_a_right_is_named() {
        for bad in ["+", "-", "", "shells", "+chat,", "+Chat"] {
            let error = Change::parse(bad).unwrap_err();
            assert!(error.contains("the rights are chat, files, view, type, shell"), "{bad}: {error}");
        }
    }
}
