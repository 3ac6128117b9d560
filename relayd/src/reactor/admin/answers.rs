//! What operators ask of the node, and the answers.

use protocol::ids::SessionId;
use relayd_core::event::Input;
use relayd_core::store::{Conn, Deleted};

use super::{Asked, Job, LOOKS_PER_TURN, SURVEY_EVERY};
use crate::admin::pages::{self, Node};
use crate::admin::survey::ConnectionRow;
use crate::http::admin::{self, AdminCall, HashDigits, NotKilled};
use crate::http::{Answered, Context, Reply};
use crate::metrics::CONTENT_TYPE;
use crate::reactor::Reactor;
use crate::signals;

/// Other nodes that a page shows at most.
const NODES_MAX: usize = 100;

/// The slot of tickets that belong to no connection of a client.
const KILL_SLOT: u32 = u32::MAX;

impl AdminCall {
    /// Whose sessions the survey must find.
    pub(super) fn digits(&self) -> HashDigits {
        match self {
            AdminCall::Look { digits, .. } => digits.clone(),
            AdminCall::Kill(hash) => HashDigits::parse(&hash.to_string()).unwrap_or_default(),
            AdminCall::Ready | AdminCall::Metrics | AdminCall::Drain => HashDigits::default(),
        }
    }
}

impl Reactor {
    /// Gives operators their part of the turn.
    pub(in crate::reactor) fn serve_admin(&mut self) {
        let now = self.clock.now();
        if !self.admin.has_more() && self.admin.next_due().is_none_or(|due| due > now) {
            return;
        }
        for asked in self.admin.serve(self.poll.registry(), self.clock.date(), now) {
            self.on_asked(asked);
        }
        self.admin.begin_job(now);
        if let Some(mut job) = self.admin.job.take() {
            match self.survey(&mut job) {
                true => self.end_job(job),
                false => self.admin.job = Some(job),
            }
        }
    }

    /// The store answered the delete of a session that was to be killed.
    pub(in crate::reactor) fn on_killed(&mut self, ticket: Conn, outcome: &Deleted) {
        let Some(asked) = self.admin.take_killing(ticket) else { return };
        let AdminCall::Kill(hash) = asked.call else { return };
        match outcome {
            Deleted::Gone { .. } => {
                self.metrics.deletes += 1;
                tracing::info!(session = %hash.tag(), "a session was ended by relayctl");
                self.answer_admin(&asked, admin::killed);
            }
            Deleted::Away => self.refuse_kill(&asked, NotKilled::StoreAway),
            Deleted::Before { .. } | Deleted::Missing => self.refuse_kill(&asked, NotKilled::Unknown),
        }
    }

    fn on_asked(&mut self, asked: Asked) {
        match asked.call {
            AdminCall::Look { .. } | AdminCall::Kill(_) => self.admin.asked.push_back(asked),
            AdminCall::Ready => {
                let readiness = self.readiness();
                let state = readiness.as_ref().map(String::as_str).map_err(String::as_str);
                self.answer_admin(&asked, |reply, context, out| reply.ready(context, state, out));
            }
            AdminCall::Metrics => {
                let text = self.metrics_text();
                self.answer_admin(&asked, |reply, context, out| {
                    reply.metrics(context, CONTENT_TYPE, &text, out)
                });
            }
            AdminCall::Drain => {
                tracing::info!("relayctl asks for a drain");
                match signals::stop_this_process() {
                    Ok(()) => self.answer_admin(&asked, admin::told_to_drain),
                    Err(error) => tracing::error!(%error, "the drain could not be begun"),
                }
            }
        }
    }

    /// Looks at some more connections. True once all were seen.
    fn survey(&mut self, job: &mut Job) -> bool {
        let (now, slots) = (self.clock.now(), self.relay.slots());
        let end = slots.min(job.at + LOOKS_PER_TURN);
        for slot in job.at..end {
            let Some(view) = self.relay.connection_view(slot, now) else { continue };
            let queued = self.conns.outbound(view.conn).queued();
            job.survey.note(ConnectionRow { view, queued }, self.relay.session_view(view.conn, now));
        }
        job.at = end;
        end == slots
    }

    fn end_job(&mut self, Job { survey, asked, .. }: Job) {
        self.admin.next_job_at = self.clock.now() + SURVEY_EVERY;
        let (node, found) = (self.node_for_pages(), survey.finish());
        for asked in asked {
            match asked.call {
                AdminCall::Look { topic, format, .. } => {
                    let text = pages::make(topic, &node, &found).write(format);
                    self.answer_admin(&asked, |reply, context, out| {
                        admin::page(reply, context, format, &text, out)
                    });
                }
                _ => match found.sessions.first() {
                    Some(view) => self.kill(view.session, asked),
                    None => self.refuse_kill(&asked, NotKilled::Unknown),
                },
            }
        }
    }

    /// Ends a session as its own delete does: on every node, and for good.
    fn kill(&mut self, session: SessionId, asked: Asked) {
        let ticket = Conn { slot: KILL_SLOT, name: asked.name };
        self.admin.killing.push((ticket, asked));
        self.handle(Input::Delete { ticket, session, token: None });
    }

    fn refuse_kill(&mut self, asked: &Asked, why: NotKilled) {
        self.answer_admin(asked, |reply, context, out| admin::refuse(reply, context, why, out));
    }

    fn answer_admin(
        &mut self,
        asked: &Asked,
        write: impl FnOnce(Reply, &Context<'_>, &mut Vec<u8>) -> Answered,
    ) {
        let policy = admin::policy();
        let context = Context { policy: &policy, date: self.clock.date() };
        if let Some(peer) = self.admin.peer_mut(asked) {
            let now = self.clock.now();
            peer.answer(|out| write(asked.reply, &context, out), now);
            // At once: the process may end after this turn.
            peer.write_now(now);
            self.admin.is_ready = true;
        }
    }

    fn node_for_pages(&mut self) -> Node {
        let now = self.clock.now();
        Node {
            id: self.relay.node(),
            uptime: self.clock.uptime(),
            store: self.backend.kind(),
            unready: self.readiness().err(),
            http_connections: self.conns.len().saturating_sub(self.relay.connections()),
            waiting: self.acceptor.as_ref().map_or(0, |acceptor| acceptor.waiting.len()),
            buffers: (self.conns.pool.lent(), self.settings.limits.memory_max),
            closes: self.admin.closes.counts(now),
            nodes: self.relay.node_views().take(NODES_MAX).collect(),
            nodes_all: self.relay.node_counts().nodes,
        }
    }
}
