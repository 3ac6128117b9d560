//! One request to a push service, and what its answer means.

use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use relay_client::app::notice::{PushJob, PushOutcome, Subscription};
use relay_client::http::{Post, PostError, Posted, post};
use relay_client::lines::harmless;
use ring::digest::{SHA256, digest};

use super::encrypt::encrypt;
use super::payload;
use super::services::{Service, Services};
use super::vapid::{self, Tokens};

/// How long a push service keeps a notice for a phone that is off, in seconds.
const TTL: &str = "86400";

/// Posts notices. It may be used by several threads.
#[derive(Default)]
pub(crate) struct Sender {
    tokens: Mutex<Tokens>,
}

/// Checks a subscription before it is kept.
///
/// # Errors
/// It can't be used; the words are for people.
pub(crate) fn check(subscription: &Subscription, services: &Services) -> Result<(), String> {
    services.find(&subscription.endpoint)?;
    vapid::key_pair(&subscription.vapid).map_err(|error| error.to_string())?;
    encrypt(b"", &subscription.p256dh, &subscription.auth).map(drop).map_err(|error| error.to_string())
}

impl Sender {
    /// Posts one notice from the desk of this name. Blocks for at most ten seconds and the system's time for
    /// a name.
    pub(crate) fn send(&self, job: &PushJob, desk: &str, services: &Services) -> PushOutcome {
        let made = services.find(&job.subscription.endpoint).and_then(|service| {
            let request = self.request(job, desk, &service).map_err(|error| error.to_string())?;
            Ok((service, request))
        });
        match made {
            Ok((service, request)) => outcome(&service, request.post(&service)),
            Err(words) => PushOutcome::Refused(words),
        }
    }

    fn request(&self, job: &PushJob, desk: &str, service: &Service) -> anyhow::Result<Request> {
        let PushJob { notice, subscription } = job;
        let text = payload::text(notice, subscription, desk);
        let body = encrypt(text.as_bytes(), &subscription.p256dh, &subscription.auth)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let authorization =
            tokens.header(&subscription.vapid, &service.origin, subscription.origin(), now)?;
        let topic = URL_SAFE_NO_PAD.encode(&digest(&SHA256, notice.id.as_bytes()).as_ref()[..24]);
        Ok(Request { authorization, topic, urgency: notice.urgency.as_str(), body })
    }
}

struct Request {
    authorization: String,
    topic: String,
    urgency: &'static str,
    body: Vec<u8>,
}

impl Request {
    fn post(&self, service: &Service) -> Result<Posted, PostError> {
        let headers = [
            ("TTL", TTL),
            ("Urgency", self.urgency),
            ("Topic", &self.topic),
            ("Content-Type", "application/octet-stream"),
            ("Content-Encoding", "aes128gcm"),
            ("Authorization", &self.authorization),
        ];
        let may_reach = |address| service.may_reach(address);
        let request =
            Post { path: &service.path, headers: &headers, body: &self.body, may_reach: &may_reach };
        post(&service.server, &request)
    }
}

fn outcome(service: &Service, posted: Result<Posted, PostError>) -> PushOutcome {
    let Posted { status, retry_after } = match posted {
        Ok(posted) => posted,
        Err(PostError::Unreachable(_) | PostError::NotHttp { .. }) => return PushOutcome::Later(None),
        Err(error) => return PushOutcome::Refused(harmless(&error.to_string())),
    };
    let origin = &service.origin;
    match status {
        200..=202 | 204 => PushOutcome::Accepted,
        404 | 410 => PushOutcome::Gone,
        408 | 429 | 500.. => PushOutcome::Later(retry_after),
        300..400 => PushOutcome::Refused(format!("{origin} answered with a redirect ({status})")),
        413 => PushOutcome::Refused(format!("{origin} finds the notice too long (413)")),
        _ => PushOutcome::Refused(format!("{origin} refused the notice ({status})")),
    }
}

#[cfg(test)]
mod tests {
    use relay_client::app::notice::{Notice, VapidKey};

    use super::*;

    fn subscription(vapid: VapidKey) -> Subscription {
        let endpoint = "https://fcm.googleapis.com/fcm/send/1".to_owned();
        let p256dh = vapid.public;
        Subscription { endpoint, p256dh, auth: [7; 16], vapid, page: "https://relay.example.org/p".into() }
    }

    #[test]
    fn what_a_service_answers_decides_what_follows() {
        let service = Services::default().find("https://fcm.googleapis.com/x").unwrap();
        let at = |status| outcome(&service, Ok(Posted { status, retry_after: None }));
        assert_eq!([200, 201, 202, 204].map(at), [(); 4].map(|()| PushOutcome::Accepted));
        assert_eq!([404, 410].map(at), [(); 2].map(|()| PushOutcome::Gone));
        assert_eq!([408, 429, 500, 502, 599].map(at), [(); 5].map(|()| PushOutcome::Later(None)));
        for status in [100, 206, 301, 307, 400, 401, 403, 413] {
            assert!(matches!(at(status), PushOutcome::Refused(why) if why.contains(&status.to_string())));
        }
        let wait = Some(std::time::Duration::from_secs(9));
        let asked = outcome(&service, Ok(Posted { status: 429, retry_after: wait }));
        assert_eq!(asked, PushOutcome::Later(wait));
    }

    #[test]
    fn a_request_hides_the_notice_and_names_its_topic() {
        let subscription = subscription(vapid::tests::key());
        assert_eq!(check(&subscription, &Services::default()), Ok(()));
        let service = Services::default().find(&subscription.endpoint).unwrap();
        let notice = Notice::new("n-1", 1, "title", "a secret").unwrap();
        let job = PushJob { notice, subscription };
        let request = Sender::default().request(&job, "desk", &service).unwrap();
        assert_eq!((request.topic.len(), request.urgency), (32, "normal"));
        assert!(!request.body.windows(6).any(|piece| piece == b"secret"));
        assert!(request.body.len() < 4096);
    }

    #[test]
    fn a_subscription_whose_keys_are_wrong_is_not_kept() {
        let mut wrong = subscription(vapid::tests::key());
        wrong.p256dh[64] ^= 1;
        assert!(check(&wrong, &Services::default()).unwrap_err().contains("curve"));
        let mut wrong = subscription(vapid::tests::key());
        wrong.vapid.private[0] ^= 1;
        assert!(check(&wrong, &Services::default()).unwrap_err().contains("VAPID"));
    }
}
