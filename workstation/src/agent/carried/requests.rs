//! What commands ask of the channels that are carried for them.

use std::sync::Arc;

use mio::Token;
use relay_client::AppLink;
use relay_client::app::{Kind, Reason};

use super::{Carried, Channel, refused, tell};
use crate::agent::desk::Desk;
use crate::agent::lines::PhoneKey;
use crate::ipc::wire::carry::ToCarrier;

/// Carries out a request. `link` gives a phone's.
///
/// # Errors
/// The request can't be meant.
pub(in crate::agent) fn on_request(
    carried: &mut Carried,
    (command, request): (Token, ToCarrier),
    link: impl Fn(PhoneKey) -> Option<Arc<AppLink>>,
    desk: &mut Desk,
) -> anyhow::Result<()> {
    match request {
        ToCarrier::Follow => carried.follow(command, desk),
        ToCarrier::Take { kind, from } => carried.take(command, known(&kind)?, from),
        ToCarrier::Open { handle, phone, kind, params } => {
            let kind = known(&kind)?;
            let gone = || Reason::new(Reason::NOT_FOUND, "this phone is not paired any more");
            let here = carried.here(&phone).and_then(|key| Ok((key, link(key).ok_or_else(gone)?)));
            match here {
                Ok((key, app)) => carried.open((command, handle), (key, &app), (kind, &params), desk),
                Err(reason) => tell(desk, command, refused(handle, &reason)),
            }
        }
        ToCarrier::Accept { handle, params } => {
            carried.with(command, handle, |channel| channel.accept(&params));
        }
        ToCarrier::Refuse { handle, reason, words } => {
            carried.with(command, handle, |channel| channel.refuse(Reason::of(reason, &words)));
        }
        ToCarrier::Consumed { handle, n } => carried.with(command, handle, |channel| channel.consumed(n)),
        ToCarrier::End { handle } => carried.with(command, handle, Channel::end),
        ToCarrier::Reset { handle, reason, words } => {
            carried.with(command, handle, |channel| channel.reset(Reason::of(reason, &words)));
        }
    }
    Ok(())
}

fn known(kind: &str) -> anyhow::Result<Kind> {
    Kind::parse(kind).ok_or_else(|| anyhow::anyhow!("the agent does not know channels of kind {kind:?}"))
}
