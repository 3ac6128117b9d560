//! `pair`: pair with one more phone.

use std::process::ExitCode;
use std::sync::Arc;

use super::inputs::{Input, Inputs};
use super::pairing::Pairer;
use super::session::Session;
use crate::args::{CodeArgs, Global, RelayArgs};
use crate::status::Reporter;
use crate::talk::close_on_signal;

/// Pair with one more phone.
///
/// The code and its question end with this command, and the phone stays paired. `devices` lists the phones.
#[derive(Debug, clap::Args)]
pub(crate) struct PairArgs {
    #[command(flatten)]
    pub(crate) relay: RelayArgs,

    #[command(flatten)]
    pub(crate) code: CodeArgs,

    /// Call the phone by this name. [default: the name it has for itself]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// # Errors
/// There is no relay, no agent, or no terminal to ask at.
pub(crate) fn run(args: &PairArgs, global: &Global) -> anyhow::Result<ExitCode> {
    let session = Session::open(global)?;
    let reporter = Reporter::open(session.json, false)?;
    let inputs = Arc::new(Inputs::default());
    let interrupted = Arc::clone(&inputs);
    close_on_signal(move || interrupted.put(Input::Interrupted))?;
    let pairer = Pairer {
        session: &session,
        relay: &args.relay,
        code: &args.code,
        name: args.name.as_deref(),
        inputs: &inputs,
        reporter: &reporter,
    };
    Ok(pairer.pair()?.into())
}
