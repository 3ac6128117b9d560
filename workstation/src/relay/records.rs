//! Relays as they are written down, and the one that a command uses: by its options, or else the profile's.

use anyhow::Context;
use relay_client::{Endpoint, Proxy};

use super::Relay;
use crate::args::RelayArgs;
use crate::state::profile::{Profile, RelayRecord};

impl Relay {
    /// The relay that was written down.
    ///
    /// # Errors
    /// Its address is damaged, or the file of its CAs can't be read.
    pub(crate) fn of_record(record: &RelayRecord) -> anyhow::Result<Self> {
        let server = Endpoint::parse_http(&record.server).with_context(|| record.server.clone())?;
        Relay::of(&RelayArgs {
            server: Some(server),
            ca: record.ca.clone(),
            proxy: record.proxy.as_deref().map(str::parse).transpose().context("the proxy that is kept")?,
            register_key: record.register_key.clone(),
            public_url: None,
            page_url: None,
        })
    }

    /// As it is written down. `args` are those it was made of.
    ///
    /// # Errors
    /// The path of the CAs can't be made absolute.
    pub(crate) fn record(&self, args: &RelayArgs) -> anyhow::Result<RelayRecord> {
        // The agent runs in another folder.
        let ca = args.ca.as_ref().map(std::path::absolute).transpose().context("--ca")?;
        let proxy = args.proxy.as_ref().and_then(written);
        let register_key = self.register_key.clone();
        Ok(RelayRecord { server: self.server.to_string(), ca, proxy, register_key })
    }
}

/// A proxy as it is written down: with its password, if it has one.
fn written(proxy: &Proxy) -> Option<String> {
    match proxy {
        Proxy::FromEnvironment => None,
        Proxy::None => Some("none".to_owned()),
        Proxy::Url(url) => Some(url.reveal().to_owned()),
    }
}

/// The options, completed by the profile. What belongs to another relay is not taken from it.
///
/// # Errors
/// The profile's addresses are damaged.
pub(crate) fn completed(args: &RelayArgs, profile: Option<&Profile>) -> anyhow::Result<RelayArgs> {
    let mut args = args.clone();
    let Some(profile) = profile else { return Ok(args) };
    let kept = Endpoint::parse_http(&profile.relay.server).with_context(|| profile.relay.server.clone())?;
    if args.server.as_ref().is_some_and(|server| server.to_string() != kept.to_string()) {
        return Ok(args);
    }
    args.server = Some(kept);
    args.ca = args.ca.or_else(|| profile.relay.ca.clone());
    if args.proxy.is_none() {
        let kept = profile.relay.proxy.as_deref();
        args.proxy = kept.map(str::parse).transpose().context("the proxy that is kept")?;
    }
    args.register_key = args.register_key.or_else(|| profile.relay.register_key.clone());
    if args.public_url.is_none() && args.page_url.is_none() {
        let kept = profile.public_url.as_deref();
        args.public_url = kept.map(|url| Endpoint::parse_ws(url).context(url.to_owned())).transpose()?;
    }
    Ok(args)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(server: Option<&str>, key: Option<&str>) -> RelayArgs {
        RelayArgs {
            server: server.map(|server| Endpoint::parse_http(server).unwrap()),
            ca: None,
            proxy: None,
            register_key: key.map(str::to_owned),
            public_url: None,
            page_url: None,
        }
    }

    #[test]
    fn options_win_and_another_relay_gets_nothing_of_the_profiles() {
        let record = RelayRecord {
            server: "https://a.example".into(),
            ca: None,
            proxy: None,
            register_key: Some("k".into()),
        };
        let profile = Profile {
            relay: record,
            public_url: Some("wss://b.example/ws".into()),
            push_services: Vec::new(),
        };
        let of = |server, key| completed(&args(server, key), Some(&profile)).unwrap();
        let whole = of(None, None);
        assert_eq!(whole.server.unwrap().to_string(), "https://a.example");
        assert_eq!(whole.register_key.as_deref(), Some("k"));
        assert_eq!(whole.public_url.unwrap().to_string(), "wss://b.example/ws");
        assert_eq!(of(Some("https://a.example"), Some("own")).register_key.as_deref(), Some("own"));
        let other = of(Some("https://c.example"), None);
        assert!(other.register_key.is_none() && other.public_url.is_none());
        assert!(completed(&args(None, None), None).unwrap().server.is_none());
    }

    #[test]
    fn a_relay_is_written_down_and_found_again() {
        let proxy = Some("socks5h://me:pass@p".parse().unwrap());
        let args = RelayArgs { proxy, ..args(Some("https://a.example"), Some("k")) };
        let relay = Relay::of(&args).unwrap();
        let record = relay.record(&args).unwrap();
        let again = Relay::of_record(&record).unwrap();
        assert_eq!(again.server.to_string(), "https://a.example");
        assert_eq!(again.register_key.as_deref(), Some("k"));
        assert_eq!(record.proxy.as_deref(), Some("socks5h://me:pass@p"));
        assert_eq!(again.server, relay.server);
        assert!(!format!("{record:?}").contains("pass"));
    }
}
