//! The scripts of the shared store. Each is one atomic step on one key. This file owns their text, and turns
//! requests into calls; `reply` reads the answers.

use std::fmt::Write;

use protocol::ids::{NodeId, Role, SessionId, TokenDigest};
use protocol::message::InstanceClaim;
use redis::Cmd;
use relayd_core::store::{
    Conn, EXPIRY_GRACE_MS, Hold, Request, TAKEOVER_WINDOW_MS, TAKEOVERS_MAX, TOMBSTONE_MS,
};

use super::keys::Keys;

/// All scripts, and the names under which this server keeps them.
#[derive(Debug)]
pub(super) struct Scripts {
    keys: Keys,
    node: NodeId,
    sources: [String; COUNT],
    /// SHA-1 as hex digits, from SCRIPT LOAD. `None` if the server refused to load.
    names: [Option<String>; COUNT],
}

/// How a script is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallBy {
    /// By its name, if the server gave one.
    Name,
    /// By its text, which also makes the server keep it.
    Source,
}

/// The index of a script among the sources. The last is the probe.
type Index = usize;

impl Scripts {
    pub(super) fn new(keys: Keys, node: NodeId, idle_secs: u64) -> Self {
        let constants = constants(idle_secs);
        let of = |at: Index| BODIES.get(at).map(|body| format!("{constants}{SHARED}{body}"));
        let sources = std::array::from_fn(|at| of(at).unwrap_or_else(|| PROBE.to_owned()));
        Scripts { keys, node, sources, names: Default::default() }
    }

    /// The commands that make a server keep the scripts, in the order of the indexes for
    /// [`Scripts::on_loaded`].
    pub(super) fn loads(&self) -> impl Iterator<Item = Cmd> {
        self.sources.iter().map(|source| redis::cmd("SCRIPT").arg("LOAD").arg(source).to_owned())
    }

    /// The server answered load number `index`, with a name or a refusal.
    pub(super) fn on_loaded(&mut self, index: usize, name: Option<String>) {
        self.names[index] =
            name.filter(|name| name.len() == 40 && name.bytes().all(|b| b.is_ascii_hexdigit()));
    }

    /// Appends the call that carries out `request`.
    pub(super) fn write_call(&self, request: &Request, call: CallBy, out: &mut Vec<u8>) {
        let mut cmd = self.call(script_of(request), call, &self.keys.session(request.session()));
        self.write_arguments(request, &mut cmd);
        cmd.write_packed_command(out);
    }

    /// Appends a call of each script with a key that belongs to no session, in an order in which each has
    /// something to do. Returns their number. The next probe deletes what they write.
    pub(super) fn write_rehearsal(&self, call: CallBy, out: &mut Vec<u8>) -> usize {
        let rehearsal = rehearsal();
        for request in &rehearsal {
            let mut cmd = self.call(script_of(request), call, &self.keys.probe(self.node));
            self.write_arguments(request, &mut cmd);
            cmd.write_packed_command(out);
        }
        rehearsal.len()
    }

    /// Appends the call of the probe.
    pub(super) fn write_probe(&self, call: CallBy, out: &mut Vec<u8>) {
        self.call(BODIES.len(), call, &self.keys.probe(self.node)).write_packed_command(out);
    }

    fn call(&self, index: Index, call: CallBy, key: &str) -> Cmd {
        let mut cmd = match (&self.names[index], call) {
            (Some(name), CallBy::Name) => redis::cmd("EVALSHA").arg(name).to_owned(),
            _ => redis::cmd("EVAL").arg(&self.sources[index]).to_owned(),
        };
        cmd.arg(1).arg(key).to_owned()
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
        // Lua's numbers hold 53 bits, so both are texts of a fixed length, whose order is that of the
        // numbers.
        Some(InstanceClaim { instance, attempt }) => {
            cmd.arg(format!("{instance:016x}")).arg(format!("{attempt:020}"));
        }
        None => {
            cmd.arg("").arg("");
        }
    }
}

/// The first letter of a role's fields.
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
fn script_of(request: &Request) -> Index {
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

/// One request of each kind, for no real session.
fn rehearsal() -> [Request; BODIES.len()] {
    let (session, token) = (SessionId::from_bytes([0; 16]), TokenDigest::from_bytes([0; 32]));
    let (role, conn, generation) = (Role::Phone, Conn { slot: 0, name: 0 }, 1);
    let hold = Hold { session, token, role, conn: 0, generation, instance: None, idle_ms: 0 };
    [
        Request::Register { ticket: conn, session, token, again: true },
        Request::Claim { conn, session, token, role, instance: None },
        Request::Check { hold },
        Request::Touch { session, idle_ms: 0 },
        Request::Release { session, role, generation },
        Request::Expire { session },
        Request::Delete { ticket: conn, session, token: None },
    ]
}

/// The constants that precede each script, so that both stores take their figures from one place.
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

/// It does not include the shared text, which the server may refuse.
const PROBE: &str = include_str!("probe.lua");

const COUNT: usize = BODIES.len() + 1;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::rights;
    use super::*;

    /// Each command that stands first in quotes behind `call`, in small letters.
    fn called(text: &str, call: &str) -> BTreeSet<String> {
        let names = text.split(call).skip(1).filter_map(|rest| rest.split('\'').next());
        names.map(str::to_lowercase).collect()
    }

    #[test]
    fn the_probe_calls_what_the_scripts_call_and_the_user_may_call_it() {
        let all = format!("{SHARED}{}", BODIES.concat()).replace("pcall(", "call(");
        let scripts = called(&all, "redis.call('");
        assert!(scripts.len() > 5, "{scripts:?}");
        assert_eq!(called(PROBE, "  {'"), scripts, "left: the probe; right: the scripts");
        let lacking: Vec<_> =
            scripts.iter().filter(|name| !rights::COMMANDS.contains(&name.as_str())).collect();
        assert!(lacking.is_empty(), "{lacking:?} may not be called by the user in docs/operations.md");
    }
}

#[cfg(test)]
#[path = "scripts_tests.rs"]
mod calls;
