//! The scripts that are the shared store: each a single step on a single key. Owns their text and how a request
//! becomes a call of one; what they answer is read in `reply`.

use std::fmt::Write;

use protocol::ids::{NodeId, Role};
use protocol::message::InstanceClaim;
use redis::Cmd;
use relayd_core::store::{EXPIRY_GRACE_MS, Hold, Request, TAKEOVER_WINDOW_MS, TAKEOVERS_MAX, TOMBSTONE_MS};

use super::keys::Keys;

/// All scripts, and the names under which the server at hand keeps them.
#[derive(Debug)]
pub(super) struct Scripts {
    keys: Keys,
    node: NodeId,
    sources: [String; BODIES.len()],
    /// SHA-1 as hex digits, from SCRIPT LOAD. `None` where the server did not say.
    names: [Option<String>; BODIES.len()],
}

/// How a script is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// By its name, if the server said one.
    ByName,
    /// By its text, which also makes the server keep it.
    BySource,
}

impl Scripts {
    pub(super) fn new(keys: Keys, node: NodeId, idle_secs: u64) -> Self {
        let constants = constants(idle_secs);
        let sources = BODIES.map(|body| format!("{constants}{SHARED}{body}"));
        Scripts { keys, node, sources, names: Default::default() }
    }

    /// The commands that make a server keep the scripts, in the order that [`Scripts::on_loaded`] counts.
    pub(super) fn loads(&self) -> impl Iterator<Item = Cmd> {
        self.sources.iter().map(|source| redis::cmd("SCRIPT").arg("LOAD").arg(source).to_owned())
    }

    /// What the server answered to load number `index`: a name, or that it won't.
    pub(super) fn on_loaded(&mut self, index: usize, name: Option<String>) {
        self.names[index] =
            name.filter(|name| name.len() == 40 && name.bytes().all(|b| b.is_ascii_hexdigit()));
    }

    /// Appends the call that carries out `request`.
    pub(super) fn write_call(&self, request: &Request, call: Call, out: &mut Vec<u8>) {
        let index = script_of(request);
        let mut cmd = match (&self.names[index], call) {
            (Some(name), Call::ByName) => redis::cmd("EVALSHA").arg(name).to_owned(),
            _ => redis::cmd("EVAL").arg(&self.sources[index]).to_owned(),
        };
        cmd.arg(1).arg(self.keys.session(request.session()));
        self.write_arguments(request, &mut cmd);
        cmd.write_packed_command(out);
    }

    fn write_arguments(&self, request: &Request, cmd: &mut Cmd) {
        match *request {
            Request::Register { ref token, again, .. } => {
                cmd.arg(hex(token.as_bytes())).arg(u8::from(again));
            }
            Request::Delete { ref token, .. } => {
                cmd.arg(token.map_or(String::new(), |token| hex(token.as_bytes())));
            }
            Request::Claim { conn, ref token, role, instance, .. } => {
                cmd.arg(hex(token.as_bytes())).arg(letter(role)).arg(letter(role.other()));
                cmd.arg(self.node.to_string()).arg(conn.name);
                write_instance(instance, cmd);
            }
            Request::Check { ref hold } => self.write_hold(hold, cmd),
            Request::Expire { .. } => {}
            Request::Release { role, generation, .. } => {
                cmd.arg(letter(role)).arg(generation);
            }
            Request::Touch { idle_ms, .. } => {
                cmd.arg(idle_ms);
            }
        }
    }

    fn write_hold(&self, hold: &Hold, cmd: &mut Cmd) {
        cmd.arg(hex(hold.token.as_bytes())).arg(letter(hold.role)).arg(letter(hold.role.other()));
        cmd.arg(self.node.to_string()).arg(hold.conn).arg(hold.generation);
        write_instance(hold.instance, cmd);
        cmd.arg(hold.idle_ms);
    }
}

fn write_instance(instance: Option<InstanceClaim>, cmd: &mut Cmd) {
    match instance {
        // Lua's numbers hold 53 bits: both are text to the scripts, and of one length, so that text order is theirs.
        Some(InstanceClaim { instance, attempt }) => {
            cmd.arg(format!("{instance:016x}")).arg(format!("{attempt:020}"));
        }
        None => {
            cmd.arg("").arg("");
        }
    }
}

/// What stands before a role's fields.
fn letter(role: Role) -> &'static str {
    match role {
        Role::Workstation => "w",
        Role::Phone => "p",
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String can't fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// The place in [`BODIES`] of the script for a request.
fn script_of(request: &Request) -> usize {
    match request {
        Request::Register { .. } => 0,
        Request::Delete { .. } => 1,
        Request::Claim { .. } => 2,
        Request::Check { .. } => 3,
        Request::Expire { .. } => 4,
        Request::Release { .. } => 5,
        Request::Touch { .. } => 6,
    }
}

/// What the scripts take as given. In the text, so that both stores have their figures from one place.
fn constants(idle_secs: u64) -> String {
    let idle_ms = idle_secs.saturating_mul(1000);
    format!(
        "local IDLE, GRACE, TOMBSTONE = {idle_ms}, {EXPIRY_GRACE_MS}, {TOMBSTONE_MS}\n\
         local TAKEOVERS_MAX, TAKEOVER_WINDOW = {TAKEOVERS_MAX}, {TAKEOVER_WINDOW_MS}\n"
    )
}

const SHARED: &str = include_str!("shared.lua");

const BODIES: [&str; 7] = [
    include_str!("register.lua"),
    include_str!("delete.lua"),
    include_str!("claim.lua"),
    include_str!("check.lua"),
    include_str!("expire.lua"),
    include_str!("release.lua"),
    include_str!("touch.lua"),
];
