//! One channel of an end: who opened it, whether it was accepted, and its two directions.

use super::control::Control;
use super::flow::{Inflow, Outflow};
use super::kind::Kind;

/// A channel that is not gone.
pub(super) struct Channel {
    pub(super) kind: Kind,
    state: State,
    pub(super) out: Outflow,
    pub(super) inn: Inflow,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// This end opened it. The parameters are gone once `open` is sent.
    Opening(Option<String>),
    /// The other end opened it, and this end has not answered.
    Asked,
    /// This end has accepted it. The parameters are gone once `accept` is sent.
    Accepting(Option<String>),
    /// The other end has accepted it.
    Accepted,
}

impl Channel {
    /// One that this end opens.
    pub(super) fn opening(kind: Kind, params: &str) -> Self {
        Self::new(kind, State::Opening(Some(params.to_owned())))
    }

    /// One that the other end opens, with its credit.
    pub(super) fn asked(kind: Kind, out: Outflow) -> Self {
        Channel { out, ..Self::new(kind, State::Asked) }
    }

    fn new(kind: Kind, state: State) -> Self {
        Channel { kind, state, out: Outflow::new(kind.class()), inn: Inflow::new(kind.credit()) }
    }

    /// This end accepts it. False if there is nothing to accept.
    pub(super) fn accept(&mut self, params: &str) -> bool {
        let is_asked = self.is_asked();
        if is_asked {
            self.state = State::Accepting(Some(params.to_owned()));
        }
        is_asked
    }

    /// The other end accepts it. False if it was not asked, or has answered.
    pub(super) fn on_accept(&mut self) -> bool {
        let is_asked = self.state == State::Opening(None);
        if is_asked {
            self.state = State::Accepted;
        }
        is_asked
    }

    /// True if this end has not answered yet.
    pub(super) fn is_asked(&self) -> bool {
        self.state == State::Asked
    }

    /// True if `open` was sent, and is not answered.
    pub(super) fn is_unanswered(&self) -> bool {
        self.state == State::Opening(None)
    }

    /// True if the other end has not heard of it.
    pub(super) fn is_untold(&self) -> bool {
        matches!(self.state, State::Opening(Some(_)))
    }

    /// True if data may go both ways.
    pub(super) fn is_accepted(&self) -> bool {
        matches!(self.state, State::Accepting(_) | State::Accepted)
    }

    /// True if both directions are over.
    pub(super) fn is_over(&self) -> bool {
        self.out.is_over() && self.inn.is_ended()
    }

    /// The channel's next control message. All of them go before its data.
    pub(super) fn poll_control(&mut self, ch: u32) -> Option<Control> {
        let (inn, kind) = (&mut self.inn, self.kind);
        match &mut self.state {
            State::Opening(params @ Some(_)) => {
                let params = params.take()?;
                let credit = inn.grant_window();
                Some(Control::Open { ch, kind: kind.as_str().to_owned(), credit, params })
            }
            State::Accepting(params @ Some(_)) => {
                let params = params.take()?;
                Some(Control::Accept { ch, credit: inn.grant_window(), params })
            }
            _ => inn.poll_credit(kind.class()).map(|n| Control::Credit { ch, n }),
        }
    }
}
