//! The workstation program: registers a session, shows its QR code, passes lines to and from the phone.
//!
//! Both binaries call [`run`]. `args` is the command line, `address` decides what the phone is told to connect to,
//! `picture` draws, `talk` holds the conversation. The connection itself is `relay-client`'s.

mod address;
mod args;
mod picture;
mod talk;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use protocol::ids::Role;
use protocol::qr::Pairing;
use relay_client::http::{self, Registration};
use relay_client::{Client, Settings, Stop};

use args::Args;
use picture::Picture;

/// The whole program; blocks until it ends. The exit code is 0 after Ctrl-C or the end of the input, 1 if the
/// session could not be had or was taken away, 2 for a bad command line.
pub fn run() -> ExitCode {
    match converse(&Args::parse()) {
        Ok(Stop::Closed) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn converse(args: &Args) -> anyhow::Result<Stop> {
    let registration = http::register(&args.server, args.register_key.as_deref())?;
    show_pairing(args, &registration)?;
    let pairing = &registration.pairing;
    // We reached the relay at this address; the one it calls its own may only be reachable from elsewhere.
    let settings = Settings {
        endpoint: args.server.web_socket(),
        session: pairing.session,
        token: pairing.token,
        ..Settings::new(pairing, Role::Workstation)?
    };
    let client = Client::connect(settings)?;
    let why = talk::until_stopped(client)?;
    if args.kill && why == Stop::Closed {
        end_session(args, pairing)?;
    }
    Ok(why)
}

/// Draws the code and prints the same as text.
fn show_pairing(args: &Args, registration: &Registration) -> anyhow::Result<()> {
    let (endpoint, remark) = address::for_phone(args, &registration.pairing.ws)?;
    let pairing = Pairing { ws: endpoint.to_string(), ..registration.pairing.clone() };
    let payload = pairing.to_json();
    let picture = Picture::of(&payload)?;
    print(&picture.lines())?;
    print(&format!("or paste this: {payload}\n"))?;
    print(&format!("the phone connects to {endpoint}{remark}\n"))?;
    if let Some(file) = &args.png {
        picture.write_png(file).with_context(|| format!("can't write the picture to {}", file.display()))?;
        print(&format!("the code is also in {}\n", file.display()))?;
    }
    Ok(())
}

fn end_session(args: &Args, pairing: &Pairing) -> anyhow::Result<()> {
    let was_there = http::delete(&args.server, pairing.session, &pairing.token)
        .context("the session was not deleted and ends when it expires")?;
    print(if was_there { "session deleted\n" } else { "session was gone already\n" })
}

/// Writes to stdout at once: tests and pipes read line by line.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("can't write to stdout")
}
