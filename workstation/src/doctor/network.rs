//! The relay: whether it answers, takes the key, tells the time, and can be reached by phones.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use relay_client::http::{self, Health, HttpError};
use relay_client::{Endpoint, Proxy};

use super::{Finding, within};
use crate::address::{self, Address};
use crate::args::RelayArgs;
use crate::ipc::folder::Folders;
use crate::relay::{Relay, records};
use crate::state::profile::Profile;

/// A question to the relay has its own limit of ten seconds, but for the look-up of a name.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// Clocks that differ by less do no harm.
const CLOCK_SECS_MAX: u64 = 60;

/// Looks at the relay that these options mean, or else the profile's.
pub(super) fn examine(args: &RelayArgs, folders: Option<&Folders>, tell: &mut dyn FnMut(Finding)) {
    let profile = match folders.map_or(Ok(None), |folders| Profile::load(folders.state())) {
        Ok(profile) => profile,
        Err(error) => return tell(Finding::wrong("profile", format!("{error:#}"), "")),
    };
    let made = records::completed(args, profile.as_ref()).and_then(|args| Relay::of(&args));
    let relay = match made {
        Ok(relay) => relay,
        Err(error) => {
            let remedy = "give the relay's options again: `workstation setup URL`";
            return tell(Finding::wrong("profile", format!("{error:#}"), remedy));
        }
    };
    if profile.is_none() && args.server.is_none() {
        let words = format!("no relay is kept, so {} is used", relay.server);
        tell(Finding::note("profile", words, "keep yours: `workstation setup URL`"));
    }
    ask(&relay, tell);
}

fn ask(relay: &Relay, tell: &mut dyn FnMut(Finding)) {
    let server = relay.server.clone();
    let asked = within(ANSWER_WITHIN, move || http::health(&server));
    let health =
        asked.unwrap_or_else(|words| Err(HttpError::Unreachable(format!("{}: {words}", relay.server))));
    tell(proxy(relay, health.is_ok()));
    let health = match health {
        Ok(health) if health.is_relay => health,
        Ok(_) => {
            let words = format!("{} answers, and not as a relay does", relay.server);
            return tell(Finding::wrong(
                "relay",
                words,
                "check the address and its path: `workstation setup URL`",
            ));
        }
        Err(error) => {
            // Its own words say what to try at this address.
            let remedy = "if the address is wrong: `workstation setup URL`";
            return tell(Finding::wrong("relay", error.to_string(), remedy));
        }
    };
    tell(Finding::good("relay", format!("{} answers", relay.server)));
    tell(tls(relay));
    tell(clock(&health, now()));
    register(relay, tell);
}

fn proxy(relay: &Relay, is_reached: bool) -> Finding {
    match relay.server.proxy_words() {
        Err(error) => Finding::wrong("proxy", error.to_string(), "correct the variable, or `--proxy none`"),
        Ok(None) => Finding::good("proxy", "none on the way to the relay"),
        Ok(Some(proxy)) if is_reached => Finding::good("proxy", format!("{proxy} is on the way")),
        Ok(Some(proxy)) => {
            let words = format!("{proxy} is on the way, and the relay is not reached through it");
            Finding::wrong("proxy", words, "correct it, or try without: `workstation doctor --proxy none`")
        }
    }
}

fn tls(relay: &Relay) -> Finding {
    let (server, has_key) = (&relay.server, relay.register_key.is_some());
    match (server.is_tls(), server.is_loopback() || is_private(server)) {
        (true, _) => Finding::good("tls", "the relay's certificate is trusted"),
        (false, true) => Finding::good("tls", "none, within this machine or network"),
        (false, false) if has_key => Finding::wrong(
            "tls",
            "none, so others on the way can read the register key",
            "give the relay a certificate, and use its https address",
        ),
        (false, false) => Finding::note(
            "tls",
            "none; what phones say is encrypted all the same",
            "give the relay a certificate, and use its https address",
        ),
    }
}

/// True if the address is one of a home or office network.
fn is_private(endpoint: &Endpoint) -> bool {
    match endpoint.host().trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(ip)) => ip.is_private() || ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => ip.is_unique_local() || ip.is_unicast_link_local(),
        Err(_) => false,
    }
}

fn clock(health: &Health, now: u64) -> Finding {
    let Some(date) = health.date else {
        return Finding::note("clock", "the relay does not tell the time", "");
    };
    let (off, way) = if now > date { (now - date, "ahead of") } else { (date - now, "behind") };
    if off <= CLOCK_SECS_MAX {
        return Finding::good("clock", "agrees with the relay's");
    }
    let words = format!("this machine's clock is {off} s {way} the relay's");
    Finding::wrong("clock", words, "set it, or the relay's: `timedatectl set-ntp true`")
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Makes a session, as a code does, and deletes it.
fn register(relay: &Relay, tell: &mut dyn FnMut(Finding)) {
    let asking = relay.clone();
    let asked = within(2 * ANSWER_WITHIN, move || {
        let registered = asking.register()?;
        let deleted = http::delete(&asking.server, registered.pairing.session, &registered.pairing.token);
        Ok::<_, anyhow::Error>((registered, deleted))
    });
    let (registered, deleted) = match asked.map_err(anyhow::Error::msg).and_then(|asked| asked) {
        Ok(done) => done,
        Err(error) => {
            let remedy = "keep the right key: `workstation setup URL --register-key KEY`";
            return tell(Finding::wrong("key", format!("the relay gives no session: {error:#}"), remedy));
        }
    };
    tell(match deleted {
        Ok(_) => Finding::good("key", "the relay gives sessions"),
        Err(error) => {
            let words = format!("the relay gives sessions, and did not delete the test's: {error}");
            Finding::note("key", words, "it ends by itself")
        }
    });
    let (asking, announced) = (relay.clone(), registered.pairing.ws);
    let found = within(ANSWER_WITHIN, move || address::for_phone(&asking, &announced));
    tell(match found.map_err(anyhow::Error::msg).and_then(|found| found) {
        Ok(address) => phones_address(relay, &address),
        Err(error) => Finding::wrong("address", format!("{error:#}"), ADDRESS_REMEDY),
    });
}

const ADDRESS_REMEDY: &str = "name one: `workstation setup URL --public-url WS_URL`";

/// The address in a code: whether it leads to the relay from here, and may do so from a phone.
fn phones_address(relay: &Relay, address: &Address) -> Finding {
    let endpoint = &address.endpoint;
    if let Some(warning) = &address.warning {
        return Finding::wrong("address", format!("phones are told {endpoint}, but {warning}"), "");
    }
    if endpoint.is_loopback() {
        let words = format!("phones are told {endpoint}, which on a phone is the phone itself");
        return Finding::wrong("address", words, ADDRESS_REMEDY);
    }
    // The proxy is on this machine's way, and not on the phone's.
    let server = endpoint.server().with_proxy(Proxy::None);
    let trusted = relay.server.clone();
    let server = if server.to_string() == trusted.to_string() { trusted } else { server };
    let asked = within(ANSWER_WITHIN, move || http::health(&server));
    match asked {
        Ok(Ok(health)) if health.is_relay && is_private(endpoint) => {
            let words = format!("phones are told {endpoint}{}", address.remark);
            Finding::good("address", format!("{words}; it works in this network alone"))
        }
        Ok(Ok(health)) if health.is_relay => {
            Finding::good("address", format!("phones are told {endpoint}{}", address.remark))
        }
        Ok(Ok(_)) => {
            let words = format!("phones are told {endpoint}, and something else than a relay answers there");
            Finding::wrong("address", words, ADDRESS_REMEDY)
        }
        Ok(Err(error)) => {
            let words = format!("phones are told {endpoint}, which can't be reached from here: {error}");
            Finding::wrong("address", words, ADDRESS_REMEDY)
        }
        Err(words) => {
            Finding::wrong("address", format!("phones are told {endpoint}: {words}"), ADDRESS_REMEDY)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn clocks_are_compared_both_ways() {
        let at = |date| Health { is_relay: true, date };
        for (date, now, level, words) in [
            (Some(1_000), 1_060, Level::Good, "agrees"),
            (Some(1_000), 940, Level::Good, "agrees"),
            (Some(1_000), 1_061, Level::Wrong, "61 s ahead of"),
            (Some(1_000), 0, Level::Wrong, "1000 s behind"),
            (None, 0, Level::Note, "does not tell"),
        ] {
            let finding = clock(&at(date), now);
            assert!(finding.level == level && finding.words.contains(words), "{finding:?}");
        }
    }

    #[test]
    fn private_addresses_are_known() {
        for (url, is) in [
            ("http://192.168.1.7:3001", true),
            ("http://10.0.0.1", true),
            ("http://[fd00::1]:80", true),
            ("http://8.8.8.8", false),
            ("http://relay.example.org", false),
        ] {
            assert_eq!(is_private(&Endpoint::parse_http(url).unwrap()), is, "{url}");
        }
    }
}
