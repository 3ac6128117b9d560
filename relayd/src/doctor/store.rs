//! The store: whether nodes can work with this Redis, and whether it is set up to keep what they write.

use std::time::Duration;

use protocol::ids::NodeId;
use relayd_core::limits::WINDOWS_MAX;

use super::clock::{compared, now_secs};
use super::{Finding, harmless};
use crate::backend::detect::{self, StoreKind};
use crate::backend::{Survey, survey};
use crate::config::{Config, RedisUrl};
use crate::server;

/// A request of a client waits for this, and each link between nodes for several.
const LATENCY_MAX: Duration = Duration::from_millis(20);

/// The first version with what is used.
const MAJOR_MIN: u32 = 6;

pub(super) fn examine(config: &Config, tell: &mut dyn FnMut(Finding)) {
    let decision = detect::decide(config.store, config.redis_url.as_ref().map(RedisUrl::reveal));
    if decision.store == StoreKind::Memory {
        return tell(Finding::ok("store", decision.because));
    }
    let node = match NodeId::random() {
        Ok(node) => node,
        Err(error) => return tell(Finding::bad("store", error.to_string(), "")),
    };
    let settings = server::redis_settings(config, decision.redis_url, node);
    match survey(&settings) {
        Ok(found) => judge(&found, &settings.address(), now_secs()).into_iter().for_each(tell),
        Err(reason) => tell(Finding::bad(
            "redis",
            format!("{}: {}", settings.address(), harmless(&reason)),
            "start it, correct REDIS_URL, or give its user the rule of docs/operations.md, Redis",
        )),
    }
}

fn judge(found: &Survey, address: &str, now: i64) -> Vec<Finding> {
    let mut findings = vec![version(found, address)];
    if let Some(secs) = found.unix_secs {
        findings.push(compared("redis-clock", "Redis's", now - secs));
    }
    let took = found.latency;
    findings.push(if took > LATENCY_MAX {
        Finding::warn(
            "latency",
            format!("Redis answers after {} ms", took.as_millis()),
            "put Redis and the nodes into one network, and look at what else loads it",
        )
    } else {
        Finding::ok("latency", format!("Redis answers after {:.2} ms", took.as_secs_f64() * 1e3))
    });
    findings.push(match &found.message {
        Ok(took) => {
            Finding::ok("messages", format!("a message is back after {:.2} ms", took.as_secs_f64() * 1e3))
        }
        Err(reason) => Finding::bad(
            "messages",
            harmless(reason),
            "give the user `&relay:node:*`, `+subscribe` and `+publish`; see docs/operations.md, Redis",
        ),
    });
    findings.extend([memory(found), buffer(found)]);
    findings
}

fn version(found: &Survey, address: &str) -> Finding {
    let Some(version) = &found.version else {
        return Finding::ok("redis", format!("{address} can be used; its user may not see its version"));
    };
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major < MAJOR_MIN) {
        let words = format!("{address} has version {}, and relayd needs 6.0", harmless(version));
        return Finding::bad("redis", words, "upgrade it");
    }
    Finding::ok("redis", format!("{address} can be used, version {}", harmless(version)))
}

fn memory(found: &Survey) -> Finding {
    const REMEDY: &str = "`CONFIG SET maxmemory-policy noeviction`, and the same in redis.conf";
    let policy = found.eviction.as_deref().map(harmless);
    match policy.as_deref() {
        _ if found.is_full => {
            Finding::bad("eviction", "Redis is full: no session can be registered", "raise its maxmemory")
        }
        None => Finding::ok("eviction", "Redis's user may not see maxmemory-policy"),
        Some("noeviction") => Finding::ok("eviction", "Redis drops no session when it is full"),
        Some(policy) if found.is_bounded => Finding::bad(
            "eviction",
            format!("maxmemory-policy is {policy}, so a full Redis drops sessions"),
            REMEDY,
        ),
        Some(policy) => Finding::warn(
            "eviction",
            format!("maxmemory-policy is {policy}, and maxmemory is not set yet"),
            REMEDY,
        ),
    }
}

/// Redis cuts a subscriber off that is behind by more than this.
fn buffer(found: &Survey) -> Finding {
    let needed = 2 * WINDOWS_MAX as u64;
    match found.output_buffer {
        None => Finding::ok("buffer", "Redis's user may not see client-output-buffer-limit"),
        Some([hard, soft, secs]) if [hard, soft].iter().any(|&limit| limit != 0 && limit < needed) => {
            Finding::bad(
                "buffer",
                format!(
                    "client-output-buffer-limit of pubsub is {hard} {soft} {secs}, and a node may be behind by {needed} bytes"
                ),
                "`CONFIG SET client-output-buffer-limit \"pubsub 32mb 8mb 60\"`, and the same in redis.conf",
            )
        }
        Some(_) => Finding::ok("buffer", "client-output-buffer-limit of pubsub is enough"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    const NOW: i64 = 1_800_000_000;

    fn good() -> Survey {
        Survey {
            version: Some("7.0.15".into()),
            unix_secs: Some(NOW),
            latency: Duration::from_micros(200),
            message: Ok(Duration::from_micros(300)),
            eviction: Some("noeviction".into()),
            output_buffer: Some([33_554_432, 8_388_608, 60]),
            is_full: false,
            is_bounded: false,
        }
    }

    /// The one finding that is not good.
    fn wrong(change: impl FnOnce(&mut Survey)) -> (Level, String) {
        let mut found = good();
        change(&mut found);
        let wrong: Vec<_> =
            judge(&found, "r:6379", NOW).into_iter().filter(|it| it.level != Level::Ok).collect();
        let [finding] = &wrong[..] else { panic!("{wrong:?}") };
        assert!(!finding.remedy.is_empty(), "{finding:?}");
        (finding.level, format!("{}: {}", finding.check, finding.words))
    }

    #[test]
    fn each_fault_of_a_redis_is_named() {
        assert!(judge(&good(), "r", NOW).iter().all(|finding| finding.level == Level::Ok));
        let hidden = Survey { version: None, unix_secs: None, eviction: None, output_buffer: None, ..good() };
        assert!(judge(&hidden, "r", NOW).iter().all(|finding| finding.level == Level::Ok));
        for ((level, words), expected) in [
            (wrong(|it| it.version = Some("5.0.7".into())), "redis: r:6379 has version 5.0.7"),
            (wrong(|it| it.unix_secs = Some(NOW - 60)), "redis-clock: this machine's clock is 60 s ahead"),
            (wrong(|it| it.message = Err("no".into())), "messages: no"),
            (wrong(|it| it.is_full = true), "eviction: Redis is full"),
            (
                wrong(|it| (it.eviction, it.is_bounded) = (Some("allkeys-lru".into()), true)),
                "eviction: maxmemory-policy is allkeys-lru",
            ),
            (wrong(|it| it.output_buffer = Some([1 << 20, 0, 0])), "buffer: client-output-buffer-limit"),
            (wrong(|it| it.output_buffer = Some([0, 1 << 20, 60])), "buffer: client-output-buffer-limit"),
        ] {
            assert!(level == Level::Bad && words.starts_with(expected), "{words}");
        }
        for ((level, words), expected) in [
            (wrong(|it| it.latency = Duration::from_millis(80)), "latency: Redis answers after 80 ms"),
            (wrong(|it| it.eviction = Some("volatile-lru".into())), "eviction: maxmemory-policy is volatile"),
        ] {
            assert!(level == Level::Warn && words.starts_with(expected), "{words}");
        }
    }
}
