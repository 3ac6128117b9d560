//! Notices on their way to the phones: who raised them and wants to hear of them, and the posts to push
//! services.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use mio::Token;
use relay_client::app::notice::{DeskNews, Notice, PushOutcome, Subscription, Target, Urgency};
use relay_client::lines::harmless;
use relay_client::tunnel::{Entropy, SystemEntropy};

use super::chores::Chores;
use super::desk::Desk;
use super::lines::PhoneKey;
use super::log::Log;
use super::phone::Phone;
use super::phones::Phones;
use super::process::now_ms;
use super::terminals::Raised;
use crate::ipc::wire::{Fate, FromAgent, NotifyRequest};
use crate::push::{self, Services};
use crate::state::profile::Profile;

/// What the notices' ways need besides the phones.
pub(super) struct Around<'a> {
    pub(super) desk: &'a mut Desk,
    pub(super) chores: &'a mut Chores,
    pub(super) log: &'a mut Log,
    /// The folder of the profile.
    pub(super) state: &'a Path,
}

/// See the module.
pub(super) struct Notifier {
    /// What each command that raised a notice waits for, by its id.
    watched: BTreeMap<Token, String>,
    sender: Arc<push::Sender>,
    /// Makes the ids of this process different from another one's.
    prefix: String,
    raised: u64,
}

impl Notifier {
    /// # Errors
    /// The system gave no random bytes.
    pub(super) fn new() -> anyhow::Result<Self> {
        let mut bytes = [0; 8];
        SystemEntropy.fill(&mut bytes)?;
        let prefix = format!("{:016x}", u64::from_be_bytes(bytes));
        Ok(Notifier { watched: BTreeMap::new(), sender: Arc::default(), prefix, raised: 0 })
    }

    /// A command raises a notice. Gives the names of the phones that it goes to.
    ///
    /// # Errors
    /// There is no such phone, or nothing to show.
    pub(super) fn raise(
        &mut self,
        command: Token,
        request: &NotifyRequest,
        phones: &mut Phones,
    ) -> anyhow::Result<Vec<String>> {
        if let Some(name) = request.to.iter().find(|name| phones.find(name).is_none()) {
            anyhow::bail!("no phone is called \"{name}\"; the command devices lists them");
        }
        let NotifyRequest { id, title, text, urgent, to } = request;
        let mut notice = Notice::new(id, now_ms(), title, text)?;
        notice.urgency = if *urgent { Urgency::High } else { Urgency::Normal };
        let is_meant = |phone: &Phone| to.is_empty() || to.contains(&phone.file.name());
        let names = raise_at(phones, &notice, is_meant);
        ensure!(!names.is_empty(), "no phone is paired: the command pair adds one");
        self.watched.insert(command, id.clone());
        Ok(names)
    }

    /// A shared terminal wants the user's attention.
    pub(super) fn raise_for_terminal(&mut self, raised: &Raised, phones: &mut Phones, log: &mut Log) {
        self.raised += 1;
        let id = format!("{}-{}", self.prefix, self.raised);
        // One with nothing to show is not raised.
        let Ok(mut notice) = Notice::new(&id, now_ms(), &raised.title, &raised.text) else { return };
        notice.target = Some(Target::Terminal(raised.terminal.clone()));
        let sees = |phone: &Phone| {
            let is_shared = raised.to.is_empty() || raised.to.iter().any(|id| id == phone.file.id());
            is_shared && phone.file.rights().has(raised.right)
        };
        let count = raise_at(phones, &notice, sees).len();
        log.line(&format!("the terminal \"{}\" wants attention: {count} phones are told", raised.terminal));
    }

    /// Passes on what is new of every phone's notices, and begins the posts that are due.
    pub(super) fn turn(&mut self, phones: &mut Phones, around: &mut Around<'_>) {
        for (key, phone) in phones.all_mut().filter(|(_, phone)| phone.is_paired()) {
            while let Some(news) = phone.notices.poll_news() {
                self.on_news(phone, news, around);
            }
            let app = Arc::clone(&phone.app);
            phone.notices.pump(&app);
            self.post_if_due(key, phone, around);
        }
    }

    fn on_news(&mut self, phone: &mut Phone, news: DeskNews, around: &mut Around<'_>) {
        let name = phone.file.name();
        match news {
            DeskNews::Shown(id) => self.tell(&id, &name, Fate::Shown, "", around.desk),
            DeskNews::Pushed(id) => self.tell(&id, &name, Fate::Pushed, "", around.desk),
            DeskNews::NotPushed(id, why) => {
                around.log.line(&format!("a notice was not posted for \"{name}\": {why}"));
                self.tell(&id, &name, Fate::NotPushed, &why, around.desk);
            }
            DeskNews::Dropped(id) => {
                let why = "too many newer notices wait, or it is too old";
                self.tell(&id, &name, Fate::Dropped, why, around.desk);
            }
            DeskNews::Subscribed(subscription) => {
                let subscription = subscription.map(|subscription| *subscription);
                let kept = changed(phone, subscription, around.state);
                let what = match &kept {
                    Ok(Some(_)) => "is reached by Web Push too".to_owned(),
                    Ok(None) => "is not reached by Web Push".to_owned(),
                    Err(why) => format!("gave a subscription to Web Push that is not used: {why}"),
                };
                let line = phone.told.line(format!("\"{name}\" {what}"), Instant::now());
                line.iter().for_each(|line| around.log.line(&harmless(line)));
                phone.notices.set_subscription(kept);
            }
            DeskNews::Unsubscribed => {
                around.log.line(&format!("the push service does not know \"{name}\" any more"));
                if let Err(error) = phone.file.set_push(None) {
                    around.log.line(&error.to_string());
                }
            }
        }
    }

    fn tell(&self, id: &str, phone: &str, fate: Fate, why: &str, desk: &mut Desk) {
        for (command, _) in self.watched.iter().filter(|(_, watched)| *watched == id) {
            let (phone, why) = (phone.to_owned(), harmless(why));
            desk.tell(*command, &FromAgent::Notified { phone, fate, why });
        }
    }

    fn post_if_due(&self, key: PhoneKey, phone: &mut Phone, around: &mut Around<'_>) {
        let Some(job) = phone.notices.next_push() else { return };
        let (sender, desk, state) = (Arc::clone(&self.sender), phone.desk.clone(), around.state.to_owned());
        let post = move || match services(&state) {
            Ok(services) => sender.send(&job, &desk, &services),
            Err(why) => PushOutcome::Refused(why),
        };
        if !around.chores.post(key, post) {
            // Without a thread it is tried again later.
            phone.notices.on_push(PushOutcome::Later(None));
        }
    }

    /// The command is gone: nobody wants to hear of its notice.
    pub(super) fn forget_command(&mut self, command: Token) {
        self.watched.remove(&command);
    }
}

/// Raises a notice at the phones that are meant; gives their names.
fn raise_at(phones: &mut Phones, notice: &Notice, is_meant: impl Fn(&Phone) -> bool) -> Vec<String> {
    let mut names = Vec::new();
    for (_, phone) in phones.all_mut().filter(|(_, phone)| phone.takes_notices() && is_meant(phone)) {
        phone.notices.raise(notice.clone());
        names.push(phone.file.name());
    }
    names
}

/// Checks a subscription and keeps it. Phones say it on each channel, so most often there is nothing new.
fn changed(
    phone: &mut Phone,
    subscription: Option<Subscription>,
    state: &Path,
) -> Result<Option<Subscription>, String> {
    if phone.file.push() != subscription && !phone.notices.admit_change(Instant::now()) {
        return Err("it was changed too often: wait a minute".to_owned());
    }
    keep(phone, checked(subscription, state)?)
}

/// Checks a subscription before it is kept. One that is taken back needs no check.
fn checked(subscription: Option<Subscription>, state: &Path) -> Result<Option<Subscription>, String> {
    if let Some(subscription) = &subscription {
        push::check(subscription, &services(state)?)?;
    }
    Ok(subscription)
}

fn keep(phone: &Phone, subscription: Option<Subscription>) -> Result<Option<Subscription>, String> {
    let kept = phone.file.set_push(subscription.as_ref());
    kept.map(|()| subscription).map_err(|error| error.to_string())
}

/// The push services of the profile, as it is now.
fn services(state: &Path) -> Result<Services, String> {
    let profile = Profile::load(state).context("the push services are not known");
    let profile = profile.map_err(|error| format!("{error:#}"))?;
    Services::of(&profile.map(|profile| profile.push_services).unwrap_or_default())
}
