//! Errors of Redis. Pure. It tells errors of one request from errors that concern the whole server. Of
//! Redis's own text only the code is shown, because Redis quotes arguments, which hold session ids and
//! digests of tokens.

use std::io;

use redis::ServerError;

use super::rights;
use super::tls;
use super::trouble::{ErrorCode, Trouble};

/// Why a connection can't be used any more, in words for an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    why: String,
    /// The server is a replica and refuses writes: every connection to it must be dialed again.
    pub(super) is_replica: bool,
}

/// The meaning of a server's error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ServerRefusal {
    /// The server forgot its scripts.
    NoScript,
    /// The server has no memory for this request's write. Other requests may succeed.
    Full,
    /// It concerns this request alone: its key, or the value there. The connection is sound.
    Own(ErrorCode),
    /// It concerns all requests, by its text. A probe tells if that is true.
    Server(Trouble),
}

impl ServerRefusal {
    /// Reads an error.
    pub(super) fn of(error: &ServerError) -> Self {
        Self::read(error.code(), error.details().unwrap_or_default())
    }

    /// Reads the error of a command that a script called.
    pub(super) fn in_script(text: &str) -> Self {
        let (code, rest) = text.split_once(' ').unwrap_or((text, ""));
        if code.starts_with('@') { Self::read_general(text) } else { Self::read(code, rest) }
    }

    /// Reads an error during set-up, where each one ends the connection. `asked` is the refused command, if
    /// it is one that the user needs.
    pub(super) fn while_dialing(error: &ServerError, asked: Option<&'static str>) -> Fault {
        Self::of(error).into_fault(asked)
    }

    /// See [`ServerRefusal::while_dialing`].
    pub(super) fn into_fault(self, asked: Option<&'static str>) -> Fault {
        let trouble = match self {
            ServerRefusal::NoScript => Trouble::Other(ErrorCode::of("NOSCRIPT")),
            ServerRefusal::Full => Trouble::Full,
            ServerRefusal::Own(code) => Trouble::Other(code),
            ServerRefusal::Server(Trouble::NoCommand(None)) => Trouble::NoCommand(asked),
            ServerRefusal::Server(Trouble::Unknown(None)) => Trouble::Unknown(asked),
            ServerRefusal::Server(trouble) => trouble,
        };
        Fault::from(&trouble)
    }

    fn read(code: &str, text: &str) -> Self {
        if code == "ERR" {
            return Self::read_general(text);
        }
        match code {
            "NOSCRIPT" => ServerRefusal::NoScript,
            "OOM" => ServerRefusal::Full,
            "LOADING" => ServerRefusal::Server(Trouble::Loading),
            "READONLY" => ServerRefusal::Server(Trouble::ReadOnly),
            "MASTERDOWN" => ServerRefusal::Server(Trouble::MasterDown),
            "CLUSTERDOWN" | "MOVED" | "ASK" | "TRYAGAIN" | "CROSSSLOT" => {
                ServerRefusal::Server(Trouble::Cluster(ErrorCode::of(code)))
            }
            "MISCONF" => ServerRefusal::Server(Trouble::Misconfigured),
            "NOAUTH" => ServerRefusal::Server(Trouble::NoPassword),
            "WRONGPASS" => ServerRefusal::Server(Trouble::WrongPassword),
            "NOPERM" if text.contains("keys") => ServerRefusal::Server(Trouble::NoKeys),
            "NOPERM" if text.contains("channels") => ServerRefusal::Server(Trouble::NoChannels),
            "NOPERM" => ServerRefusal::Server(Trouble::NoCommand(rights::quoted_in(text))),
            "BUSY" | "UNKILLABLE" => ServerRefusal::Server(Trouble::Busy),
            "NOREPLICAS" => ServerRefusal::Server(Trouble::TooFewReplicas),
            _ => ServerRefusal::Own(ErrorCode::of(code)),
        }
    }

    /// Reads an error whose code is just `ERR`.
    fn read_general(text: &str) -> Self {
        // Servers before version 7 wrap errors inside a script.
        let wrapped = text.starts_with("Error running script") || text.starts_with('@');
        if let Some(code) = wrapped.then(|| words(text).find(|word| WRAPPED.contains(word))).flatten() {
            return Self::read(code, "");
        }
        let says = |part: &str| text.contains(part);
        let trouble = if text.starts_with("unknown ") || says("Unknown Redis command called from") {
            Trouble::Unknown(None)
        } else if says("can't run this command") {
            Trouble::NoCommand(None)
        } else if says("can't access at least one of the keys") {
            Trouble::NoKeys
        } else if says("max number of clients reached") {
            Trouble::TooManyClients
        } else if says("DB index") {
            Trouble::NoDatabase
        } else if says("AUTH") || says("invalid password") {
            Trouble::WrongPassword
        } else {
            return ServerRefusal::Own(ErrorCode::of("ERR"));
        };
        ServerRefusal::Server(trouble)
    }
}

impl Fault {
    /// A fault with a reason of our own, which must not hold text of a server.
    pub(super) fn new(why: impl Into<String>) -> Self {
        Fault { why: why.into(), is_replica: false }
    }

    /// The server sent bytes that Redis would not send.
    pub(super) fn unexpected() -> Self {
        Fault::new("it does not answer like a Redis; check that REDIS_URL names a Redis")
    }

    /// No answer came in time.
    pub(super) fn silent() -> Self {
        Fault::new("it does not answer in time")
    }

    /// The server's memory is full.
    pub(super) fn full() -> Self {
        Fault::from(&Trouble::Full)
    }

    /// The reason.
    pub(super) fn why(&self) -> &str {
        &self.why
    }
}

impl From<&Trouble> for Fault {
    fn from(trouble: &Trouble) -> Self {
        let is_replica = matches!(trouble, Trouble::ReadOnly | Trouble::MasterDown);
        Fault { why: trouble.words(), is_replica }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Fault::silent(),
            io::ErrorKind::UnexpectedEof => Fault::new("it ended the connection"),
            // In the words of TLS or of the operating system.
            _ => Fault::new(tls::explain(&error).unwrap_or_else(|| error.to_string())),
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_uppercase()).filter(|word| !word.is_empty())
}

/// Codes that may occur in the text around a script's error.
const WRAPPED: [&str; 9] = [
    "OOM",
    "WRONGTYPE",
    "READONLY",
    "MASTERDOWN",
    "MISCONF",
    "NOREPLICAS",
    "NOPERM",
    "LOADING",
    "CLUSTERDOWN",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A secret among the arguments that Redis quotes.
    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn shown(code: &str, text: &str) -> String {
        match ServerRefusal::read(code, text) {
            ServerRefusal::NoScript => "forgotten".to_owned(),
            ServerRefusal::Full => "full".to_owned(),
            ServerRefusal::Own(code) => format!("own {}", code.as_str()),
            ServerRefusal::Server(trouble) => trouble.words(),
        }
    }

    #[test]
    fn errors_of_a_request_are_told_from_errors_of_the_server() {
        let in_script = "Error running script (call to f_00): @user_script:3: @user_script: 3: -";
        for (code, text, expected) in [
            ("NOSCRIPT", "No matching script. Please use EVAL.", "forgotten"),
            ("OOM", "command not allowed when used memory > 'maxmemory'.", "full"),
            ("ERR", &format!("{in_script}OOM command not allowed when used memory > 'maxmemory'."), "full"),
            ("WRONGTYPE", "Operation against a key holding the wrong kind of value", "own WRONGTYPE"),
            ("ERR", &format!("{in_script}WRONGTYPE Operation against a key"), "own WRONGTYPE"),
            ("ERR", "user_script:1: attempt to perform arithmetic on a nil value", "own ERR"),
            ("ERR", "Error running script (call to f_00): @user_script:1: attempt to compare", "own ERR"),
            ("FROMLATER", "a code that nobody knows yet", "own FROMLATER"),
            ("ALONGCODEOFSIXTEE", "", "own ERR"),
            ("lower", "", "own ERR"),
            (ID, "no code at all", "own ERR"),
        ] {
            assert_eq!(shown(code, text), expected, "{code} {text}");
        }
    }

    #[test]
    fn each_error_of_the_server_has_its_own_words() {
        let script = "The user executing the script can't run this command or subcommand script: 00";
        let mut all = Vec::new();
        for (code, text, expected) in [
            ("LOADING", "Redis is loading the dataset in memory", "LOADING"),
            ("READONLY", "You can't write against a read only replica.", "READONLY"),
            ("MASTERDOWN", "Link with MASTER is down", "MASTERDOWN"),
            ("CLUSTERDOWN", "Hash slot not served", "CLUSTERDOWN"),
            ("MOVED", "3999 127.0.0.1:6381", "MOVED"),
            ("MISCONF", "Redis is configured to save RDB snapshots", "MISCONF"),
            ("NOAUTH", "Authentication required.", "NOAUTH"),
            ("WRONGPASS", "invalid username-password pair or user is disabled.", "authentication failed"),
            ("NOPERM", "this user has no permissions to run the 'hgetall' command", "lacks HGETALL "),
            ("NOPERM", "this user has no permissions to run the 'script|load' command", "lacks SCRIPT LOAD "),
            ("NOPERM", "this user has no permissions to run the 'flushall' command", "lacks a command"),
            ("NOPERM", "this user has no permissions to access one of the keys used as arguments", "keys"),
            ("NOPERM", "this user has no permissions to access one of the channels used", "channels"),
            ("BUSY", "Redis is busy running a script.", "BUSY"),
            ("NOREPLICAS", "Not enough good replicas to write.", "NOREPLICAS"),
            ("ERR", "max number of clients reached", "maxclients"),
            ("ERR", "DB index is out of range", "the database"),
            (
                "ERR",
                "unknown command 'EVALSHA', with args beginning with: 'x' ",
                "does not know a command, or",
            ),
        ] {
            let said = shown(code, text);
            assert!(said.contains(expected), "{code} {text}: {said}");
            assert!(!said.starts_with("own "), "{code} {text}: it concerns all requests");
            assert!(!all.contains(&said), "{said}");
            all.push(said);
        }
        assert_eq!(shown("ERR", script), shown("NOPERM", ""));
        for text in ["AUTH <password> called without any password configured", "invalid password"] {
            assert_eq!(shown("ERR", text), shown("WRONGPASS", ""), "{text}");
        }
        assert_eq!(
            shown("ERR", "Unknown Redis command called from script"),
            shown("ERR", "unknown command 'x'")
        );
    }

    #[test]
    fn arguments_that_redis_quotes_are_not_shown() {
        for code in ["ERR", "NOPERM", "READONLY", "FROMLATER", "MOVED", ID] {
            for text in [
                format!("unknown command 'EVALSHA', with args beginning with: 'ab' '1' 'relay:sess:{ID}' "),
                format!("this user has no permissions to run the '{ID}' command"),
                format!("Error running script (call to f_{ID}): @user_script: 1: {ID}"),
                ID.to_owned(),
            ] {
                let said = shown(code, &text);
                assert!(!said.contains(ID) && !said.contains("sess:"), "{said}");
            }
        }
    }

    #[test]
    fn a_replica_is_told_from_other_faults() {
        assert!(Fault::from(&Trouble::ReadOnly).is_replica && Fault::from(&Trouble::MasterDown).is_replica);
        assert!(!Fault::from(&Trouble::Loading).is_replica && !Fault::silent().is_replica);
    }

    #[test]
    fn a_socket_that_says_nothing_is_told_from_one_that_ended() {
        let why = |kind: io::ErrorKind| Fault::from(io::Error::from(kind)).why().to_owned();
        assert_eq!(why(io::ErrorKind::TimedOut), Fault::silent().why());
        assert_eq!(why(io::ErrorKind::WouldBlock), Fault::silent().why());
        assert_eq!(why(io::ErrorKind::UnexpectedEof), "it ended the connection");
        assert_eq!(
            why(io::ErrorKind::ConnectionReset),
            io::Error::from(io::ErrorKind::ConnectionReset).to_string()
        );
    }
}
