//! The client against a small CA that misbehaves. `tests/python/acme.py` has a real one.

mod fake_ca;
mod ports;

use std::time::Duration;

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};

use self::fake_ca::{Asked, FakeCa, Reply};
use super::account_key::AccountKey;
use super::challenges::HttpTokens;
use super::client::{Client, Directory};
use super::error::AcmeError;
use super::http::{EXCHANGE_MAX, HttpClient, HttpError};
use super::schedule::Schedule;
use super::settings::{AcmeSettings, ChallengeKind};
use super::state::StateFolder;
use super::state::tests::Scratch;
use super::worker::Worker;
use crate::tls::{AttemptOutcome, CertificateFiles, Identity, Presenter, Reloader};

fn client(ca: &FakeCa, within: Duration) -> HttpClient {
    HttpClient::new(ca.trusted(), within)
}

fn sign_in(ca: &FakeCa) -> Result<(), AcmeError> {
    let (http, key) = (client(ca, EXCHANGE_MAX), AccountKey::generate().unwrap());
    let directory = Directory::fetch(&http, &ca.url("/dir"))?;
    Client::new(&http, &key, directory).sign_in(Some("admin@example.org"))
}

fn account(asked: &Asked) -> Reply {
    Reply::json(201, "{}").header("Location", format!("{}/account/1", asked.base))
}

#[test]
fn a_refused_nonce_is_replaced_and_tried_again() {
    let mut refused = 0;
    let ca = FakeCa::start(move |asked| match asked.path.as_str() {
        "/account" if refused < 3 => {
            refused += 1;
            Reply::problem(400, "badNonce", "too old")
        }
        "/account" => account(asked),
        _ => asked.usual(),
    });
    sign_in(&ca).unwrap();
    let nonces = ca.seen().iter().filter(|path| *path == "/nonce").count();
    assert_eq!(nonces, 1, "the answer that refuses has a fresh one");
}

#[test]
fn a_ca_that_takes_no_nonce_is_given_up() {
    let ca = FakeCa::start(|asked| match asked.path.as_str() {
        "/account" => Reply::problem(400, "badNonce", "never"),
        _ => asked.usual(),
    });
    assert!(matches!(sign_in(&ca), Err(AcmeError::Malformed(_))));
    assert!(ca.seen().len() < 20);
}

#[test]
fn answers_that_are_none_are_named() {
    for body in ["", "<html></html>", "[]", r#"{"newNonce":5}"#, r#"{"newNonce":"http://ca/x"}"#, "{\u{0}"] {
        let ca = FakeCa::start(move |_| Reply::json(200, body));
        let error = sign_in(&ca).unwrap_err();
        assert!(matches!(error, AcmeError::Malformed(_)), "{body}: {error}");
        assert!(error.to_string().contains("--acme-directory"), "{error}");
    }
    for (nonce, location) in
        [("a b", "https://ca/1"), ("\"", "https://ca/1"), ("abc", ""), ("abc", "ftp://x")]
    {
        let ca = FakeCa::start(move |asked| match asked.path.as_str() {
            "/nonce" => Reply::json(204, "").header("Replay-Nonce", nonce),
            "/account" => Reply::json(201, "{}").header("Location", location),
            _ => asked.usual(),
        });
        assert!(matches!(sign_in(&ca), Err(AcmeError::Malformed(_))), "{nonce} {location}");
    }
}

#[test]
fn an_answer_without_end_is_cut_off() {
    let ca = FakeCa::start(|_| Reply::json(200, "x".repeat(1 << 20)));
    assert!(sign_in(&ca).unwrap_err().to_string().contains("too large"));
}

#[test]
fn a_ca_that_is_silent_or_sends_single_bytes_ends_at_the_deadline() {
    for reply in [|| Reply::json(200, "{}").silent(), || Reply::json(200, "x".repeat(100_000)).dripping()] {
        let ca = FakeCa::start(move |_| reply());
        let http = client(&ca, Duration::from_millis(1500));
        let error = Directory::fetch(&http, &ca.url("/dir")).unwrap_err();
        assert!(matches!(error, AcmeError::Unreachable(HttpError::TimedOut { .. })), "{error}");
    }
}

#[test]
fn a_ca_that_is_not_trusted_or_not_there_is_named_with_a_remedy() {
    let ca = FakeCa::start(Asked::usual);
    let other = FakeCa::start(Asked::usual);
    let http = HttpClient::new(other.trusted(), EXCHANGE_MAX);
    let error = Directory::fetch(&http, &ca.url("/dir")).unwrap_err().to_string();
    assert!(error.contains("--acme-ca-cert"), "{error}");
    let gone = ca.url("/dir");
    drop(ca);
    let error = Directory::fetch(&http, &gone).unwrap_err();
    assert_eq!(error.outcome(), AttemptOutcome::Unreachable);
    assert!(error.to_string().contains("can't be connected to"), "{error}");
}

#[test]
fn refusals_have_the_ca_s_words_and_what_to_do() {
    for (status, kind, expected) in [
        (429, "rateLimited", AttemptOutcome::RateLimited),
        (403, "unauthorized", AttemptOutcome::Refused),
        (403, "userActionRequired", AttemptOutcome::Refused),
        (400, "invalidContact", AttemptOutcome::Refused),
        (503, "serverInternal", AttemptOutcome::Unreachable),
    ] {
        let ca = FakeCa::start(move |asked| match asked.path.as_str() {
            "/account" => Reply::problem(status, kind, "in its words").header("Retry-After", "120"),
            _ => asked.usual(),
        });
        let error = sign_in(&ca).unwrap_err();
        assert_eq!(error.outcome(), expected, "{kind}");
        assert!(error.to_string().contains("in its words"), "{error}");
        let is_gone = matches!(error, AcmeError::AccountGone(_));
        assert_eq!(is_gone, kind == "unauthorized");
        if let AcmeError::RateLimited { after, .. } = error {
            assert_eq!(after, Some(Duration::from_secs(120)));
        }
    }
}

#[test]
fn a_ca_that_wants_a_contract_is_refused_before_an_account_is_made() {
    let ca = FakeCa::start(|asked| match asked.path.as_str() {
        "/dir" => asked.directory(r#","meta":{"externalAccountRequired":true}"#),
        _ => asked.usual(),
    });
    assert!(matches!(sign_in(&ca), Err(AcmeError::ContractRequired)));
    assert_eq!(ca.seen(), ["/dir"]);
}

fn worker(ca: &FakeCa, scratch: &Scratch, current: Option<Identity>) -> (Worker, Presenter) {
    let (presenter, feed) = Presenter::new().unwrap();
    let settings = AcmeSettings {
        names: vec!["a.example".to_owned()],
        email: None,
        directory: ca.url("/dir"),
        ca: None,
        challenge: ChallengeKind::TlsAlpn01,
        state_dir: Some(scratch.0.clone()),
        http_port: None,
    };
    let folder = StateFolder::open(&scratch.0, &settings.directory).unwrap();
    let worker = Worker {
        settings,
        folder,
        http: client(ca, EXCHANGE_MAX),
        feed,
        tokens: HttpTokens::default(),
        reloader: Reloader::default(),
        current,
        unkept: None,
        schedule: Schedule::default(),
    };
    (worker, presenter)
}

/// One that its CA can be asked about, with its key.
fn issued() -> String {
    let issuer =
        CertifiedIssuer::self_signed(CertificateParams::default(), KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().unwrap();
    let certificate = super::pem::text("CERTIFICATE", params.signed_by(&key, &issuer).unwrap().der());
    super::pem::text("PRIVATE KEY", key.serialized_der()) + &certificate
}

fn identity() -> Identity {
    let (text, files) = (issued(), CertificateFiles { certificate: "c".into(), key: "k".into() });
    Identity::from_pem(text.as_bytes(), text.as_bytes(), &files).unwrap()
}

#[test]
fn a_certificate_that_cannot_be_written_is_shown_and_written_later() {
    let (ca, scratch) = (FakeCa::start(Asked::usual), Scratch::new());
    let (mut worker, mut presenter) = worker(&ca, &scratch, None);
    std::fs::remove_dir_all(&scratch.0).unwrap();
    worker.take_over(issued()).unwrap();
    assert_eq!(presenter.current().certificates.len(), 1);
    assert!(worker.current.is_some());
    assert!(worker.schedule.next_attempt() > 0, "another one is not asked for at once");
    worker.keep_again();
    assert!(worker.unkept.is_some());
    StateFolder::open(&scratch.0, &worker.settings.directory).unwrap();
    worker.keep_again();
    assert!(worker.unkept.is_none() && worker.folder.certificate().unwrap().is_some());
}

#[test]
fn the_ca_is_asked_when_to_renew() {
    for (info, window) in [
        (r#"{"suggestedWindow":{"start":"2021-01-03T00:00:00Z","end":"2021-01-03T01:00:00Z"}}"#, true),
        (r#"{"suggestedWindow":{"start":"soon","end":"2021-01-03T01:00:00Z"}}"#, false),
        ("{}", false),
    ] {
        let ca = FakeCa::start(move |asked| match asked.path.as_str() {
            "/dir" => asked.directory(&format!(r#","renewalInfo":"{}/ari""#, asked.base)),
            _ => Reply::json(200, info).header("Retry-After", "3600"),
        });
        let scratch = Scratch::new();
        let identity = identity();
        let path = format!("/ari/{}", identity.renewal_name().unwrap());
        let (mut worker, _presenter) = worker(&ca, &scratch, Some(identity));
        let expected = ((1_609_632_000, 1_609_635_600), Some(Duration::from_secs(3600)));
        assert_eq!(worker.window().ok().flatten(), window.then_some(expected), "{info}");
        assert!(ca.seen().contains(&path), "{:?}", ca.seen());
        // A failure leaves the plan as it is, and asks again later.
        worker.schedule.on_certificate(1_700_000_000, 1_710_000_000, 0);
        worker.ask_for_window(1_700_000_000);
        assert_eq!(worker.schedule.next_attempt() < 1_700_000_000, window);
        assert!(!worker.schedule.is_question_due(1_700_000_000));
    }
    let ca = FakeCa::start(Asked::usual);
    let scratch = Scratch::new();
    assert_eq!(worker(&ca, &scratch, Some(identity())).0.window().unwrap(), None);
    assert_eq!(worker(&ca, &scratch, None).0.window().unwrap(), None);
}

#[test]
fn an_account_that_the_ca_no_longer_serves_is_replaced_at_once() {
    let mut keys = Vec::new();
    let ca = FakeCa::start(move |asked| match asked.path.as_str() {
        "/account" => {
            keys.push(asked.protected());
            if keys.len() == 1 { Reply::problem(403, "unauthorized", "deactivated") } else { account(asked) }
        }
        "/order" if asked.protected().contains("/account/1") => {
            Reply::problem(400, "rejectedIdentifier", "no such name")
        }
        _ => asked.usual(),
    });
    let scratch = Scratch::new();
    let (mut worker, presenter) = worker(&ca, &scratch, None);
    let before = worker.folder.account_key().unwrap().authorize("t");
    worker.attempt();
    assert_ne!(worker.folder.account_key().unwrap().authorize("t"), before);
    assert_eq!(ca.seen().iter().filter(|path| *path == "/order").count(), 1, "{:?}", ca.seen());
    let refused = AttemptOutcome::ALL.iter().position(|it| *it == AttemptOutcome::Refused).unwrap();
    assert_eq!(presenter.attempts()[refused], 1);
}

#[test]
fn an_order_with_strange_parts_is_refused() {
    let cases: [(&str, &str); 4] = [
        (r#"{"status":"pending","finalize":"BASE/f","authorizations":["BASE/a","BASE/a"]}"#, "{}"),
        (r#"{"status":"pending","finalize":"BASE/f","authorizations":["BASE/a"]}"#, "[]"),
        (
            r#"{"status":"pending","finalize":"BASE/f","authorizations":["BASE/a"]}"#,
            r#"{"status":"pending","identifier":{"type":"dns","value":"b.example"},"challenges":[]}"#,
        ),
        (
            r#"{"status":"pending","finalize":"BASE/f","authorizations":["BASE/a"]}"#,
            r#"{"status":"pending","identifier":{"value":"a.example"},"challenges":[
               {"type":"tls-alpn-01","url":"BASE/c","token":"../../x"}]}"#,
        ),
    ];
    for (order, authorization) in cases {
        let ca = FakeCa::start(move |asked| match asked.path.as_str() {
            "/account" => account(asked),
            "/order" => {
                let order = order.replace("BASE", &asked.base);
                Reply::json(201, order).header("Location", format!("{}/o", asked.base))
            }
            "/a" => Reply::json(200, authorization.replace("BASE", &asked.base)),
            _ => asked.usual(),
        });
        let scratch = Scratch::new();
        let (worker, _presenter) = worker(&ca, &scratch, None);
        assert!(matches!(worker.issue(), Err(AcmeError::Malformed(_))), "{order} {authorization}");
    }
}

#[test]
fn a_challenge_that_is_not_offered_is_named() {
    let ca = FakeCa::start(|asked| match asked.path.as_str() {
        "/account" => account(asked),
        "/order" => {
            let order = r#"{"status":"pending","finalize":"BASE/f","authorizations":["BASE/a"]}"#;
            Reply::json(201, order.replace("BASE", &asked.base))
                .header("Location", format!("{}/o", asked.base))
        }
        "/a" => {
            Reply::json(200, r#"{"status":"pending","identifier":{"value":"a.example"},"challenges":[]}"#)
        }
        _ => asked.usual(),
    });
    let scratch = Scratch::new();
    let error = worker(&ca, &scratch, None).0.issue().unwrap_err();
    assert!(error.to_string().contains("does not offer tls-alpn-01 for a.example"), "{error}");
}
