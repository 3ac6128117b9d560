//! Sessions as `POST /api/register` makes them, and the hello that joins one.

use std::net::SocketAddr;

use super::http;
use super::json::quoted;
use super::relay::Relay;
use super::role::Role;

/// A registered session's credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// 32 lower-case hex digits.
    pub id: String,
    /// 32 lower-case hex digits.
    pub token: String,
}

impl Session {
    /// Registers a new session.
    pub fn register(relay: &Relay) -> Self {
        Self::register_at(relay.addr())
    }

    /// Registers a new session at one node.
    pub fn register_at(addr: SocketAddr) -> Self {
        let answer = http::post(addr, "/api/register", "").expect(200).json();
        Self { id: answer.text("sessionId").to_owned(), token: answer.text("token").to_owned() }
    }

    /// Registers the same credentials again.
    pub fn register_again(&self, addr: SocketAddr) -> http::Response {
        let body = format!(r#"{{"sessionId":"{}","token":"{}"}}"#, self.id, self.token);
        http::post(addr, "/api/register", &body)
    }

    /// Deletes it, without a token.
    pub fn delete(&self, addr: SocketAddr) -> http::Response {
        self.delete_with(addr, &[])
    }

    /// Deletes it, with headers.
    pub fn delete_with(&self, addr: SocketAddr, headers: &[&str]) -> http::Response {
        http::exchange(addr, http::request("DELETE", &format!("/api/session/{}", self.id), headers, ""))
    }

    /// A hello of version 1.
    pub fn hello(&self, role: Role) -> Hello {
        Hello { session: self.clone(), role, extra: String::new() }
    }
}

/// One hello, to be sent as its text.
#[derive(Clone, Debug)]
pub struct Hello {
    session: Session,
    role: Role,
    extra: String,
}

impl Hello {
    /// Asks for the message types of version 2.
    pub fn v2(self) -> Self {
        self.member("v", "2")
    }

    /// Asks for version 3, in which a dead path is noticed sooner.
    pub fn v3(self) -> Self {
        self.member("v", "3")
    }

    /// Adds the client instance and the number of this connect.
    pub fn instance(self, instance: &str, attempt: u64) -> Self {
        self.member("i", &quoted(instance)).member("n", &attempt.to_string())
    }

    /// Adds any member.
    pub fn member(mut self, name: &str, json: &str) -> Self {
        self.extra.push_str(&format!(",{}:{json}", quoted(name)));
        self
    }

    /// The role it claims.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The session it names.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The JSON.
    pub fn json(&self) -> String {
        let Self { session: Session { id, token }, role, extra } = self;
        format!(r#"{{"type":"hello","s":{},"t":{},"r":"{role}"{extra}}}"#, quoted(id), quoted(token))
    }
}
