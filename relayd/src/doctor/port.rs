//! The listener: whether the port is free, or served by relayd, or taken by something else.

use std::io::{self, ErrorKind};
use std::time::Duration;

use super::Finding;
use crate::ask::{Answer, AskError, ask_own};
use crate::config::Config;
use crate::{reactor, server};

const CHECK: &str = "port";

const ANSWER_WITHIN: Duration = Duration::from_secs(2);

pub(super) fn examine(config: &Config) -> Finding {
    if config.port == 0 {
        return Finding::ok(CHECK, "any free port is taken at start");
    }
    // It is asked first: without the privilege for a low port Linux does not say that it is in use.
    let asked = ask_own(config, "/health", ANSWER_WITHIN);
    judge(config, &asked, || reactor::try_address(config.listen, config.port))
}

/// `asked`: what answers there. `try_address` looks whether the port could be listened on.
fn judge(
    config: &Config,
    asked: &Result<Answer, AskError>,
    try_address: impl FnOnce() -> io::Result<()>,
) -> Finding {
    let shown = server::shown(config.listen, config.port);
    if asked.as_ref().is_ok_and(is_relayd) {
        return Finding::ok(CHECK, format!("relayd serves {shown}"));
    }
    let is_taken = !matches!(asked, Err(AskError::Connect { .. }));
    match try_address() {
        Ok(()) => Finding::ok(CHECK, format!("{shown} is free; relayd does not run there now")),
        Err(error) if is_taken || error.kind() == ErrorKind::AddrInUse => Finding::bad(
            CHECK,
            format!("{shown} is taken by another program"),
            format!("`ss -ltnp sport = :{}` names it; stop it, or choose another --port", config.port),
        ),
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
        let accepting = taken.try_clone().unwrap();
        let other = std::thread::spawn(move || drop(accepting.accept()));
        let finding = examine(&with_port(port));
        assert_eq!(finding.level, Level::Bad, "{finding:?}");
        assert!(finding.words.ends_with("taken by another program") && finding.remedy.contains("ss -ltnp"));
        other.join().unwrap();
        drop(taken);
        assert_eq!(examine(&with_port(port)).level, Level::Ok);
        assert_eq!(examine(&with_port(0)).level, Level::Ok);
    }

    #[test]
    fn without_the_privilege_for_a_low_port_the_answer_there_decides() {
        let answered = |body: &str| Ok(Answer { status: 200, fields: Vec::new(), body: body.to_owned() });
        let refused = || AskError::Connect {
            address: "127.0.0.1".to_owned(),
            source: ErrorKind::ConnectionRefused.into(),
        };
        for (asked, level, words) in [
            (answered(r#"{"ok":true}"#), Level::Ok, "relayd serves 127.0.0.1:443"),
            (answered("hello"), Level::Bad, "taken by another program"),
            (Err(refused()), Level::Bad, "can't listen on 127.0.0.1:443"),
        ] {
            let finding = judge(&with_port(443), &asked, || Err(ErrorKind::PermissionDenied.into()));
            assert!(finding.level == level && finding.words.contains(words), "{finding:?}");
        }
    }
}
