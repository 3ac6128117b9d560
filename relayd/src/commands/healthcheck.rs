//! `relayd healthcheck`: whether the server that runs with these settings on this machine is well. For
//! containers, which have no shell and no curl.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::ask::ask_own;
use crate::config::Loaded;

/// Container managers give a check a few seconds, and one that starts a process a part of these.
const ANSWER_WITHIN: Duration = Duration::from_millis(900);

/// The options of `healthcheck`.
#[derive(Clone, Debug, Args)]
pub struct HealthcheckArgs {
    /// Ask whether it is ready, with its store, and not only whether it serves
    #[arg(long)]
    ready: bool,
}

/// Exit code 0 if it is well, else 1 and one line on standard error.
pub(super) fn run(args: &HealthcheckArgs, loaded: &Loaded) -> ExitCode {
    let path = if args.ready { "/ready" } else { "/health" };
    let port = loaded.config.port;
    let words = match ask_own(&loaded.config, path, ANSWER_WITHIN) {
        _ if port == 0 => "--port 0 takes any free port; set one to be asked at".to_owned(),
        Ok(answer) if answer.status == 200 => return ExitCode::SUCCESS,
        Ok(answer) => {
            format!("{path} at port {port} is answered {}: {}", answer.status, answer.body.trim_end())
        }
        Err(error) => format!("{path} at port {port}: {error}"),
    };
    // A closed standard error changes nothing about the answer.
    let _ = writeln!(io::stderr(), "relayd: {words}");
    ExitCode::FAILURE
}
