//! The listener: whether the port is free, or served by relayd, or taken by something else.

use std::io::ErrorKind;
use std::time::Duration;

use super::Finding;
use crate::ask::{Answer, ask_own};
use crate::config::Config;
use crate::{reactor, server};

const CHECK: &str = "port";

const ANSWER_WITHIN: Duration = Duration::from_secs(2);

pub(super) fn examine(config: &Config) -> Finding {
    if config.port == 0 {
        return Finding::ok(CHECK, "any free port is taken at start");
    }
    let shown = server::shown(config.listen, config.port);
    match reactor::bind(config.listen, config.port) {
        Ok(_) => Finding::ok(CHECK, format!("{shown} is free; relayd does not run there now")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => match ask_own(config, "/health", ANSWER_WITHIN)
        {
            Ok(answer) if is_relayd(&answer) => Finding::ok(CHECK, format!("relayd serves {shown}")),
            _ => Finding::bad(
                CHECK,
                format!("{shown} is taken by another program"),
                format!("`ss -ltnp sport = :{}` names it; stop it, or choose another --port", config.port),
            ),
        },
        Err(error) => {
            Finding::bad(CHECK, format!("can't listen on {shown}: {error}"), server::remedy(&error))
        }
    }
}

/// True of the answer to `/health`.
pub(super) fn is_relayd(answer: &Answer) -> bool {
    answer.status == 200 && answer.body.contains(r#"{"ok":true}"#)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;
    use std::net::TcpListener;

    fn with_port(port: u16) -> Config {
        let args = ["relayd", "--listen", "127.0.0.1", "--store", "memory", "--port", &port.to_string()];
        crate::config::load(args.map(Into::into)).unwrap()
    }

    #[test]
    fn a_free_port_and_one_of_another_program_are_told_apart() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        // It takes the question and hangs up.
        let other = std::thread::spawn(move || drop(taken.accept()));
        let finding = examine(&with_port(port));
        assert_eq!(finding.level, Level::Bad, "{finding:?}");
        assert!(finding.words.ends_with("taken by another program") && finding.remedy.contains("ss -ltnp"));
        other.join().unwrap();
        assert_eq!(examine(&with_port(port)).level, Level::Ok);
        assert_eq!(examine(&with_port(0)).level, Level::Ok);
    }
}
